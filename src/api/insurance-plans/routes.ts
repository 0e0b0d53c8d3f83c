import { z } from 'zod';
import type { InsurancePlanRow } from '../../store/schema.ts';
import { insuranceCoverageShape, subscriberShape, viewInsuranceCoverage } from '../../views/insurance-coverage.ts';
import { insurancePlanShape, viewInsurancePlan } from '../../views/insurance-plan.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { readSubscribers, selectCoverages } from '../insurance-coverages/rows.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, instantText, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';

/** Of one plan in one answer: the plan of a large employer covers half a town. */
const MAX_COVERAGES = 1_000;

const insurancePlanWithIncludesShape = insurancePlanShape
  .extend({
    patient_coverages: z.array(insuranceCoverageShape).optional(),
    subscribers: z.array(subscriberShape).optional(),
    fee_schedule: z.null().optional(),
  })
  .meta({ id: 'InsurancePlanWithIncludes' });

const shared = { method: 'GET', tag: 'Insurance', subdomain: 'required' } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    path: '/insurance_plans',
    summary: 'List the insurance plans that the health record systems of an institution know.',
    paged: true,
    params: z.object({
      ...pageParams,
      sort: sortParam(['updated_at']),
      updated_since: optional(instantText()),
      payer_id: optional(text(255)).describe('The number by which claims reach the insurer.'),
      group_num: optional(text(255)).describe('The number of the group that is insured by the plan.'),
      include_deleted: optional(boolean()).describe('true: also those that are gone from the health record system.'),
    }),
    answer: z.array(insurancePlanShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        let query = tx
          .selectFrom('insurance_plan')
          .selectAll('insurance_plan')
          .where('insurance_plan.institution_id', '=', getInstitution(context).id);
        if (!params.include_deleted) query = query.where('insurance_plan.deleted_at', 'is', null);
        if (params.payer_id !== undefined) query = query.where('insurance_plan.payer_id', '=', params.payer_id);
        if (params.group_num !== undefined) query = query.where('insurance_plan.group_num', '=', params.group_num);
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, 'UTC');
          query = query.where('insurance_plan.updated_at', '>=', sinceAt);
        }
        const order = orderBy<InsurancePlanRow>(
          params.sort,
          {
            updated_at: { column: 'insurance_plan.updated_at', type: 'timestamptz', value: (row) => row.updated_at },
          },
          { column: 'insurance_plan.id', type: 'bigint', value: (row) => row.id },
        );
        const page = await fetchPage(context, query, params, order);
        return { data: page.rows.map(viewInsurancePlan), count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    ...shared,
    path: '/insurance_plans/:id',
    summary: 'Show one insurance plan, also one that is deleted.',
    params: z.object({ id: id(), include: list(text(40)) }),
    answer: insurancePlanWithIncludesShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const plan = await getOwned(tx, 'insurance_plan', getInstitution(context).id, params.id);
        const wants = (name: string) => params.include?.includes(name) ?? false;
        const data: z.infer<typeof insurancePlanWithIncludesShape> = viewInsurancePlan(plan);
        // Fees are outside scheduling: never read, so there are none to show.
        if (wants('fee_schedule')) data.fee_schedule = null;
        if (!wants('patient_coverages') && !wants('subscribers')) return { data };
        const coverages = await selectCoverages(tx)
          .where('plan_id', '=', plan.id)
          .where('active', '=', true)
          .orderBy('id')
          .limit(MAX_COVERAGES)
          .execute();
        if (wants('patient_coverages')) data.patient_coverages = coverages.map(viewInsuranceCoverage);
        if (wants('subscribers')) {
          const subscriberOf = await readSubscribers(tx, coverages);
          const subscribers = coverages.map(subscriberOf).filter((subscriber) => subscriber !== null);
          data.subscribers = [...new Map(subscribers.map((subscriber) => [subscriber.id, subscriber])).values()];
        }
        return { data };
      }),
  }),
];
