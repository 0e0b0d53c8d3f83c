import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { type Database, forAll, openDatabase } from '../../src/store/database.ts';
import { readTables } from '../../src/store/tables.ts';
import { bookSlot, endedWrite, openSlots, writesOf } from '../harness/booking.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { client, type DemoProgram, startDemoProgram, startProgram, until } from '../harness/program.ts';
import { startReceiver } from '../harness/receiver.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));

let folder: string;
let program: DemoProgram;
let target: TestDatabase;
let file: string;
/** Bookings of the first installation by what became of them. */
const bookings: Record<string, number> = {};

function openchair(databaseUrl: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? '', DATABASE_URL: databaseUrl, OPENCHAIR_DATA: folder };
    const child = execFile(process.execPath, [BIN, ...args], { env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    );
  });
}

async function inDatabase<T>(database: TestDatabase, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openDatabase(database.connection, 1, () => {});
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** Every row of every table, by table; what import changes on purpose is left out. */
function contents(database: TestDatabase) {
  return inDatabase(database, (db) =>
    forAll(db, async (tx) => {
      const all: Record<string, { rows: number; digest: string }> = {};
      for (const { name, columns } of await readTables(tx)) {
        const kept = columns.filter(
          (column) =>
            !column.endsWith('lease_until') &&
            !(name === 'command' && ['state', 'history', 'settles_at', 'due_at'].includes(column)),
        );
        const { rows } = await sql<{ rows: number; digest: string }>`
          select count(*) as rows, md5(coalesce(string_agg(r::text, ',' order by r::text), '')) as digest
          from (select ${sql.join(kept.map((column) => sql.ref(column)))} from ${sql.table(name)}) r`.execute(tx);
        all[name] = rows[0] as { rows: number; digest: string };
      }
      return all;
    }),
  );
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openchair-export-'));
  file = join(folder, 'all.jsonl');
  program = await startDemoProgram();
  target = await createTestDatabase();
  const { api, demo, sandbox } = program;
  const receiver = await startReceiver();
  const endpoint = await api('POST', '/webhook_endpoints', { target_url: `${receiver.url}/hook` });
  const path = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?subdomain=${demo.subdomain}`;
  await api('POST', path, { resource_type: 'Appointment', event: 'appointment_insertion' });

  const book = async (over = {}) => {
    const slots = await openSlots(program);
    const { status, body } = await bookSlot(program, slots[0], over, { 'idempotency-key': `k-${Math.random()}` });
    assert.equal(status, 201, JSON.stringify(body));
    return body.data.appt.id;
  };
  // Characters that somebody takes for the end of a line, and one outside the basic plane.
  bookings.complete = await book({ note: 'a\u2028b\u0085c\r\n"d" \\ 𝄞' });
  await until('the write', () => endedWrite(program, bookings.complete as number));
  await receiver.close();
  // The work is done, and nobody hears of it before the program is gone.
  await sandbox('POST', '/faults', { fault: 'slow_reply', ms: 60_000, match: 'write', times: 1 });
  bookings.sent = await book();
  await until('it to be sent', async () => (await writesOf(program, bookings.sent as number))[0].state === 'sent');
  await program.kill();
});

after(async () => {
  await program?.end();
  await target?.drop();
  rmSync(folder, { recursive: true, force: true });
});

test('export writes one file, for its owner only, and says what it holds', async () => {
  const { code, output } = await openchair(program.database.url, 'export', '--everything', file);
  assert.equal(code, 0, output);
  assert.match(output, /holds \d+ rows/);
  assert.match(output, /Warning: .*patients/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await openchair(program.database.url, 'export', '--everything', file);
  assert.equal(again.code, 1);
  assert.match(again.output, /does not exist yet/);
});

test('a file that is cut, or of another schema, changes nothing', async () => {
  const whole = readFileSync(file, 'utf8');
  const cases: Record<string, [string, RegExp]> = {
    'cut in a row': [whole.slice(0, whole.length >> 1), /ends too early/],
    'without its last line': [whole.slice(0, whole.lastIndexOf('{"end"')), /ends too early/],
    'of another schema': [whole.replace(/"sha256":"[0-9a-f]{8}/, '"sha256":"00000000'), /another schema/],
    'no dump': ['{"some":"json"}\n', /is no file of "export --everything"/],
  };
  for (const [what, [text, message]] of Object.entries(cases)) {
    const broken = join(folder, 'broken.jsonl');
    writeFileSync(broken, text);
    const { code, output } = await openchair(target.url, 'import', broken);
    assert.equal(code, 1, what);
    assert.match(output, message, what);
  }
  const all = await contents(target);
  assert.ok(Object.values(all).every(({ rows }) => rows === 0));
});

test('import brings every row back as it was, into an empty database only', async () => {
  const { code, output } = await openchair(target.url, 'import', file);
  assert.equal(code, 0, output);
  assert.deepEqual(await contents(target), await contents(program.database));
  const invariants = await openchair(target.url, 'invariants');
  assert.equal(invariants.code, 0, invariants.output);
  const again = await openchair(target.url, 'import', file);
  assert.equal(again.code, 1);
  assert.match(again.output, /is not empty/);
});

test('a write that had left is in doubt and nobody holds anything', () =>
  inDatabase(target, (db) =>
    forAll(db, async (tx) => {
      const command = await tx
        .selectFrom('command')
        .select(['state', 'lease_until', sql<boolean>`settles_at <= now()`.as('settled')])
        .where('appointment_id', '=', bookings.sent as number)
        .executeTakeFirstOrThrow();
      assert.deepEqual(command, { state: 'unknown', lease_until: null, settled: true });
      const held = await sql`select 1 from delivery where lease_until is not null
        union all select 1 from connection where sync_lease_until is not null`.execute(tx);
      assert.equal(held.rows.length, 0);
    }),
  ));

test('the new installation goes on: what had left is found and not sent again, and ids are new', async () => {
  const { demo, dataDir } = program;
  const moved = await startProgram('serve', { DATABASE_URL: target.url, OPENCHAIR_DATA: dataDir });
  try {
    const api = client(moved.url, demo.api_key);
    const here = { ...program, ...moved, api };
    const write = await until('the write in doubt', () => endedWrite(here, bookings.sent as number), 20_000);
    assert.equal(write.state, 'complete');
    assert.ok(!write.states.some(({ state }: { state: string }, at: number) => at > 1 && state === 'sent'));
    const [slot] = await openSlots(here);
    const { status, body } = await bookSlot(here, slot);
    assert.equal(status, 201, JSON.stringify(body));
    assert.ok(body.data.appt.id > (bookings.sent as number));
  } finally {
    await moved.stop();
  }
});
