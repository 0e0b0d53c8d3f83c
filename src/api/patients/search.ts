/** The filters of GET /patients. All of them must hold. */
import { sql } from 'kysely';
import type { z } from 'zod';
import { toIso } from '../../clock.ts';
import type { Tx } from '../../store/database.ts';
import { hasPhone, selectPatients } from '../../store/patients.ts';
import type { LocationRow } from '../../store/schema.ts';
import { getInstant } from '../instant.ts';
import { containing } from '../like.ts';
import { boolean, id, instantText, localDate, optional, text } from '../parameters.ts';

export const searchParams = {
  location_id: id(),
  name: optional(text(200)),
  email: optional(text(320)),
  phone_number: optional(text(40)),
  date_of_birth: optional(localDate()),
  inactive: optional(boolean()),
  foreign_id: optional(text(255)),
  updated_since: optional(instantText()),
  new_patient: optional(boolean()),
  non_patient: optional(boolean()),
  forms_syncable: optional(boolean()),
  location_strict: optional(boolean()),
};

export type PatientSearch = z.output<z.ZodObject<typeof searchParams>>;

/** Nobody has more names; each costs a condition. */
const MAX_WORDS = 10;

/** Patients of the location's HRS, which other locations may share, or of the location alone with `location_strict`. */
export function searchPatients(tx: Tx, location: LocationRow, search: PatientSearch, nowMs: number) {
  let query = selectPatients(tx).where('patient.institution_id', '=', location.institution_id);
  query = search.location_strict
    ? query.where('patient.location_ids', '@>', sql<number[]>`array[${location.id}]::bigint[]`)
    : query.where('patient.connection_id', 'is not distinct from', location.connection_id);

  const gone = sql<boolean>`(patient.deleted_at is not null or patient.merged_into_id is not null)`;
  if (search.inactive) query = query.where(({ or, eb }) => or([eb('patient.inactive', '=', true), gone]));
  else query = query.where(gone, '=', false);
  if (search.inactive === false) query = query.where('patient.inactive', '=', false);

  // Each word, anywhere and in any order: "Smith, John" finds John Smith.
  const words = (search.name ?? '')
    .normalize('NFC')
    .split(/[\s,]+/)
    .filter(Boolean)
    .slice(0, MAX_WORDS);
  for (const word of words) {
    const name = sql`lower(patient.first_name || ' ' || patient.last_name)`;
    query = query.where(name, 'like', sql`lower(${containing(word)})`);
  }
  if (search.email !== undefined) query = query.where('patient.email_key', '=', sql<string>`lower(${search.email})`);
  if (search.phone_number !== undefined) query = query.where(hasPhone(lastTenOf(search.phone_number)));
  if (search.date_of_birth !== undefined) query = query.where('patient.date_of_birth', '=', search.date_of_birth);
  if (search.foreign_id !== undefined) query = query.where('patient.foreign_id', '=', search.foreign_id);
  if (search.non_patient !== undefined) query = query.where('patient.non_patient', '=', search.non_patient);
  if (search.updated_since !== undefined) {
    query = query.where('patient.updated_at', '>=', getInstant('updated_since', search.updated_since, location.tz));
  }
  // Forms can be filed only with a patient that the HRS has.
  if (search.forms_syncable) query = query.where('patient.foreign_id', 'is not', null);
  if (search.new_patient === false) query = query.where('patient.foreign_id', 'is not', null);
  if (search.new_patient) {
    // NexHealth's rule: not in the HRS yet, and with an appointment to come.
    query = query
      .where('patient.foreign_id', 'is', null)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('appointment')
            .select('appointment.id')
            .whereRef('appointment.patient_id', '=', 'patient.id')
            .where('appointment.start_at', '>=', toIso(nowMs))
            .where('appointment.cancelled', '=', false)
            .where('appointment.deleted_at', 'is', null),
        ),
      );
  }
  return query;
}

/** However it is written, `+1 (212) 555-0134` is one number; what has no digit is nobody's. */
const lastTenOf = (phoneNumber: string) => phoneNumber.replace(/\D/g, '').slice(-10) || phoneNumber;
