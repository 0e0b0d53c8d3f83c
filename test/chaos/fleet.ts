/** One installation of several processes, any of which is killed and started again while the others go on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoProgram, Program } from '../harness/program.ts';
import { startProgram } from '../harness/program.ts';

export type MemberName = 'serve' | 'api' | 'worker 1' | 'worker 2';

export interface Fleet {
  names: MemberName[];
  /** Where the API answers just now; empty while both of its processes are down. */
  urls(): string[];
  sandboxUrl(): string;
  /** kill -9, and a new start after `pauseMs`. `serve` takes the sandbox's process with it, and leaves it its file. */
  strike(name: MemberName, pauseMs: number): Promise<void>;
  /** Everything all of them have written. */
  output(): string;
  stop(): Promise<void>;
}

export async function startFleet(first: DemoProgram, names: MemberName[]): Promise<Fleet> {
  const env = {
    DATABASE_URL: first.database.url,
    OPENCHAIR_DATA: first.dataDir,
    OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS: 'on',
  };
  const running = new Map<MemberName, Program | null>([['serve', first]]);
  const ended: string[] = [];
  const start = async (name: MemberName) => {
    const command = name.split(' ')[0] as 'serve' | 'api' | 'worker';
    running.set(name, await startProgram(command, env));
  };
  await Promise.all(names.filter((name) => name !== 'serve').map(start));
  return {
    names,
    urls: () => [...running.values()].flatMap((program) => (program?.url ? [program.url] : [])),
    sandboxUrl: () => JSON.parse(readFileSync(join(first.dataDir, 'demo.json'), 'utf8')).sandbox_url,
    async strike(name, pauseMs) {
      const program = running.get(name);
      if (!program) return;
      running.set(name, null);
      await program.kill();
      ended.push(program.output());
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await start(name);
    },
    output: () => [...ended, ...[...running.values()].map((program) => program?.output() ?? '')].join('\n'),
    async stop() {
      await Promise.all([...running.values()].map((program) => program?.stop()));
    },
  };
}
