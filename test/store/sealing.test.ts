import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { sql } from 'kysely';
import { pino } from 'pino';
import { parseSecretKey, readConfig } from '../../src/config.ts';
import { type Database, forAll, openDatabase } from '../../src/store/database.ts';
import { createSeal, type Seal } from '../../src/store/seal.ts';
import { getTokenSecret, openSeal, replaceLostSecrets, sealSecrets } from '../../src/store/sealing.ts';
import { makeSecretKey } from '../../src/store/secret-key.ts';
import { openConfig, openEndpointSecret, sealConfig } from '../../src/store/secrets.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const [KEY, NEXT, THIRD] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const seal = createSeal([KEY]);
/** Found in whatever shows it in the open. */
const PASSWORD = 'canary-4711-of-the-clinic';
const CONNECTIONS = 5;

const log = pino({ level: 'silent' });

let database: TestDatabase;
let db: Database;
let dataDir: string;

beforeEach(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 4, () => {});
  dataDir = mkdtempSync(join(tmpdir(), 'openchair-sealing-'));
});

afterEach(async () => {
  await db.close();
  await database.drop();
  rmSync(dataDir, { recursive: true });
});

/** What an older program has left: everything in the open. The number is more exact than JavaScript's are. */
const leaveInTheOpen = () =>
  forAll(db, async (tx) => {
    await sql`insert into instance (token_secret) values (${`token ${PASSWORD}`})`.execute(tx);
    await sql`insert into institution (id, name, subdomain) values (1, 'Oak', 'oak')`.execute(tx);
    for (let id = 1; id <= CONNECTIONS; id += 1) {
      const config = `{"password": "${PASSWORD} ${id}", "exact": 12345678901234567890}`;
      await sql`insert into connection (id, institution_id, kind, name, config, sync_cycle_ms, push_token)
        values (${id}, 1, 'fhir', 'x', ${config}::jsonb, 1000, ${randomUUID()})`.execute(tx);
    }
    await sql`insert into api_user (id, name) values (1, 'an app')`.execute(tx);
    await sql`insert into webhook_endpoint (id, api_user_id, target_url, secret_key)
      values (1, 1, 'https://app.example', ${`secret ${PASSWORD}`})`.execute(tx);
  });

interface Row {
  place: string;
  stored: string;
}

const readStored = (): Promise<Row[]> =>
  forAll(db, async (tx) => {
    const { rows } = await sql<Row>`
      select 'connection ' || id as place, config::text as stored from connection union all
      select 'endpoint', secret_key from webhook_endpoint union all
      select 'token', token_secret from instance order by place`.execute(tx);
    return rows;
  });

const inTheOpen = async () => (await readStored()).filter(({ stored }) => stored.includes(PASSWORD)).length;

/** Everything opens under this seal and is what it was. */
async function assertWhole(by: Seal): Promise<void> {
  const { connections, endpoint } = await forAll(db, async (tx) => ({
    connections: await tx.selectFrom('connection').select(['id', 'config']).orderBy('id').execute(),
    endpoint: await tx.selectFrom('webhook_endpoint').select(['id', 'secret_key']).executeTakeFirstOrThrow(),
  }));
  for (const row of connections)
    assert.equal((openConfig(by, row) as Row & { password: string }).password, `${PASSWORD} ${row.id}`);
  assert.equal(openEndpointSecret(by, endpoint), `secret ${PASSWORD}`);
  assert.equal(await getTokenSecret(db, by), `token ${PASSWORD}`);
}

/** What a process does at its start. */
async function start(by: Seal): Promise<string[]> {
  await getTokenSecret(db, by);
  return sealSecrets(db, by);
}

/** A process that ends in the middle of its work. */
const dyingAfter = (values: number, by: Seal): Seal => ({
  ...by,
  close(plain, place) {
    values -= 1;
    if (values < 0) throw new Error('killed');
    return by.close(plain, place);
  },
});

test('what an older program left in the open is read, and sealed at the start', async () => {
  await leaveInTheOpen();
  const { connections } = await forAll(db, async (tx) => ({
    connections: await tx.selectFrom('connection').select(['id', 'config']).execute(),
  }));
  assert.match(JSON.stringify(openConfig(seal, connections[0] as (typeof connections)[number])), /canary/);
  assert.equal(await inTheOpen(), CONNECTIONS + 2);
  assert.deepEqual(await start(seal), []);
  assert.equal(await inTheOpen(), 0);
  await assertWhole(seal);
  const [first] = await readStored();
  const exact = seal.open(
    Buffer.from(JSON.parse(first?.stored ?? '').slice('sealed:'.length), 'base64'),
    'connection 1',
  );
  assert.match(exact.toString(), /12345678901234567890/);
  const before = await readStored();
  await start(seal);
  assert.deepEqual(await readStored(), before, 'and left alone from then on');
});

test('cut off anywhere, the next start goes on; so with a change of keys', async () => {
  await leaveInTheOpen();
  for (let left = CONNECTIONS + 2; left > 1; left -= 1) {
    assert.equal(await inTheOpen(), left);
    await assert.rejects(start(dyingAfter(1, seal)), /killed/);
    await assertWhole(seal);
  }
  await start(seal);
  assert.equal(await inTheOpen(), 0);
  await assertWhole(seal);

  const both = createSeal([NEXT, KEY]);
  for (let started = 0; started < CONNECTIONS + 1; started += 1) {
    await assert.rejects(start(dyingAfter(1, both)), /killed/);
    await assertWhole(both);
    await assert.rejects(
      getTokenSecret(db, createSeal([NEXT])),
      /under another key/,
      'the old key is still needed, and it says so',
    );
  }
  assert.deepEqual(await start(both), []);
  await assertWhole(createSeal([NEXT]));
});

test('several starts at once seal everything once, and what is changed meanwhile stays changed', async () => {
  await leaveInTheOpen();
  const changed = sealConfig(seal, CONNECTIONS, { password: `${PASSWORD} ${CONNECTIONS}`, isNew: true });
  let change: Promise<unknown> | undefined;
  // Everything has been read by then, and the last row not yet been written.
  const changing: Seal = {
    ...seal,
    close(plain, place) {
      change ??= forAll(db, (tx) =>
        tx.updateTable('connection').set({ config: changed }).where('id', '=', CONNECTIONS).execute(),
      );
      return seal.close(plain, place);
    },
  };
  await getTokenSecret(db, seal);
  await Promise.all([sealSecrets(db, changing), start(seal), start(seal)]);
  await change;
  await assertWhole(seal);
  assert.equal(await inTheOpen(), 0);
  assert.equal((await readStored()).find(({ place }) => place === `connection ${CONNECTIONS}`)?.stored, changed);
});

test('of two starts with different keys one is refused, and nothing stands under its key', async () => {
  await leaveInTheOpen();
  const seals = [seal, createSeal([NEXT])];
  const ends = await Promise.allSettled(seals.map(start));
  assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  await assertWhole(seals[ends.findIndex(({ status }) => status === 'fulfilled')] as Seal);
});

test('a value that was moved to another row does not open, and is named', async () => {
  await leaveInTheOpen();
  await start(seal);
  await forAll(db, (tx) =>
    sql`update connection set config = (select config from connection where id = 1) where id = 2`.execute(tx),
  );
  assert.deepEqual(await sealSecrets(db, seal), ['connection 2']);
});

const configOf = (env: Record<string, string> = {}) => readConfig({ OPENCHAIR_DATA: dataDir, ...env });
const hex = (key: Buffer) => key.toString('hex');

test('the first start makes the key; nobody makes a second one over what is sealed', async () => {
  await assert.rejects(
    openSeal(db, configOf(), false, log),
    /no key yet.*OPENCHAIR_SECRET_KEY_FILE.*openssl rand -hex 32/,
  );
  assert.deepEqual(readdirSync(dataDir), []);
  const made = await openSeal(db, configOf(), true, log);
  await start(made);
  const file = join(dataDir, 'secret.key');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dataDir), ['secret.key']);
  await openSeal(db, configOf(), false, log);

  const key = readFileSync(file, 'utf8');
  await assert.rejects(openSeal(db, configOf({ OPENCHAIR_SECRET_KEY: hex(NEXT) }), true, log), /under another key/);
  await openSeal(db, configOf({ OPENCHAIR_SECRET_KEY: hex(NEXT), OPENCHAIR_SECRET_KEY_OLD: key.trim() }), false, log);
  rmSync(file);
  for (const mayMakeKey of [true, false]) {
    await assert.rejects(
      openSeal(db, configOf(), mayMakeKey, log),
      /under a key that is not here.*The secret key is lost/,
    );
  }
  assert.deepEqual(readdirSync(dataDir), []);
  writeFileSync(join(dataDir, 'elsewhere'), Buffer.from(key.trim(), 'hex').toString('base64'));
  await openSeal(db, configOf({ OPENCHAIR_SECRET_KEY_FILE: join(dataDir, 'elsewhere') }), false, log);
});

test('processes that make a key at the same time get the same one, and it is never replaced', async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => makeSecretKey(dataDir)));
  assert.equal(new Set(keys.map(hex)).size, 1);
  assert.deepEqual(await makeSecretKey(dataDir), keys[0]);
  assert.deepEqual(readdirSync(dataDir), ['secret.key']);
});

test('a key that is none is refused without being shown', async () => {
  writeFileSync(join(dataDir, 'secret.key'), 'change-me\n');
  await assert.rejects(openSeal(db, configOf(), true, log), (error: Error) => {
    assert.match(error.message, /secret\.key holds no secret key: it must be 32 bytes/);
    assert.ok(!error.message.includes('change-me'));
    return true;
  });
  await assert.rejects(makeSecretKey('/proc'), /cannot be kept in \/proc \(\w+\)\. Give one in OPENCHAIR_SECRET_KEY/);
  await assert.rejects(
    openSeal(db, configOf({ OPENCHAIR_SECRET_KEY_FILE: join(dataDir, 'none') }), true, log),
    /none cannot be read \(ENOENT\)/,
  );
  for (const name of ['OPENCHAIR_SECRET_KEY', 'OPENCHAIR_SECRET_KEY_OLD']) {
    assert.throws(
      () => configOf({ [name]: 'change-me' }),
      (error: Error) => error.message.includes(`${name}: must be 32 bytes`) && !error.message.includes('change-me'),
    );
  }
  for (const text of [hex(KEY), hex(KEY).toUpperCase(), KEY.toString('base64'), KEY.toString('base64url')]) {
    assert.deepEqual(parseSecretKey(text), KEY);
  }
  for (const text of ['', hex(KEY).slice(1), `${hex(KEY)}0`, KEY.subarray(1).toString('base64'), 'x'.repeat(64)]) {
    assert.equal(parseSecretKey(text), null);
  }
});

test('a lost key costs what only the practice can enter again, and nothing else', async () => {
  await leaveInTheOpen();
  await start(seal);
  const anew = createSeal([THIRD]);
  await assert.rejects(start(anew), /The secret key is lost/);
  const kept = sealConfig(anew, 5, { password: `${PASSWORD} 5` });
  await forAll(db, (tx) => tx.updateTable('connection').set({ config: kept }).where('id', '=', 5).execute());
  const lost = ['connection 1', 'connection 2', 'connection 3', 'connection 4'];
  assert.deepEqual(await replaceLostSecrets(db, anew), [...lost, 'webhook_endpoint 1', 'instance']);
  assert.deepEqual(await start(anew), lost);
  const endpoint = await forAll(db, (tx) =>
    tx.selectFrom('webhook_endpoint').select(['id', 'secret_key']).executeTakeFirstOrThrow(),
  );
  assert.match(openEndpointSecret(anew, endpoint), /^[0-9a-f]{64}$/);
  const token = await getTokenSecret(db, anew);
  assert.deepEqual(await replaceLostSecrets(db, anew), lost, 'and once more changes nothing');
  assert.equal(await getTokenSecret(db, anew), token);
});
