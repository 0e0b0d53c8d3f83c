/**
 * How many requests a key may make, as NexHealth limits it. Every request is counted in the database, so that
 * several API processes share one count and each key has its own; a key that has been refused is refused from memory
 * until its window is over, so that hammering costs nobody else anything.
 */
import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import { type Database, prepared } from '../store/database.ts';

/** The limits by name: `all` counts every request, `schedule` reads of appointments and slots, `people` what is about patients and appointments, `rest` everything else. */
export const LIMIT_NAMES = ['all', 'schedule', 'people', 'rest'] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

export interface Limit {
  requests: number;
  windowS: number;
}

export type RateLimits = Readonly<Record<LimitName, Limit>>;

/** NexHealth's rate limiting page, for v2.2.2; later pages name the two of a minute only. */
export const NEXHEALTH_LIMITS: RateLimits = {
  all: { requests: 100, windowS: 1 },
  schedule: { requests: 10, windowS: 1 },
  people: { requests: 1_000, windowS: 60 },
  rest: { requests: 2_000, windowS: 60 },
};

/**
 * What `OPENCHAIR_RATE_LIMITS` says: `off`, `nexhealth`, or those of NexHealth's limits that shall differ, as in
 * `schedule=50/1,people=5000/60`: requests per seconds. Null means none. Throws for anything else.
 */
export function parseRateLimits(text: string): RateLimits | null {
  if (text === 'off') return null;
  const limits = { ...NEXHEALTH_LIMITS };
  for (const part of text === 'nexhealth' ? [] : text.split(',')) {
    const [, name, requests, windowS] = /^\s*(\w+)=(\d{1,9})\/(\d{1,6})\s*$/.exec(part) ?? [];
    if (!LIMIT_NAMES.includes(name as LimitName) || Number(requests) < 1 || Number(windowS) < 1) {
      throw new Error(
        `OPENCHAIR_RATE_LIMITS: "${part.trim()}" is no limit. Write off, nexhealth, or limits such as schedule=50/1: ` +
          `a name of ${LIMIT_NAMES.join(', ')}, requests, and the seconds they are counted in.`,
      );
    }
    limits[name as LimitName] = { requests: Number(requests), windowS: Number(windowS) };
  }
  return limits;
}

/** Keys that have been refused and are remembered; more than one installation ever has. */
const MAX_REMEMBERED = 10_000;

const SCHEDULE_PATHS = new Set(['/appointments', '/appointment_slots', '/available_slots']);

/** What of a route decides which limits it has. */
export interface Limited {
  method: string;
  path: string;
}

/** The limits that a request to this route counts against. */
export function limitsOf(route: Limited): LimitName[] {
  const isSchedule = route.method === 'GET' && SCHEDULE_PATHS.has(route.path);
  const isPeople = /^\/(patients|appointments|appointment_slots|available_slots)(\/|$)/.test(route.path);
  return ['all', ...(isSchedule ? (['schedule'] as const) : []), isPeople ? 'people' : 'rest'];
}

/** What a limited answer says about its limits: the fields of the IETF draft, and `Retry-After` when refused. */
export interface Allowance {
  headers: Record<string, string>;
  /** Null when the request may pass. */
  refusal: ApiError | null;
}

export interface RateLimiter {
  /** Counts a request of this key. */
  take(apiKeyId: number, route: Limited): Promise<Allowance>;
}

/**
 * A request that has waited for its row counts in the window that others have begun meanwhile, instead of bringing its
 * own back. One that begins later than now is of a database whose clock was put back.
 */
const isUnderWay = sql`w.started_at between excluded.started_at and clock_timestamp()`;

interface Window {
  name: LimitName;
  requests: number;
  /** Until the window is over. */
  leftMs: number;
}

/** A limiter over the installation's database; windows follow the database's clock, which all processes share. */
export function createRateLimiter(db: Database, limits: RateLimits, clock: Clock): RateLimiter {
  const refusedUntilMs = new Map<string, number>();

  async function count(apiKeyId: number, names: readonly LimitName[]): Promise<Window[]> {
    const seconds = names.map((name) => limits[name].windowS);
    const { rows } = await sql<{ name: LimitName; requests: number; left_ms: number }>`${prepared}
        with asked as (
          select name, to_timestamp(floor(extract(epoch from clock_timestamp()) / window_s) * window_s) as started_at, window_s
          from unnest(cast(${names} as text[]), cast(${seconds} as integer[])) as a (name, window_s)),
        counted as (
          insert into rate_window as w (api_key_id, limit_name, started_at, requests)
          select ${apiKeyId}, name, started_at, 1 from asked order by name
          on conflict (api_key_id, limit_name) do update set
            requests = case when ${isUnderWay} then w.requests + 1 else 1 end,
            started_at = case when ${isUnderWay} then w.started_at else excluded.started_at end
          returning limit_name, requests, started_at)
        select counted.limit_name as name, counted.requests, cast(ceil(extract(epoch from
          counted.started_at + make_interval(secs => asked.window_s) - clock_timestamp()) * 1000) as integer) as left_ms
        from counted join asked on asked.name = counted.limit_name`.execute(db.kysely);
    return rows.map(({ name, requests, left_ms }) => ({ name, requests, leftMs: Math.max(1, left_ms) }));
  }

  return {
    async take(apiKeyId, route) {
      const names = limitsOf(route);
      const nowMs = clock.nowMs();
      const remembered = names
        .map((name) => ({ name, leftMs: (refusedUntilMs.get(`${apiKeyId} ${name}`) ?? 0) - nowMs }))
        // More than a window is left only where our clock was put back.
        .filter(({ name, leftMs }) => leftMs > 0 && leftMs <= limits[name].windowS * 1_000);
      const windows =
        remembered.length > 0
          ? remembered.map((one) => ({ ...one, requests: limits[one.name].requests + 1 }))
          : await count(apiKeyId, names);
      const exceeded = windows.filter(({ name, requests }) => requests > limits[name].requests);
      for (const { name, leftMs } of exceeded) {
        if (refusedUntilMs.size >= MAX_REMEMBERED) refusedUntilMs.clear();
        refusedUntilMs.set(`${apiKeyId} ${name}`, nowMs + leftMs);
      }
      return allowanceOf(limits, names, windows, exceeded);
    },
  };
}

const secondsOf = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));

function allowanceOf(limits: RateLimits, names: LimitName[], windows: Window[], exceeded: Window[]): Allowance {
  const left = ({ name, requests }: Window) => Math.max(0, limits[name].requests - requests);
  const headers: Record<string, string> = {
    'ratelimit-policy': names
      .map((name) => `"${name}";q=${limits[name].requests};w=${limits[name].windowS}`)
      .join(', '),
    ratelimit: windows.map((window) => `"${window.name}";r=${left(window)};t=${secondsOf(window.leftMs)}`).join(', '),
  };
  const worst = exceeded.toSorted((a, b) => b.leftMs - a.leftMs)[0];
  if (worst === undefined) return { headers, refusal: null };
  const { requests, windowS } = limits[worst.name];
  const waitS = secondsOf(worst.leftMs);
  return {
    headers: { ...headers, 'retry-after': String(waitS) },
    refusal: new ApiError(
      'rate_limited',
      `Too many requests: this key may make ${requests} of this kind in ${windowS} s; wait ${waitS} s`,
    ),
  };
}
