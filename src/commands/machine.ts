/**
 * The states of a command, and what comes next. Pure: the runner asks it and acts.
 *
 *   queued ──► sent ──► complete | failed
 *     ▲         │
 *     │         ▼ (no answer, or one that proves nothing)
 *     │      unknown ──► settling ──► searched: found → complete, absent → queued again
 *     │
 *   An HRS that takes a write now and answers later keeps it in settling: it is asked for the answer, and never
 *   given the write again.
 *
 *   at the appointment's start: never sent, or proven absent → timed_out; in doubt → incomplete
 *
 * While its connection is paused a command neither sends nor looks: it rests, and ends at the start all the same.
 */
import type { CommandState } from '../store/schema.ts';

export const TERMINAL_STATES = ['complete', 'failed', 'timed_out', 'incomplete'] as const;

export function isTerminal(state: CommandState): boolean {
  return (TERMINAL_STATES as readonly CommandState[]).includes(state);
}

/** Sending the same write more often than this, with no answer each time, is left to a person. */
export const MAX_ATTEMPTS = 8;

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;
/** An HRS that asks for more patience than this is asked again all the same. */
const MAX_ASKED_MS = 3_600_000;

export type NextMove =
  /** Send it; nothing of it can be in the HRS. */
  | { do: 'send' }
  /** A request may still be under way: do nothing before this. */
  | { do: 'settle'; untilMs: number }
  /** Ask the HRS whether it has the write. */
  | { do: 'search' }
  /** Leave it alone until the connection is no longer paused, or its time has come. */
  | { do: 'rest' }
  | {
      do: 'finish';
      state: 'timed_out' | 'failed' | 'incomplete';
      reason: 'hrs_unreachable' | 'connection_paused' | 'attempts_exhausted' | 'outcome_unknown';
    };

export interface CommandFacts {
  state: CommandState;
  attempts: number;
  /** The appointment's start. */
  expiresMs: number;
  /** When the last request had certainly left our hands and the HRS can no longer act on it; null: none is out. */
  settlesMs: number | null;
  /** Nothing may be asked of the HRS now. */
  paused: boolean;
}

/** What to do with an open command that has just been claimed. */
export function nextMove(command: CommandFacts, nowMs: number): NextMove {
  const expired = nowMs >= command.expiresMs;
  switch (command.state) {
    case 'queued':
    case 'searched':
      if (expired) {
        return { do: 'finish', state: 'timed_out', reason: command.paused ? 'connection_paused' : 'hrs_unreachable' };
      }
      if (command.paused) return { do: 'rest' };
      if (command.attempts >= MAX_ATTEMPTS) return { do: 'finish', state: 'failed', reason: 'attempts_exhausted' };
      return { do: 'send' };
    case 'sent':
    case 'unknown':
    case 'settling':
      if (command.settlesMs !== null && nowMs < command.settlesMs) return { do: 'settle', untilMs: command.settlesMs };
      if (command.paused) return afterSearchFailed(command, nowMs) ?? { do: 'rest' };
      return { do: 'search' };
    default:
      throw new Error(`a command that has ended was claimed: ${command.state}`);
  }
}

/** After the start nobody may search for ever: what cannot be looked up then stays in doubt. */
export function afterSearchFailed(command: CommandFacts, nowMs: number): NextMove | null {
  return nowMs >= command.expiresMs ? { do: 'finish', state: 'incomplete', reason: 'outcome_unknown' } : null;
}

/**
 * Doubling from one second, and what the HRS itself asked for when that is longer. One that nobody reaches is tried
 * every 15 s, to be there when it is; one that is there and says that it cannot, ever more seldom, up to 10 min.
 */
export function retryDelayMs(failures: number, askedMs: number | null, isThere = false): number {
  return Math.max(
    Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures, 10), isThere ? MAX_RESEND_MS : MAX_RETRY_MS),
    Math.min(askedMs ?? 0, MAX_ASKED_MS),
  );
}

const FIRST_RESEND_MS = 2_000;
const RESEND_GROWTH = 5;
const MAX_RESEND_MS = 600_000;

/**
 * How long a write that was sent `attempts` times, and is not there, rests before it is sent again. The first time
 * not at all: mostly one answer was lost. An HRS that swallows every write gets ever longer to recover, 25 minutes
 * in all, but never more than half of what is left until the start.
 */
export function resendDelayMs(attempts: number, leftMs: number): number {
  if (attempts <= 1) return 0;
  return Math.max(0, Math.min(FIRST_RESEND_MS * RESEND_GROWTH ** (attempts - 2), MAX_RESEND_MS, leftMs / 2));
}
