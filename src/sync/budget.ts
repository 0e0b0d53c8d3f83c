/**
 * Counting the calls to an HRS against its limits, before each is made. The counts stand in the database, where all
 * processes meet; a connection without limits costs a look a second.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import { type Budget, type Purpose, QuotaSpent } from '../connectors/connector.ts';
import { type Database, forAll, isDatabaseAway, prepared, type Tx } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import {
  allowedCalls,
  callsUsed,
  costsOf,
  freeAtMs,
  type LimitColumns,
  type Limits,
  limitsOf,
  PERIODS,
  type Period,
  type Rhythm,
  rhythmOf,
  type UseColumns,
  windowAt,
} from './quota.ts';

/** For how long limits are believed: a change of them takes effect everywhere within this. */
const BELIEVED_MS = 1_000;
/**
 * Reading waits this long for calls where it stands, instead of ending its pass: a connector may need more of them
 * before its next safe position than a minute has, and would never get any further.
 */
const MAX_PATIENCE_MS = 60_000;
/** Passes of a process that may stand and wait; half of those it runs at once, so that other connections go on. */
const MAX_PATIENT = 2;
/** No limit, to the database. */
const ANY_NUMBER = 2 ** 31 - 1;
/** What the last pass says of the cost of the next; the rest is said by those before it. */
const NEWEST_WEIGHT = 0.3;

export interface Budgets {
  /** The budget of one connection; any number of them count together. */
  of(connectionId: number): Budget;
  /** From now on nobody is kept waiting: who has to wait is refused. */
  close(): void;
}

/** Budgets of this process, over the installation's database, whose clock decides where a window ends. */
export function openBudgets(db: Database): Budgets {
  let patient = 0;
  const closing = new AbortController();
  return {
    close: () => closing.abort(),
    of(connectionId) {
      let known: { limits: Limits; databaseMs: number; readMs: number } | null = null;

      async function readLimits() {
        if (known && performance.now() - known.readMs < BELIEVED_MS) return known;
        const row = await forAll(db, (tx) => selectUse(tx, connectionId));
        known = {
          limits: row ? limitsOf(row) : NO_LIMITS,
          databaseMs: Date.parse(row?.now ?? ''),
          readMs: performance.now(),
        };
        return known;
      }

      /** Counts a call, or says why not and how long that will last. */
      async function take(purpose: Purpose): Promise<Refusal | null> {
        const { limits, databaseMs } = await readLimits();
        if (PERIODS.every((period) => limits[period] === null)) return null;
        const allowed = (period: Period) => {
          const limit = limits[period];
          return limit === null ? ANY_NUMBER : allowedCalls(period, limit, purpose, databaseMs);
        };
        return forAll(db, async (tx) => {
          if (await count(tx, connectionId, purpose, allowed)) return null;
          known = null;
          const row = await selectUse(tx, connectionId);
          return row ? refusalOf(row, purpose) : null;
        });
      }

      return {
        async spend(purpose) {
          let isWaiting = false;
          try {
            for (;;) {
              const refusal = await take(purpose);
              if (refusal === null) return;
              const { waitMs, period, limit, freeAt } = refusal;
              if (waitMs <= 0) continue;
              const mayWait = purpose !== 'write' && waitMs <= MAX_PATIENCE_MS && (isWaiting || patient < MAX_PATIENT);
              if (!mayWait || closing.signal.aborted) {
                const what = purpose === 'write' ? 'writing' : 'reading';
                const message = `The limit of ${limit} calls ${IN_WORDS[period]} leaves none for ${what} until ${freeAt}.`;
                throw new QuotaSpent(message, waitMs);
              }
              if (!isWaiting) patient += 1;
              isWaiting = true;
              // No longer at a time, for the limit may be lifted.
              await pause(Math.min(waitMs, BELIEVED_MS), null, { ref: false, signal: closing.signal }).catch(() => {});
            }
          } catch (error) {
            if (!isDatabaseAway(error)) throw error;
            throw new QuotaSpent('Calls to the HRS cannot be counted while the database is away.');
          } finally {
            if (isWaiting) patient -= 1;
          }
        },
      };
    },
  };
}

const NO_LIMITS: Limits = { minute: null, hour: null, month: null };
const IN_WORDS: Record<Period, string> = { minute: 'a minute', hour: 'an hour', month: 'a month' };

interface Refusal {
  /** Of the limits that refuse, the one that does so for longest. */
  period: Period;
  limit: number;
  /** 0 when its window has ended meanwhile. */
  waitMs: number;
  freeAt: string;
}

/** Nulls where nothing has been counted yet. */
type UseRow = LimitColumns & UseColumns & { reads: number | null; now: string };

function refusalOf(row: UseRow, purpose: Purpose): Refusal | null {
  const nowMs = Date.parse(row.now);
  const limits = limitsOf(row);
  let longest: Refusal | null = null;
  for (const period of PERIODS) {
    const limit = limits[period];
    if (limit === null) continue;
    const waitMs = freeAtMs(period, limit, callsUsed(row, period, nowMs), purpose, nowMs) - nowMs;
    if (waitMs >= (longest?.waitMs ?? 0)) longest = { period, limit, waitMs, freeAt: toIso(nowMs + waitMs) };
  }
  return longest;
}

async function selectUse(tx: Tx, connectionId: number) {
  const { rows } = await sql<UseRow>`${prepared}
    select calls_per_minute, calls_per_hour, calls_per_month, minute_began_at, minute_calls, hour_began_at, hour_calls,
      month_began_at, month_calls, reads, pass_calls, full_pass_calls, clock_timestamp() as now
    from connection left join call_use on connection_id = id where id = ${connectionId}`.execute(tx);
  return rows[0] ?? null;
}

/**
 * A call that has waited for the row counts in the window that others have begun meanwhile. A window that begins later
 * than now is of a clock that was put back.
 */
const began = (period: Period) => sql.ref(`u.${period}_began_at`);
const isUnderWay = (period: Period) =>
  sql`${began(period)} between ${sql.ref(`excluded.${period}_began_at`)} and clock_timestamp()`;
const used = (period: Period) => sql`case when ${isUnderWay(period)} then ${sql.ref(`u.${period}_calls`)} else 0 end`;
const counted = (period: Period) => sql`
  ${sql.raw(`${period}_calls`)} = ${used(period)} + 1,
  ${sql.raw(`${period}_began_at`)} = case when ${isUnderWay(period)} then ${began(period)}
    else ${sql.ref(`excluded.${period}_began_at`)} end`;

/** Counts one call in every window, provided that there is room in all of them. Returns whether it did. */
async function count(
  tx: Tx,
  connectionId: number,
  purpose: Purpose,
  allowed: (period: Period) => number,
): Promise<boolean> {
  const { rows } = await sql`${prepared}
    insert into call_use as u (institution_id, connection_id, minute_began_at, minute_calls, hour_began_at, hour_calls,
      month_began_at, month_calls, reads)
    select institution_id, id, date_trunc('minute', clock_timestamp(), 'UTC'), 1,
      date_trunc('hour', clock_timestamp(), 'UTC'), 1, date_trunc('month', clock_timestamp(), 'UTC'), 1,
      cast(${purpose === 'write' ? 0 : 1} as bigint)
    from connection where id = ${connectionId}
    on conflict (connection_id) do update set
      ${counted('minute')}, ${counted('hour')}, ${counted('month')}, reads = u.reads + excluded.reads
    where ${used('minute')} < ${allowed('minute')} and ${used('hour')} < ${allowed('hour')}
      and ${used('month')} < ${allowed('month')}
    returning connection_id`.execute(tx);
  return rows.length > 0;
}

export interface PassBudget extends Rhythm {
  /** From here on the pass's own calls are counted; null where nothing is. */
  readsBefore: number | null;
  /** False while a full pass would be cut off by a limit, when there will be a time at which it is not. */
  fitsFullPass: boolean;
}

/** What the limits of a connection mean for a pass that begins. */
export async function planPass(tx: Tx, connection: ConnectionRow): Promise<PassBudget> {
  const limits = limitsOf(connection);
  if (PERIODS.every((period) => limits[period] === null)) {
    return { ...rhythmOf(connection, limits, costsOf(null)), readsBefore: null, fitsFullPass: true };
  }
  const use = await selectUse(tx, connection.id);
  const costs = costsOf(use);
  const nowMs = Date.parse(use?.now ?? '');
  const cutsOff = (period: Period) => {
    const limit = limits[period];
    if (limit === null || !use || costs.fullPassCalls === null) return false;
    const most = allowedCalls(period, limit, 'far', windowAt(period, nowMs).endsMs - 1);
    const left = allowedCalls(period, limit, 'far', nowMs) - callsUsed(use, period, nowMs);
    return costs.fullPassCalls <= most && costs.fullPassCalls > left;
  };
  return {
    ...rhythmOf(connection, limits, costs),
    readsBefore: use?.reads ?? 0,
    // Within a minute it is only slowed down.
    fitsFullPass: !cutsOff('hour') && !cutsOff('month'),
  };
}

/** Notes what a pass that has come to its end has cost. */
export async function noteCost(
  tx: Tx,
  connectionId: number,
  { readsBefore }: PassBudget,
  isWhole: boolean,
): Promise<void> {
  if (readsBefore === null) return;
  const column = sql.ref(isWhole ? 'full_pass_calls' : 'pass_calls');
  await sql`update call_use set ${column} = (reads - ${readsBefore}) * ${NEWEST_WEIGHT}::real
      + coalesce(${column}, reads - ${readsBefore}) * ${1 - NEWEST_WEIGHT}::real
    where connection_id = ${connectionId}`.execute(tx);
}
