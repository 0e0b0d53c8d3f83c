import type { Logger } from '../logger.ts';
import { isDatabaseAway } from '../store/database.ts';
import type { Channel, Wakeups } from './wakeups.ts';

/** A piece of work that has been claimed, under a lease, by whoever returned it. Runs once. */
export type Job = (signal: AbortSignal) => Promise<void>;

export interface Loop {
  /**
   * Takes no more work and waits for what runs, at most `graceMs`; then aborts it. Work that is cut off is taken
   * up by another worker when its lease ends.
   */
  stop(graceMs: number): Promise<void>;
}

const AFTER_ERROR_MS = 1_000;

/**
 * Claims and runs jobs, at most `concurrency` at a time, until stopped. Looks for work when woken on `channel`,
 * when a job ends, and every `pollMs` in any case.
 *
 * `claim` takes one job that is due, or null when there is none; it must be safe to call in several processes.
 * A job that throws is logged by name and error code; what it leaves behind is the business of its lease.
 */
export function startLoop(options: {
  name: string;
  channel: Channel;
  concurrency: number;
  pollMs: number;
  wakeups: Wakeups;
  log: Logger;
  claim: () => Promise<Job | null>;
}): Loop {
  const { name, concurrency, pollMs, wakeups, log, claim } = options;
  const running = new Set<Promise<void>>();
  const aborting = new AbortController();
  let stopped = false;
  let hinted = false;
  let endSleep: (() => void) | null = null;

  const rouse = () => {
    hinted = true;
    endSleep?.();
  };
  const unlisten = wakeups.on(options.channel, rouse);

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        endSleep = null;
        resolve();
      }
      endSleep = done;
    });

  function report(error: unknown, what: string): void {
    if (aborting.signal.aborted) return;
    const { code, name: errorName, stack } = error as { code?: string; name?: string; stack?: string };
    if (isDatabaseAway(error)) log.warn({ loop: name, code }, `${what}: the database is away`);
    else log.error({ loop: name, code, errorName, stack }, what);
  }

  function start(job: Job): void {
    const run: Promise<void> = job(aborting.signal)
      .catch((error) => report(error, 'a job failed'))
      .finally(() => {
        running.delete(run);
        rouse();
      });
    running.add(run);
  }

  async function pump(): Promise<void> {
    while (!stopped) {
      hinted = false;
      let idleMs = pollMs;
      if (running.size < concurrency) {
        try {
          const job = await claim();
          if (job) {
            start(job);
            continue;
          }
        } catch (error) {
          report(error, 'no work could be claimed');
          idleMs = AFTER_ERROR_MS;
        }
      }
      if (!hinted && !stopped) await sleep(idleMs);
    }
  }

  const pumping = pump();

  return {
    async stop(graceMs) {
      stopped = true;
      unlisten();
      endSleep?.();
      await pumping;
      const timer = setTimeout(() => aborting.abort(), graceMs);
      await Promise.all(running);
      clearTimeout(timer);
    },
  };
}
