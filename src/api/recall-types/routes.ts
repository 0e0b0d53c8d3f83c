import { z } from 'zod';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { recallTypeShape, viewRecallType } from '../../views/recall-type.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { id, instantText, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

const selectRecallTypes = (tx: Tx) =>
  tx
    .selectFrom('recall_type')
    .leftJoin('connection', 'connection.id', 'recall_type.connection_id')
    .selectAll('recall_type')
    .select('connection.kind as connection_kind');

const shared = { method: 'GET', tag: 'Recalls', subdomain: 'required' } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    path: '/recall_types',
    summary: 'List why and how often a location asks patients to come back.',
    params: z.object({
      location_id: id(),
      foreign_id: optional(text(255)),
      updated_since: optional(instantText()),
    }),
    answer: z.array(recallTypeShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        let query = selectRecallTypes(tx)
          .where('recall_type.connection_id', '=', location.connection_id)
          .where(({ or, eb }) =>
            or([eb('recall_type.location_id', '=', location.id), eb('recall_type.location_id', 'is', null)]),
          )
          .where('recall_type.active', '=', true);
        if (params.foreign_id !== undefined) query = query.where('recall_type.foreign_id', '=', params.foreign_id);
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, location.tz);
          query = query.where('recall_type.updated_at', '>=', sinceAt);
        }
        return { data: (await query.orderBy('recall_type.id').execute()).map(viewRecallType) };
      }),
  }),
  defineRoute({
    ...shared,
    path: '/recall_types/:id',
    summary: 'Show one recall type.',
    params: z.object({ id: id() }),
    answer: recallTypeShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectRecallTypes(tx)
          .where('recall_type.id', '=', params.id)
          .where('recall_type.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { data: viewRecallType(row) };
      }),
  }),
];
