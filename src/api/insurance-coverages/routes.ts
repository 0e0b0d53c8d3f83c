import { z } from 'zod';
import { notFound } from '../../errors.ts';
import {
  insuranceCoverageShape,
  insuranceCoverageWithPlanShape,
  insuranceCoverageWithSubscriberShape,
  viewInsuranceCoverage,
} from '../../views/insurance-coverage.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, instantText, optional } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { readCoveragesOf, readSubscribers, selectCoverages } from './rows.ts';

const shared = { method: 'GET', tag: 'Insurance', subdomain: 'required' } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    path: '/insurance_coverages',
    summary: 'List what insurance covers the patients of an institution; only what is active, unless asked otherwise.',
    paged: true,
    params: z.object({
      ...pageParams,
      patient_id: optional(id()),
      updated_since: optional(instantText()),
      active: optional(boolean()).describe('false: only those that are no longer active. Default true.'),
    }),
    answer: z.array(insuranceCoverageShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const institutionId = getInstitution(context).id;
        let query = selectCoverages(tx)
          .where('insurance_coverage.institution_id', '=', institutionId)
          .where('insurance_coverage.active', '=', params.active ?? true);
        if (params.patient_id !== undefined) {
          await getOwned(tx, 'patient', institutionId, params.patient_id);
          query = query.where('insurance_coverage.patient_id', '=', params.patient_id);
        }
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, 'UTC');
          query = query.where('insurance_coverage.updated_at', '>=', sinceAt);
        }
        const page = await fetchPage(context, query, params, [
          { column: 'insurance_coverage.id', type: 'bigint', value: (row) => row.id },
        ]);
        return { data: page.rows.map(viewInsuranceCoverage), count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    ...shared,
    path: '/insurance_coverages/:id',
    summary: 'Show one coverage, with the person whose insurance it is.',
    params: z.object({ id: id() }),
    answer: insuranceCoverageWithSubscriberShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectCoverages(tx)
          .where('insurance_coverage.id', '=', params.id)
          .where('insurance_coverage.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        const subscriberOf = await readSubscribers(tx, [row]);
        return { data: { ...viewInsuranceCoverage(row), subscriber: subscriberOf(row) } };
      }),
  }),
  defineRoute({
    ...shared,
    path: '/patients/:id/insurance_coverages',
    summary: 'List what insurance covers a patient now, with its plans.',
    params: z.object({ id: id() }),
    answer: z.array(insuranceCoverageWithPlanShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const patient = await getOwned(tx, 'patient', getInstitution(context).id, params.id);
        const coverages = await readCoveragesOf(tx, [patient.id]);
        return { data: coverages.get(patient.id) ?? [] };
      }),
  }),
];
