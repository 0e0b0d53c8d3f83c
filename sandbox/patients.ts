import { flag, type Input, integer, localDate, maybe, oneOf, readFields, required, text } from './fields.ts';
import type { Patient } from './records.ts';
import { Refusal } from './refusal.ts';
import type { AuditEntry, Store } from './store.ts';

/** Widths of the name columns on the practice's printed forms. */
const MAX_FIRST_NAME = 15;
const MAX_LAST_NAME = 20;
const MAX_TEXT = 100;
export const MAX_REF = 100;

const FIELDS = {
  first_name: text(MAX_FIRST_NAME, 'name_too_long'),
  middle_name: maybe(text(MAX_FIRST_NAME, 'name_too_long')),
  last_name: text(MAX_LAST_NAME, 'name_too_long'),
  birth_date: maybe(localDate),
  sex: maybe(oneOf(['F', 'M', 'X'])),
  phone_home: maybe(text(MAX_TEXT)),
  phone_cell: maybe(text(MAX_TEXT)),
  phone_work: maybe(text(MAX_TEXT)),
  email: maybe(text(MAX_TEXT)),
  street: maybe(text(MAX_TEXT)),
  city: maybe(text(MAX_TEXT)),
  state: maybe(text(MAX_TEXT)),
  zip: maybe(text(MAX_TEXT)),
  language: maybe(text(MAX_TEXT)),
  sms_ok: flag,
  active: flag,
  guarantor_id: maybe(integer),
  home_site_id: maybe(integer),
  usual_practitioner_id: maybe(integer),
  external_ref: maybe(text(MAX_REF)),
};

function checkReferences(store: Store, fields: Partial<Patient>): void {
  if (typeof fields.guarantor_id === 'number') store.get('patient', fields.guarantor_id);
  if (typeof fields.home_site_id === 'number') store.get('site', fields.home_site_id);
  if (typeof fields.usual_practitioner_id === 'number') store.get('practitioner', fields.usual_practitioner_id);
}

/** Adds a patient. Twins are welcome: neither names nor `external_ref` must be unique. */
export function addPatient(store: Store, input: Input, who: AuditEntry['who']): Patient {
  const fields = required(readFields(input, FIELDS), 'first_name', 'last_name');
  checkReferences(store, fields);
  const patient = store.insert('patient', { sms_ok: false, active: true, ...fields });
  store.audit({ who, action: 'add', kind: 'patient', recordId: patient.id, ref: patient.external_ref });
  return patient;
}

export function changePatient(store: Store, id: number, input: Input): Patient {
  const fields = readFields(input, FIELDS);
  checkReferences(store, fields);
  const patient = store.update('patient', id, fields);
  store.audit({ who: 'desk', action: 'change', kind: 'patient', recordId: id, ref: null });
  return patient;
}

/** The patient, who must not have been merged into another. */
export function unmergedPatient(store: Store, id: number): Patient {
  const patient = store.get('patient', id);
  if (patient.merged_into !== null) {
    throw new Refusal(422, 'patient_merged', 'This patient was merged into another.', {
      merged_into: patient.merged_into,
    });
  }
  return patient;
}

/** Two files of one person become one: what is in them moves to `into`, the merged one stays as an inactive pointer. */
export function mergePatient(store: Store, id: number, input: Input): Patient {
  const { into } = required(readFields(input, { into: integer }), 'into');
  const target = store.get('patient', into);
  if (into === id || target.merged_into !== null || store.get('patient', id).merged_into !== null) {
    throw new Refusal(409, 'cannot_merge', 'Both must be patients of their own and not merged already.');
  }
  for (const kind of ['visit', 'alert', 'coverage', 'recall'] as const) store.repoint(kind, 'patient_id', id, into);
  store.repoint('coverage', 'subscriber_id', id, into);
  const patient = store.update('patient', id, { active: false, merged_into: into });
  store.audit({ who: 'desk', action: 'merge', kind: 'patient', recordId: id, ref: null });
  return patient;
}
