/** A patient of ours whom the HRS has just got to know. */
import { toIso } from '../clock.ts';
import type { PatientRecord } from '../domain/records.ts';
import type { Tx } from '../store/database.ts';
import { selectPatients } from '../store/patients.ts';
import { viewPatient } from '../views/patient.ts';
import { recordEvents } from '../webhooks/event.ts';

/** The patient is in the HRS now: from here on it is an ordinary one, and whoever listens hears of it. */
export async function adoptPatient(
  tx: Tx,
  institutionId: number,
  patientId: number,
  record: Pick<PatientRecord, 'foreignId'>,
  nowMs: number,
): Promise<void> {
  const known = await tx
    .selectFrom('patient as placeholder')
    .innerJoin('patient as known', 'known.connection_id', 'placeholder.connection_id')
    .select('known.id')
    .where('placeholder.id', '=', patientId)
    .where('known.foreign_id', '=', record.foreignId)
    .executeTakeFirst();
  if (known) {
    if (known.id !== patientId) await replacePatient(tx, patientId, known.id, nowMs);
    return;
  }
  const adopted = await tx
    .updateTable('patient')
    .set({ foreign_id: record.foreignId, synced_at: toIso(nowMs), updated_at: toIso(nowMs) })
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .where('id', '=', patientId)
    .where('foreign_id', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (!adopted) return;
  const row = await selectPatients(tx).where('patient.id', '=', patientId).executeTakeFirstOrThrow();
  await recordEvents(tx, institutionId, [
    {
      resourceType: 'Patient',
      resourceId: row.id,
      sequence: row.sequence,
      event: 'patient_created',
      data: { patients: [viewPatient(row, 'v2')] },
      dataV3: { patients: [viewPatient(row, 'v3.0.0')] },
    },
  ]);
}

/** The HRS had this patient under another row of ours: what belongs to the placeholder moves there. */
async function replacePatient(tx: Tx, placeholderId: number, knownId: number, nowMs: number): Promise<void> {
  await tx.updateTable('appointment').set({ patient_id: knownId }).where('patient_id', '=', placeholderId).execute();
  await tx
    .updateTable('patient')
    .set({ merged_into_id: knownId, inactive: true, updated_at: toIso(nowMs) })
    .where('id', '=', placeholderId)
    .execute();
}
