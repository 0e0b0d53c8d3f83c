/**
 * A large and busy practice, and the API in front of it: `openchair api` as a process of its own. No worker runs,
 * so nothing but the requests uses the machine.
 */
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { addDays, DAY_MS, localDateOf, localToInstantMs, MINUTE_MS } from '../src/domain/zone.ts';
import { forAll, openDatabase } from '../src/store/database.ts';
import { createTestDatabase } from '../test/harness/database.ts';
import { createKey } from '../test/harness/practice.ts';
import { startProgram } from '../test/harness/program.ts';
import { SECRET_KEY } from '../test/harness/seal.ts';

export const PROVIDERS = 50;
/** These are booked, from tomorrow on; the days after them are free. */
export const BUSY_DAYS = 14;
const BOOKED_SHARE = 0.6;
const ZONE = 'America/New_York';
const SUBDOMAIN = 'bench';
/** Ids of a kind begin where no other's reach: a value says by itself what it names. */
const LOCATION_ID = 100;
const PATIENT_ID = 200;
const FIRST_PROVIDER_ID = 1_000;
const FIRST_OPERATORY_ID = 2_000;
const FIRST_APPOINTMENT_ID = 1_000_000;
/** Open from 8 to 12 and from 13 to 17. */
const OPENS = [480, 780];
const HALF_DAY_MINUTES = 240;
const VISIT_MINUTES = 30;

/** A free half-hour of one provider in that provider's own operatory. */
export interface FreeTime {
  providerId: number;
  operatoryId: number;
  startMs: number;
  endMs: number;
}

export type BusyPractice = Awaited<ReturnType<typeof startBusyPractice>>;

/** Makes the practice on a database of its own and starts the API. Whoever starts one closes it. */
export async function startBusyPractice() {
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 1, () => {});
  const tomorrow = localDateOf(ZONE, Date.now() + DAY_MS);
  try {
    await forAll(db, async (tx) => {
      const one = sql<{ id: number }>;
      const { rows } =
        await one`insert into institution (name, subdomain) values ('Bench', ${SUBDOMAIN}) returning id`.execute(tx);
      const institution = sql.lit(rows[0]?.id ?? 0);
      // Nobody asks this HRS anything: it stands behind the location because a booking needs one that does.
      await sql`
        insert into connection (id, institution_id, kind, name, config, sync_cycle_ms, push_token, paused)
        values (10, ${institution}, 'sandbox', 'bench', '{"baseUrl": "http://127.0.0.1:9", "apiKey": "none"}', 60000, 'bench', true)`.execute(
        tx,
      );
      await sql`
        insert into location (id, institution_id, connection_id, name, tz, foreign_id)
        values (${LOCATION_ID}, ${institution}, 10, 'Bench', ${ZONE}, 'L')`.execute(tx);
      await sql`
        insert into patient (id, institution_id, connection_id, first_name, last_name, foreign_id, location_ids)
        values (${PATIENT_ID}, ${institution}, 10, 'Pia', 'Pine', 'A', array[${LOCATION_ID}::bigint])`.execute(tx);
      await sql`
        with numbers as (select generate_series(0, ${PROVIDERS - 1}::int) as n),
        people as (insert into provider (id, institution_id, connection_id, first_name, last_name, foreign_id)
          select ${FIRST_PROVIDER_ID}::int + n, ${institution}, 10, 'Provider', n::text, 'P' || n from numbers),
        rooms as (insert into operatory (id, institution_id, connection_id, location_id, name, foreign_id)
          select ${FIRST_OPERATORY_ID}::int + n, ${institution}, 10, ${LOCATION_ID}, 'Room ' || n, 'O' || n from numbers),
        places as (insert into provider_location (institution_id, provider_id, location_id)
          select ${institution}, ${FIRST_PROVIDER_ID}::int + n, ${LOCATION_ID} from numbers)
        insert into availability (institution_id, location_id, provider_id, operatory_id, begin_minute, end_minute, days)
        select ${institution}, ${LOCATION_ID}, ${FIRST_PROVIDER_ID}::int + n, ${FIRST_OPERATORY_ID}::int + n,
          opens, opens + ${HALF_DAY_MINUTES}::int, 127
        from numbers, unnest(${OPENS}::int[]) as opens`.execute(tx);
      // A hash instead of random(): the same quarter hours are booked in every run.
      await sql`
        insert into appointment (institution_id, connection_id, location_id, patient_id, provider_id, operatory_id,
          foreign_id, start_at, end_at)
        select ${institution}, 10, ${LOCATION_ID}, ${PATIENT_ID}, ${FIRST_PROVIDER_ID}::int + n, ${FIRST_OPERATORY_ID}::int + n,
          concat_ws('/', n, day, minute), start_at, start_at + interval '15 minutes'
        from generate_series(0, ${PROVIDERS - 1}::int) as n, generate_series(0, ${BUSY_DAYS - 1}::int) as day,
          unnest(${OPENS}::int[]) as opens, generate_series(opens, opens + ${HALF_DAY_MINUTES - 15}::int, 15) as minute,
          lateral (select (${tomorrow}::date + day + make_interval(mins => minute)) at time zone ${ZONE} as start_at) as times
        where hashint4(n * 100000 + day * 1440 + minute) & 1023 < ${Math.round(BOOKED_SHARE * 1024)}::int`.execute(tx);
      await sql`alter table appointment alter column id restart with ${sql.lit(FIRST_APPOINTMENT_ID)}`.execute(tx);
    });
    // What autovacuum does within a minute, so that it does not do it in the middle of a round.
    await db.pool.query('vacuum analyze');
    const institutionId = await forAll(db, async (tx) => {
      return (await tx.selectFrom('institution').select('id').executeTakeFirstOrThrow()).id;
    });
    const { key } = await createKey(db, [institutionId]);
    const program = await startProgram('api', {
      DATABASE_URL: database.url,
      OPENCHAIR_SECRET_KEY: SECRET_KEY,
      LOG_LEVEL: 'warn',
    });
    return {
      database,
      institutionId,
      key,
      program,
      tomorrow,
      providerIds: Array.from({ length: PROVIDERS }, (_, n) => FIRST_PROVIDER_ID + n),
      locationId: LOCATION_ID,
      patientId: PATIENT_ID,
      headers: { authorization: key, 'nex-api-version': 'v2', 'content-type': 'application/json' },
      bookingPath: `/appointments?subdomain=${SUBDOMAIN}&location_id=${LOCATION_ID}`,
      bookingOf: (time: FreeTime) =>
        JSON.stringify({
          appt: {
            patient_id: PATIENT_ID,
            provider_id: time.providerId,
            operatory_id: time.operatoryId,
            start_time: new Date(time.startMs).toISOString(),
            end_time: new Date(time.endMs).toISOString(),
          },
        }),
      slotsPath: (providerIds: number[]) =>
        `/appointment_slots?subdomain=${SUBDOMAIN}&start_date=${tomorrow}&days=${BUSY_DAYS}&slot_length=15` +
        `&lids[]=${LOCATION_ID}${providerIds.map((id) => `&pids[]=${id}`).join('')}`,
      /** Times that overlap nothing, never the same twice; neighbours belong to different providers. */
      freeTimes: freeTimesFrom(addDays(tomorrow, BUSY_DAYS)),
      async close() {
        await program.stop();
        await db.close();
        await database.drop();
      },
    };
  } catch (error) {
    await db.close();
    await database.drop();
    throw error;
  }
}

function freeTimesFrom(date: string): (count: number) => FreeTime[] {
  const perHalfDay = HALF_DAY_MINUTES / VISIT_MINUTES;
  let given = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      const n = given % PROVIDERS;
      const time = Math.floor(given / PROVIDERS);
      const half = Math.floor(time / perHalfDay);
      const minute = (OPENS[half % OPENS.length] as number) + (time % perHalfDay) * VISIT_MINUTES;
      const startMs = localToInstantMs(ZONE, addDays(date, Math.floor(half / OPENS.length)), minute);
      given += 1;
      return {
        providerId: FIRST_PROVIDER_ID + n,
        operatoryId: FIRST_OPERATORY_ID + n,
        startMs,
        endMs: startMs + VISIT_MINUTES * MINUTE_MS,
      };
    });
}

/** Memory that the process has in RAM at this moment. */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}
