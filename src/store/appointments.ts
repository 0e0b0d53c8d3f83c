/** Reading appointments with the names that their view needs. */
import { sql } from 'kysely';
import type { Tx } from './database.ts';

/** Rows of `appointment` joined with provider, location and connection; the caller adds its conditions. */
export function selectAppointments(tx: Tx) {
  return tx
    .selectFrom('appointment')
    .innerJoin('location', 'location.id', 'appointment.location_id')
    .leftJoin('provider', 'provider.id', 'appointment.provider_id')
    .leftJoin('connection', 'connection.id', 'appointment.connection_id')
    .selectAll('appointment')
    .select([
      'location.tz as tz',
      'connection.kind as connection_kind',
      // Has this patient been booked for an earlier time, and not cancelled?
      sql<boolean>`exists (select 1 from appointment earlier where earlier.patient_id = appointment.patient_id
        and earlier.start_at < appointment.start_at and not earlier.cancelled)`.as('is_past_patient'),
      sql<string | null>`provider.first_name || ' ' || provider.last_name`.as('provider_name'),
    ]);
}
