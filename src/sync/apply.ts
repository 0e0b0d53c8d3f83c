/**
 * A batch of records becomes rows. The HRS is the truth: what differs is made equal, also where the difference is
 * an edit made only on our side, and each real difference is an event. Everything is compared in the database, a
 * kind at a time, so that a batch in which nothing has changed costs one statement per kind.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { DeletionRecord, HrsRecord, RecordKind } from '../domain/records.ts';
import type { Tx } from '../store/database.ts';
import {
  type Difference,
  findDifferences,
  type IncomingValues,
  insertRows,
  letGo,
  lockMarked,
  lockRows,
  type MarkedTable,
  type MirrorTable,
  markPresent,
  markReportedDeleted,
  PASSES_TO_BE_GONE,
  type Reference,
  type StoredRow,
  takeIds,
  updateRows,
  type WrittenRow,
  writeLinks,
} from '../store/mirror.ts';
import type { NewEvent } from '../webhooks/event.ts';
import { eventsOf, type Written } from './events.ts';
import { findGuards, keepGuarded } from './guards.ts';
import { kindOf, problemOf, RECORD_KINDS, valuesOf } from './kinds.ts';

export interface SyncedConnection {
  id: number;
  institution_id: number;
  kind: string;
}

/** The HRS has a second appointment that carries the marker of a booking of ours. */
export interface Duplicate {
  /** The booking, with a foreign id of its own. */
  appointmentId: number;
  /** The row that stands for the other copy. */
  duplicateId: number;
}

export interface ApplyOptions {
  nowMs: number;
  /** When the connector was asked for these records: what a command has settled since is newer than they are. */
  askedMs: number;
  /** Kinds whose changes make events. What is read of any other makes rows and is not told of. */
  told: ReadonlySet<string>;
  /** Called within the transaction, which may run twice: it must have no effect outside the database. */
  onDuplicate?: ((tx: Tx, duplicate: Duplicate) => Promise<void>) | undefined;
}

export interface Applied {
  created: number;
  /** Rows that were made or made equal. */
  changed: number;
  /** Rows of which the HRS says that they are deleted; they go when the pass is settled. */
  reportedDeleted: number;
  /** Records that wait for something they refer to. Those without their location, say, are not rows yet. */
  unresolved: HrsRecord[];
  /** Something of it could not be believed yet, because a command was under way: it must be read once more. */
  again: boolean;
  /** What could not be stored and why: kinds and fields, no values. */
  problems: string[];
  /** For `recordEvents`, as the last thing of the transaction. */
  events: NewEvent[];
}

/** Applies records in our words, at most 1,000 of them. The caller's transaction speaks for the institution. */
export async function applyBatch(
  tx: Tx,
  connection: SyncedConnection,
  records: readonly (HrsRecord | DeletionRecord)[],
  options: ApplyOptions,
): Promise<Applied> {
  const applied: Applied = {
    created: 0,
    changed: 0,
    reportedDeleted: 0,
    unresolved: [],
    again: false,
    problems: [],
    events: [],
  };
  const written: Written[] = [];
  const batch = sortByKind(records);
  for (const kind of RECORD_KINDS) {
    const { latest, deleted, reborn } = batch[kind];
    const { mirror } = kindOf(kind);
    if (reborn.length > 0) await markReportedDeleted(tx, mirror, connection.id, reborn);
    if (latest.length > 0) await applyKind(tx, connection, kind, latest, options, applied, written);
    if (deleted.length > 0) {
      applied.reportedDeleted += await markReportedDeleted(tx, mirror, connection.id, deleted);
    }
  }
  const news = written.filter(({ table }) => options.told.has(table));
  if (news.length > 0) applied.events = await eventsOf(tx, connection.kind, news, options.nowMs);
  return applied;
}

interface KindBatch {
  /** The last word on each id. */
  latest: HrsRecord[];
  /** Ids whose last word is that they are deleted. */
  deleted: string[];
  /** Ids that were deleted and then used again. */
  reborn: string[];
}

function sortByKind(records: readonly (HrsRecord | DeletionRecord)[]): Record<RecordKind, KindBatch> {
  const words = Object.fromEntries(RECORD_KINDS.map((kind) => [kind, new Map()])) as Record<
    RecordKind,
    Map<string, { record: HrsRecord | null; reborn: boolean }>
  >;
  for (const record of records) {
    if (record.kind === 'deletion') {
      words[record.of].set(record.foreignId, { record: null, reborn: false });
    } else {
      const before = words[record.kind].get(record.foreignId);
      const reborn = before !== undefined && (before.reborn || before.record === null);
      words[record.kind].set(record.foreignId, { record, reborn });
    }
  }
  const batches = Object.entries(words).map(([kind, byId]) => {
    const batch: KindBatch = { latest: [], deleted: [], reborn: [] };
    for (const [foreignId, { record, reborn }] of byId) {
      if (record) batch.latest.push(record);
      else batch.deleted.push(foreignId);
      if (reborn) batch.reborn.push(foreignId);
    }
    return [kind, batch];
  });
  return Object.fromEntries(batches);
}

/** A record on its way to a row. */
interface Arrival {
  record: HrsRecord;
  incoming: IncomingValues;
  difference: Difference;
}

async function applyKind(
  tx: Tx,
  connection: SyncedConnection,
  kind: RecordKind,
  records: readonly HrsRecord[],
  options: ApplyOptions,
  applied: Applied,
  written: Written[],
): Promise<void> {
  const { mirror, complete, unsaid } = kindOf(kind);
  const nowIso = toIso(options.nowMs);
  const told = mirror.sequenced && options.told.has(kind) ? (mirror.table as Written['table']) : null;
  const wanted = told === null ? 'nothing' : 'rows';

  const arrivals = await findArrivals(tx, connection, mirror, records, applied);
  if (arrivals.length === 0) return;
  const known = arrivals.filter(({ difference }) => difference.id !== null);
  const stored = new Map<Arrival, StoredRow>();
  if (known.length > 0) {
    const rows = await lockRows(
      tx,
      mirror,
      known.map(({ difference }) => difference.id as number),
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const arrival of known) {
      const row = byId.get(arrival.difference.id as number);
      if (row) stored.set(arrival, row);
    }
    await closeReused(tx, kind, stored, options, written);
  }
  const fresh = arrivals.filter((arrival) => !stored.has(arrival));
  const duplicates = mirror.marked
    ? await adopt(tx, connection, mirror.table as MarkedTable, fresh, stored, applied)
    : [];
  const made = fresh.filter((arrival) => !stored.has(arrival));

  // Ids before rows: patients of one batch may refer to each other.
  const ids = made.length === 0 ? [] : await takeIds(tx, mirror, made.length);
  const madeIds = new Map(made.map(({ incoming }, index) => [incoming.foreign_id, ids[index] as number]));
  const guards = await findGuards(
    tx,
    kind,
    [...stored.values()].map(({ id }) => id),
    options.askedMs,
  );

  const inserts: WrittenRow[] = [];
  const updates: { arrival: Arrival; old: StoredRow; row: WrittenRow }[] = [];
  const present: number[] = [];
  const linksByRow = new Map<number, number[]>();
  const link = mirror.references.find((reference) => reference.link);
  for (const arrival of [...stored.keys(), ...made]) {
    const old = stored.get(arrival) ?? null;
    const resolved = resolve(mirror, arrival, madeIds);
    if (resolved.missing) applied.unresolved.push(arrival.record);
    const next = complete ? complete(resolved.values, old, nowIso) : resolved.values;
    if (old && unsaid) for (const column of unsaid(arrival.record)) next[column] = old[column];
    const { foreign_id } = arrival.incoming;
    const id = old?.id ?? (madeIds.get(foreign_id) as number);
    if (link) {
      linksByRow.set(id, next[link.column] as number[]);
      delete next[link.column];
    }
    if (old === null) {
      inserts.push({ ...next, id, foreign_id });
      continue;
    }
    if (await keepGuarded(tx, guards.get(id) ?? [], next, old)) applied.again = true;
    const row = { ...next, id, foreign_id };
    if (old.deleted_at || (link && arrival.difference.differs) || differs(mirror, old, row))
      updates.push({ arrival, old, row });
    else if ((old.missing_passes as number) > 0) present.push(id);
  }

  if (present.length > 0) await markPresent(tx, mirror, present);
  if (inserts.length > 0) {
    const rows = await insertRows(tx, mirror, connection, inserts, nowIso, wanted);
    if (told) for (const row of rows) written.push({ table: told, old: null, row });
  }
  if (updates.length > 0) {
    const oldById = new Map(updates.map(({ old }) => [old.id, old]));
    const toWrite = updates.map(({ row }) => row);
    const rows = await updateRows(tx, mirror, connection.id, toWrite, nowIso, wanted);
    if (told) for (const row of rows) written.push({ table: told, old: oldById.get(row.id) as StoredRow, row });
  }
  if (link && linksByRow.size > 0) await writeLinks(tx, mirror, link, connection.institution_id, linksByRow);
  if (kind === 'patient') await moveMerged(tx, [...inserts, ...updates.map(({ row }) => row)], nowIso, written);
  for (const { arrival, appointmentId } of duplicates) {
    const duplicateId = madeIds.get(arrival.incoming.foreign_id) as number;
    await options.onDuplicate?.(tx, { appointmentId, duplicateId });
  }
  applied.created += inserts.length;
  applied.changed += inserts.length + updates.length;
}

/** Those that ask for something to be done. Records that cannot be rows, or not yet, end here. */
async function findArrivals(
  tx: Tx,
  connection: SyncedConnection,
  mirror: MirrorTable,
  records: readonly HrsRecord[],
  applied: Applied,
): Promise<Arrival[]> {
  const storable: { record: HrsRecord; incoming: IncomingValues }[] = [];
  for (const record of records) {
    const incoming = valuesOf(record);
    const problem = problemOf(record, incoming);
    if (problem) applied.problems.push(`${record.kind}: ${problem}`);
    else storable.push({ record, incoming });
  }
  const differences = await findDifferences(
    tx,
    mirror,
    connection.id,
    storable.map(({ incoming }) => incoming),
  );
  const arrivals: Arrival[] = [];
  for (const difference of differences) {
    const { record, incoming } = storable[difference.n] as (typeof storable)[number];
    const isMissing = ({ column, required }: Reference) => required && difference.references[column] === null;
    // A row that is equal but for what we do not have yet needs no lock and no thought.
    const isEqual = difference.id !== null && !difference.differs && !difference.missed;
    if (isEqual || mirror.references.some(isMissing)) {
      applied.unresolved.push(record);
    } else arrivals.push({ record, incoming, difference });
  }
  return arrivals;
}

/**
 * An id that now belongs to somebody or something else: the old row is closed and the record gets a row of its
 * own. Two patients are never joined because their HRS used an id twice.
 */
async function closeReused(
  tx: Tx,
  kind: RecordKind,
  stored: Map<Arrival, StoredRow>,
  { nowMs }: ApplyOptions,
  written: Written[],
): Promise<void> {
  const { mirror, isAnother } = kindOf(kind);
  if (!isAnother) return;
  const closing = new Map<number, StoredRow>();
  for (const [arrival, row] of stored) {
    const gone = Boolean(row.deleted_at) || (row.missing_passes as number) >= PASSES_TO_BE_GONE;
    if (!isAnother({ ...arrival.incoming, ...arrival.difference.references }, row, gone)) continue;
    closing.set(row.id, row);
    stored.delete(arrival);
  }
  if (closing.size === 0) return;
  const closed = await letGo(tx, mirror, [...closing.keys()], toIso(nowMs), 'close');
  if (!mirror.sequenced) return;
  for (const row of closed) {
    written.push({ table: kind as Written['table'], old: closing.get(row.id) as StoredRow, row });
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Finds, among records without a row, those that are ours come back. One whose booking has no foreign id yet
 * adopts that row (it joins `stored`), unless the command that creates it is still open: then the record is
 * dropped from `fresh`, and the command's outcome tells of it. Returns those whose booking is in the HRS already
 * under another id.
 */
async function adopt(
  tx: Tx,
  connection: SyncedConnection,
  table: MarkedTable,
  fresh: Arrival[],
  stored: Map<Arrival, StoredRow>,
  applied: Applied,
): Promise<{ arrival: Arrival; appointmentId: number }[]> {
  const markerOf = ({ record }: Arrival) =>
    'marker' in record && UUID.test(record.marker ?? '') ? record.marker : null;
  const markers = fresh.flatMap((arrival) => markerOf(arrival) ?? []);
  if (markers.length === 0) return [];
  const rows = await lockMarked(tx, table, connection.institution_id, markers);
  const byMarker = new Map(rows.map((row) => [row.marker, row]));
  const takenBy = new Map<number, string>();
  const waiting = new Set<Arrival>();
  const duplicates: { arrival: Arrival; appointmentId: number }[] = [];
  for (const arrival of fresh) {
    const { foreign_id } = arrival.incoming;
    const row = byMarker.get(markerOf(arrival)?.toLowerCase() ?? '');
    if (!row) continue;
    const inHrsAs = row.foreign_id ?? takenBy.get(row.id);
    if (inHrsAs === undefined && row.pending) waiting.add(arrival);
    else if (inHrsAs === undefined || inHrsAs === foreign_id) {
      stored.set(arrival, row);
      takenBy.set(row.id, foreign_id);
    } else if (table === 'appointment' && !row.deleted_at && !arrival.incoming.cancelled) {
      duplicates.push({ arrival, appointmentId: row.id });
    }
  }
  if (waiting.size > 0) {
    fresh.splice(0, fresh.length, ...fresh.filter((arrival) => !waiting.has(arrival)));
    // Staff may have changed it since its command read it back.
    applied.again = true;
  }
  // A booking that ended in doubt has kept its time; from now on its row does.
  if (table === 'appointment' && takenBy.size > 0) {
    await tx
      .deleteFrom('claim')
      .where('appointment_id', 'in', [...takenBy.keys()])
      .execute();
  }
  return duplicates;
}

/** The values with our ids in them. `missing`: one of the references names what we do not have. */
function resolve(
  mirror: MirrorTable,
  { incoming, difference }: Arrival,
  madeIds: ReadonlyMap<string, number>,
): { values: Record<string, unknown>; missing: boolean } {
  const { foreign_id: _, ...values } = { ...incoming, ...difference.references };
  let missing = false;
  for (const { column, to, many } of mirror.references) {
    const named = incoming[column];
    if (many) {
      if (new Set(named as string[]).size !== (values[column] as number[]).length) missing = true;
      continue;
    }
    // The new row of an id that was used again comes before the old one, which the database still named.
    if (to === mirror.table && named !== null) values[column] = madeIds.get(named as string) ?? values[column];
    if (named !== null && values[column] === null) missing = true;
  }
  return { values, missing };
}

function differs(mirror: MirrorTable, old: StoredRow, row: WrittenRow): boolean {
  return Object.entries(row).some(([column, value]) => {
    const before = old[column];
    if (before === value) return false;
    if (mirror.columns[column] === 'jsonb') return !isDeepStrictEqual(before, value);
    // Ids are a set; who wrote the row may have had another order.
    if (Array.isArray(value)) return !isDeepStrictEqual([...(before as number[])].sort(), [...value].sort());
    return true;
  });
}

/** Appointments and alerts of a merged patient go on under the patient that is left, whether the HRS says them again or not. */
async function moveMerged(tx: Tx, patients: readonly WrittenRow[], nowIso: string, written: Written[]): Promise<void> {
  const merged = patients.filter(({ merged_into_id }) => merged_into_id !== null);
  if (merged.length === 0) return;
  const moves = sql`unnest(${merged.map(({ id }) => id)}::bigint[],
    ${merged.map(({ merged_into_id }) => merged_into_id)}::bigint[]) as m (merged_id, left_id)`;
  await sql`
    update patient_alert a set patient_id = m.left_id, updated_at = ${nowIso} from ${moves}
    where a.patient_id = m.merged_id and a.deleted_at is null`.execute(tx);
  const { rows } = await sql<StoredRow & { old_patient_id: number }>`
    update appointment a set patient_id = m.left_id, updated_at = ${nowIso}, sequence = a.sequence + 1 from ${moves}
    where a.patient_id = m.merged_id and a.deleted_at is null
    returning a.*, m.merged_id as old_patient_id`.execute(tx);
  for (const { old_patient_id, ...row } of rows) {
    written.push({
      table: 'appointment',
      old: { ...row, patient_id: old_patient_id } as StoredRow,
      row: row as StoredRow,
    });
  }
}
