/** From `bin/openchair serve` to its word that it is ready: embedded database, demo practice and all. */
import { startProgram } from '../test/harness/program.ts';
import type { Figure } from './figure.ts';
import { residentMb } from './practice.ts';
import { makeDataDir, removeDataDir } from './server.ts';

const LATER_STARTS = 3;
const READY_MS = 3_000;

export async function measure(): Promise<Figure[]> {
  const dataDir = await makeDataDir();
  try {
    const startMs: number[] = [];
    const memory: number[] = [];
    for (let start = 0; start <= LATER_STARTS; start += 1) {
      const startedMs = performance.now();
      const program = await startProgram('serve', { OPENCHAIR_DATA: dataDir, LOG_LEVEL: 'warn' });
      startMs.push(performance.now() - startedMs);
      memory.push(residentMb(program.process.pid as number));
      await program.stop();
    }
    const [firstMs, ...laterMs] = startMs as [number, ...number[]];
    return [
      { name: 'serve ready, the first time', unit: 'ms', rounds: [firstMs] },
      { name: 'serve ready, later', unit: 'ms', rounds: laterMs, target: { atMost: READY_MS } },
      { name: 'memory of serve when ready', unit: 'MB', rounds: memory },
    ];
  } finally {
    await removeDataDir(dataDir);
  }
}
