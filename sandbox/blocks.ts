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

/** Takes time away from a practitioner, a room or both. May lie over visits and other blocks: people sort that out. */
export function addBlock(store: Store, input: Input, who: AuditEntry['who']): Block {
  const fields = required(readFields(input, FIELDS), 'site_id', 'start', 'end');
  store.get('site', fields.site_id);
  const { practitioner_id: practitionerId, room_id: roomId } = fields;
  if (!practitionerId && !roomId) {
    throw new Refusal(422, 'bad_field', 'practitioner_id or room_id: one of them is required.');
  }
  if (practitionerId) store.get('practitioner', practitionerId);
  if (roomId && store.get('room', roomId).site_id !== fields.site_id) {
    throw new Refusal(422, 'wrong_site', 'This room is at another site.');
  }
  if (fields.end <= fields.start) throw new Refusal(422, 'bad_times', 'A block ends after it starts.');
  const block = store.insert('block', fields);
  store.audit({ who, action: 'add', kind: 'block', recordId: block.id, ref: block.external_ref });
  return block;
}

export function eraseBlock(store: Store, id: number, who: AuditEntry['who']): void {
  store.remove('block', id);
  store.audit({ who, action: 'erase', kind: 'block', recordId: id, ref: null });
}
