import { sql } from 'kysely';
import { z } from 'zod';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { type PatientRecallWithNames, patientRecallShape, viewPatientRecall } from '../../views/patient-recall.ts';
import { viewRecallTypeBasic } from '../../views/recall-type.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { id, instantText, optional, text } from '../parameters.ts';
import { anyOf, getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';

interface SortablePatientRecall extends PatientRecallWithNames {
  /** Days since 2000; a recall without a date comes after all that have one. */
  due_day: number;
}

const selectRecalls = (tx: Tx) =>
  tx
    .selectFrom(
      tx
        .selectFrom('patient_recall')
        .selectAll()
        .select(sql<number>`(coalesce(date_due, date '9999-12-31') - date '2000-01-01')::bigint`.as('due_day'))
        .as('patient_recall'),
    )
    .leftJoin('connection', 'connection.id', 'patient_recall.connection_id')
    .selectAll('patient_recall')
    .select('connection.kind as connection_kind');

async function withTypes(tx: Tx, recalls: readonly PatientRecallWithNames[]) {
  const typeIds = recalls.map((recall) => recall.recall_type_id).filter((typeId) => typeId !== null);
  const types = await tx
    .selectFrom('recall_type')
    .selectAll()
    .where('id', '=', anyOf([...new Set(typeIds)]))
    .execute();
  const byId = new Map(types.map((type) => [type.id, viewRecallTypeBasic(type)]));
  return recalls.map((recall) => viewPatientRecall(recall, byId.get(recall.recall_type_id ?? 0) ?? null));
}

const shared = { method: 'GET', tag: 'Recalls', subdomain: 'required' } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    path: '/patient_recalls',
    summary: 'List which patients of a location are due to come back, and when.',
    paged: true,
    params: z.object({
      ...pageParams,
      location_id: id(),
      recall_id: optional(id()).describe('Only recalls of this type.'),
      patient_id: optional(id()),
      foreign_id: optional(text(255)),
      updated_since: optional(instantText()),
      due_after: optional(instantText()).describe('Only what is due on this day or later.'),
      sort: sortParam(['date_due']),
    }),
    answer: z.array(patientRecallShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        let query = selectRecalls(tx)
          .where('patient_recall.connection_id', '=', location.connection_id)
          .where(({ or, eb }) =>
            or([eb('patient_recall.location_id', '=', location.id), eb('patient_recall.location_id', 'is', null)]),
          );
        if (params.recall_id !== undefined) {
          query = query.where('patient_recall.recall_type_id', '=', params.recall_id);
        }
        if (params.patient_id !== undefined) query = query.where('patient_recall.patient_id', '=', params.patient_id);
        if (params.foreign_id !== undefined) query = query.where('patient_recall.foreign_id', '=', params.foreign_id);
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, location.tz);
          query = query.where('patient_recall.updated_at', '>=', sinceAt);
        }
        if (params.due_after !== undefined) {
          // What is due has a date and no time, so of this instant the date counts.
          const sinceAt = getInstant('due_after', params.due_after, 'UTC');
          query = query.where('patient_recall.date_due', '>=', sinceAt.slice(0, 10));
        }
        const order = orderBy<SortablePatientRecall>(
          params.sort,
          { date_due: { column: 'patient_recall.due_day', type: 'bigint', value: (row) => row.due_day } },
          { column: 'patient_recall.id', type: 'bigint', value: (row) => row.id },
        );
        const page = await fetchPage(context, query, params, order);
        return { data: await withTypes(tx, page.rows), count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    ...shared,
    path: '/patient_recalls/:id',
    summary: 'Show one recall of a patient.',
    params: z.object({ id: id() }),
    answer: patientRecallShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectRecalls(tx)
          .where('patient_recall.id', '=', params.id)
          .where('patient_recall.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { data: (await withTypes(tx, [row]))[0] };
      }),
  }),
];
