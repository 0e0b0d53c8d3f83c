import { z } from 'zod';
import type { InsurancePlanRow } from '../store/schema.ts';

export const insurancePlanShape = z
  .object({
    id: z.int(),
    payer_id: z.string().nullable(),
    name: z.string().nullable(),
    address: z.string().nullable(),
    address2: z.string().nullable(),
    city: z.string().nullable(),
    state: z.string().nullable(),
    zip_code: z.string().nullable(),
    country_code: z.string().nullable(),
    group_num: z.string().nullable(),
    employer_name: z.string().nullable(),
    foreign_id: z.string().nullable(),
    updated_at: z.iso.datetime(),
    deleted_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'InsurancePlan' });

export type InsurancePlanView = z.infer<typeof insurancePlanShape>;

export function viewInsurancePlan(row: InsurancePlanRow): InsurancePlanView {
  return {
    id: row.id,
    payer_id: row.payer_id,
    name: row.name,
    address: row.address,
    address2: row.address2,
    city: row.city,
    state: row.state,
    zip_code: row.zip_code,
    country_code: row.country_code,
    group_num: row.group_num,
    employer_name: row.employer_name,
    foreign_id: row.foreign_id,
    updated_at: row.updated_at,
    deleted_at: row.deleted_at,
  };
}
