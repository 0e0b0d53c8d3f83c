/**
 * One pass over one connection: what the connector yields goes into our tables, a transaction for each batch, with
 * the cursor that makes storing both together consistent. A pass that is cut off anywhere goes on from there.
 *
 * Every transaction is guarded by the fence under which the connection was claimed: a worker that was away longer
 * than its lease stores nothing more.
 */
import { sql, type UpdateObject } from 'kysely';
import { type Clock, toIso } from '../clock.ts';
import {
  type Batch,
  type Connector,
  type ConnectorKind,
  CursorRejected,
  HrsNonsense,
  Unavailable,
} from '../connectors/connector.ts';
import type { DeletionRecord, HrsRecord, RecordKind } from '../domain/records.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll, forInstitution, isDatabaseAway, type Tx } from '../store/database.ts';
import type { ConnectionRow, Schema } from '../store/schema.ts';
import { recordEvents } from '../webhooks/event.ts';
import { eventsOfReadiness } from '../webhooks/onboarding.ts';
import { eventsOfRecovery } from '../webhooks/sync-status.ts';
import { applyBatch, type Duplicate } from './apply.ts';
import { noteAbsences, settleDeletions } from './deletions.ts';
import { freeDoubted, hurryAnswers } from './guards.ts';
import { RECORD_KINDS } from './kinds.ts';

export interface SyncServices {
  db: Database;
  clock: Clock;
  log: Logger;
  wakeups: Pick<Wakeups, 'wake'>;
  kinds: ReadonlyMap<string, ConnectorKind>;
  connectors: (connection: ConnectionRow) => Connector;
  /** What to do about a second copy of a booking; see `ApplyOptions.onDuplicate`. */
  onDuplicate?: (tx: Tx, duplicate: Duplicate) => Promise<void>;
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

/** The connector's contract. */
const MAX_BATCH_RECORDS = 1_000;
const MAX_CURSOR_BYTES = 4_096;
/** A connector has shorter bounds of its own; this one keeps a faulty one from holding a worker for ever. */
const BATCH_WAIT_MS = 60_000;
/** Records that wait, until the end of the pass, for what they refer to. Beyond it they wait for the next full pass. */
const MAX_UNRESOLVED = 1_000;
/** An HRS that is down is asked again at least this often. */
const MAX_BACKOFF_MS = 60_000;
/** Nor is an HRS that asks for patience left alone for longer than this. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const JITTER = 0.1;
/** What is missing for the first time is looked for once more after this, instead of at the next full pass. */
const SECOND_LOOK_MS = 30_000;
/** What could not be believed yet, because a command was under way, is read once more after this at the latest. */
const AGAIN_MS = 2_000;
const MAX_ERROR_LENGTH = 500;
/** For how long runs are remembered. */
const RUN_RETENTION_DAYS = 30;

/** Another worker has claimed the connection since. */
class FenceLost extends Error {
  override name = 'FenceLost';
}

/** The HRS, or its connector, could not go on; `cause` says why. */
class HrsFailed extends Error {
  override name = 'HrsFailed';
}

/** What a pass remembers from batch to batch; changed only when the batch has been committed. */
interface Pass {
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
  /** The HRS takes bookings at all. */
  canWrite: boolean;
  /** It takes writes now and answers later. */
  answersLater: boolean;
}

/**
 * Runs one pass under `fence`, and sets the time of the next. Returns null when the connection is not this
 * worker's (any more). Trouble is recorded with the connection and told in the result; only a database that is
 * away is thrown.
 */
export async function runSync(
  services: SyncServices,
  connectionId: number,
  fence: number,
  signal: AbortSignal,
): Promise<RunResult | null> {
  const begun = await begin(services, connectionId, fence);
  if (begun === null) return null;
  const { connection, pass } = begun;
  // Ends whatever the connector is still doing, however the pass ends.
  const leaving = new AbortController();
  try {
    for await (const { batch, askedMs, whole } of readBatches(services, connection, pass, signal, leaving.signal)) {
      if (whole) noteSeen(pass, batch);
      await storeBatch(services, connection, fence, pass, batch, askedMs);
    }
    if (!pass.complete) await finishPartial(services, connection, fence, pass);
    return { kind: pass.kind, outcome: pass.complete ? 'complete' : 'partial', ...pass.totals };
  } catch (error) {
    if (error instanceof FenceLost) {
      services.log.warn({ connection: connectionId }, 'a sync was cut off: another worker has the connection now');
      return null;
    }
    if (isDatabaseAway(error)) {
      // If it was only a lock not had in time, nobody need wait for the lease.
      await release(services, connection, fence, pass).catch(() => {});
      throw error;
    }
    if (signal.aborted) {
      await release(services, connection, fence, pass);
      return { kind: pass.kind, outcome: 'partial', ...pass.totals };
    }
    await finishFailed(services, connection, fence, pass, error);
    return { kind: pass.kind, outcome: 'failed', ...pass.totals };
  } finally {
    leaving.abort();
  }
}

async function begin(
  { db, clock }: SyncServices,
  connectionId: number,
  fence: number,
): Promise<{ connection: ConnectionRow; pass: Pass } | null> {
  return forAll(db, async (tx) => {
    const connection = await tx
      .selectFrom('connection')
      .selectAll()
      .select(sql<boolean>`full_pass_due_at <= now()`.as('full_pass_due'))
      .where('id', '=', connectionId)
      .where('sync_fence', '=', fence)
      .forUpdate()
      .executeTakeFirst();
    if (!connection) return null;
    const first = connection.first_synced_at === null;
    const fromBeginning = connection.cursor === null || (!first && connection.full_pass_due);
    const kind = first ? 'first' : fromBeginning ? 'full' : 'incremental';
    if (fromBeginning) {
      // Now and not at the end: a pass that is cut off goes on from its cursor instead of beginning once more.
      await tx
        .updateTable('connection')
        .set({ full_pass_due_at: after(connection.full_pass_every_ms) })
        .where('id', '=', connectionId)
        .execute();
    }
    const { id: runId } = await tx
      .insertInto('sync_run')
      .values({ institution_id: connection.institution_id, connection_id: connectionId, kind })
      .returning('id')
      .executeTakeFirstOrThrow();
    const pass: Pass = {
      kind,
      runId,
      startedMs: clock.nowMs(),
      seen: fromBeginning ? new Map() : null,
      unresolved: new Map(),
      deletionsDue: fromBeginning || connection.held_deletions > 0,
      totals: { records: 0, changed: 0, deleted: 0, held: 0 },
      complete: false,
      again: false,
      canWrite: false,
      answersLater: false,
    };
    return { connection, pass };
  });
}

interface Asked {
  batch: Batch;
  /** When the connector was asked for it. */
  askedMs: number;
  /** Part of everything, from the beginning. */
  whole: boolean;
}

/**
 * The batches of one pass. Throws HrsFailed.
 *
 * A pass from the beginning reads the feed to its end before: what was deleted since the last pass is reported
 * there, while its mere absence from the whole would count only when another pass has confirmed it.
 */
async function* readBatches(
  { clock, connectors }: SyncServices,
  connection: ConnectionRow,
  pass: Pass,
  signal: AbortSignal,
  leaving: AbortSignal,
): AsyncGenerator<Asked> {
  try {
    const connector = connectors(connection);
    pass.canWrite = connector.capabilities.createAppointment;
    pass.answersLater = connector.answerTo !== undefined;
    for (const kind of connector.capabilities.readsCompletely) pass.seen?.set(kind, new Set());
    const { cursor } = connection;
    for (const from of pass.seen && cursor ? [cursor, null] : [pass.seen ? null : cursor]) {
      const isLast = from === null || pass.seen === null;
      try {
        const batches = connector.changes(from, leaving)[Symbol.asyncIterator]();
        for (let complete = false; !complete; ) {
          const askedMs = clock.nowMs();
          const next = await within(batches.next(), BATCH_WAIT_MS, signal);
          if (next.done) return;
          checkContract(next.value);
          ({ complete } = next.value);
          yield { batch: { ...next.value, complete: complete && isLast }, askedMs, whole: from === null };
        }
      } catch (error) {
        // What the feed no longer knows, the whole tells.
        if (isLast || !(error instanceof CursorRejected)) throw error;
      }
    }
  } catch (cause) {
    throw new HrsFailed('the HRS could not be read', { cause });
  }
}

/** What `promise` gives; throws Unavailable when that takes too long, and the signal's reason when it aborts. */
async function within<T>(promise: Promise<T>, waitMs: number, signal: AbortSignal): Promise<T> {
  // What nobody waits for any more may still fail, and must not end the process by it.
  promise.catch(() => {});
  signal.throwIfAborted();
  const { promise: gaveUp, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Unavailable(`no answer within ${waitMs / 1000} s`)), waitMs);
  const aborted = () => reject(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  try {
    return await Promise.race([promise, gaveUp]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', aborted);
  }
}

function checkContract({ records, cursor }: Batch): void {
  if (records.length > MAX_BATCH_RECORDS) {
    throw new HrsNonsense(`a batch of ${records.length} records; at most ${MAX_BATCH_RECORDS} can be stored at once`);
  }
  const bytes = cursor === null ? 0 : Buffer.byteLength(JSON.stringify(cursor));
  if (bytes > MAX_CURSOR_BYTES) throw new HrsNonsense(`a cursor of ${bytes} bytes; the limit is ${MAX_CURSOR_BYTES}`);
}

const keyOf = (record: HrsRecord | DeletionRecord) =>
  record.kind === 'deletion' ? `${record.of}:${record.foreignId}` : `${record.kind}:${record.foreignId}`;

function noteSeen({ seen }: Pass, { records }: Batch): void {
  for (const record of records) if (record.kind !== 'deletion') seen?.get(record.kind)?.add(record.foreignId);
}

async function storeBatch(
  services: SyncServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
  batch: Batch,
  askedMs: number,
): Promise<void> {
  const { db, clock, log, wakeups, onDuplicate } = services;
  const nowMs = clock.nowMs();
  const told = new Set(connection.told_kinds);
  for (const record of batch.records) {
    const key = keyOf(record);
    if (record.kind === 'deletion') pass.unresolved.delete(key);
    else if (pass.unresolved.has(key)) pass.unresolved.set(key, record);
  }
  const waiting = batch.complete ? [...pass.unresolved.values()] : [];

  const stored = await forInstitution(db, connection.institution_id, async (tx) => {
    const options = { nowMs, told, onDuplicate };
    const applied = await applyBatch(tx, connection, batch.records, { ...options, askedMs });
    const late = await applyBatch(tx, connection, waiting, { ...options, askedMs: pass.startedMs });
    const events = [...applied.events, ...late.events];
    let held: number | null = null;
    let deleted = 0;
    let secondLook = false;
    if (batch.complete && (pass.deletionsDue || applied.reportedDeleted > 0)) {
      secondLook = pass.seen !== null && (await noteAbsences(tx, connection, pass.seen));
      const settled = await settleDeletions(tx, connection, { nowMs, told, seen: pass.seen });
      events.push(...settled.events);
      ({ held, deleted } = settled);
    }
    await advance(tx, connection, fence, {
      ...(batch.cursor === null || pass.again || applied.again ? {} : { cursor: JSON.stringify(batch.cursor) }),
      // Until they are settled, reported deletions count as held: a pass that is cut off must not forget them.
      ...(held === null
        ? { held_deletions: sql<number>`held_deletions + ${applied.reportedDeleted}` }
        : { held_deletions: held }),
      ...(batch.complete ? afterSuccess(connection, pass, nowMs) : {}),
      ...(secondLook ? { full_pass_due_at: sql<string>`least(full_pass_due_at, ${after(SECOND_LOOK_MS)})` } : {}),
    });
    if (pass.answersLater && batch.records.length > 0) await hurryAnswers(tx, connection.id);
    const changed = applied.changed + late.changed;
    await tx
      .updateTable('sync_run')
      .set((eb) => ({
        records: eb('records', '+', batch.records.length),
        changed: eb('changed', '+', changed),
        deleted: eb('deleted', '+', deleted),
        held: held ?? 0,
        ...(batch.complete ? { outcome: 'complete', finished_at: toIso(nowMs) } : {}),
      }))
      .where('id', '=', pass.runId)
      .execute();
    if (batch.complete && pass.seen) {
      await freeDoubted(tx, connection.id, pass.startedMs);
      await forgetOldRuns(tx, connection.id, pass.runId);
    }
    if (batch.complete) events.push(...(await eventsOfRecovery(tx, connection, services.kinds)));
    if (batch.complete) events.push(...(await eventsOfReadiness(tx, connection, nowMs)));
    const deliveries = await recordEvents(tx, connection.institution_id, events);
    return { applied, late, changed, deleted, held, deliveries };
  });

  const { applied, late } = stored;
  pass.totals.records += batch.records.length;
  pass.totals.changed += stored.changed;
  pass.totals.deleted += stored.deleted;
  pass.totals.held = stored.held ?? 0;
  pass.deletionsDue ||= applied.reportedDeleted > 0;
  pass.complete = batch.complete;
  pass.again ||= applied.again;
  for (const record of applied.unresolved) {
    if (pass.unresolved.size < MAX_UNRESOLVED) pass.unresolved.set(keyOf(record), record);
  }
  if (stored.deliveries > 0) wakeups.wake('deliveries');
  const base = { connection: connection.id, run: pass.runId };
  const problems = [...applied.problems, ...late.problems];
  if (problems.length > 0) {
    log.warn({ ...base, count: problems.length, problems: [...new Set(problems)] }, 'records that cannot be stored');
  }
  if (batch.complete && late.unresolved.length > 0) {
    log.warn({ ...base, count: late.unresolved.length }, 'records that refer to what the HRS has not told us of');
  }
  if (stored.held) log.warn({ ...base, held: stored.held }, 'so many deletions at once are held back');
}

type ConnectionChange = UpdateObject<Schema, 'connection'>;

/** Changes the connection's row, and thereby proves that it is still this worker's. Throws FenceLost. */
async function advance(tx: Tx, connection: ConnectionRow, fence: number, change: ConnectionChange): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('connection')
    .set(change)
    .where('id', '=', connection.id)
    .where('sync_fence', '=', fence)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) throw new FenceLost();
}

/** Due times and leases go by the database's clock, which all workers share. */
const after = (ms: number) => sql<string>`now() + ${ms} * interval '1 millisecond'`;

/** When the next pass is due; a push that came while this one ran is not forgotten. */
const nextDue = (pass: Pass, delayMs: number) => sql<string>`case
  when sync_due_at > (select started_at from sync_run where id = ${pass.runId}) then sync_due_at
  else ${after(delayMs)} end`;

function afterSuccess(connection: ConnectionRow, pass: Pass, nowMs: number): ConnectionChange {
  const at = toIso(nowMs);
  return {
    read_status: 'green',
    read_status_at: at,
    // An HRS that answers again will take writes again; the command that finds otherwise says so.
    ...(pass.canWrite && connection.write_status === 'red' ? { write_status: 'green', write_status_at: at } : {}),
    synced_at: at,
    first_synced_at: connection.first_synced_at ?? at,
    // Everything has been read once: from here on, what is new of any kind is news.
    ...(pass.kind === 'incremental' ? {} : { told_kinds: RECORD_KINDS }),
    last_error_code: null,
    last_error: null,
    sync_lease_until: null,
    sync_due_at: nextDue(pass, pass.again ? Math.min(connection.sync_cycle_ms, AGAIN_MS) : connection.sync_cycle_ms),
  };
}

/** Uneventful runs are remembered until the next full pass, all others for a month. */
async function forgetOldRuns(tx: Tx, connectionId: number, before: number): Promise<void> {
  await sql`
    delete from sync_run where connection_id = ${connectionId} and id < ${before} and (
      started_at < now() - ${RUN_RETENTION_DAYS} * interval '1 day'
      or (kind = 'incremental' and outcome = 'complete' and records = 0 and deleted = 0 and held = 0))`.execute(tx);
}

/**
 * An HRS that stays silent is asked ever less often: after half of the time for which it has been, never more
 * often than its cycle, and at least once a minute.
 */
function backoffMs(connection: ConnectionRow, nowMs: number, askedMs: number | null): number {
  const silentMs = nowMs - Date.parse(connection.synced_at ?? connection.created_at);
  const delayMs = Math.max(connection.sync_cycle_ms, Math.min(silentMs / 2, MAX_BACKOFF_MS));
  const jitteredMs = delayMs * (1 + JITTER * (2 * Math.random() - 1));
  return Math.round(Math.max(jitteredMs, Math.min(askedMs ?? 0, MAX_RETRY_AFTER_MS)));
}

/** Ends a pass that did not end well: its run and, under the fence, the connection. */
async function finish(
  { db, clock }: SyncServices,
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
async function finishPartial(
  services: SyncServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
): Promise<void> {
  services.log.warn({ connection: connection.id, run: pass.runId }, 'a sync ended without proof that it was complete');
  const delayMs = backoffMs(connection, services.clock.nowMs(), null);
  const change = {
    last_error_code: 'partial',
    last_error: 'The HRS did not say, or not convincingly, that it had sent everything.',
    sync_due_at: nextDue(pass, delayMs),
  };
  await finish(services, connection, fence, pass, { outcome: 'partial', code: 'partial', change });
}

/** This process is stopping: whoever comes next goes on at once. */
async function release(services: SyncServices, connection: ConnectionRow, fence: number, pass: Pass): Promise<void> {
  await finish(services, connection, fence, pass, { outcome: 'partial', code: 'stopped', change: {} });
}

async function finishFailed(
  services: SyncServices,
  connection: ConnectionRow,
  fence: number,
  pass: Pass,
  error: unknown,
): Promise<void> {
  const { log, clock } = services;
  const base = { connection: connection.id, run: pass.runId };
  const cause = error instanceof HrsFailed ? error.cause : error;
  const code = codeOf(cause);
  if (cause instanceof CursorRejected && pass.seen === null) {
    log.warn(base, 'the HRS no longer knows where reading got to: everything is read again');
    const change = { cursor: null, last_error_code: code, last_error: cause.message, sync_due_at: sql<string>`now()` };
    await finish(services, connection, fence, pass, { outcome: 'failed', code, change });
    return;
  }
  // A message of our own kinds of error carries no patient data; that of any other might.
  const ours = cause instanceof Unavailable || cause instanceof HrsNonsense || cause instanceof CursorRejected;
  const message = ours ? cause.message : `an error of the program (${(cause as Error)?.name}); see the log`;
  if (ours) log.warn({ ...base, code }, 'a sync failed');
  else log.error({ ...base, code, errorName: (cause as Error)?.name, stack: (cause as Error)?.stack }, 'a sync failed');
  const askedMs = cause instanceof Unavailable ? cause.retryAfterMs : null;
  const change = {
    read_status: 'red' as const,
    last_error_code: code,
    last_error: message.slice(0, MAX_ERROR_LENGTH),
    sync_due_at: nextDue(pass, backoffMs(connection, clock.nowMs(), askedMs)),
  };
  await finish(services, connection, fence, pass, { outcome: 'failed', code, change });
}

function codeOf(cause: unknown): string {
  if (cause instanceof Unavailable) return 'unavailable';
  if (cause instanceof HrsNonsense) return 'nonsense';
  if (cause instanceof CursorRejected) return 'cursor_rejected';
  return 'internal';
}
