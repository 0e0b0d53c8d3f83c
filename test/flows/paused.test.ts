import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bookFrom, endedWrite, insertionEventsOf, openAroundTheClock, visitsStartingAt } from '../harness/booking.ts';
import { type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;

const MINUTE_MS = 60_000;

before(async () => {
  program = await startDemoProgram();
  await openAroundTheClock(program);
});

after(() => program?.end());

const bookSoon = (inMs: number, over?: object) => bookFrom(program, inMs, over);
const insertionsOf = (id: number) => insertionEventsOf(program, id);
const visitsAt = (start: string) => visitsStartingAt(program, start);

async function setPaused(paused: boolean): Promise<void> {
  const [connection] = (await program.admin('GET', '/admin/connections')).body.data;
  const set = await program.admin('PATCH', `/admin/connections/${connection.id}`, { connection: { paused } });
  assert.equal(set.status, 200);
}

test('a paused connection: timed_out at the start and not before, nothing sent, and what has time goes out later', async () => {
  await setPaused(true);
  const later = await bookSoon(20 * MINUTE_MS);
  const appt = await bookSoon(2_500);
  const write = await until('the end', () => endedWrite(program, appt.id), 10_000);
  const startMs = Date.parse(appt.start_time);
  assert.ok(Date.parse(write.finished_at) >= startMs, 'not before the start');
  assert.ok(Date.parse(write.finished_at) < startMs + 3_000, 'punctually');
  assert.deepEqual([write.state, write.reason_code, write.attempts], ['timed_out', 'connection_paused', 0]);
  assert.deepEqual(await insertionsOf(appt.id), ['appointment_insertion.timed_out']);
  assert.equal(await endedWrite(program, later.id), null);
  await setPaused(false);
  const sent = await until('what has rested', () => endedWrite(program, later.id));
  assert.equal(sent.state, 'complete');
  assert.deepEqual(await visitsAt(appt.start_time), []);
  assert.deepEqual(await insertionsOf(appt.id), ['appointment_insertion.timed_out']);
});

test('paused while an answer is out: incomplete at the start, because nobody may look', async () => {
  await program.sandbox('POST', '/faults', { fault: 'lose_reply', match: 'write', times: 1 });
  // Of another provider, because the time stays taken.
  const appt = await bookSoon(5_000, { provider_id: program.demo.provider_ids[1] });
  await until('the write to be lost', async () => {
    const { body } = await program.api('GET', `/appointments/${appt.id}/writes?subdomain=${program.demo.subdomain}`);
    return ['unknown', 'settling'].includes(body.data[0].state);
  });
  await setPaused(true);
  const write = await until('the end', () => endedWrite(program, appt.id), 15_000);
  assert.ok(Date.parse(write.finished_at) >= Date.parse(appt.start_time));
  assert.deepEqual([write.state, write.reason_code], ['incomplete', 'outcome_unknown']);
  await setPaused(false);
  await until(
    'the adoption',
    async () => {
      const { body } = await program.api('GET', `/appointments/${appt.id}?subdomain=${program.demo.subdomain}`);
      return body.data.foreign_id !== null;
    },
    20_000,
  );
  assert.equal((await visitsAt(appt.start_time)).length, 1);
});
