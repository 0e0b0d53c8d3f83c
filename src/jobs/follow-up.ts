import { setTimeout as sleep } from 'node:timers/promises';

/** Under load somebody wakes `sync` many times a second, hardly ever because a connection has changed. */
const AT_MOST_EVERY_MS = 1_000;

export interface FollowUp {
  /** At once, or a second after it last began. */
  soon(): void;
  /** Waits for work that is under way; there is no more after it. */
  stop(): Promise<void>;
}

/** Runs `work` when asked, one at a time and at most once a second; asking many times meanwhile is asking once. */
export function followUp(work: () => Promise<void>, failed: (error: unknown) => void): FollowUp {
  const stopping = new AbortController();
  const { signal } = stopping;
  let lastMs = Number.NEGATIVE_INFINITY;
  let asked = false;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (asked) {
      await sleep(Math.max(0, lastMs + AT_MOST_EVERY_MS - performance.now()), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      asked = false;
      lastMs = performance.now();
      await work().catch(failed);
    }
    running = null;
  }

  return {
    soon() {
      asked = true;
      if (!signal.aborted) running ??= run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
