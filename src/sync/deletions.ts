/**
 * What is gone from the HRS goes here too, but never on thin evidence: an empty list is more often a lost
 * permission or a cut reply than an empty practice. Rows go when the HRS reported them deleted, or when two
 * complete passes from the beginning did not see them; and not when suspiciously many would go at once.
 */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { RecordKind } from '../domain/records.ts';
import type { Tx } from '../store/database.ts';
import {
  countGone,
  letGo,
  lockGone,
  type MirrorTable,
  raiseMissing,
  removeRows,
  type StoredRow,
} from '../store/mirror.ts';
import type { NewEvent } from '../webhooks/event.ts';
import type { SyncedConnection } from './apply.ts';
import { eventsOf, type Written } from './events.ts';
import { kindOf, RECORD_KINDS } from './kinds.ts';

/**
 * The brake: more rows of one kind than both of these are not let go in one pass. Nor is any row, however few
 * there are, for its absence from an empty list.
 */
const BRAKE_ROWS = 20;
const BRAKE_SHARE = 0.05;
/** Deletions that the HRS has stood by for this long are believed. */
const HOLD_MS = 24 * 60 * 60 * 1000;

export interface Settled {
  deleted: number;
  /** Rows that the brake holds. */
  held: number;
  events: NewEvent[];
}

/** What a complete pass from the beginning saw, of each kind that such a pass covers. */
export type Seen = ReadonlyMap<RecordKind, ReadonlySet<string>>;

/**
 * Counts, for every row, the complete passes that did not see it. Promises whether one was missed for the first
 * time: then a second look is wanted soon, so that time which has become free is not kept until the next full pass.
 */
export async function noteAbsences(tx: Tx, connection: SyncedConnection, seen: Seen): Promise<boolean> {
  let first = false;
  for (const [kind, foreignIds] of seen) {
    if (await raiseMissing(tx, kindOf(kind).mirror, connection.id, [...foreignIds])) first = true;
  }
  return first;
}

/**
 * Lets go of what is due to go, kind by kind, unless the brake trips for that kind: then all of it stays. Absences
 * are judged only at the end of a pass that could have seen the rows; `seen` is null after any other.
 */
export async function settleDeletions(
  tx: Tx,
  connection: SyncedConnection,
  { nowMs, told, seen }: { nowMs: number; told: ReadonlySet<string>; seen: Seen | null },
): Promise<Settled> {
  const settled: Settled = { deleted: 0, held: 0, events: [] };
  const written: Written[] = [];
  const removed: { mirror: MirrorTable; ids: number[] }[] = [];
  const accepted = await takeAcceptance(tx, connection.id);
  // What refers to others goes before them: appointments before their patients.
  for (const kind of RECORD_KINDS.toReversed()) {
    const { mirror } = kindOf(kind);
    const { total, reported, absent } = await countGone(tx, mirror, connection.id);
    const due = seen ? reported + absent : reported;
    settled.held += reported + absent;
    if (due === 0) continue;
    const suspicious = due > Math.max(BRAKE_ROWS, total * BRAKE_SHARE) || (absent > 0 && seen?.get(kind)?.size === 0);
    if (suspicious && !(accepted || (await heldLongEnough(tx, connection.id, nowMs)))) continue;
    const going = await lockGone(tx, mirror, connection.id, seen ? 'reported and absent' : 'reported');
    const byId = new Map(going.map((row) => [row.id, row]));
    const rows = await letGo(tx, mirror, [...byId.keys()], toIso(nowMs));
    if (mirror.sequenced && told.has(kind)) {
      for (const row of rows) {
        written.push({ table: kind as Written['table'], old: byId.get(row.id) as StoredRow, row });
      }
    }
    if (mirror.removed) removed.push({ mirror, ids: [...byId.keys()] });
    settled.deleted += going.length;
    settled.held -= due;
  }
  if (written.length > 0) settled.events = await eventsOf(tx, connection.kind, written, nowMs);
  for (const { mirror, ids } of removed) await removeRows(tx, mirror, ids);
  return settled;
}

/** Has a person agreed to what the brake holds? Good for one pass. */
async function takeAcceptance(tx: Tx, connectionId: number): Promise<boolean> {
  const taken = await tx
    .updateTable('connection')
    .set({ deletions_accepted: false })
    .where('id', '=', connectionId)
    .where('deletions_accepted', '=', true)
    .returning('id')
    .executeTakeFirst();
  return taken !== undefined;
}

/** Has every pass since then, for at least a day, ended with deletions held back? */
async function heldLongEnough(tx: Tx, connectionId: number, nowMs: number): Promise<boolean> {
  const { rows } = await sql<{ held_since: string | null }>`
    select min(started_at) as held_since from sync_run
    where connection_id = ${connectionId} and outcome = 'complete' and held > 0 and id > coalesce(
      (select max(id) from sync_run where connection_id = ${connectionId} and outcome = 'complete' and held = 0), 0)`.execute(
    tx,
  );
  const heldSince = rows[0]?.held_since;
  return heldSince !== null && heldSince !== undefined && nowMs - Date.parse(heldSince) >= HOLD_MS;
}
