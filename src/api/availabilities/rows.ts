import { sql } from 'kysely';
import { selectTypesOfHours } from '../../store/availabilities.ts';
import type { Tx } from '../../store/database.ts';
import { type AppointmentTypeView, viewAppointmentType } from '../../views/appointment-type.ts';
import { viewGroups } from '../groups.ts';
import { anyOf } from '../references.ts';

/** The types for which each of these availabilities counts, by id; an availability without any has no entry. */
export async function readTypesOf(tx: Tx, availabilityIds: number[]): Promise<Map<number, AppointmentTypeView[]>> {
  const rows = await selectTypesOfHours(tx, availabilityIds).execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.availability_id),
    viewAppointmentType,
  );
}

/** The types bookable by way of active availabilities, grouped by whose they are. */
export async function readBookableTypes(
  tx: Tx,
  owner: 'provider_id' | 'operatory_id',
  ownerIds: number[],
): Promise<Map<number, AppointmentTypeView[]>> {
  const ownerId = sql.ref<number>(`availability.${owner}`);
  const rows = await tx
    .selectFrom('availability')
    .innerJoin('availability_appointment_type as link', 'link.availability_id', 'availability.id')
    .innerJoin('appointment_type', 'appointment_type.id', 'link.appointment_type_id')
    .selectAll('appointment_type')
    .select(ownerId.as('owner_id'))
    .distinct()
    .where(ownerId, '=', anyOf(ownerIds))
    .where('availability.active', '=', true)
    .orderBy('appointment_type.id')
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.owner_id),
    viewAppointmentType,
  );
}
