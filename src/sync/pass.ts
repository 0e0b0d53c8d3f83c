/** A pass over a connection: what it remembers while it runs, how each of its ends is recorded, and when the next is due. */
import { isDeepStrictEqual } from 'node:util';
import { sql, type UpdateObject } from 'kysely';
import { type Clock, toIso } from '../clock.ts';
import { type Capabilities, CursorRejected, HrsNonsense, QuotaSpent, Unavailable } from '../connectors/connector.ts';
import type { HrsRecord, RecordKind } from '../domain/records.ts';
import type { Logger } from '../logger.ts';
import { type Database, forInstitution, type Tx } from '../store/database.ts';
import type { ConnectionRow, Schema } from '../store/schema.ts';
import type { PassBudget } from './budget.ts';
import { ConnectionUnusable } from './connectors.ts';
import { RECORD_KINDS } from './kinds.ts';

export interface PassServices {
  db: Database;
  clock: Clock;
  log: Logger;
}

export interface RunResult {
  kind: 'first' | 'incremental' | 'full';
  /** `partial`: the pass was cut off or ended without proof that it saw everything. */
  outcome: 'complete' | 'partial' | 'failed';
  records: number;
  changed: number;
  deleted: number;
  held: number;
}

/** An HRS that is down is asked again at least this often. */
const MAX_BACKOFF_MS = 60_000;
/** Nor is an HRS that asks for patience left alone for longer than this. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const JITTER = 0.1;
/** What could not be believed yet, because a command was under way, is read once more after this at the latest. */
const AGAIN_MS = 2_000;
const MAX_ERROR_LENGTH = 500;
/** For how long runs are remembered. */
const RUN_RETENTION_DAYS = 30;

/** The HRS, or its connector, could not go on; `cause` says why. */
export class HrsFailed extends Error {
  override name = 'HrsFailed';
}

/** What a pass remembers from batch to batch; changed only when the batch has been committed. */
export interface Pass {
  kind: RunResult['kind'];
  runId: number;
  startedMs: number;
  /** Ids seen, by kind, in a pass from the beginning: such a pass can tell what is absent. */
  seen: Map<RecordKind, Set<string>> | null;
  /** By kind and foreign id. */
  unresolved: Map<string, HrsRecord>;
  /** Something has been reported deleted, in this pass or in one that was cut off. */
  deletionsDue: boolean;
  totals: Pick<RunResult, 'records' | 'changed' | 'deleted' | 'held'>;
  complete: boolean;
  /** Something must be read once more: from here on the cursor stays where it is. */
  again: boolean;
  /** What the HRS can do, as it turns out while it is read; null before it has been asked. */
  capabilities: Capabilities | null;
  /** It takes writes now and answers later. */
  answersLater: boolean;
  budget: PassBudget;
}

export type ConnectionChange = UpdateObject<Schema, 'connection'>;

/** Due times and leases go by the database's clock, which all workers share. */
export const after = (ms: number) => sql<string>`now() + ${ms} * interval '1 millisecond'`;

/** When the next pass is due; a push that came while this one ran is not forgotten. */
const nextDue = (pass: Pass, delayMs: number) => sql<string>`case
  when sync_due_at > (select started_at from sync_run where id = ${pass.runId}) then sync_due_at
  else ${after(delayMs)} end`;

/** The connection once a pass has seen everything. */
export function afterSuccess(connection: ConnectionRow, pass: Pass, nowMs: number): ConnectionChange {
  const at = toIso(nowMs);
  return {
    read_status: 'green',
    read_status_at: at,
    // An HRS that answers again will take writes again; the command that finds otherwise says so.
    ...(pass.capabilities?.createAppointment && connection.write_status === 'red'
      ? { write_status: 'green', write_status_at: at }
      : {}),
    ...(isDeepStrictEqual(pass.capabilities, connection.capabilities)
      ? {}
      : { capabilities: JSON.stringify(pass.capabilities) }),
    synced_at: at,
    first_synced_at: connection.first_synced_at ?? at,
    // Everything has been read once: from here on, what is new of any kind is news.
    ...(pass.kind === 'incremental' ? {} : { told_kinds: RECORD_KINDS }),
    last_error_code: null,
    last_error: null,
    sync_lease_until: null,
    sync_due_at: nextDue(pass, pass.again ? Math.min(pass.budget.cycleMs, AGAIN_MS) : pass.budget.cycleMs),
  };
}

/** Uneventful runs are remembered until the next full pass, all others for a month. */
export async function forgetOldRuns(tx: Tx, connectionId: number, before: number): Promise<void> {
  await sql`
    delete from sync_run where connection_id = ${connectionId} and id < ${before} and (
      started_at < now() - ${RUN_RETENTION_DAYS} * interval '1 day'
      or (kind = 'incremental' and outcome = 'complete' and records = 0 and deleted = 0 and held = 0))`.execute(tx);
}

/**
 * An HRS that stays silent is asked ever less often: after half of the time for which it has been, never more
 * often than its cycle, and at least once a minute.
 */
function backoffMs(connection: ConnectionRow, pass: Pass, nowMs: number, askedMs: number | null): number {
  const silentMs = nowMs - Date.parse(connection.synced_at ?? connection.created_at);
  const delayMs = Math.max(pass.budget.cycleMs, Math.min(silentMs / 2, MAX_BACKOFF_MS));
  const jitteredMs = delayMs * (1 + JITTER * (2 * Math.random() - 1));
  return Math.round(Math.max(jitteredMs, Math.min(askedMs ?? 0, MAX_RETRY_AFTER_MS)));
}

/** Ends a pass that did not end well: its run and, under the fence, the connection. */
async function finish(
  { db, clock }: PassServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
  end: { outcome: 'partial' | 'failed'; code: string; change: ConnectionChange & { last_error?: string } },
): Promise<void> {
  await forInstitution(db, connection.institution_id, async (tx) => {
    await tx
      .updateTable('sync_run')
      .set({
        outcome: end.outcome,
        error_code: end.code,
        error: end.change.last_error,
        finished_at: toIso(clock.nowMs()),
      })
      .where('id', '=', pass.runId)
      .execute();
    await tx
      .updateTable('connection')
      .set({ sync_lease_until: null, ...end.change })
      .where('id', '=', connection.id)
      .where('sync_fence', '=', fence)
      .execute();
  });
}

/** Nothing is known to be wrong, and nothing is proven to be whole: the status stays what it was. */
export async function finishPartial(
  services: PassServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
): Promise<void> {
  services.log.warn({ connection: connection.id, run: pass.runId }, 'a sync ended without proof that it was complete');
  const delayMs = backoffMs(connection, pass, services.clock.nowMs(), null);
  const change = {
    last_error_code: 'partial',
    last_error: 'The HRS did not say, or not convincingly, that it had sent everything.',
    sync_due_at: nextDue(pass, delayMs),
  };
  await finish(services, connection, fence, pass, { outcome: 'partial', code: 'partial', change });
}

/** This process is stopping: whoever comes next goes on at once. */
export async function release(
  services: PassServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
): Promise<void> {
  await finish(services, connection, fence, pass, { outcome: 'partial', code: 'stopped', change: {} });
}

/** What could not be read to the end is told with the connection, and tried again when that makes sense. Returns the outcome. */
export async function finishFailed(
  services: PassServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
  error: unknown,
): Promise<'partial' | 'failed'> {
  const { log, clock } = services;
  const base = { connection: connection.id, run: pass.runId };
  const cause = error instanceof HrsFailed ? error.cause : error;
  const code = codeOf(cause);
  if (cause instanceof CursorRejected && pass.seen === null) {
    log.warn(base, 'the HRS no longer knows where reading got to: everything is read again');
    const change = { cursor: null, last_error_code: code, last_error: cause.message, sync_due_at: sql<string>`now()` };
    await finish(services, connection, fence, pass, { outcome: 'failed', code, change });
    return 'failed';
  }
  if (cause instanceof QuotaSpent) {
    log.info({ ...base, waitMs: cause.retryAfterMs }, 'a sync was cut short: its calls are used up');
    const delayMs = cause.retryAfterMs ?? backoffMs(connection, pass, clock.nowMs(), null);
    // Whatever is pushed meanwhile has to wait as well.
    const change = { last_error_code: code, last_error: cause.message, sync_due_at: after(delayMs) };
    await finish(services, connection, fence, pass, { outcome: 'partial', code, change });
    return 'partial';
  }
  // A message of our own kinds of error carries no patient data; that of any other might.
  const ours = [Unavailable, HrsNonsense, CursorRejected, ConnectionUnusable].some((kind) => cause instanceof kind);
  const message = ours ? (cause as Error).message : `an error of the program (${(cause as Error)?.name}); see the log`;
  if (ours) log.warn({ ...base, code }, 'a sync failed');
  else log.error({ ...base, code, errorName: (cause as Error)?.name, stack: (cause as Error)?.stack }, 'a sync failed');
  const askedMs = cause instanceof Unavailable ? cause.retryAfterMs : null;
  const change = {
    read_status: 'red' as const,
    last_error_code: code,
    last_error: message.slice(0, MAX_ERROR_LENGTH),
    sync_due_at: nextDue(pass, backoffMs(connection, pass, clock.nowMs(), askedMs)),
  };
  await finish(services, connection, fence, pass, { outcome: 'failed', code, change });
  return 'failed';
}

function codeOf(cause: unknown): string {
  if (cause instanceof QuotaSpent) return 'quota';
  if (cause instanceof Unavailable) return 'unavailable';
  if (cause instanceof HrsNonsense) return 'nonsense';
  if (cause instanceof CursorRejected) return 'cursor_rejected';
  if (cause instanceof ConnectionUnusable) return 'unusable';
  return 'internal';
}
