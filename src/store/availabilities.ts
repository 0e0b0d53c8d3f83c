/** Reads of stored hours. */
import { sql } from 'kysely';
import type { Tx } from './database.ts';
import type { AvailabilityLabelRow } from './schema.ts';

/** Rows of `availability` with their location's zone and their label; the caller adds its conditions. */
export function selectAvailabilities(tx: Tx) {
  return tx
    .selectFrom('availability')
    .innerJoin('location', 'location.id', 'availability.location_id')
    .leftJoin('availability_label as label', 'label.id', 'availability.label_id')
    .selectAll('availability')
    .select([
      'location.tz',
      sql<Pick<AvailabilityLabelRow, 'id' | 'location_id' | 'name'> | null>`case when label.id is not null then
        json_build_object('id', label.id, 'location_id', label.location_id, 'name', label.name) end`.as('label'),
    ]);
}

/** The appointment types for which hours count, each with the `availability_id` that it counts for, in order of id. */
export function selectTypesOfHours(tx: Tx, availabilityIds: readonly number[]) {
  return tx
    .selectFrom('availability_appointment_type as link')
    .innerJoin('appointment_type', 'appointment_type.id', 'link.appointment_type_id')
    .selectAll('appointment_type')
    .select('link.availability_id')
    .where('link.availability_id', '=', sql<number>`any(${availabilityIds}::bigint[])`)
    .orderBy('appointment_type.id');
}
