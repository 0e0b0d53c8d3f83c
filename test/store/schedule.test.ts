import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Database, forInstitution, openDatabase } from '../../src/store/database.ts';
import { readBusy } from '../../src/store/schedule.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { createAppointment, createPractice, type Practice } from '../harness/practice.ts';

const DAY = '2026-12-01';

let database: TestDatabase;
let db: Database;
let practice: Practice;

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 1, () => {});
  practice = await createPractice(db, 'oak');
});

after(async () => {
  await db?.close();
  await database?.drop();
});

test('busy time is that of the providers, of their operatories and of the whole location, to the millisecond', async () => {
  const { locations, providers, operatories } = practice;
  const at = (hour: number) => `${DAY}T${String(hour).padStart(2, '0')}:00:00.007Z`;
  const counted: [string, object][] = [
    [at(8), { operatory_id: operatories.roomSouth }],
    [at(9), { location_id: locations.south }],
    [at(10), { provider_id: providers.ben, operatory_id: operatories.roomNorth }],
    [at(11), { provider_id: null, unavailable: true }],
    [at(12), { foreign_id: null }],
    ['2026-11-28T12:00:00.000Z', { unavailable: true, end_at: at(9) }],
  ];
  const ignored: [string, object][] = [
    [at(13), { provider_id: providers.ben }],
    [at(14), { provider_id: providers.ben, operatory_id: operatories.roomSouth }],
    [at(15), { provider_id: null, unavailable: true, location_id: locations.south }],
    [at(16), { cancelled: true }],
    [at(17), { deleted_at: at(1) }],
    ['2026-12-03T08:00:00.000Z', {}],
  ];
  for (const [startAt, fields] of [...counted, ...ignored]) await createAppointment(db, practice, startAt, fields);
  const busy = await forInstitution(db, practice.institution.id, (tx) =>
    readBusy(tx, {
      institutionId: practice.institution.id,
      locationId: locations.north,
      providerIds: [providers.ada],
      operatoryIds: [operatories.roomNorth],
      startMs: Date.parse(DAY),
      endMs: Date.parse(DAY) + 86_400_000,
    }),
  );
  const found = busy.map(({ startMs, reason }) => `${new Date(startMs).toISOString()} ${reason}`).sort();
  const reasons = ['appointment', 'appointment', 'appointment', 'block', 'pending', 'block'];
  assert.deepEqual(found, counted.map(([startAt], n) => `${startAt} ${reasons[n]}`).sort());
});
