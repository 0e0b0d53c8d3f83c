import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { bookSlot, endedWrite } from '../harness/booking.ts';
import { type Body, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

before(async () => {
  program = await startDemoProgram();
  const { api, demo } = program;
  // Hours around the clock, today and on the days beside it: the bookings below begin in a few seconds.
  for (const days of [-1, 0, 1]) {
    const specific_date = new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
    const availability = { provider_id: demo.provider_ids[0], begin_time: '00:00', end_time: '24:00', specific_date };
    const made = await api('POST', `/availabilities?subdomain=${demo.subdomain}&location_id=${demo.location_id}`, {
      availability,
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
  }
});

afterEach(() => program.sandbox('DELETE', '/faults'));

after(() => program?.end());

/** Books a few minutes that begin `inMs` from now; each test takes other minutes. */
async function bookSoon(inMs: number, over: Record<string, unknown> = {}): Promise<Body> {
  const startMs = Date.now() + inMs;
  const slot = { time: new Date(startMs).toISOString(), end_time: new Date(startMs + 3 * MINUTE_MS).toISOString() };
  const { status, body } = await bookSlot(program, slot, over);
  assert.equal(status, 201, JSON.stringify(body));
  return body.data.appt;
}

async function insertionsOf(id: number): Promise<string[]> {
  const { body } = await program.api('GET', `/events?subdomain=${program.demo.subdomain}&per_page=1000`);
  const events = body.data as Body[];
  return events
    .filter((event) => event.event_name.startsWith('appointment_insertion') && event.data.appointment.id === id)
    .map((event) => event.event_name);
}

async function visitsAt(start: string): Promise<Body[]> {
  const { body } = await program.sandbox('GET', '/v1/visits?limit=1000');
  return body.items.filter((visit: Body) => Date.parse(visit.start) === Date.parse(start));
}

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
