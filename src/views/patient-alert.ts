/** A patient alert as NexHealth's clients read it; the same in both versions. */
import { z } from 'zod';
import type { PatientAlertRow } from '../store/schema.ts';

export const patientAlertShape = z
  .object({
    id: z.int(),
    patient_id: z.int(),
    note: z.string(),
    disabled_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'PatientAlert' });

export type PatientAlertView = z.infer<typeof patientAlertShape>;

export function viewPatientAlert(row: PatientAlertRow): PatientAlertView {
  return {
    id: row.id,
    patient_id: row.patient_id,
    note: row.note,
    disabled_at: row.disabled_at,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}
