/** What follows from one HTTP try: for the delivery, when it is tried again; for the endpoint, whether it stays on. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** NexHealth's retries, elapsed since the first try: with it, eleven tries in all. */
export const RETRIES_MS: readonly number[] = [
  30 * SECOND_MS,
  1.5 * MINUTE_MS,
  3.5 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  24 * HOUR_MS,
  48 * HOUR_MS,
];
/** A delivery whose first try is this old is given up. */
export const GIVE_UP_AFTER_MS = 48 * HOUR_MS;
/** NexHealth's: an endpoint on which every try has failed for this long is switched off. */
export const SWITCH_OFF_AFTER_MS = 48 * HOUR_MS;
/** Spreads the retries of many deliveries that failed together: each comes this part sooner or later. */
const JITTER = 0.1;
/** Retries that have fallen behind (the program was off) do not follow each other any closer. */
const MIN_GAP_MS = 30 * SECOND_MS;
/** A receiver that is overloaded gets at least this long, even when it does not say how long. */
const MIN_GAP_AFTER_429_MS = 60 * SECOND_MS;
const MAX_RETRY_AFTER_MS = 24 * HOUR_MS;

/** How one HTTP try ended. */
export interface Attempt {
  attemptedAtMs: number;
  durationMs: number;
  /** Null when no status line and headers came back. */
  statusCode: number | null;
  /** Why there was no answer; null when there was one. */
  errorCode: string | null;
  /** How long the receiver asks to be left alone; null when it does not say. */
  retryAfterMs: number | null;
}

export type Verdict = { state: 'delivered' } | { state: 'pending'; dueAtMs: number } | { state: 'failed' };

/** Any 2xx. A redirect is a failure: it could lead anywhere. */
export function isSuccess({ statusCode }: Attempt): boolean {
  return statusCode !== null && statusCode >= 200 && statusCode < 300;
}

/**
 * What becomes of a delivery after its latest try. `before` is how it stood when that try began; `random` is
 * uniform in [0, 1).
 *
 * Jitter and fixed gaps never move a retry past the end of the schedule, but `Retry-After` does: it only ever
 * delays, and the retry it has moved past the end is the last.
 */
export function judgeDelivery(
  attempt: Attempt,
  before: { attempts: number; firstAttemptAtMs: number | null },
  random: number,
): Verdict {
  if (isSuccess(attempt)) return { state: 'delivered' };
  const firstAtMs = before.firstAttemptAtMs ?? attempt.attemptedAtMs;
  const endsAtMs = firstAtMs + GIVE_UP_AFTER_MS;
  const nowMs = attempt.attemptedAtMs + attempt.durationMs;
  const offsetMs = RETRIES_MS[before.attempts];
  if (offsetMs === undefined || nowMs >= endsAtMs) return { state: 'failed' };
  const gapMs = attempt.statusCode === 429 ? MIN_GAP_AFTER_429_MS : MIN_GAP_MS;
  const plannedAtMs = firstAtMs + offsetMs * (1 - JITTER + 2 * JITTER * random);
  const dueAtMs = Math.min(Math.max(plannedAtMs, nowMs + gapMs), endsAtMs);
  return { state: 'pending', dueAtMs: Math.round(Math.max(dueAtMs, nowMs + (attempt.retryAfterMs ?? 0))) };
}

/** Since when every try on an endpoint has failed, and whether it stays on: 410 says that nobody lives there. */
export function judgeEndpoint(
  attempt: Attempt,
  failingSinceMs: number | null,
): { failingSinceMs: number | null; staysActive: boolean } {
  if (isSuccess(attempt)) return { failingSinceMs: null, staysActive: true };
  const sinceMs = failingSinceMs ?? attempt.attemptedAtMs;
  const failedForMs = attempt.attemptedAtMs + attempt.durationMs - sinceMs;
  return { failingSinceMs: sinceMs, staysActive: attempt.statusCode !== 410 && failedForMs < SWITCH_OFF_AFTER_MS };
}

/** `Retry-After` as seconds or as a date (RFC 9110, 10.2.3); at most 24 hours, null for what is neither. */
export function parseRetryAfter(header: string | string[] | undefined, nowMs: number): number | null {
  const value = (Array.isArray(header) ? header[0] : header)?.trim() ?? '';
  // Date.parse reads years and fragments out of almost anything; an HTTP date names its day and ends in GMT.
  const waitMs = /^\d+$/.test(value)
    ? Number(value) * SECOND_MS
    : /^[A-Z][a-z]+, .+ GMT$/.test(value)
      ? Date.parse(value) - nowMs
      : Number.NaN;
  return Number.isNaN(waitMs) ? null : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}
