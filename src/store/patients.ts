/** Reading patients with the names that their view needs. */
import type { Tx } from './database.ts';

/** Rows of `patient` joined with their connection; the caller adds its conditions. */
export function selectPatients(tx: Tx) {
  return tx
    .selectFrom('patient')
    .leftJoin('connection', 'connection.id', 'patient.connection_id')
    .selectAll('patient')
    .select('connection.kind as connection_kind');
}
