import { sql } from 'kysely';
import type { Logger } from '../logger.ts';
import { type Database, forAll, isDatabaseAway } from '../store/database.ts';

const EVERY_MS = 3_600_000;
/** Rows removed per statement: short locks matter more than a quick end. */
const BATCH = 5_000;

/**
 * What is kept, and for how long. Idempotency keys outlive a day of retries; logs a month of questions. With `empties`
 * the row stays, without what stands in that column.
 */
const RULES: { table: string; condition: string; oldestFirst: string; empties?: string }[] = [
  { table: 'idempotency', condition: "created_at < now() - interval '48 hours'", oldestFirst: 'created_at' },
  {
    table: 'delivery',
    condition: "state <> 'pending' and finished_at < now() - interval '30 days'",
    oldestFirst: 'id',
  },
  // In their order, so that what is left has no gaps at any moment.
  {
    table: 'event',
    condition: "created_at < now() - interval '30 days'",
    oldestFirst: 'institution_id, position',
  },
  { table: 'claim', condition: "end_at < now() - interval '1 day'", oldestFirst: 'id' },
  // A month for questions and for reading again. About an appointment that has not been over for so long, what was said
  // last is all we know of it: a change of it is written with everything that its messages hold. So is a booking with
  // what was last said of its patient, who may come once a year.
  {
    table: 'raw_message',
    empties: 'body',
    condition: `body is not null and stored_at < now() - interval '30 days' and not exists (
      select from appointment where appointment.connection_id = raw_message.connection_id
        and foreign_id = appointment_ref and end_at > now() - interval '30 days')
      and (patient_ref is null or stored_at < now() - interval '400 days' or exists (
        select from raw_message newer where newer.connection_id = raw_message.connection_id
          and newer.patient_ref = raw_message.patient_ref and newer.position > raw_message.position
          and newer.body is not null))`,
    oldestFirst: 'stored_at',
  },
  // That there was such a message still says that nothing older is news.
  {
    table: 'raw_message',
    condition: "body is null and stored_at < now() - interval '400 days'",
    oldestFirst: 'stored_at',
  },
];

/** Forgets what is past its time. Several processes may do it at once: each takes other rows. */
export async function tidyUp(db: Database, signal: AbortSignal): Promise<void> {
  for (const { table, condition, oldestFirst, empties } of RULES) {
    const forget = empties
      ? sql`update ${sql.table(table)} set ${sql.ref(empties)} = null`
      : sql`delete from ${sql.table(table)}`;
    for (let forgotten = BATCH; forgotten === BATCH && !signal.aborted; ) {
      const result = await forAll(db, (tx) =>
        sql`${forget} where ctid = any(array(
          select ctid from ${sql.table(table)} where ${sql.raw(condition)} order by ${sql.raw(oldestFirst)} limit ${BATCH} for update skip locked))`.execute(
          tx,
        ),
      );
      forgotten = Number(result.numAffectedRows ?? 0);
    }
  }
}

/** Tidies up once an hour. */
export function startHousekeeping(db: Database, log: Logger): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let running = Promise.resolve();
  const timer = setInterval(() => {
    running = tidyUp(db, stopping.signal).catch((error) => {
      if (!isDatabaseAway(error)) log.error({ code: (error as { code?: string }).code }, 'housekeeping failed');
    });
  }, EVERY_MS);
  timer.unref();
  return {
    stop() {
      stopping.abort();
      clearInterval(timer);
      return running;
    },
  };
}
