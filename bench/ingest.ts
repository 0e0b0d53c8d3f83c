/**
 * How quickly an HRS becomes rows: the sandbox's visits through its connector's own mapping and the function that
 * every sync uses, each batch in a transaction of its own with its events. The rival gets the same visits with all
 * ids looked up, and does with them what one statement can.
 */
import pg from 'pg';
import { mapCode, mapPatient, mapPractitioner, mapRoom, mapSite, mapVisit } from '../src/connectors/sandbox/map.ts';
import type { HrsRecord } from '../src/domain/records.ts';
import { type Database, forAll, forInstitution, openDatabase } from '../src/store/database.ts';
import { type Applied, applyBatch, type SyncedConnection } from '../src/sync/apply.ts';
import { RECORD_KINDS } from '../src/sync/kinds.ts';
import { recordEvents } from '../src/webhooks/event.ts';
import { createTestDatabase } from '../test/harness/database.ts';
import type { Figure } from './figure.ts';

const ROUNDS = 3;
const VISITS = 10_000;
/** The contract's largest batch. */
const BATCH = 1_000;
const PATIENTS = 1_000;
const PRACTITIONERS = 10;
const SITE = 1;
const FIRST_START_MS = Date.parse('2026-12-01T09:00:00.000Z');
const VISIT_MS = 1_800_000;
/** One visit in so many is changed. */
const CHANGED_ONE_IN = 10;

/** A record as the sandbox's JSON has it. */
type Told = Record<string, unknown>;

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const text = (...names: string[]): Told => Object.fromEntries(names.map((name) => [name, null]));

function visitOf(n: number, note: string | null): Told {
  const startMs = FIRST_START_MS + Math.floor(n / PRACTITIONERS) * VISIT_MS;
  return {
    ...text('confirmed_at', 'arrived_at', 'done_at', 'broken_at', 'external_ref'),
    id: 10_000 + n,
    site_id: SITE,
    patient_id: 1_000 + (n % PATIENTS),
    practitioner_id: 100 + (n % PRACTITIONERS),
    room_id: 200 + (n % PRACTITIONERS),
    start: new Date(startMs).toISOString(),
    end: new Date(startMs + VISIT_MS).toISOString(),
    visit_code: `C${n % PRACTITIONERS}`,
    state: 'scheduled',
    confirmation: 'none',
    note,
  };
}

/** What visits refer to. */
function directory(): HrsRecord[] {
  const address = text('street', 'city', 'state', 'zip');
  const site = { ...address, phone: null, id: SITE, name: 'Bench', zone: 'America/New_York', schedules_by: 'room' };
  const practitioner = (n: number) => ({
    id: 100 + n,
    first_name: 'Ada',
    last_name: `Alder ${n}`,
    active: true,
    site_ids: [SITE],
  });
  const room = (n: number) => ({ id: 200 + n, site_id: SITE, name: `Room ${n}`, active: true });
  const code = (n: number) => ({
    id: 300 + n,
    code: `C${n}`,
    kind: 'visit_type',
    description: `Code ${n}`,
    minutes: 30,
    active: true,
  });
  return [
    mapSite(site),
    ...numbers(PRACTITIONERS).flatMap((n) => [mapPractitioner(practitioner(n)), mapRoom(room(n)), mapCode(code(n))]),
  ];
}

function patients(): HrsRecord[] {
  const nothing = text('middle_name', 'birth_date', 'sex', 'phone_home', 'phone_cell', 'phone_work', 'email', 'street');
  const more = text(
    'city',
    'state',
    'zip',
    'language',
    'guarantor_id',
    'usual_practitioner_id',
    'merged_into',
    'external_ref',
  );
  return numbers(PATIENTS).map((n) =>
    mapPatient({
      ...nothing,
      ...more,
      id: 1_000 + n,
      first_name: 'Pia',
      last_name: `Pine ${n}`,
      sms_ok: true,
      active: true,
      home_site_id: SITE,
    }),
  );
}

/** The passes over all visits that are timed, in order; `events`: whether a sync of this kind tells of what it finds. */
const PASSES = [
  { name: 'first load', noteOf: () => null, changed: VISITS, events: false, atLeast: 9_000 },
  { name: 'nothing changed', noteOf: () => null, changed: 0, events: true, atLeast: 30_000 },
  {
    name: 'a tenth changed, with events',
    noteOf: (n: number) => (n % CHANGED_ONE_IN === 0 ? 'changed' : null),
    changed: VISITS / CHANGED_ONE_IN,
    events: true,
    atLeast: 15_000,
  },
];

export async function measure(): Promise<Figure[]> {
  const rounds: Rates[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measureRound());
  return PASSES.map(({ name, atLeast }, pass) => ({
    name: `ingest, ${name}`,
    unit: '/s',
    rounds: rounds.map(({ ours }) => ours[pass] as number),
    target: { atLeast },
    rival: { name: 'bare pg upsert', rounds: rounds.map(({ rivals }) => rivals[pass] as number) },
  }));
}

/** Records a second of each pass. */
interface Rates {
  ours: number[];
  rivals: number[];
}

/** A database of its own, because a first load happens once. */
async function measureRound(): Promise<Rates> {
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 1, () => {});
  const bare = new pg.Client(database.connection);
  await bare.connect();
  try {
    const connection = await makeConnection(db);
    await store(db, connection, directory(), false);
    await store(db, connection, patients(), false);
    await makeRivalTable(bare);
    const rates: Rates = { ours: [], rivals: [] };
    for (const { name, noteOf, changed, events } of PASSES) {
      const visits = numbers(VISITS).map((n) => visitOf(n, noteOf(n)));
      let seenChanged = 0;
      const ours = await rate(visits, async (batch) => {
        seenChanged += (await store(db, connection, batch.map(mapVisit), events)).changed;
      });
      if (seenChanged !== changed) throw new Error(`${name}: ${seenChanged} rows changed, not ${changed}`);
      rates.ours.push(ours);
      rates.rivals.push(await rate(visits, (batch) => upsert(bare, batch)));
    }
    return rates;
  } finally {
    await bare.end();
    await db.close();
    await database.drop();
  }
}

async function rate(visits: Told[], take: (batch: Told[]) => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  for (let from = 0; from < visits.length; from += BATCH) await take(visits.slice(from, from + BATCH));
  return visits.length / ((performance.now() - startedMs) / 1000);
}

function store(db: Database, connection: SyncedConnection, records: HrsRecord[], events: boolean): Promise<Applied> {
  return forInstitution(db, connection.institution_id, async (tx) => {
    const nowMs = Date.now();
    const told = new Set(events ? RECORD_KINDS : []);
    const applied = await applyBatch(tx, connection, records, { nowMs, askedMs: nowMs, told });
    await recordEvents(tx, connection.institution_id, applied.events);
    return applied;
  });
}

function makeConnection(db: Database): Promise<SyncedConnection> {
  return forAll(db, async (tx) => {
    const institution = await tx
      .insertInto('institution')
      .values({ name: 'Bench', subdomain: 'bench' })
      .returning('id')
      .executeTakeFirstOrThrow();
    return tx
      .insertInto('connection')
      .values({
        institution_id: institution.id,
        kind: 'sandbox',
        name: 'bench',
        config: '{}',
        sync_cycle_ms: 1_000,
        push_token: 'bench',
      })
      .returning(['id', 'institution_id', 'kind'])
      .executeTakeFirstOrThrow();
  });
}

/** The appointment table's columns, constraints and indexes, without foreign keys and row-level security. */
async function makeRivalTable(bare: pg.Client): Promise<void> {
  await bare.query('create table visit (like appointment including all)');
}

async function upsert(bare: pg.Client, batch: Told[]): Promise<void> {
  const values = batch.map(({ id, site_id, patient_id, practitioner_id, room_id, start, end, note }) => ({
    foreign_id: String(id),
    location_id: site_id,
    patient_id,
    provider_id: practitioner_id,
    operatory_id: room_id,
    start_at: start,
    end_at: end,
    note,
  }));
  const columns = 'location_id, patient_id, provider_id, operatory_id, start_at, end_at, note';
  await bare.query(
    `insert into visit as v (institution_id, connection_id, foreign_id, ${columns})
     select 1, 1, foreign_id, ${columns} from json_populate_recordset(null::visit, $1)
     on conflict (connection_id, foreign_id) do update set (${columns}, updated_at) = row(
       ${columns.replaceAll(/\w+/g, 'excluded.$&')}, now())
     where (${columns.replaceAll(/\w+/g, 'v.$&')}) is distinct from (${columns.replaceAll(/\w+/g, 'excluded.$&')})`,
    [JSON.stringify(values)],
  );
}
