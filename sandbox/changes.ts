import { KINDS, type Kind } from './records.ts';
import { Refusal } from './refusal.ts';
import type { Store } from './store.ts';

export interface Change {
  revision: number;
  kind: Kind;
  id: number;
  deleted: boolean;
  /** Present on a patient who was merged away. */
  merged_into?: number;
  /** The record as it is now, or null when it was deleted. */
  record: unknown;
}

export interface ChangePage {
  changes: Change[];
  /** How far this page reaches; the next `since`. Equals `head` when there is no more. */
  revision: number;
  head: number;
  has_more: boolean;
}

/**
 * What changed after revision `since`, oldest first. Each record appears once, at its newest revision, so it may refer to
 * records that come later. `since` 0 begins from nothing and leads to everything that exists.
 * Refuses with 410 `cursor_gone` when `since` was never given out or when deletions behind it were forgotten.
 */
export function readChanges(store: Store, since: number, limit: number): ChangePage {
  const head = store.head();
  const trimmedTo = Number(store.rows('SELECT trimmed_to FROM feed')[0]?.trimmed_to);
  if (since > head || (since > 0 && since < trimmedTo)) {
    throw new Refusal(410, 'cursor_gone', `Revision ${since} is outside the feed; begin again from 0.`, { head });
  }
  const found = store.rows('SELECT * FROM changes WHERE revision > ? ORDER BY revision LIMIT ?', since, limit + 1);
  const changes = found.slice(0, limit).map((row) => {
    const kind = KINDS.find((name) => name === row.kind) as Kind;
    const id = Number(row.record_id);
    const record = store.find(kind, id);
    const change: Change = { revision: Number(row.revision), kind, id, deleted: row.deleted === 1, record };
    if (record && 'merged_into' in record && record.merged_into !== null) change.merged_into = record.merged_into;
    return change;
  });
  const hasMore = found.length > limit;
  return { changes, revision: hasMore ? (changes.at(-1)?.revision ?? since) : head, head, has_more: hasMore };
}

/**
 * Forgets all deletions, and gives every living record a new revision in the order they had. Every cursor given out before
 * the head is gone; a reader who begins from 0 finds nothing behind the trim point and so never falls back under it.
 * Answers with the trim point.
 */
export function rebuildFeed(store: Store): number {
  const trimmedTo = store.head();
  store.run('DELETE FROM changes WHERE deleted = 1');
  for (const { kind, record_id: id } of store.rows('SELECT kind, record_id FROM changes ORDER BY revision')) {
    store.announceAgain(kind as Kind, Number(id));
  }
  store.run('UPDATE feed SET trimmed_to = ?', trimmedTo);
  return trimmedTo;
}
