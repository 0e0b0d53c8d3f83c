import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChaos } from './chaos.ts';

/** Without kills, whose leases and doubts take half a minute to run out: those are for `npm run chaos`. */
test('a few seconds in which a practice fails in every way leave everything as it must be', async () => {
  const { findings } = await runChaos({ seed: 7, durationMs: 4_000, apps: 3, members: ['serve'], kills: false });
  assert.deepEqual(findings, []);
});
