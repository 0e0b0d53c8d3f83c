/**
 * One pass over one connection: what the connector yields goes into our tables, a transaction for each batch, with
 * the cursor that makes storing both together consistent. A pass that is cut off anywhere goes on from there.
 *
 * Every transaction is guarded by the fence under which the connection was claimed: a worker that was away longer
 * than its lease stores nothing more.
 */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
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
import { forAll, forInstitution, isDatabaseAway, type Tx } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { recordEvents } from '../webhooks/event.ts';
import { eventsOfReadiness } from '../webhooks/onboarding.ts';
import { eventsOfRecovery } from '../webhooks/sync-status.ts';
import { applyBatch, type Duplicate } from './apply.ts';
import { noteCost, planPass } from './budget.ts';
import { noteAbsences, settleDeletions } from './deletions.ts';
import { freeDoubted, hurryAnswers } from './guards.ts';
import {
  after,
  afterSuccess,
  type ConnectionChange,
  finishFailed,
  finishPartial,
  forgetOldRuns,
  HrsFailed,
  type Pass,
  type PassServices,
  type RunResult,
  release,
} from './pass.ts';

export interface SyncServices extends PassServices {
  wakeups: Pick<Wakeups, 'wake'>;
  kinds: ReadonlyMap<string, ConnectorKind>;
  connectors: (connection: ConnectionRow) => Connector;
  /** What to do about a second copy of a booking; see `ApplyOptions.onDuplicate`. */
  onDuplicate?: (tx: Tx, duplicate: Duplicate) => Promise<void>;
}

/** The connector's contract. */
const MAX_BATCH_RECORDS = 1_000;
const MAX_CURSOR_BYTES = 4_096;
/** A connector has shorter bounds of its own; this one keeps a faulty one from holding a worker for ever. */
const BATCH_WAIT_MS = 60_000;
/** Where a limit of calls a minute lets it go on only step by step. */
const LIMITED_BATCH_WAIT_MS = 600_000;
/** Records that wait, until the end of the pass, for what they refer to. Beyond it they wait for the next full pass. */
const MAX_UNRESOLVED = 1_000;
/** What is missing for the first time is looked for once more after this, instead of at the next full pass. */
const SECOND_LOOK_MS = 30_000;

/** Another worker has claimed the connection since. */
class FenceLost extends Error {
  override name = 'FenceLost';
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
    // Where two have written, the one who may no longer do so can be the one who fails, before it looks at the fence.
    if (error instanceof FenceLost || (!isDatabaseAway(error) && !(await isOurs(services, connectionId, fence)))) {
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
    const outcome = await finishFailed(services, connection, fence, pass, error);
    return { kind: pass.kind, outcome, ...pass.totals };
  } finally {
    leaving.abort();
  }
}

async function isOurs({ db }: SyncServices, connectionId: number, fence: number): Promise<boolean> {
  const row = await forAll(db, (tx) =>
    tx
      .selectFrom('connection')
      .select('id')
      .where('id', '=', connectionId)
      .where('sync_fence', '=', fence)
      .executeTakeFirst(),
  );
  return row !== undefined;
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
    const budget = await planPass(tx, connection);
    const fromBeginning = connection.cursor === null || (!first && connection.full_pass_due && budget.fitsFullPass);
    const kind = first ? 'first' : fromBeginning ? 'full' : 'incremental';
    if (fromBeginning) {
      // Now and not at the end: a pass that is cut off goes on from its cursor instead of beginning once more.
      await tx
        .updateTable('connection')
        .set({ full_pass_due_at: after(budget.fullPassEveryMs) })
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
      capabilities: null,
      answersLater: false,
      budget,
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
    pass.capabilities = connector.capabilities;
    pass.answersLater = connector.answerTo !== undefined;
    for (const kind of connector.capabilities.readsCompletely) pass.seen?.set(kind, new Set());
    const { cursor } = connection;
    const waitMs = connection.calls_per_minute === null ? BATCH_WAIT_MS : LIMITED_BATCH_WAIT_MS;
    for (const from of pass.seen && cursor ? [cursor, null] : [pass.seen ? null : cursor]) {
      const isLast = from === null || pass.seen === null;
      try {
        const batches = connector.changes(from, leaving)[Symbol.asyncIterator]();
        const ask = () => ({ askedMs: clock.nowMs(), next: within(batches.next(), waitMs, signal) });
        let asked = ask();
        for (let complete = false; !complete; ) {
          const { askedMs } = asked;
          const next = await asked.next;
          if (next.done) return;
          checkContract(next.value);
          ({ complete } = next.value);
          // The HRS works on the next one while this one is stored.
          if (!complete) asked = ask();
          asked.next.catch(() => {});
          // What the HRS, as it turned out while it was read, does not give whole, may be there all the same.
          if (complete) for (const kind of narrowed(pass, connector)) pass.seen?.delete(kind);
          yield { batch: { ...next.value, complete: complete && isLast }, askedMs, whole: from === null };
        }
      } catch (error) {
        // What the feed does not tell, the whole does. An HRS that fails over one position would do so for ever.
        if (isLast || signal.aborted || !isOfTheFeed(error)) throw error;
      }
    }
  } catch (cause) {
    throw new HrsFailed('the HRS could not be read', { cause });
  }
}

function narrowed({ seen }: Pass, { capabilities }: Connector): Set<RecordKind> {
  return new Set(seen?.keys()).difference(new Set(capabilities.readsCompletely));
}

/** Can reading from the beginning help? Not when we are to wait. */
function isOfTheFeed(error: unknown): boolean {
  if (error instanceof CursorRejected || error instanceof HrsNonsense) return true;
  return error instanceof Unavailable && error.retryAfterMs === null;
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
    if (batch.complete) await noteCost(tx, connection.id, pass.budget, pass.seen !== null);
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
