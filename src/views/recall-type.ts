/** Why and how often patients are asked to come back. */
import { z } from 'zod';
import type { RecallTypeRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';

export interface RecallTypeWithNames extends RecallTypeRow {
  connection_kind: string | null;
}

/** As it stands inside a patient's recall. */
export const recallTypeBasicShape = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    interval_num: z.int(),
    interval_unit: z.enum(['D', 'W', 'M', 'Y']),
  })
  .meta({ id: 'RecallTypeBasic' });

export const recallTypeShape = recallTypeBasicShape
  .extend({
    foreign_id: z.string(),
    foreign_id_type: z.string(),
    location_id: z.int().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'RecallType' });

export type RecallTypeBasicView = z.infer<typeof recallTypeBasicShape>;

export function viewRecallTypeBasic(row: RecallTypeRow): RecallTypeBasicView {
  const { id, name, description, interval_num, interval_unit } = row;
  return { id, name, description, interval_num, interval_unit };
}

export function viewRecallType(row: RecallTypeWithNames): z.infer<typeof recallTypeShape> {
  return {
    ...viewRecallTypeBasic(row),
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    location_id: row.location_id,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}
