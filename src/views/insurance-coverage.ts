/** One patient's cover by one plan, as NexHealth's clients read it. A deleted coverage is one that is not active. */
import { z } from 'zod';
import { INSURANCE_TYPES, SUBSCRIPTION_RELATIONS } from '../domain/records.ts';
import type { InsuranceCoverageRow } from '../store/schema.ts';
import { insurancePlanShape } from './insurance-plan.ts';

export const subscriberShape = z
  .object({ id: z.int(), name: z.string(), date_of_birth: z.iso.date().nullable() })
  .meta({ id: 'InsuranceSubscriber' });

export const insuranceCoverageShape = z
  .object({
    id: z.int(),
    subscription_relation: z.enum(SUBSCRIPTION_RELATIONS),
    patient_id: z.int(),
    priority: z.int().nullable(),
    plan_id: z.int().nullable(),
    subscriber_num: z.string().nullable(),
    effective_date: z.iso.date().nullable(),
    expiration_date: z.iso.date().nullable(),
    insurance_type: z.enum(INSURANCE_TYPES).nullable(),
    updated_at: z.iso.datetime(),
    active: z.boolean(),
  })
  .meta({ id: 'InsuranceCoverage' });

export const insuranceCoverageWithSubscriberShape = insuranceCoverageShape
  .extend({ subscriber: subscriberShape.nullable() })
  .meta({ id: 'InsuranceCoverageWithSubscriber' });

export const insuranceCoverageWithPlanShape = insuranceCoverageWithSubscriberShape
  .extend({ plan: insurancePlanShape.nullable() })
  .meta({ id: 'InsuranceCoverageWithPlan' });

export type SubscriberView = z.infer<typeof subscriberShape>;
export type InsuranceCoverageView = z.infer<typeof insuranceCoverageShape>;

export function viewInsuranceCoverage(row: InsuranceCoverageRow): InsuranceCoverageView {
  return {
    id: row.id,
    subscription_relation: row.subscription_relation,
    patient_id: row.patient_id,
    priority: row.priority,
    plan_id: row.plan_id,
    subscriber_num: row.subscriber_num,
    effective_date: row.effective_date,
    expiration_date: row.expiration_date,
    insurance_type: row.insurance_type,
    updated_at: row.updated_at,
    active: row.active,
  };
}
