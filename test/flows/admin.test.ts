import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bookSlot, endedWrite, openSlots } from '../harness/booking.ts';
import { type Body, client, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;
let connectionId: number;

before(async () => {
  program = await startDemoProgram();
  connectionId = (await program.admin('GET', '/admin/connections')).body.data[0].id;
});

after(() => program?.end());

test('administration is for administrators', async () => {
  for (const path of ['/admin/institutions', '/admin/connections', `/admin/connections/${connectionId}/runs`]) {
    assert.equal((await program.api('GET', path)).status, 403);
    assert.equal((await client(program.url, 'oc_unknown')('GET', path)).status, 401);
  }
  assert.equal((await program.admin('GET', '/admin/institutions')).body.data[0].subdomain, 'cedar-grove');
});

test('a key is made for some institutions, works, and is refused once revoked', async () => {
  const made = await program.admin('POST', '/admin/keys', {
    key: { name: 'Booking site', subdomains: ['cedar-grove'] },
  });
  assert.equal(made.status, 201);
  const { id, key } = made.body.data;
  const app = client(program.url, key);
  assert.equal((await app('GET', '/institutions')).body.data.length, 1);
  const token = (await app('POST', '/authenticates')).body.data.token;
  const withToken = client(program.url, `Bearer  ${token}`);
  assert.equal((await withToken('GET', '/institutions')).status, 200);
  assert.equal((await program.admin('DELETE', `/admin/keys/${id}`)).status, 204);
  await until('the key to be refused', async () => (await app('GET', '/institutions')).status === 401, 5_000);
  await until('its token to be refused', async () => (await withToken('GET', '/institutions')).status === 401, 5_000);
  assert.equal((await program.admin('DELETE', `/admin/keys/${id}`)).status, 404);
  const unknown = await program.admin('POST', '/admin/keys', { key: { name: 'x', subdomains: ['nobody'] } });
  assert.equal(unknown.status, 404);
});

test('a connection is checked in plain words, paused, and read again', async () => {
  const path = `/admin/connections/${connectionId}`;
  const check = await program.admin('POST', `/admin/connections/${connectionId}/check`);
  assert.equal(check.body.data.ok, true);
  assert.match(check.body.data.message, /sandbox/);
  const paused = await program.admin('PATCH', path, { connection: { paused: true } });
  assert.equal(paused.body.data.paused, true);
  await program.admin('POST', `${path}/sync`);
  const before = (await program.admin('GET', `${path}/runs`)).body.data[0].id;
  await program.sandbox('POST', '/desk/blocks', {
    practitioner_id: 1,
    site_id: 1,
    start: '2031-01-06T15:00:00.000Z',
    end: '2031-01-06T16:00:00.000Z',
  });
  assert.equal((await program.admin('GET', `${path}/runs`)).body.data[0].id, before, 'a paused connection is not read');
  await program.admin('PATCH', path, { connection: { paused: false } });
  await until('a run', async () => (await program.admin('GET', `${path}/runs`)).body.data[0].id > before);
});

const shown = async () => (await program.admin('GET', `/admin/connections/${connectionId}`)).body.data;

test('a connection tells how fresh it is, what waits for it, and what it last ran into', async () => {
  const healthy = await until('the end of a pass', async () => {
    const one = await shown();
    return one.last_error === null && !one.syncing && one;
  });
  assert.ok(healthy.lag_seconds >= 0 && healthy.lag_seconds <= 10, String(healthy.lag_seconds));
  assert.equal(healthy.behind, false);
  assert.ok(Date.parse(healthy.sync_due_at) > Date.parse(healthy.synced_at));
  assert.deepEqual([healthy.open_commands, healthy.oldest_command_at], [0, null]);

  const path = `/admin/connections/${connectionId}`;
  await program.sandbox('POST', '/faults', { fault: 'off' });
  await program.admin('PATCH', path, { connection: { sync_cycle_ms: 100 } });
  const [slot] = await openSlots(program);
  const { body } = await bookSlot(program, slot);
  const off = await until('the trouble', async () => {
    const one = await shown();
    return one.behind && one.read_status === 'red' && one;
  });
  assert.equal(off.open_commands, 1);
  assert.ok(Date.parse(off.oldest_command_at) <= Date.now());
  const [last] = off.last_errors;
  assert.deepEqual([last.error_code, last.error], [off.last_error_code, off.last_error]);
  assert.equal(last.error_code, 'unavailable');
  assert.ok(Date.parse(last.at) <= Date.now() && last.error.length > 0);
  const check = (await program.admin('POST', `${path}/check`)).body.data;
  assert.equal(check.ok, false);
  assert.ok(check.message.length > 0);

  await program.sandbox('DELETE', '/faults');
  await program.admin('POST', `${path}/sync`);
  await until('the booking', () => endedWrite(program, body.data.appt.id), 20_000);
  const again = await until('a complete pass', async () => {
    const one = await shown();
    return one.read_status === 'green' && one.last_error === null && one;
  });
  assert.equal(again.open_commands, 0);
  assert.ok(again.last_errors.length >= 1, 'what was wrong is not forgotten');
  assert.ok(again.last_errors.length <= 10);
  const runs = (await program.admin('GET', `${path}/runs`)).body.data as Body[];
  assert.ok(runs.some((run) => run.error === last.error));
  await program.admin('PATCH', path, { connection: { sync_cycle_ms: 5_000 } });
  assert.equal((await program.admin('GET', '/admin/connections/999999')).status, 404);
});

test('read from the beginning when asked to', async () => {
  const path = `/admin/connections/${connectionId}`;
  const [{ id: before }] = (await program.admin('GET', `${path}/runs`)).body.data;
  assert.equal((await program.admin('POST', `${path}/sync?full=true`)).status, 202);
  const run = await until('a full pass', async () => {
    const runs = (await program.admin('GET', `${path}/runs`)).body.data as Body[];
    return runs.find((one) => one.id > before && one.kind === 'full' && one.outcome === 'complete');
  });
  assert.ok(run.records > 0);
});

test('a second connection to one HRS is refused, however its address is written', async () => {
  const { port } = new URL(program.demo.sandbox_url);
  const institution = { name: 'Harbour', subdomain: 'harbour' };
  assert.equal((await program.admin('POST', '/admin/institutions', { institution })).status, 201);
  const connect = (subdomain: string, baseUrl: string, name = 'again') => {
    const connection = { subdomain, kind: 'sandbox', name, config: { baseUrl, apiKey: 'other' } };
    return program.admin('POST', '/admin/connections', { connection });
  };
  for (const subdomain of ['cedar-grove', 'harbour']) {
    for (const baseUrl of [program.demo.sandbox_url, `http://127.0.0.1:${port}/`, `http://127.1:${port}`]) {
      const refused = await connect(subdomain, baseUrl);
      assert.equal(refused.status, 400);
      assert.equal(refused.headers.get('openchair-error-code'), 'already_exists');
      assert.match(refused.body.error[0], /connection 1 of cedar-grove, “Cedar Grove sandbox”/);
    }
  }
  const elsewhere = 'http://127.0.0.1:9';
  const both = await Promise.all([
    connect('harbour', elsewhere, 'one'),
    connect('cedar-grove', `${elsewhere}/`, 'two'),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 400], 'one of two at the same time');
  const [{ id }] = both.filter(({ status }) => status === 201).map(({ body }) => body.data) as [Body];
  const unread = (await program.admin('GET', `/admin/connections/${id}`)).body.data;
  assert.deepEqual([unread.synced_at, unread.lag_seconds, unread.behind], [null, null, false]);
  const move = (to: number, baseUrl: string) =>
    program.admin('PATCH', `/admin/connections/${to}`, { connection: { config: { baseUrl, apiKey: 'sandbox' } } });
  assert.equal((await move(id, program.demo.sandbox_url)).status, 400, 'nor by moving one there');
  assert.equal((await move(connectionId, `${program.demo.sandbox_url}/`)).status, 200, 'its own address is no other');
  assert.equal((await move(id, 'http://127.0.0.1:10')).status, 200);
  assert.equal((await connect('harbour', elsewhere)).status, 201, 'what was left is free');
  // Another kind at that address is another system.
  const config = { baseUrl: program.demo.sandbox_url, auth: { type: 'none' }, timeZone: 'UTC' };
  const fhir = { subdomain: 'cedar-grove', kind: 'fhir', name: 'by FHIR', config };
  assert.equal((await program.admin('POST', '/admin/connections', { connection: fhir })).status, 201);
});

test('a configuration that is not one for its kind is refused, field by field', async () => {
  const connection = {
    subdomain: 'cedar-grove',
    kind: 'fhir',
    name: 'x',
    config: { baseUrl: 'ftp://x', auth: { type: 'none' } },
  };
  const refused = await program.admin('POST', '/admin/connections', { connection });
  assert.equal(refused.status, 400);
  assert.ok(
    refused.body.error.some((text: string) => text.includes('baseUrl')),
    JSON.stringify(refused.body.error),
  );
  const unknown = await program.admin('POST', '/admin/connections', { connection: { ...connection, kind: 'magic' } });
  assert.match(unknown.body.error[0], /must be one of/);
});

test('a subdomain is one institution’s', async () => {
  const twice = await program.admin('POST', '/admin/institutions', {
    institution: { name: 'Again', subdomain: 'cedar-grove' },
  });
  assert.equal(twice.status, 400);
  const all = (await program.admin('GET', '/admin/institutions')).body.data as Body[];
  assert.equal(all.filter((one) => one.subdomain === 'cedar-grove').length, 1);
});
