import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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
