import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { connectMllp, msaOf, siu } from '../harness/mllp.ts';
import { freePort } from '../harness/ports.ts';
import { createKey } from '../harness/practice.ts';
import { type Body, client, type Program, startProgram, until } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

let database: TestDatabase;
let db: Database;
let program: Program;
let admin: ReturnType<typeof client>;
let connectionId: number;
let port: number;

const configOf = (profile: object) => ({ listen: { port }, timeZone: 'America/New_York', profile });

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 2, () => {});
  const { key } = await createKey(db, [], { isAdmin: true });
  program = await startProgram('serve', {
    ...{ DATABASE_URL: database.url, OPENCHAIR_DEMO: 'off', OPENCHAIR_SECRET_KEY: SECRET_KEY, LOG_LEVEL: 'debug' },
  });
  admin = client(program.url, key);
  port = await freePort();
  await admin('POST', '/admin/institutions', { institution: { name: 'Oak Dental', subdomain: 'oak' } });
  const made = await admin('POST', '/admin/connections', {
    connection: { subdomain: 'oak', kind: 'hl7v2', name: 'feed', config: configOf({ times: ['TQ1'] }) },
  });
  assert.equal(made.status, 201);
  connectionId = made.body.data.id;
  assert.equal(made.body.data.sync_cycle_ms, 3_600_000, 'what listens is not polled');
});

after(async () => {
  await program?.stop();
  await db?.close();
  await database?.drop();
});

const messages = async (query = ''): Promise<Body[]> =>
  (await admin('GET', `/admin/connections/${connectionId}/messages${query}`)).body.data;

/** Everything on the schedule in December 2026. */
async function schedule(): Promise<Body[]> {
  const { body } = await admin('GET', '/locations?subdomain=oak');
  const location = body.data[0]?.locations?.[0] ?? body.data[0];
  if (!location) return [];
  const found = await admin(
    'GET',
    `/appointments?subdomain=oak&location_id=${location.id}&start=2026-12-01T00:00:00Z&end=2026-12-31T00:00:00Z&per_page=50`,
  );
  return found.body.data.filter(({ deleted }: Body) => !deleted);
}

test('what a wrong profile made nothing of is shown, and read again once the profile is right', async () => {
  const fromAt = new Date(Date.now() - 1_000).toISOString();
  const peer = await until('the listener', () => connectMllp(port).catch(() => null));
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AA', 'M1']);
  assert.deepEqual(msaOf(await peer.send(siu('M2'))), ['AA', 'M2']);
  peer.close();

  const [newest, oldest] = await until('the problems', async () => {
    const found = await messages('?problem=true');
    return found.length === 2 && (found as [Body, Body]);
  });
  assert.deepEqual([newest.control_id, newest.type, newest.direction, newest.kept], ['M2', 'SIU^S12', 'in', true]);
  assert.equal(newest.sent_at, '2026-12-01T13:00:00.000Z');
  assert.ok(newest.problem.length > 0 && !('content' in newest));
  assert.deepEqual(await schedule(), [], 'nothing is half-stored');
  assert.deepEqual(
    (await messages(`?before=${newest.position}`)).map(({ control_id }) => control_id),
    ['M1'],
  );
  assert.equal((await messages('?control_id=M1'))[0].position, oldest.position);
  assert.deepEqual(await messages('?from=2099-01-01T00:00:00Z'), []);
  assert.equal((await messages('?per_page=1')).length, 1);

  const path = `/admin/connections/${connectionId}`;
  assert.equal((await admin('GET', path)).body.data.last_message_at, newest.stored_at);
  const one = await admin('GET', `${path}/messages/${oldest.position}`);
  assert.equal(one.body.data.content, siu('M1'));

  const patched = await admin('PATCH', path, { connection: { config: configOf({}) } });
  assert.equal(patched.status, 200);
  const replayed = await admin('POST', `${path}/replay`, { from: fromAt });
  assert.deepEqual([replayed.status, replayed.body.data], [202, { messages: 2 }]);
  const visits = await until('the appointments', async () => {
    const found = await schedule();
    return found.length === 2 && found;
  });
  assert.deepEqual(
    visits.map(({ start_time }) => Date.parse(start_time)),
    [Date.parse('2026-12-15T15:00:00Z'), Date.parse('2026-12-15T15:00:00Z')],
  );
  await until('the problems to be gone', async () => (await messages('?problem=true')).length === 0);
  assert.ok(!/Pine|19900228/.test(program.output()), 'nothing of a message is logged');
});

test('only administrators see messages, and only a kind that has messages reads them again', async () => {
  const { key } = await createKey(db, []);
  const app = client(program.url, key);
  for (const path of [`/admin/connections/${connectionId}/messages`, `/admin/connections/${connectionId}/messages/1`]) {
    assert.equal((await app('GET', path)).status, 403);
  }
  for (const path of ['/admin/connections/99999/messages', `/admin/connections/${connectionId}/messages/99999`]) {
    assert.equal((await admin('GET', path)).status, 404);
  }
  const path = `/admin/connections/${connectionId}/replay`;
  assert.equal((await admin('POST', '/admin/connections/99999/replay', { from: '2026-01-01' })).status, 404);
  assert.equal((await admin('POST', path, { from: 'yesterday' })).status, 400);
  const none = await admin('POST', path, { from: '2099-01-01T00:00:00Z' });
  assert.deepEqual([none.status, none.body.data], [202, { messages: 0 }]);
  const sandbox = await admin('POST', '/admin/connections', {
    connection: {
      subdomain: 'oak',
      kind: 'sandbox',
      name: 'x',
      config: { baseUrl: 'http://127.0.0.1:1', apiKey: 'x' },
    },
  });
  const refused = await admin('POST', `/admin/connections/${sandbox.body.data.id}/replay`, { from: '2026-01-01' });
  assert.equal(refused.status, 400);
  assert.match(refused.body.error[0], /keeps no messages/);
});

test('a profile that finds the ids elsewhere: what was made under the old ones goes', async () => {
  const fromAt = new Date(Date.now() - 1_000).toISOString();
  const path = `/admin/connections/${connectionId}`;
  const idsOf = async () => (await schedule()).map(({ foreign_id }) => foreign_id).sort();
  const known = await idsOf();
  const peer = await until('the listener', () => connectMllp(port).catch(() => null));
  const visit = (controlId: string, placer: string) =>
    siu(controlId).replace(/^SCH\|[^|]*\|[^|]*/m, `SCH|${placer}|ROW-${placer}`);
  for (const placer of ['A', 'B', 'C'])
    assert.deepEqual(msaOf(await peer.send(visit(`P${placer}`, placer))), ['AA', `P${placer}`]);
  peer.close();
  await until('the appointments', async () => (await idsOf()).length === known.length + 3);
  const patched = await admin('PATCH', path, { connection: { config: configOf({ appointmentId: ['SCH-1'] }) } });
  assert.equal(patched.status, 200);
  const replayed = await admin('POST', `${path}/replay`, { from: fromAt });
  assert.equal(replayed.status, 202);
  await until('the new ids alone', async () => {
    const ids = await idsOf();
    return ids.length === known.length + 3 && ['A', 'B', 'C'].every((id) => ids.includes(id));
  });
});
