import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { KINDS } from '../../src/connectors/registry.ts';
import { type Database, forAll, openDatabase } from '../../src/store/database.ts';
import { identifyConnections } from '../../src/sync/identity.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { SEAL } from '../harness/seal.ts';

let database: TestDatabase;
let db: Database;
let institutionId: number;

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 4, () => {});
  const oak = { name: 'Oak', subdomain: 'oak' };
  institutionId = await forAll(db, async (tx) => {
    const { id } = await tx.insertInto('institution').values(oak).returning('id').executeTakeFirstOrThrow();
    return id;
  });
});

after(async () => {
  await db.close();
  await database.drop();
});

const connect = (name: string, kind: string, config: object) =>
  forAll(db, async (tx) => {
    const row = {
      institution_id: institutionId,
      sync_cycle_ms: 1_000,
      push_token: randomUUID(),
      config: JSON.stringify(config),
    };
    await tx
      .insertInto('connection')
      .values({ ...row, name, kind })
      .execute();
  });

const identities = async () => {
  const rows = await forAll(db, (tx) =>
    tx.selectFrom('connection').select(['name', 'hrs_identity']).orderBy('id').execute(),
  );
  return Object.fromEntries(rows.map(({ name, hrs_identity }) => [name, hrs_identity]));
};

test('connections of an older program get their identity; the younger of two to one HRS stays, and is named', async () => {
  await connect('first', 'sandbox', { baseUrl: 'http://hrs.example:4010', apiKey: 'a' });
  await connect('second', 'sandbox', { baseUrl: 'http://HRS.example:4010/', apiKey: 'b' });
  await connect('unusable', 'sandbox', { address: 'http://hrs.example:4010' });
  await connect('unknown', 'abacus', {});
  await connect('other kind', 'fhir', { baseUrl: 'http://hrs.example:4010', auth: { type: 'none' }, timeZone: 'UTC' });
  const lines: string[] = [];
  const log = pino({ level: 'warn', base: null }, { write: (line: string) => lines.push(line) });
  // As processes that start together do.
  await Promise.all([1, 2, 3].map(() => identifyConnections(db, KINDS, SEAL, log)));
  assert.deepEqual(await identities(), {
    first: 'http://hrs.example:4010',
    second: null,
    unusable: null,
    unknown: null,
    'other kind': 'http://hrs.example:4010',
  });
  assert.equal(lines.length, 3, 'once in each of them');
  assert.match(lines[0] as string, /two connections lead to one HRS/);
});
