import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ seed: SMALL_PRACTICE });
});
afterEach(() => sandbox.liftFaults());
after(() => sandbox.stop());

let refs = 0;
/** A booking at a time of its own, with a marker of its own. */
function freshBooking() {
  refs += 1;
  return { ...booking(refs * 60), external_ref: `ref-${refs}` };
}

/** How often a booking truly took effect. */
async function effects({ external_ref: ref }: { external_ref: string }): Promise<number> {
  const { body } = await sandbox.call('GET', `/v1/visits?external_ref=${ref}`);
  assert.equal((await sandbox.call('GET', `/audit?ref=${ref}`)).body.total, body.total);
  return body.total;
}

function book(body: object) {
  return sandbox.call('POST', '/v1/visits', body);
}

for (const [fault, effect] of [
  ['off', 0],
  ['lose_reply', 1],
] as const) {
  test(`${fault}: no answer, ${effect} effect`, async () => {
    const wanted = freshBooking();
    await sandbox.fault({ fault, times: 1 });
    await assert.rejects(book(wanted), TypeError);
    assert.equal(await effects(wanted), effect);
  });
}

for (const [fault, status, effect] of [
  ['error', 500, 0],
  ['error_after_work', 500, 1],
  ['lie_ok', 201, 0],
  ['html', 200, 0],
  ['unauthorized', 401, 0],
  ['rate_limit', 429, 0],
] as const) {
  test(`${fault}: answers ${status}, ${effect} effect`, async () => {
    const wanted = freshBooking();
    await sandbox.fault({ fault, times: 1, ms: 1_500 });
    const answer = await book(wanted);
    assert.equal(answer.status, status);
    if (fault === 'rate_limit') assert.equal(answer.headers.get('retry-after'), '2');
    if (fault === 'html') assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal(await effects(wanted), effect);
    assert.deepEqual((await sandbox.call('GET', '/faults')).body, { faults: [] });
  });
}

test('lie_ok: the record looks right, and nobody else ever gets its id', async () => {
  const wanted = freshBooking();
  await sandbox.fault({ fault: 'lie_ok', times: 1 });
  const { body: lie } = await book(wanted);
  assert.equal(lie.external_ref, wanted.external_ref);
  assert.equal((await sandbox.call('GET', `/v1/visits/${lie.id}`)).status, 404);
  assert.ok((await book(wanted)).body.id > lie.id);
});

test('wrong_record: does the work and answers with another visit', async () => {
  await book(freshBooking());
  const wanted = freshBooking();
  await sandbox.fault({ fault: 'wrong_record', times: 1 });
  assert.notEqual((await book(wanted)).body.external_ref, wanted.external_ref);
  assert.equal(await effects(wanted), 1);
});

test('late_work: hangs up at once, does the work later', async () => {
  const wanted = freshBooking();
  await sandbox.fault({ fault: 'late_work', times: 1, ms: 150 });
  await assert.rejects(book(wanted), TypeError);
  assert.equal(await effects(wanted), 0);
  const audit = () => sandbox.call('GET', `/audit?ref=${wanted.external_ref}`);
  const deadline = Date.now() + 5_000;
  while ((await audit()).body.total === 0) assert.ok(Date.now() < deadline, 'the work never came');
  assert.equal(await effects(wanted), 1);
});

test('hang and slow: no answer before the caller gives up, or a late one', async () => {
  const giveUp = (ms: number) =>
    fetch(`${sandbox.url}/v1/sites`, { headers: { 'x-sandbox-key': 'sandbox' }, signal: AbortSignal.timeout(ms) });
  await sandbox.fault({ fault: 'hang', times: 1 });
  await assert.rejects(giveUp(100), { name: 'TimeoutError' });
  await sandbox.fault({ fault: 'slow', times: 1, ms: 120 });
  const begun = performance.now();
  assert.equal((await giveUp(5_000)).status, 200);
  assert.ok(performance.now() - begun >= 115);
});

test('refuse: with the reason of the script', async () => {
  await sandbox.fault({ fault: 'refuse', times: 1, reason: 'insurance_expired', message: 'Call us.' });
  const answer = await book(freshBooking());
  assert.deepEqual([answer.status, answer.body], [422, { error: 'insurance_expired', message: 'Call us.' }]);
  await sandbox.fault({ fault: 'refuse', times: 1 });
  assert.equal((await book(freshBooking())).status, 409);
});

test('truncate_body is not JSON, cut_body breaks off, nonsense is JSON of the wrong kind', async () => {
  for (const [fault, error] of [
    ['truncate_body', SyntaxError],
    ['cut_body', TypeError],
  ] as const) {
    await sandbox.fault({ fault, times: 1 });
    await assert.rejects(sandbox.call('GET', '/v1/practitioners'), error);
  }
  await sandbox.fault({ fault: 'nonsense', times: 1 });
  const { body } = await sandbox.call('GET', '/v1/practitioners');
  assert.deepEqual([body.total, body.items[0].id, body.items[0].active], ['#3', '#11', 'perhaps']);
});

test('page faults spoil lists and the feed, and nothing else', async () => {
  const read = async (path: string, fault: string) => {
    await sandbox.fault({ fault });
    const { body } = await sandbox.call('GET', path);
    await sandbox.liftFaults();
    return body;
  };
  const list = '/v1/practitioners?limit=2';
  const whole = await read(list, 'clock_skew');
  const [first, second] = whole.items;
  assert.deepEqual(await read(list, 'truncate_pages'), { items: [first], next: null, total: 3 });
  assert.deepEqual(await read(list, 'repeat_pages'), { ...whole, next: 0 });
  assert.deepEqual(await read(list, 'reorder_pages'), { ...whole, items: [second, first] });
  assert.deepEqual(await read(list, 'empty_lists'), { items: [], next: null, total: 0 });

  const feed = '/v1/changes?since=2&limit=4';
  const page = await read(feed, 'clock_skew');
  const half = page.changes.slice(0, 2);
  assert.deepEqual(await read(feed, 'truncate_pages'), { ...page, changes: half, revision: 4, has_more: false });
  assert.deepEqual(await read(feed, 'repeat_pages'), { ...page, revision: 2 });
  assert.deepEqual((await read(feed, 'reorder_pages')).changes, page.changes.toReversed());
  assert.deepEqual(await read(feed, 'empty_lists'), { ...page, changes: [], revision: 2, has_more: false });
  assert.deepEqual(await read('/v1/practitioners/11', 'truncate_pages'), first);
});

test('clock_skew: the practice lives in another time until the fault is lifted', async () => {
  const skewMs = async () => {
    const { headers } = await sandbox.call('GET', '/health');
    const own = Date.parse(headers.get('x-sandbox-time') ?? '');
    assert.ok(Math.abs(Date.parse(headers.get('date') ?? '') - own) <= 1_000);
    return own - Date.now();
  };
  await sandbox.fault({ fault: 'clock_skew', ms: -3_600_000 });
  const { body: visit } = await book(freshBooking());
  assert.ok(Math.abs(Date.parse(visit.updated_at) - Date.now() + 3_600_000) < 5_000);
  assert.ok(Math.abs((await skewMs()) + 3_600_000) < 5_000);
  await sandbox.liftFaults();
  assert.ok(Math.abs(await skewMs()) < 5_000);
});

test('a fault strikes what it matches, so often as it says, and never the desk', async () => {
  await sandbox.fault({ fault: 'error', match: 'changes', times: 1 });
  await sandbox.fault({ fault: 'error', match: '/v1/patients', times: 2 });
  await sandbox.fault({ fault: 'refuse' });
  const status = async (method: string, path: string, body?: unknown) =>
    (await sandbox.call(method, path, body)).status;
  assert.equal(await status('GET', '/v1/sites'), 200);
  assert.equal(await status('GET', '/v1/changes'), 500);
  assert.equal(await status('GET', '/v1/changes'), 200);
  assert.equal(await status('GET', '/v1/patients/101'), 500);
  assert.equal(await status('POST', '/v1/patients', {}), 500);
  assert.equal(await status('GET', '/v1/patients/101'), 200);
  assert.equal(await status('POST', '/v1/visits', freshBooking()), 409);
  assert.equal(await status('POST', '/desk/visits', freshBooking()), 201);
  await sandbox.fault({ fault: 'off', match: 'any' });
  assert.equal(await status('GET', '/health'), 200);
  for (const bad of [{ fault: 'magic' }, { fault: 'off', match: 'sometimes' }, { fault: 'off', times: 0 }]) {
    assert.equal(await status('POST', '/faults', bad), 422);
  }
});
