/** An appointment type. It belongs to the whole institution or to one location. */
import { z } from 'zod';
import type { AppointmentTypeRow } from '../store/schema.ts';

export const appointmentTypeShape = z
  .object({
    id: z.int(),
    name: z.string(),
    parent_type: z.enum(['Institution', 'Location']),
    parent_id: z.int(),
    minutes: z.int(),
    bookable_online: z.boolean(),
  })
  .meta({ id: 'AppointmentType' });

export type AppointmentTypeView = z.infer<typeof appointmentTypeShape>;

export function viewAppointmentType(row: AppointmentTypeRow): AppointmentTypeView {
  return {
    id: row.id,
    name: row.name,
    parent_type: row.location_id === null ? 'Institution' : 'Location',
    parent_id: row.location_id ?? row.institution_id,
    minutes: row.minutes,
    bookable_online: row.bookable_online,
  };
}
