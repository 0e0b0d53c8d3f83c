/** Reads and transactions of two institutions over few connections, while everything fails that can. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import {
  type Database,
  forAll,
  forInstitution,
  isDatabaseAway,
  openDatabase,
  readAll,
  readInstitution,
  type Tx,
} from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { createPractice } from '../harness/practice.ts';

const CONNECTIONS = 3;
const ACTORS = 12;
const DURATION_MS = 3_000;
const FAULT_EVERY_MS = 20;
const DIVISION_BY_ZERO = '22012';

let database: TestDatabase;
let db: Database;
let ids: number[];

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, CONNECTIONS, () => {});
  ids = [(await createPractice(db, 'oak')).institution.id, (await createPractice(db, 'elm')).institution.id];
});

after(async () => {
  await db?.close();
  await database?.drop();
});

/** What is wrong, rather than failed. */
const findings: string[] = [];

async function look(tx: Tx, institutionIds: number[]): Promise<void> {
  const rows = await tx.selectFrom('location').selectAll().execute();
  const seen = rows.map((row) => row.institution_id).sort((a, b) => a - b);
  const own = institutionIds.flatMap((id) => [id, id]);
  if (seen.join() !== own.join()) findings.push(`a statement for ${institutionIds} saw rows of ${seen}`);
}

const fail = (tx: Tx) => sql`select 1 / (select 0)`.execute(tx);
const write = (tx: Tx) => sql`update location set updated_at = now()`.execute(tx);

const ACTS: ((id: number) => Promise<unknown>)[] = [
  (id) => readInstitution(db, id, (tx) => look(tx, [id])),
  (id) => readInstitution(db, id, (tx) => look(tx, [id]).then(() => fail(tx))),
  (id) => readInstitution(db, id, (tx) => Promise.all([fail(tx), look(tx, [id])])),
  () => readAll(db, (tx) => look(tx, ids)),
  (id) => forInstitution(db, id, (tx) => write(tx).then(() => look(tx, [id]))),
  (id) => forInstitution(db, id, (tx) => look(tx, [id]).then(() => fail(tx))),
];

async function act(untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    const id = ids[Math.floor(Math.random() * ids.length)] as number;
    const one = ACTS[Math.floor(Math.random() * ACTS.length)] as (typeof ACTS)[number];
    await one(id).catch((error: Error & { code?: string }) => {
      if (error.code !== DIVISION_BY_ZERO && !isDatabaseAway(error)) findings.push(`${error.code} ${error.message}`);
    });
  }
}

/** Without the database's own workers, which may come by and are nobody's to cancel. */
const theirs = `from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
const FAULTS = [
  `select pg_cancel_backend(pid) ${theirs}`,
  `select pg_terminate_backend(pid, 1000) ${theirs} order by random() limit 1`,
  "alter table location add column if not exists colour text default 'green'",
  'alter table location drop column if exists colour',
];

async function disturb(untilMs: number): Promise<void> {
  const client = new pg.Client(database.connection);
  await client.connect();
  for (let n = 0; Date.now() < untilMs; n += 1) {
    await client.query(FAULTS[n % FAULTS.length] as string);
    await sleep(FAULT_EVERY_MS);
  }
  await client.end();
}

test('whatever fails, each sees the rows of its own institution, and the connections go on', async () => {
  const untilMs = Date.now() + DURATION_MS;
  await Promise.all([disturb(untilMs), ...Array.from({ length: ACTORS }, () => act(untilMs))]);
  const again = () =>
    Promise.all(
      Array.from({ length: CONNECTIONS }).flatMap(() =>
        ids.flatMap((id) => [
          forInstitution(db, id, (tx) => look(tx, [id])),
          readInstitution(db, id, (tx) => look(tx, [id])),
        ]),
      ),
    );
  // The last fault may still be on its way.
  await again().catch((error) => (isDatabaseAway(error) ? sleep(FAULT_EVERY_MS).then(again) : Promise.reject(error)));
  assert.deepEqual(findings, []);
});

for (const [kind, run] of Object.entries({ read: readAll, transaction: forAll })) {
  test(`a connection that is cut between two statements of a ${kind} is the database being away, and no more`, async () => {
    const one = run(db, async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      await forAll(db, (other) => sql`select pg_terminate_backend(${rows[0]?.pid}, 1_000)`.execute(other));
      // The driver hears of it in its own time.
      await sleep(FAULT_EVERY_MS);
      await look(tx, ids);
    });
    await assert.rejects(one, isDatabaseAway);
    await run(db, (tx) => look(tx, ids));
  });
}
