import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ seed: SMALL_PRACTICE });
});
after(() => sandbox.stop());

let nextMinute = 0;
/** A time nobody else in this file uses. */
function freeMinute(): number {
  nextMinute += 60;
  return nextMinute;
}

async function refusal(method: string, path: string, body?: unknown) {
  const { status, body: answer } = await sandbox.call(method, path, body);
  return [status, answer.error];
}

test('a booked visit can be read back and found by its marker, which need not be unique', async () => {
  const first = await sandbox.call(
    'POST',
    '/v1/visits',
    booking(freeMinute(), { external_ref: 'same', note: 'Hello' }),
  );
  const second = await sandbox.call('POST', '/v1/visits', booking(freeMinute(), { external_ref: 'same' }));
  assert.equal(first.status, 201);
  assert.equal(first.body.state, 'scheduled');
  assert.equal(first.body.note, 'Hello');
  assert.deepEqual((await sandbox.call('GET', `/v1/visits/${first.body.id}`)).body, first.body);
  const found = await sandbox.call('GET', '/v1/visits?external_ref=same');
  assert.deepEqual(found.body, { items: [first.body, second.body], next: null, total: 2 });
});

test('a room takes one live visit at a time, a practitioner too, and neighbours in time are welcome', async () => {
  const minute = freeMinute();
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(minute));
  assert.deepEqual(await refusal('POST', '/v1/visits', booking(minute + 10, { practitioner_id: 12 })), [
    409,
    'room_taken',
  ]);
  assert.deepEqual(await refusal('POST', '/v1/visits', booking(minute + 10, { room_id: null })), [
    409,
    'practitioner_taken',
  ]);
  assert.equal((await sandbox.call('POST', '/v1/visits', booking(minute + 30))).status, 201);
  await sandbox.call('POST', `/v1/visits/${visit.id}/break`);
  assert.equal((await sandbox.call('POST', '/v1/visits', booking(minute))).status, 201);
  const insisted = await sandbox.call('POST', '/desk/visits', booking(minute + 10, { insist: true }));
  assert.equal(insisted.status, 201);
  assert.deepEqual(await refusal('POST', `/desk/visits/${visit.id}/restore`), [409, 'room_taken']);
});

test('a block takes its room and practitioner, and may itself lie over visits', async () => {
  const minute = freeMinute();
  await sandbox.call('POST', '/v1/visits', booking(minute));
  const { start, end } = booking(minute);
  const { status, body } = await sandbox.call('POST', '/v1/blocks', { site_id: 1, practitioner_id: 12, start, end });
  assert.equal(status, 201);
  const elsewhere = { practitioner_id: 12, room_id: null };
  assert.deepEqual(await refusal('POST', '/v1/visits', booking(minute, elsewhere)), [409, 'practitioner_taken']);
  await sandbox.call('DELETE', `/v1/blocks/${body.id}`);
  assert.equal((await sandbox.call('POST', '/v1/visits', booking(minute, elsewhere))).status, 201);
  assert.deepEqual(await refusal('POST', '/v1/blocks', { site_id: 1, start, end }), [422, 'bad_field']);
});

test('what does not fit is refused with its reason', async () => {
  const minute = freeMinute();
  const tries: [object, number, string][] = [
    [{ patient_id: 999 }, 404, 'unknown_patient'],
    [{ practitioner_id: 999 }, 404, 'unknown_practitioner'],
    [{ room_id: 999 }, 404, 'unknown_room'],
    [{ site_id: 999 }, 404, 'unknown_site'],
    [{ visit_code: 'NOPE' }, 404, 'unknown_code'],
    [{ room_id: 22 }, 422, 'room_closed'],
    [{ practitioner_id: 13 }, 422, 'practitioner_left'],
    [{ site_id: 2, practitioner_id: 12, room_id: 21 }, 422, 'wrong_site'],
    [{ site_id: 2, practitioner_id: 12, room_id: null }, 422, 'room_required'],
    [{ site_id: 2, room_id: 23 }, 422, 'wrong_site'],
    [{ end: booking(minute).start }, 422, 'bad_times'],
    [{ end: booking(minute + 24 * 60).start }, 422, 'bad_times'],
    [{ start: '2030-01-07 14:00' }, 422, 'bad_field'],
    [{ start: undefined }, 422, 'bad_field'],
    [{ note: 'x'.repeat(129) }, 422, 'note_too_long'],
    [{ insist: true }, 422, 'unknown_field'],
  ];
  const audit = await sandbox.call('GET', '/audit');
  for (const [fields, status, code] of tries) {
    assert.deepEqual(
      await refusal('POST', '/v1/visits', booking(minute, fields)),
      [status, code],
      JSON.stringify(fields),
    );
  }
  assert.equal((await sandbox.call('GET', '/audit')).body.total, audit.body.total);
});

test('names have the width of the printed form, and the id of a wrong kind finds nothing', async () => {
  const name = { first_name: 'F'.repeat(15), last_name: 'L'.repeat(20) };
  assert.equal((await sandbox.call('POST', '/v1/patients', name)).status, 201);
  const tooLong = [
    { ...name, first_name: 'F'.repeat(16) },
    { ...name, last_name: 'L'.repeat(21) },
  ];
  for (const body of tooLong) assert.deepEqual(await refusal('POST', '/v1/patients', body), [422, 'name_too_long']);
  assert.deepEqual(await refusal('GET', '/v1/visits/101'), [404, 'unknown_visit']);
  const found = await sandbox.call('GET', '/v1/patients?last_name=PINE&birth_date=1990-02-28');
  assert.deepEqual(
    found.body.items.map((patient: { id: number }) => patient.id),
    [101],
  );
});

test('a visit goes its way step by step, and repeating a step changes nothing', async () => {
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(freeMinute()));
  const confirmed = await sandbox.call('POST', `/v1/visits/${visit.id}/confirm`, { request_ref: 'r-1' });
  assert.equal(confirmed.body.confirmation, 'confirmed');
  assert.ok(confirmed.body.confirmed_at);
  assert.deepEqual((await sandbox.call('POST', `/v1/visits/${visit.id}/confirm`)).body, confirmed.body);
  assert.equal((await sandbox.call('POST', `/desk/visits/${visit.id}/check-in`)).body.state, 'arrived');
  const done = await sandbox.call('POST', `/desk/visits/${visit.id}/complete`);
  assert.ok(done.body.done_at && done.body.arrived_at);
  assert.deepEqual(await refusal('POST', `/v1/visits/${visit.id}/break`), [409, 'wrong_state']);
  const audit = await sandbox.call('GET', '/audit?ref=r-1');
  assert.equal(audit.body.total, 1);
  assert.deepEqual([audit.body.items[0].who, audit.body.items[0].action], ['api', 'confirm']);
});

test('the desk moves a visit under the same rules, and can move it on purpose onto another', async () => {
  const minute = freeMinute();
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(minute));
  const { body: other } = await sandbox.call('POST', '/v1/visits', booking(freeMinute()));
  const { start, end } = other;
  assert.deepEqual(await refusal('POST', `/desk/visits/${visit.id}/move`, { start, end }), [409, 'room_taken']);
  const within = booking(minute + 10);
  const moved = await sandbox.call('POST', `/desk/visits/${visit.id}/move`, { start: within.start, end: within.end });
  assert.deepEqual([moved.body.start, moved.body.room_id], [within.start, 21]);
  assert.equal((await sandbox.call('POST', `/desk/visits/${visit.id}/move`, { start, end, insist: true })).status, 200);
});

test('a merged patient leaves the visits to the other and takes no new ones', async () => {
  const { body: twin } = await sandbox.call('POST', '/desk/patients', { first_name: 'Pia', last_name: 'Pine' });
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(freeMinute(), { patient_id: twin.id }));
  const merged = await sandbox.call('POST', `/desk/patients/${twin.id}/merge`, { into: 101 });
  assert.deepEqual([merged.body.active, merged.body.merged_into], [false, 101]);
  assert.equal((await sandbox.call('GET', `/v1/visits/${visit.id}`)).body.patient_id, 101);
  assert.deepEqual(await refusal('POST', '/v1/visits', booking(freeMinute(), { patient_id: twin.id })), [
    422,
    'patient_merged',
  ]);
  assert.deepEqual(await refusal('POST', `/desk/patients/${twin.id}/merge`, { into: 102 }), [409, 'cannot_merge']);
});

test('lists come in pages by id; unread parameters, bad keys, bad bodies and foreign pages are refused', async () => {
  const first = await sandbox.call('GET', '/v1/practitioners?limit=2');
  assert.deepEqual([first.body.items.length, first.body.next, first.body.total], [2, 12, 3]);
  const second = await sandbox.call('GET', '/v1/practitioners?limit=2&after=12');
  assert.deepEqual([second.body.items.length, second.body.next], [1, null]);
  assert.deepEqual(await refusal('GET', '/v1/practitioners?limit=1001'), [400, 'bad_query']);
  assert.deepEqual(await refusal('GET', '/v1/visits?patient=7'), [400, 'bad_query']);
  assert.deepEqual(await refusal('GET', '/v1/nothing'), [404, 'no_such_path']);
  const raw = (path: string, init: RequestInit) => fetch(sandbox.url + path, init).then((answer) => answer.status);
  assert.equal(await raw('/v1/sites', { headers: { 'x-sandbox-key': 'wrong' } }), 401);
  assert.equal(await raw('/faults', { method: 'POST', body: '{' }), 400);
  assert.equal(await raw('/desk/patients', { method: 'POST', body: 'x'.repeat(70_000) }), 413);
  assert.equal(await raw('/faults', { method: 'DELETE', headers: { origin: 'https://elsewhere.example' } }), 403);
});

test('the front desk page shows the day, with whatever people typed as text', async () => {
  const name = { first_name: '<b>Eve', last_name: 'O"Quote' };
  const { body: patient } = await sandbox.call('POST', '/desk/patients', name);
  await sandbox.call(
    'POST',
    '/v1/visits',
    booking(freeMinute(), { patient_id: patient.id, note: '<script>1</script>' }),
  );
  const page = (await sandbox.call('GET', '/desk?site=1&date=2030-01-07')).body;
  assert.match(page, /&lt;b&gt;Eve O&quot;Quote/);
  assert.ok(!page.includes('<b>Eve') && !page.includes('<script>1'));
  assert.match((await sandbox.call('GET', '/desk?site=2&date=nonsense')).body, /South One/);
});
