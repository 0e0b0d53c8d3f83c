import { sql } from 'kysely';
import type { Logger } from '../logger.ts';
import { type Database, forAll, isDatabaseAway } from '../store/database.ts';

const EVERY_MS = 3_600_000;
/** Rows removed per statement: short locks matter more than a quick end. */
const BATCH = 5_000;

/** What is kept, and for how long. Idempotency keys outlive a day of retries; logs a month of questions. */
const RULES: { table: string; condition: string; oldestFirst: string }[] = [
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
];

/** Forgets what is past its time, once an hour. Several processes may do it at once: each takes other rows. */
export function startHousekeeping(db: Database, log: Logger): { stop(): Promise<void> } {
  let stopped = false;
  let running = Promise.resolve();
  const tidy = async () => {
    for (const { table, condition, oldestFirst } of RULES) {
      for (let removed = BATCH; removed === BATCH && !stopped; ) {
        const result = await forAll(db, (tx) =>
          sql`delete from ${sql.table(table)} where ctid = any(array(
            select ctid from ${sql.table(table)} where ${sql.raw(condition)} order by ${sql.raw(oldestFirst)} limit ${BATCH} for update skip locked))`.execute(
            tx,
          ),
        );
        removed = Number(result.numAffectedRows ?? 0);
      }
    }
  };
  const timer = setInterval(() => {
    running = tidy().catch((error) => {
      if (!isDatabaseAway(error)) log.error({ code: (error as { code?: string }).code }, 'housekeeping failed');
    });
  }, EVERY_MS);
  timer.unref();
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
      return running;
    },
  };
}
