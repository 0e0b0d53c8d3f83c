import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import {
  type Database,
  forAll,
  forInstitution,
  openDatabase,
  prepared,
  readAll,
  readInstitution,
  type Tx,
} from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { createPractice } from '../harness/practice.ts';

/** From the sixth run on, PostgreSQL may use a plan that fits any values. */
const RUNS = 8;

let database: TestDatabase;
let db: Database;
let ids: number[];

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 1, () => {});
  ids = [(await createPractice(db, 'oak')).institution.id, (await createPractice(db, 'elm')).institution.id];
});

after(async () => {
  await db?.close();
  await database?.drop();
});

test('a marked statement shows each transaction the rows of its own institution', async () => {
  for (let run = 0; run < RUNS; run += 1) {
    for (const institutionId of ids) {
      const { rows } = await forInstitution(db, institutionId, (tx) =>
        sql<{ institution_id: number }>`${prepared} select institution_id from location where id > ${0}`.execute(tx),
      );
      assert.deepEqual(rows, [{ institution_id: institutionId }, { institution_id: institutionId }]);
    }
  }
});

test('marked statements are prepared once for a connection, others never', async () => {
  const names = () =>
    forAll(db, async (tx) => {
      const { rows } = await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(tx);
      return rows.map(({ statement }) => statement);
    });
  const earlier = await names();
  for (let run = 0; run < RUNS; run += 1) {
    await forAll(db, async (tx) => {
      await tx.selectFrom('location').modifyFront(prepared).select('id').where('id', '=', run).execute();
      await tx.selectFrom('location').select('name').where('id', '=', run).execute();
    });
  }
  const later = await names();
  assert.deepEqual(
    later.filter((statement) => !earlier.includes(statement)),
    ['select /* prepared */ "id" from "location" where "id" = $1'],
  );
});

const readLocations = (tx: Tx) => tx.selectFrom('location').select('institution_id').execute();

test('a read without a transaction shows the rows of its own institution, whoever used the connection before', async () => {
  const [oak, elm] = ids as [number, number];
  const ofOne = (id: number) => [{ institution_id: id }, { institution_id: id }];
  for (let run = 0; run < RUNS; run += 1) {
    assert.deepEqual(await readInstitution(db, oak, readLocations), ofOne(oak));
    assert.deepEqual(await forInstitution(db, elm, readLocations), ofOne(elm), 'a transaction speaks for its own');
    assert.deepEqual(await readInstitution(db, oak, readLocations), ofOne(oak), 'and leaves the next read its own');
    assert.deepEqual(await readInstitution(db, elm, readLocations), ofOne(elm));
    assert.equal((await readAll(db, readLocations)).length, 4);
  }
});

test('a read that fails says why, and the connection goes on', async () => {
  await assert.rejects(
    readAll(db, (tx) => sql`select 1 / (select 0)`.execute(tx)),
    /division by zero/,
  );
  assert.equal((await readAll(db, readLocations)).length, 4);
});

test('reads are prepared, and a migration that changes what they return does not break them', async () => {
  const all = (tx: Tx) => tx.selectFrom('location').selectAll().execute();
  const before = (await readAll(db, all))[0] as object;
  await readAll(db, all);
  await sql`alter table location add column colour text default 'green'`.execute(db.kysely);
  const after = (await readAll(db, all))[0] as object;
  assert.deepEqual(Object.keys(after), [...Object.keys(before), 'colour']);
  const prepared = await readAll(db, (tx) =>
    sql`select from pg_prepared_statements where statement = 'select * from "location"'`.execute(tx),
  );
  assert.equal(prepared.rows.length, 2, 'once as it was, once as it is');
});
