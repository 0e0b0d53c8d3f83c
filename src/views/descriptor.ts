/** What the HRS itself calls a visit type or a procedure code. */
import { z } from 'zod';
import type { DescriptorRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';

export interface DescriptorWithNames extends DescriptorRow {
  connection_kind: string | null;
}

export const descriptorShape = z
  .object({
    id: z.int(),
    descriptor_type: z.string(),
    name: z.string(),
    code: z.string().nullable(),
    location_id: z.int().nullable(),
    foreign_id: z.string(),
    foreign_id_type: z.string(),
    data: z.record(z.string(), z.unknown()),
    active: z.boolean(),
    last_sync_time: z.iso.datetime(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'AppointmentDescriptor' });

export type DescriptorView = z.infer<typeof descriptorShape>;

export function viewDescriptor(row: DescriptorWithNames): DescriptorView {
  return {
    id: row.id,
    descriptor_type: row.descriptor_type,
    name: row.name,
    code: row.code,
    location_id: row.location_id,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    data: row.data,
    active: row.active,
    last_sync_time: row.synced_at,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}
