/** Reading patients with the names that their view needs. */
import { type RawBuilder, sql } from 'kysely';
import type { Tx } from './database.ts';

/** Rows of `patient` joined with their connection; the caller adds its conditions. */
export function selectPatients(tx: Tx) {
  return tx
    .selectFrom('patient')
    .leftJoin('connection', 'connection.id', 'patient.connection_id')
    .selectAll('patient')
    .select('connection.kind as connection_kind');
}

/** Has the patient this telephone number, of whichever kind? Given as its last ten digits. */
export function hasPhone(lastTenDigits: string): RawBuilder<boolean> {
  return sql<boolean>`(patient.phone_key = ${lastTenDigits} or patient.cell_phone_key = ${lastTenDigits}
    or patient.home_phone_key = ${lastTenDigits} or patient.work_phone_key = ${lastTenDigits})`;
}
