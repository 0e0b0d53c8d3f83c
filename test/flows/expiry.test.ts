import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { bookFrom, endedWrite, insertionEventsOf, openAroundTheClock, visitsStartingAt } from '../harness/booking.ts';
import { type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;

const MINUTE_MS = 60_000;

before(async () => {
  program = await startDemoProgram();
  await openAroundTheClock(program);
});

afterEach(() => program.sandbox('DELETE', '/faults'));

after(() => program?.end());

const bookSoon = (inMs: number, over?: object) => bookFrom(program, inMs, over);
const insertionsOf = (id: number) => insertionEventsOf(program, id);
const visitsAt = (start: string) => visitsStartingAt(program, start);

test('an HRS that is off until the start: timed_out once, and never sent afterwards', async () => {
  await program.sandbox('POST', '/faults', { fault: 'off', match: 'write' });
  const appt = await bookSoon(3_000);
  const write = await until('the end', () => endedWrite(program, appt.id), 15_000);
  assert.ok(Date.now() >= Date.parse(appt.start_time), 'not before the start');
  assert.equal(write.state, 'timed_out', JSON.stringify(write));
  assert.equal(write.reason_code, 'hrs_unreachable');
  assert.equal(write.retryable, true);
  await program.sandbox('DELETE', '/faults');
  // Another booking goes through meanwhile: the worker is at work, and leaves the expired one alone.
  const later = await bookSoon(10 * MINUTE_MS);
  await until('the other booking', () => endedWrite(program, later.id));
  assert.deepEqual(await visitsAt(appt.start_time), []);
  assert.deepEqual(await insertionsOf(appt.id), ['appointment_insertion.timed_out']);
});

test('a booking that waits for its patient to be written by another one ends at its start all the same', async () => {
  const { api, demo, sandbox } = program;
  const created = await api('POST', `/patients?subdomain=${demo.subdomain}&location_id=${demo.location_id}`, {
    provider: { provider_id: demo.provider_ids[0] },
    patient: {
      first_name: 'Wait',
      last_name: 'Testwood',
      email: 'wait@example.com',
      bio: { date_of_birth: '1990-02-03', phone_number: '2125550179' },
    },
  });
  const patient_id = created.body.data.user.id;
  await sandbox('POST', '/faults', { fault: 'off', match: 'write' });
  const first = await bookSoon(30 * MINUTE_MS, { patient_id });
  const second = await bookSoon(2_500, { patient_id });
  const write = await until('the end', () => endedWrite(program, second.id), 10_000);
  assert.deepEqual([write.state, write.attempts], ['timed_out', 0]);
  await sandbox('DELETE', '/faults');
  const sent = await until('the first', () => endedWrite(program, first.id), 20_000);
  assert.equal(sent.state, 'complete');
});

test('a new patient whose writing takes until the start: the appointment does not follow', async () => {
  const { api, demo, sandbox } = program;
  const created = await api('POST', `/patients?subdomain=${demo.subdomain}&location_id=${demo.location_id}`, {
    provider: { provider_id: demo.provider_ids[0] },
    patient: {
      first_name: 'Late',
      last_name: 'Testwood',
      email: 'late@example.com',
      bio: { date_of_birth: '1991-03-04', phone_number: '2125550178' },
    },
  });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  await sandbox('POST', '/faults', { fault: 'slow', ms: 3_500, match: 'write', times: 1 });
  const appt = await bookSoon(2_500, { patient_id: created.body.data.user.id });
  const write = await until('the end', () => endedWrite(program, appt.id), 15_000);
  assert.equal(write.state, 'timed_out', JSON.stringify(write));
  assert.deepEqual(await visitsAt(appt.start_time), []);
});

test('an answer that was lost and cannot be looked up by the start: incomplete, never a guess', async () => {
  await program.sandbox('POST', '/faults', { fault: 'lose_reply', match: 'write', times: 1 });
  // Between its look before the write and the settling after it, the practice stops answering for good.
  const appt = await bookSoon(8_000);
  await until('the write to be lost', async () => {
    const { body } = await program.api('GET', `/appointments/${appt.id}/writes?subdomain=${program.demo.subdomain}`);
    return ['unknown', 'settling'].includes(body.data[0].state);
  });
  await program.sandbox('POST', '/faults', { fault: 'off', match: 'read' });
  const write = await until('the end', () => endedWrite(program, appt.id), 40_000);
  assert.equal(write.state, 'incomplete', JSON.stringify(write));
  assert.equal(write.reason_code, 'outcome_unknown');
  assert.deepEqual(await insertionsOf(appt.id), ['appointment_insertion.incomplete']);
  await program.sandbox('DELETE', '/faults');
  // It was there all along: the next pass adopts it, and nobody has been told anything wrong.
  await until(
    'the adoption',
    async () => {
      const { body } = await program.api('GET', `/appointments/${appt.id}?subdomain=${program.demo.subdomain}`);
      return body.data.foreign_id !== null;
    },
    30_000,
  );
  assert.equal((await visitsAt(appt.start_time)).length, 1);
});
