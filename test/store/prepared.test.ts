import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import { type Database, forAll, forInstitution, openDatabase, prepared } from '../../src/store/database.ts';
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
