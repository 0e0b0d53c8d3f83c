import { sql } from 'kysely';
import { z } from 'zod';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { type OperatoryWithNames, operatoryWithTypesShape, viewOperatoryWithTypes } from '../../views/operatory.ts';
import { readBookableTypes } from '../availabilities/rows.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { containing } from '../like.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { id, instantText, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

/** `appointment_types` and `appt_categories` name one thing, which is the default as well: the types are always there. */
const include = list(text(40));

const selectOperatories = (tx: Tx) =>
  tx
    .selectFrom('operatory')
    .leftJoin('connection', 'connection.id', 'operatory.connection_id')
    .selectAll('operatory')
    .select('connection.kind as connection_kind');

async function withTypes(tx: Tx, rows: OperatoryWithNames[]) {
  const types = await readBookableTypes(
    tx,
    'operatory_id',
    rows.map((row) => row.id),
  );
  return rows.map((row) => viewOperatoryWithTypes(row, types.get(row.id) ?? []));
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/operatories',
    summary: 'List the operatories of a location.',
    tag: 'Operatories',
    subdomain: 'required',
    paged: true,
    params: z.object({
      ...pageParams,
      location_id: id(),
      search_name: optional(text(100)),
      foreign_id: optional(text(255)),
      updated_since: optional(instantText()),
      include,
    }),
    answer: z.array(operatoryWithTypesShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        let query = selectOperatories(tx).where('operatory.location_id', '=', location.id);
        if (params.search_name !== undefined) {
          query = query.where(sql`lower(operatory.name)`, 'like', sql`lower(${containing(params.search_name)})`);
        }
        if (params.foreign_id !== undefined) query = query.where('operatory.foreign_id', '=', params.foreign_id);
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, location.tz);
          query = query.where('operatory.updated_at', '>=', sinceAt);
        }
        const page = await fetchPage(context, query, params, [
          { column: 'operatory.id', type: 'bigint', value: (row) => row.id },
        ]);
        return { data: await withTypes(tx, page.rows), count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    method: 'GET',
    path: '/operatories/:id',
    summary: 'Show one operatory.',
    tag: 'Operatories',
    subdomain: 'required',
    params: z.object({ id: id(), include }),
    answer: operatoryWithTypesShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectOperatories(tx)
          .where('operatory.id', '=', params.id)
          .where('operatory.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { data: (await withTypes(tx, [row]))[0] };
      }),
  }),
  defineRoute({
    method: 'GET',
    path: '/appointment_categories/:id/operatories',
    summary: 'List the operatories in which an appointment category can be booked.',
    tag: 'Operatories',
    subdomain: 'required',
    params: z.object({ id: id(), location_id: optional(id()) }),
    answer: z.array(operatoryWithTypesShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const { id: institutionId } = getInstitution(context);
        const type = await getOwned(tx, 'appointment_type', institutionId, params.id);
        let query = selectOperatories(tx)
          .where('operatory.institution_id', '=', institutionId)
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('availability')
                .innerJoin('availability_appointment_type as link', 'link.availability_id', 'availability.id')
                .select('availability.id')
                .whereRef('availability.operatory_id', '=', 'operatory.id')
                .where('availability.active', '=', true)
                .where('link.appointment_type_id', '=', type.id),
            ),
          );
        if (params.location_id !== undefined) {
          const location = await getOwned(tx, 'location', institutionId, params.location_id);
          query = query.where('operatory.location_id', '=', location.id);
        }
        return { data: await withTypes(tx, await query.orderBy('operatory.id').execute()) };
      }),
  }),
];
