/** A patient as NexHealth's clients read it. */
import { z } from 'zod';
import type { PatientRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';
import { userShape } from './user.ts';

export interface PatientWithNames extends PatientRow {
  connection_kind: string | null;
}

export const patientShape = userShape
  .extend({
    guarantor_id: z.int().nullable(),
    billing_type: z.null(),
    chart_id: z.null(),
    preferred_language: z.string().nullable(),
    preferred_locale: z.null(),
    location_ids: z.array(z.int()),
    provider_id: z.int().nullable(),
    unsubscribe_sms: z.boolean(),
    balance: z.object({ amount: z.string(), currency: z.string() }).nullable(),
  })
  .meta({ id: 'Patient' });

export type PatientView = z.infer<typeof patientShape>;

export function viewPatient(row: PatientWithNames): PatientView {
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
    preferred_locale: null,
    location_ids: row.location_ids,
    provider_id: row.provider_id,
    unsubscribe_sms: !row.sms_consent,
    // Ledgers are outside scheduling: unknown, which is not the same as nothing owed.
    balance: null,
  };
}
