/** What a neighbouring program may change in place: the time, room and note of a visit, shared times, alerts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

let sandbox: Sandbox;
before(async () => {
  const rooms = [...(SMALL_PRACTICE.rooms ?? []), { id: 24, site_id: 1, name: 'Two' }];
  sandbox = await startSandbox({ seed: { ...SMALL_PRACTICE, rooms } });
});
after(() => sandbox.stop());
afterEach(() => sandbox.liftFaults());

let nextMinute = 0;
function freeMinute(): number {
  nextMinute += 120;
  return nextMinute;
}
const spanOf = (minute: number) => ({ start: booking(minute).start, end: booking(minute).end });
const head = async (): Promise<number> => (await sandbox.call('GET', '/health')).body.revision;

async function refusal(method: string, path: string, body?: unknown) {
  const { status, body: answer } = await sandbox.call(method, path, body);
  return [status, answer.error];
}

async function book(minute: number, fields: object = {}) {
  const { status, body } = await sandbox.call('POST', '/v1/visits', booking(minute, fields));
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

test('a visit gets another time, room and note in one request, and says so in feed and audit', async () => {
  const [from, to] = [freeMinute(), freeMinute()];
  const visit = await book(from, { note: 'Before', external_ref: 'marker-1' });
  const since = await head();
  const changes = { ...spanOf(to), room_id: 24, note: 'After' };
  const changed = await sandbox.call('PATCH', `/v1/visits/${visit.id}`, { ...changes, request_ref: 'change-1' });
  const { revision, updated_at } = changed.body;
  assert.deepEqual([changed.status, changed.body], [200, { ...visit, ...changes, revision, updated_at }]);
  const { body: feed } = await sandbox.call('GET', `/v1/changes?since=${since}`);
  assert.deepEqual(
    feed.changes.map(({ record }: { record: unknown }) => record),
    [changed.body],
  );
  const { body: audit } = await sandbox.call('GET', '/audit?ref=change-1');
  assert.deepEqual([audit.total, audit.items[0].action, audit.items[0].who], [1, 'change', 'api']);
  // The same again changes nothing, also when somebody has put another visit there meanwhile.
  await sandbox.call('POST', '/desk/visits', booking(to, { insist: true }));
  assert.deepEqual((await sandbox.call('PATCH', `/v1/visits/${visit.id}`, changes)).body, changed.body);
  await book(from);
});

test('a change follows the rules of a new visit, and a refused one changes nothing', async () => {
  const [own, taken] = [freeMinute(), freeMinute()];
  const visit = await book(own);
  const holder = await book(taken);
  const blocked = freeMinute();
  await sandbox.call('POST', '/desk/blocks', { site_id: 1, practitioner_id: 11, ...spanOf(blocked) });
  const since = await head();
  const tries: [object, number, string][] = [
    [{ ...spanOf(taken), note: 'moved' }, 409, 'room_taken'],
    [{ ...spanOf(taken), room_id: 24 }, 409, 'practitioner_taken'],
    [{ ...spanOf(taken), room_id: null }, 409, 'practitioner_taken'],
    [spanOf(blocked), 409, 'practitioner_taken'],
    [{ start: spanOf(taken).start }, 422, 'bad_times'],
    [{ start: spanOf(taken).end, end: spanOf(taken).start }, 422, 'bad_times'],
    [{ room_id: 22 }, 422, 'room_closed'],
    [{ room_id: 23 }, 422, 'wrong_site'],
    [{ room_id: 999 }, 404, 'unknown_room'],
    [{ note: 'x'.repeat(129) }, 422, 'note_too_long'],
    [{ share: 6 }, 422, 'bad_field'],
    [{ practitioner_id: 12 }, 422, 'unknown_field'],
    [{ insist: true }, 422, 'unknown_field'],
  ];
  for (const [fields, status, code] of tries) {
    const path = `/v1/visits/${visit.id}`;
    assert.deepEqual(await refusal('PATCH', path, fields), [status, code], JSON.stringify(fields));
  }
  assert.deepEqual(await refusal('PATCH', '/v1/visits/999', { note: 'Nobody' }), [404, 'unknown_visit']);
  assert.equal(await head(), since);
  // Its own time is not in its way.
  assert.equal((await sandbox.call('PATCH', `/v1/visits/${visit.id}`, spanOf(own + 10))).status, 200);
  for (const state of ['complete', 'delete']) {
    await sandbox.call('POST', `/desk/visits/${holder.id}/${state}`);
    assert.deepEqual(await refusal('PATCH', `/v1/visits/${holder.id}`, { note: 'Late' }), [409, 'wrong_state']);
  }
});

test('so many visits share a practitioner as the newest allows; a room takes one, a block lets nobody in', async () => {
  const minute = freeMinute();
  const shared = (offset: number, share: number) => booking(minute + offset, { room_id: null, share });
  const first = await book(minute, { room_id: 21, share: 3 });
  assert.deepEqual(await refusal('POST', '/v1/visits', shared(0, 1)), [409, 'practitioner_taken']);
  const inRoom = booking(minute, { room_id: 21, share: 5 });
  assert.deepEqual(await refusal('POST', '/v1/visits', inRoom), [409, 'room_taken']);
  assert.equal((await sandbox.call('POST', '/v1/visits', shared(10, 2))).status, 201);
  // Both overlap it, so a third needs a share of three.
  assert.deepEqual(await refusal('POST', '/v1/visits', shared(20, 2)), [409, 'practitioner_taken']);
  const third = await sandbox.call('POST', '/v1/visits', shared(20, 3));
  assert.equal(third.status, 201);
  const fourth = await sandbox.call('POST', '/v1/visits', booking(minute + 180, { room_id: null }));
  const path = `/v1/visits/${fourth.body.id}`;
  const move = (share: number) => sandbox.call('PATCH', path, { ...spanOf(minute + 20), share });
  assert.equal((await move(3)).body.error, 'practitioner_taken');
  await sandbox.call('POST', `/v1/visits/${first.id}/break`);
  assert.equal((await move(3)).status, 200);
  for (const share of [0, 6, 1.5, '2']) {
    assert.deepEqual(await refusal('POST', '/v1/visits', shared(60, share as number)), [422, 'bad_field']);
  }
  assert.deepEqual(await refusal('POST', '/desk/visits', shared(60, 2)), [422, 'unknown_field']);
  const { start, end } = spanOf(minute + 240);
  await sandbox.call('POST', '/desk/blocks', { site_id: 1, practitioner_id: 11, start, end });
  assert.deepEqual(await refusal('POST', '/v1/visits', shared(240, 5)), [409, 'practitioner_taken']);
});

test('a block can be changed too', async () => {
  const [from, to] = [freeMinute(), freeMinute()];
  const { body: block } = await sandbox.call('POST', '/v1/blocks', { site_id: 1, room_id: 21, ...spanOf(from) });
  const changes = { ...spanOf(to), room_id: 24, reason: 'Paint' };
  const { body } = await sandbox.call('PATCH', `/v1/blocks/${block.id}`, { ...changes, request_ref: 'paint' });
  assert.deepEqual({ ...body, ...changes }, body);
  assert.equal((await sandbox.call('GET', '/audit?ref=paint')).body.items[0].action, 'change');
  assert.deepEqual(await refusal('PATCH', `/v1/blocks/${block.id}`, { room_id: null }), [422, 'bad_field']);
  assert.deepEqual(await refusal('PATCH', `/v1/blocks/${block.id}`, { end: body.start }), [422, 'bad_times']);
});

test('an alert is made, found by its marker, reworded at the desk, and turned off and on', async () => {
  const made = await sandbox.call('POST', '/v1/alerts', { patient_id: 101, note: 'Latex.', external_ref: 'alert-1' });
  assert.deepEqual([made.status, made.body.off_since], [201, null]);
  const { id } = made.body;
  assert.deepEqual((await sandbox.call('GET', '/v1/alerts?external_ref=alert-1')).body.items, [made.body]);
  const off = await sandbox.call('POST', `/v1/alerts/${id}/off`, { request_ref: 'off-1' });
  assert.ok(off.body.off_since);
  assert.deepEqual((await sandbox.call('POST', `/v1/alerts/${id}/off`)).body, off.body);
  assert.equal((await sandbox.call('GET', '/audit?ref=off-1')).body.items[0].action, 'off');
  assert.equal((await sandbox.call('POST', `/v1/alerts/${id}/on`)).body.off_since, null);
  assert.equal((await sandbox.call('PATCH', `/desk/alerts/${id}`, { note: 'No latex.' })).body.note, 'No latex.');
  const page = (await sandbox.call('POST', '/v1/visits', booking(freeMinute()))).body;
  assert.match((await sandbox.call('GET', `/desk?site=1&date=${page.start.slice(0, 10)}`)).body, /No latex\./);
  assert.equal((await sandbox.call('POST', `/desk/alerts/${id}/off`)).status, 200);
  assert.equal((await sandbox.call('DELETE', `/desk/alerts/${id}`)).status, 200);
  assert.deepEqual(await refusal('POST', `/v1/alerts/${id}/on`), [404, 'unknown_alert']);
  assert.deepEqual(await refusal('POST', '/v1/alerts', { patient_id: 999, note: 'x' }), [404, 'unknown_patient']);
  assert.deepEqual(await refusal('POST', '/v1/alerts', { patient_id: 101 }), [422, 'bad_field']);
  const long = { patient_id: 101, note: 'x'.repeat(501) };
  assert.deepEqual(await refusal('POST', '/v1/alerts', long), [422, 'note_too_long']);
});

test('faults strike these writes like the others', async () => {
  const visit = await book(freeMinute());
  const path = `/v1/visits/${visit.id}`;
  await sandbox.fault({ fault: 'lie_ok', times: 1 });
  assert.equal((await sandbox.call('PATCH', path, { note: 'A lie' })).body.note, 'A lie');
  assert.equal((await sandbox.call('GET', path)).body.note, null);
  await sandbox.fault({ fault: 'lose_reply', times: 1, match: '/v1/alerts' });
  await assert.rejects(sandbox.call('POST', '/v1/alerts', { patient_id: 101, note: 'Lost', external_ref: 'lost' }));
  assert.equal((await sandbox.call('GET', '/v1/alerts?external_ref=lost')).body.total, 1);
  await sandbox.fault({ fault: 'wrong_record', times: 1 });
  const wanted = { patient_id: 101, note: 'Mine', external_ref: 'mine' };
  assert.notEqual((await sandbox.call('POST', '/v1/alerts', wanted)).body.external_ref, 'mine');
  await sandbox.fault({ fault: 'refuse', times: 1, reason: 'room_taken' });
  assert.deepEqual(await refusal('PATCH', path, { note: 'No' }), [409, 'room_taken']);
});
