/** `npm run chaos`: a minute of everything going wrong. `CHAOS_SEED` repeats a run, `CHAOS_SECONDS` makes it longer. */
import { shareServer, startTestServer } from '../harness/server.ts';

const seed = Number(process.env.CHAOS_SEED || Math.floor(Math.random() * 1_000_000));
const seconds = Number(process.env.CHAOS_SECONDS || 60);
console.log(`CHAOS_SEED=${seed}, ${seconds} s`);
const server = await startTestServer();
try {
  shareServer(server);
  // Only now: the harness looks for the shared server when it is loaded.
  const { runChaos } = await import('./chaos.ts');
  const { findings, notes } = await runChaos({
    seed,
    durationMs: seconds * 1_000,
    apps: 4,
    members: ['serve', 'api', 'worker 1', 'worker 2'],
    kills: true,
  });
  for (const note of notes) console.log(note);
  for (const finding of findings) console.log(`WRONG: ${finding}`);
  console.log(findings.length === 0 ? 'all is as it must be' : `${findings.length} findings; CHAOS_SEED=${seed}`);
  process.exitCode = findings.length === 0 ? 0 : 1;
} finally {
  await server.stop();
}
