/** A patient as NexHealth's clients read it: short where it stands in other answers, and long by version. */
import { z } from 'zod';
import type { PatientRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';
import { userShape } from './user.ts';
import type { Version } from './version.ts';

export interface PatientWithNames extends PatientRow {
  connection_kind: string | null;
}

const baseShape = userShape.extend({
  guarantor_id: z.int().nullable(),
  billing_type: z.null(),
  chart_id: z.null(),
  preferred_language: z.string().nullable(),
  provider_id: z.int().nullable(),
});

/** v3.0.0. `hipaa` is null because no health record system that we read tells of it. */
export const patientShape = baseShape.extend({ hipaa: z.null() }).meta({ id: 'Patient' });

/** The short form, in both versions: whoever was just created, and the patient inside an appointment. */
export const patientBasicShape = baseShape
  .extend({ preferred_locale: z.null(), location_ids: z.array(z.int()) })
  .meta({ id: 'PatientBasic' });

/**
 * v2. NexHealth keeps patients and providers in one table, so its rows carry the other's fields as well. The
 * amount of `balance` is null because ledgers are outside scheduling: unknown, which is not the same as nothing owed.
 * It stands in an object because clients read it from there.
 */
export const patientShapeV2 = patientBasicShape
  .extend({
    display_name: z.string(),
    doctor_name: z.null(),
    meta_type: z.null(),
    profile_url: z.null(),
    npi: z.null(),
    inst_ids: z.array(z.int()),
    prov_ids: z.array(z.int()),
    pcp_id: z.int().nullable(),
    contact_email: z.string().nullable(),
    invalid_email: z.literal(false),
    unsubscribe_emails: z.literal(false),
    email_unsubscribed_at: z.null(),
    unsubscribe_sms: z.boolean(),
    sms_unsubscribed_at: z.null(),
    last_sync: z.iso.datetime().nullable(),
    balance: z.object({ amount: z.null(), currency: z.literal('USD') }),
  })
  .meta({ id: 'PatientV2' });

export type PatientView = z.infer<typeof patientShape>;
export type PatientBasicView = z.infer<typeof patientBasicShape>;
export type PatientViewV2 = z.infer<typeof patientShapeV2>;

export function viewPatient(row: PatientWithNames, version: Version): PatientView | PatientViewV2 {
  return version === 'v2' ? viewPatientV2(row) : { ...viewBase(row), hipaa: null };
}

export function viewPatientBasic(row: PatientWithNames): PatientBasicView {
  return { ...viewBase(row), preferred_locale: null, location_ids: row.location_ids };
}

export function viewPatientV2(row: PatientWithNames): PatientViewV2 {
  const basic = viewPatientBasic(row);
  return {
    ...basic,
    display_name: basic.name,
    doctor_name: null,
    meta_type: null,
    profile_url: null,
    npi: null,
    inst_ids: [row.institution_id],
    prov_ids: row.provider_id === null ? [] : [row.provider_id],
    pcp_id: row.provider_id,
    contact_email: row.email,
    // Of consent, health record systems tell what counts for text messages alone.
    invalid_email: false,
    unsubscribe_emails: false,
    email_unsubscribed_at: null,
    unsubscribe_sms: !row.sms_consent,
    sms_unsubscribed_at: null,
    last_sync: row.synced_at,
    balance: { amount: null, currency: 'USD' },
  };
}

function viewBase(row: PatientWithNames): z.infer<typeof baseShape> {
  return {
    id: row.id,
    email: row.email,
    first_name: row.first_name,
    middle_name: row.middle_name,
    last_name: row.last_name,
    name: `${row.first_name} ${row.last_name}`,
    created_at: row.created_at,
    updated_at: row.updated_at,
    institution_id: row.institution_id,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    bio: {
      date_of_birth: row.date_of_birth,
      gender: row.gender,
      phone_number: row.phone_number,
      cell_phone_number: row.cell_phone_number,
      home_phone_number: row.home_phone_number,
      work_phone_number: row.work_phone_number,
      street_address: row.address_line_1,
      address_line_1: row.address_line_1,
      address_line_2: row.address_line_2,
      city: row.city,
      state: row.state,
      zip_code: row.zip_code,
      new_patient: row.foreign_id === null,
      non_patient: row.non_patient,
    },
    // Merged into another or gone from the HRS: nobody can be booked under this row any more.
    inactive: row.inactive || row.merged_into_id !== null || row.deleted_at !== null,
    last_sync_time: row.synced_at,
    guarantor_id: row.guarantor_id,
    billing_type: null,
    chart_id: null,
    preferred_language: row.preferred_language,
    provider_id: row.provider_id,
  };
}
