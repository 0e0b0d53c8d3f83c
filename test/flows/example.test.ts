/** The example app against the real program: what a newcomer runs first. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type DemoProgram, startDemoProgram } from '../harness/program.ts';

const APP = fileURLToPath(new URL('../../examples/booking/app.ts', import.meta.url));

let program: DemoProgram;
before(async () => {
  program = await startDemoProgram();
});
after(() => program.end());

test('the booking example books, verifies the webhook and tells what happened, twice over', async () => {
  const run = () =>
    promisify(execFile)(process.execPath, [APP, join(program.dataDir, 'demo.json')], { timeout: 30_000 });
  const numbers = [];
  for (const { stdout } of [await run(), await run()]) {
    const said = /^Asked for \S+\.\nappointment_insertion\.complete: it has the number (\d+) in the practice\n$/.exec(
      stdout,
    );
    assert.ok(said, stdout);
    numbers.push(said[1]);
  }
  const { body: visit } = await program.sandbox('GET', `/v1/visits/${numbers[0]}`);
  assert.equal(visit.state, 'scheduled');
  assert.notEqual(numbers[0], numbers[1], 'the second run books another time, for the same patient');
  const { body: found } = await program.sandbox('GET', '/v1/patients?last_name=Field&birth_date=1990-02-03');
  assert.equal(found.items.length, 1);
});

test('it stays short', () => {
  assert.ok(readFileSync(APP, 'utf8').split('\n').length < 60);
});
