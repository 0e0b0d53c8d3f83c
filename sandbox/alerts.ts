import { type Input, integer, maybe, readFields, required, text } from './fields.ts';
import { MAX_REF, unmergedPatient } from './patients.ts';
import type { Alert } from './records.ts';
import type { AuditEntry, Store } from './store.ts';

/** What fits into the box that pops up. */
const note = text(500, 'note_too_long');

/** Puts a note on a patient, by API or at the front desk. */
export function addAlert(store: Store, input: Input, who: AuditEntry['who']): Alert {
  const readers = { patient_id: integer, note, external_ref: maybe(text(MAX_REF)) };
  const fields = required(readFields(input, readers), 'patient_id', 'note');
  unmergedPatient(store, fields.patient_id);
  const alert = store.insert('alert', fields);
  store.audit({ who, action: 'add', kind: 'alert', recordId: alert.id, ref: alert.external_ref });
  return alert;
}

/** Rewords a note. */
export function changeAlert(store: Store, id: number, input: Input): Alert {
  const alert = store.update('alert', id, readFields(input, { note }));
  store.audit({ who: 'desk', action: 'change', kind: 'alert', recordId: id, ref: null });
  return alert;
}

/** Takes a note off the screen or puts it back; one that is so already keeps its time. `request_ref` is kept in the audit. */
export function switchAlert(store: Store, id: number, to: 'on' | 'off', input: Input, who: AuditEntry['who']): Alert {
  const { request_ref: ref } = readFields(input, { request_ref: maybe(text(MAX_REF)) });
  const before = store.get('alert', id);
  const offSince = to === 'on' ? null : (before.off_since ?? store.now().toISOString());
  const alert = store.update('alert', id, { off_since: offSince });
  store.audit({ who, action: to, kind: 'alert', recordId: id, ref: ref ?? null });
  return alert;
}

export function eraseAlert(store: Store, id: number): void {
  store.remove('alert', id);
  store.audit({ who: 'desk', action: 'erase', kind: 'alert', recordId: id, ref: null });
}
