/** Moving an appointment, and making an alert, while the practice fails in its ways. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { bookSlot, endedWrite, openSlots, writesOf } from '../harness/booking.ts';
import { type Body, client, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;
const PATIENCE_MS = 35_000;

before(async () => {
  program = await startDemoProgram();
});

afterEach(() => program.sandbox('DELETE', '/faults'));

after(() => program?.end());

const spanOf = (slot: Body) => ({ start_time: slot.time, end_time: slot.end_time });
const patch = (id: number, appt: object) =>
  client(program.url, program.demo.api_key, 'v3.0.0')(
    'PATCH',
    `/appointments/${id}?subdomain=${program.demo.subdomain}`,
    {
      appt,
    },
  );
const show = async (id: number): Promise<Body> =>
  (await program.api('GET', `/appointments/${id}?subdomain=${program.demo.subdomain}`)).body.data;
const visitOf = async (foreignId: string): Promise<Body> =>
  (await program.sandbox('GET', `/v1/visits/${foreignId}`)).body;

/** An appointment that the practice has, and two open times that do not touch it. */
async function standing(): Promise<{ id: number; foreignId: string; from: Body; to: Body; other: Body }> {
  const [from, to, other] = (await openSlots(program)).filter((_, n) => n % 2 === 0);
  const { status, body } = await bookSlot(program, from as Body);
  assert.equal(status, 201, JSON.stringify(body));
  const { id } = body.data.appt;
  assert.equal((await until('the booking', () => endedWrite(program, id))).state, 'complete');
  const { foreign_id: foreignId } = await show(id);
  return { id, foreignId, from: from as Body, to: to as Body, other: other as Body };
}

async function eventsOf(id: number): Promise<Body[]> {
  const { body } = await program.api('GET', `/events?subdomain=${program.demo.subdomain}&per_page=1000`);
  return body.data.filter(
    (event: Body) => event.event_name.startsWith('appointment_updated') && event.data.appointment.id === id,
  );
}

const sameInstant = (one: string, other: string) => assert.equal(Date.parse(one), Date.parse(other));

/** Each fault meets the move itself. */
const CASES: Record<string, { fault: Record<string, unknown>; attempts: number; state: string }> = {
  'done, and the reply lost': { fault: { fault: 'lose_reply' }, attempts: 1, state: 'complete' },
  'done, and answered with 500': { fault: { fault: 'error_after_work' }, attempts: 1, state: 'complete' },
  'no answer, nothing done': { fault: { fault: 'hang' }, attempts: 2, state: 'complete' },
  'off, and off again': { fault: { fault: 'off', times: 2 }, attempts: 3, state: 'complete' },
  '"yes", and nothing done': { fault: { fault: 'lie_ok' }, attempts: 2, state: 'complete' },
  refused: { fault: { fault: 'refuse', reason: 'room_taken' }, attempts: 1, state: 'failed' },
};

for (const [name, { fault, attempts, state }] of Object.entries(CASES)) {
  test(`a move that meets "${name}" ends in one truth`, async () => {
    const { id, foreignId, from, to } = await standing();
    await program.sandbox('POST', '/faults', { match: 'write', times: 1, ...fault });
    const { status, body } = await patch(id, { ...spanOf(to), note: 'bring x-rays' });
    assert.equal(status, 200, JSON.stringify(body));
    sameInstant(body.data.appt.start_time, to.time);
    const write = await until('the move to end', () => endedWrite(program, id), PATIENCE_MS);
    assert.deepEqual([write.kind, write.state, write.attempts], ['update', state, attempts], JSON.stringify(write));
    await program.sandbox('DELETE', '/faults');

    const [shown, visit] = [await show(id), await visitOf(foreignId)];
    const kept = state === 'complete' ? to : from;
    sameInstant(visit.start, kept.time);
    sameInstant(shown.start_time, kept.time);
    assert.equal(shown.note, visit.note);
    const [event, ...others] = await eventsOf(id);
    assert.deepEqual(others, []);
    assert.equal(event.event_name, state === 'complete' ? 'appointment_updated' : 'appointment_updated.failed');
    sameInstant(event.data.previous_attributes.start_time, from.time);
    const open = (await openSlots(program)).map((slot) => Date.parse(slot.time));
    assert.equal(open.includes(Date.parse(from.time)), state === 'complete', 'the old time is free once it was left');
    assert.equal(open.includes(Date.parse(to.time)), state !== 'complete');
  });
}

test('staff who move it at the same moment have the last word, and nothing is sent over theirs', async () => {
  const { id, foreignId, to, other } = await standing();
  await program.sandbox('POST', '/faults', { fault: 'lose_reply', match: '/v1/visits', times: 1 });
  await patch(id, spanOf(to));
  await until('the answer to be lost', async () => (await writesOf(program, id)).at(-1)?.state === 'settling');
  const { time: start, end_time: end } = other;
  const staff = await program.sandbox('POST', `/desk/visits/${foreignId}/move`, {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
  });
  assert.equal(staff.status, 200, JSON.stringify(staff.body));
  const write = await until('the move to end', () => endedWrite(program, id), PATIENCE_MS);
  assert.deepEqual([write.state, write.reason_code, write.attempts], ['failed', 'overtaken', 1]);
  sameInstant((await visitOf(foreignId)).start, start);
  sameInstant((await show(id)).start_time, start);
});

test('staff who move it while the practice takes no writes, and what is asked for, end in one truth', async () => {
  const { id, foreignId, to, other } = await standing();
  await program.sandbox('POST', '/faults', { fault: 'off', match: 'write' });
  await patch(id, spanOf(to));
  await until('a try', async () => (await writesOf(program, id)).at(-1)?.states.length > 1);
  const [start, end] = [new Date(other.time).toISOString(), new Date(other.end_time).toISOString()];
  const staff = await program.sandbox('POST', `/desk/visits/${foreignId}/move`, { start, end });
  assert.equal(staff.status, 200, JSON.stringify(staff.body));
  await program.sandbox('DELETE', '/faults');
  const write = await until('the move to end', () => endedWrite(program, id), PATIENCE_MS);
  const truth = write.state === 'complete' ? to : other;
  sameInstant((await visitOf(foreignId)).start, truth.time);
  await until('the same truth', async () => Date.parse((await show(id)).start_time) === Date.parse(truth.time));
});

test('kill -9 between "sent" and "recorded": moved once', async () => {
  const { id, foreignId, to } = await standing();
  await program.sandbox('POST', '/faults', { fault: 'slow_reply', ms: 5_000, match: 'write', times: 1 });
  await patch(id, spanOf(to));
  await until('the move to be sent', async () => (await writesOf(program, id)).at(-1)?.state === 'sent', 5_000);
  await program.kill();
  program = await program.restart();
  await program.sandbox('DELETE', '/faults');
  const write = await until('the move to end', () => endedWrite(program, id), PATIENCE_MS);
  assert.deepEqual([write.state, write.attempts], ['complete', 1], JSON.stringify(write));
  sameInstant((await visitOf(foreignId)).start, to.time);
  assert.equal((await eventsOf(id)).length, 1);
});

test('an alert whose reply is lost is in the practice once, and its disabling too', async () => {
  const { api, demo, sandbox } = program;
  const of = `subdomain=${demo.subdomain}`;
  const path = `/patients/${demo.patient_ids[0]}/alerts`;
  await sandbox('POST', '/faults', { fault: 'lose_reply', match: '/v1/alerts', times: 1 });
  const made = await api('POST', `${path}?${of}`, { patient_alert: { note: 'Afraid of flows' } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const alertPath = `${path}/${made.body.data.id}`;
  const ended = async () => {
    const last = (await api('GET', `${alertPath}/writes?${of}`)).body.data.at(-1);
    return last.finished_at ? last : null;
  };
  const write = await until('the alert to be written', ended, PATIENCE_MS);
  assert.deepEqual([write.kind, write.state, write.attempts], ['create_alert', 'complete', 1]);
  const copies = async () =>
    (await sandbox('GET', '/v1/alerts?limit=1000')).body.items.filter((one: Body) => one.note === 'Afraid of flows');
  assert.equal((await copies()).length, 1);

  await sandbox('POST', '/faults', { fault: 'error_after_work', match: '/v1/alerts', times: 1 });
  const disabled = await api('PATCH', `${alertPath}?${of}`, { patient_alert: { disabled: true } });
  assert.equal(disabled.status, 200);
  const change = await until('the change', ended, PATIENCE_MS);
  assert.deepEqual([change.kind, change.state], ['change_alert', 'complete']);
  assert.notEqual((await copies())[0].off_since, null);
  const listed = (await api('GET', `${path}?${of}`)).body.data;
  assert.ok(!listed.some((one: Body) => one.note === 'Afraid of flows'));
});
