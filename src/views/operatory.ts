/** An operatory: a chair or a room. */
import { z } from 'zod';
import type { OperatoryRow } from '../store/schema.ts';
import { type AppointmentTypeView, appointmentTypeShape } from './appointment-type.ts';
import { foreignIdType } from './foreign-id.ts';

export interface OperatoryWithNames extends OperatoryRow {
  connection_kind: string | null;
}

export const operatoryShape = z
  .object({
    id: z.int(),
    name: z.string(),
    foreign_id: z.string().nullable(),
    foreign_id_type: z.string(),
    location_id: z.int(),
    last_sync_time: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    display_name: z.string().nullable(),
    active: z.boolean(),
    bookable_online: z.boolean(),
    profile_url: z.null(),
    rel_ids: z.array(z.int()),
  })
  .meta({ id: 'Operatory' });

export const operatoryWithTypesShape = operatoryShape
  .extend({ appointment_types: z.array(appointmentTypeShape) })
  .meta({ id: 'OperatoryWithTypes' });

export function viewOperatory(row: OperatoryWithNames): z.infer<typeof operatoryShape> {
  return {
    id: row.id,
    name: row.name,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    location_id: row.location_id,
    last_sync_time: row.synced_at,
    created_at: row.created_at,
    updated_at: row.updated_at,
    display_name: null,
    active: row.active,
    bookable_online: row.active,
    profile_url: null,
    rel_ids: [],
  };
}

export function viewOperatoryWithTypes(
  row: OperatoryWithNames,
  types: AppointmentTypeView[],
): z.infer<typeof operatoryWithTypesShape> {
  return { ...viewOperatory(row), appointment_types: types };
}
