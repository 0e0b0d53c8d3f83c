/**
 * `npm run bench [name…]`: what the program does, against what was promised and against a stated rival in the same
 * run. A target that is missed is said, not punished: the exit code is 1 only when something could not be measured.
 */
import { cpus, loadavg } from 'node:os';
import { type Figure, isMet, tableOf } from './figure.ts';
import { startBenchServer } from './server.ts';

const BENCHES: Record<string, () => Promise<{ measure(): Promise<Figure[]> }>> = {
  reads: () => import('./reads.ts'),
  slots: () => import('./slots.ts'),
  bookings: () => import('./bookings.ts'),
  races: () => import('./races.ts'),
  ingest: () => import('./ingest.ts'),
  hl7: () => import('./hl7.ts'),
  fhir: () => import('./fhir.ts'),
  webhooks: () => import('./webhooks.ts'),
  start: () => import('./start.ts'),
};

const load = () =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');

const asked = process.argv.slice(2);
const stranger = asked.find((name) => !(name in BENCHES));
if (stranger !== undefined) {
  console.error(`There is no bench "${stranger}"; there are ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(1);
}

console.log(`${cpus().length} cores, load average before: ${load()}`);
console.log(
  'Embedded PostgreSQL with fsync on: every commit waits for the disk. Client, server and database share the machine.',
);
const figures: Figure[] = [];
const unmeasured: string[] = [];
const startedMs = performance.now();
const stopServer = await startBenchServer();
try {
  for (const name of asked.length > 0 ? asked : Object.keys(BENCHES)) {
    const benchStartedMs = performance.now();
    try {
      // Loaded only now: the harness they use looks for the shared server when it is loaded.
      const bench = await BENCHES[name]?.();
      figures.push(...((await bench?.measure()) ?? []));
    } catch (error) {
      process.exitCode = 1;
      unmeasured.push(name);
      console.error(`${name} could not be measured:`, error);
    }
    console.log(`${name}: ${((performance.now() - benchStartedMs) / 1000).toFixed(1)} s`);
  }
} finally {
  await stopServer();
}
console.log(`\n${tableOf(figures)}\n`);
const missed = figures.filter((figure) => isMet(figure) === false).map(({ name }) => name);
console.log(missed.length > 0 ? `MISSED: ${missed.join('; ')}` : 'No target was missed.');
if (unmeasured.length > 0) console.log(`NOT MEASURED: ${unmeasured.join(', ')}`);
console.log(`${((performance.now() - startedMs) / 1000).toFixed(0)} s, load average after: ${load()}`);
