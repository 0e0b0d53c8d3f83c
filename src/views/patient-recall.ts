/** One patient is due to come back. */
import { z } from 'zod';
import type { PatientRecallRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';
import { type RecallTypeBasicView, recallTypeBasicShape } from './recall-type.ts';

export interface PatientRecallWithNames extends PatientRecallRow {
  connection_kind: string | null;
}

export const patientRecallShape = z
  .object({
    id: z.int(),
    appointment_id: z.int().nullable(),
    date_due: z.iso.date().nullable(),
    foreign_id: z.string(),
    foreign_id_type: z.string(),
    recall_id: z.int().nullable(),
    recall_type: recallTypeBasicShape.nullable(),
    patient_id: z.int(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'PatientRecall' });

export function viewPatientRecall(
  row: PatientRecallWithNames,
  type: RecallTypeBasicView | null,
): z.infer<typeof patientRecallShape> {
  return {
    id: row.id,
    appointment_id: row.appointment_id,
    date_due: row.date_due,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    // NexHealth's name for the type's id.
    recall_id: row.recall_type_id,
    recall_type: type,
    patient_id: row.patient_id,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}
