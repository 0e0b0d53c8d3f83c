/**
 * How the calls that an HRS allows us are shared out; budget.ts counts them.
 *
 * A limit holds in fixed windows: full minutes, hours and months of UTC. That is how contracts and bills put it, it is
 * one number for each limit, and nobody needs to remember when each call was made. Whoever counts in another way
 * answers 429, and is waited for.
 */
import type { Purpose } from '../connectors/connector.ts';
import type { CallUseRow, ConnectionRow } from '../store/schema.ts';

export const PERIODS = ['minute', 'hour', 'month'] as const;
export type Period = (typeof PERIODS)[number];

/** For each period a number; null is no limit. */
export type Limits = Record<Period, number | null>;

/**
 * Up to which part of a window each purpose may use it, whoever has used it before. Reading leaves a seventh to
 * writes, which somebody is waiting for; reading everything leaves a quarter more to what changes now.
 */
const SHARES: Record<Purpose, number> = { write: 1, near: 0.85, far: 0.6 };

/** What passes are planned to use: all in all less than reading may, so that pushes and slow days find room. */
const PLANNED = { near: 0.5, far: 0.25 };

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** The longest month, so that what is promised holds in every one. */
const LENGTHS_MS: Record<Period, number> = { minute: MINUTE_MS, hour: HOUR_MS, month: 31 * DAY_MS };

export type LimitColumns = Pick<ConnectionRow, 'calls_per_minute' | 'calls_per_hour' | 'calls_per_month'>;

/** Of a row of `call_use`, which is made by the first call that counts. */
export type UseColumns = {
  [K in Exclude<keyof CallUseRow, 'institution_id' | 'connection_id' | 'reads'>]: CallUseRow[K] | null;
};

/** The limits of a connection. */
export function limitsOf(row: LimitColumns): Limits {
  return { minute: row.calls_per_minute, hour: row.calls_per_hour, month: row.calls_per_month };
}

/** The window of that period which holds `nowMs`, from its first ms to the first of the next. */
export function windowAt(period: Period, nowMs: number): { beganMs: number; endsMs: number } {
  if (period === 'month') {
    const now = new Date(nowMs);
    const startOf = (month: number) => Date.UTC(now.getUTCFullYear(), month);
    return { beganMs: startOf(now.getUTCMonth()), endsMs: startOf(now.getUTCMonth() + 1) };
  }
  const beganMs = nowMs - (nowMs % LENGTHS_MS[period]);
  return { beganMs, endsMs: beganMs + LENGTHS_MS[period] };
}

/** How many calls have been made in the window that holds `nowMs`. */
export function callsUsed(use: UseColumns | null, period: Period, nowMs: number): number {
  const beganAt = use?.[`${period}_began_at`] ?? null;
  const isUnderWay = beganAt !== null && Date.parse(beganAt) === windowAt(period, nowMs).beganMs;
  return isUnderWay ? (use?.[`${period}_calls`] ?? 0) : 0;
}

/**
 * How many calls of the window may have been made for all purposes together, so that one more may be made for this
 * one; at least one call. A month is spent day by day by whoever reads: by the end of a day as much of it as has gone
 * by, or a busy first week would leave nothing to the last.
 */
export function allowedCalls(period: Period, limit: number, purpose: Purpose, nowMs: number): number {
  const { beganMs, endsMs } = windowAt(period, nowMs);
  const today = Math.floor((nowMs - beganMs) / DAY_MS) + 1;
  const gone = period === 'month' && purpose !== 'write' ? today / Math.round((endsMs - beganMs) / DAY_MS) : 1;
  return Math.max(1, Math.floor(limit * SHARES[purpose] * gone));
}

/** When that purpose may make a call again, after `used` calls in the window; `nowMs` when it may now. */
export function freeAtMs(period: Period, limit: number, used: number, purpose: Purpose, nowMs: number): number {
  const { beganMs, endsMs } = windowAt(period, nowMs);
  for (let atMs = nowMs; atMs < endsMs; atMs = beganMs + (Math.floor((atMs - beganMs) / DAY_MS) + 1) * DAY_MS) {
    if (used < allowedCalls(period, limit, purpose, atMs)) return atMs;
  }
  return endsMs;
}

/** What passes have cost; null for what has not been counted yet. */
export interface Costs {
  passCalls: number | null;
  fullPassCalls: number | null;
}

/** What was noted of the last passes. */
export function costsOf(use: UseColumns | null): Costs {
  return { passCalls: use?.pass_calls ?? null, fullPassCalls: use?.full_pass_calls ?? null };
}

/** How often a connection is read: as it is set up, or as seldom as its limits ask for. */
export interface Rhythm {
  cycleMs: number;
  fullPassEveryMs: number;
}

/** The rhythm that the limits bear when passes cost what they did: half of the calls for passes, a quarter for full ones. */
export function rhythmOf(
  asked: Pick<ConnectionRow, 'sync_cycle_ms' | 'full_pass_every_ms'>,
  limits: Limits,
  { passCalls, fullPassCalls }: Costs,
): Rhythm {
  const everyMs = (askedMs: number, calls: number | null, share: number) =>
    PERIODS.reduce((longestMs, period) => {
      const limit = limits[period];
      if (limit === null || calls === null) return longestMs;
      return Math.max(longestMs, Math.ceil((LENGTHS_MS[period] * calls) / (limit * share)));
    }, askedMs);
  return {
    cycleMs: everyMs(asked.sync_cycle_ms, passCalls, PLANNED.near),
    fullPassEveryMs: everyMs(asked.full_pass_every_ms, fullPassCalls, PLANNED.far),
  };
}
