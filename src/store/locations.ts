/** Reads of locations. */
import type { Tx } from './database.ts';

/** Rows of `location` with the names that their view needs; the caller adds its conditions. */
export function selectLocations(tx: Tx) {
  return tx
    .selectFrom('location')
    .innerJoin('institution', 'institution.id', 'location.institution_id')
    .leftJoin('connection', 'connection.id', 'location.connection_id')
    .selectAll('location')
    .select(['institution.country_code', 'connection.kind as connection_kind']);
}
