import { type Input, instant, integer, maybe, readFields, required, text } from './fields.ts';
import { MAX_REF } from './patients.ts';
import type { Block } from './records.ts';
import { Refusal } from './refusal.ts';
import type { AuditEntry, Store } from './store.ts';

const FIELDS = {
  site_id: integer,
  practitioner_id: maybe(integer),
  room_id: maybe(integer),
  start: instant,
  end: instant,
  reason: maybe(text(128)),
  external_ref: maybe(text(MAX_REF)),
};

function checkPlace(
  store: Store,
  place: Pick<Block, 'site_id' | 'practitioner_id' | 'room_id' | 'start' | 'end'>,
): void {
  const { practitioner_id: practitionerId, room_id: roomId } = place;
  if (!practitionerId && !roomId) {
    throw new Refusal(422, 'bad_field', 'practitioner_id or room_id: one of them is required.');
  }
  if (practitionerId) store.get('practitioner', practitionerId);
  if (roomId && store.get('room', roomId).site_id !== place.site_id) {
    throw new Refusal(422, 'wrong_site', 'This room is at another site.');
  }
  if (place.end <= place.start) throw new Refusal(422, 'bad_times', 'A block ends after it starts.');
}

/** Takes time away from a practitioner, a room or both. May lie over visits and other blocks: people sort that out. */
export function addBlock(store: Store, input: Input, who: AuditEntry['who']): Block {
  const fields = required(readFields(input, FIELDS), 'site_id', 'start', 'end');
  store.get('site', fields.site_id);
  checkPlace(store, { practitioner_id: null, room_id: null, ...fields });
  const block = store.insert('block', fields);
  store.audit({ who, action: 'add', kind: 'block', recordId: block.id, ref: block.external_ref });
  return block;
}

/** Gives a block other times, another room or another reason. `request_ref` is kept in the audit. */
export function changeBlock(store: Store, id: number, input: Input, who: AuditEntry['who']): Block {
  const { start, end, room_id, reason } = FIELDS;
  const readers = { start, end, room_id, reason, request_ref: maybe(text(MAX_REF)) };
  const { request_ref: ref, ...given } = readFields(input, readers);
  checkPlace(store, { ...store.get('block', id), ...given });
  const block = store.update('block', id, given);
  store.audit({ who, action: 'change', kind: 'block', recordId: id, ref: ref ?? null });
  return block;
}

export function eraseBlock(store: Store, id: number, who: AuditEntry['who']): void {
  store.remove('block', id);
  store.audit({ who, action: 'erase', kind: 'block', recordId: id, ref: null });
}
