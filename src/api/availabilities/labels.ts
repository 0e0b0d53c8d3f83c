import { z } from 'zod';
import { workingHourLabelShape } from '../../views/availability.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { containing } from '../like.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/working_hour_labels',
    summary: 'List the names that the health record system gives to stored hours.',
    tag: 'Working hours',
    subdomain: 'required',
    paged: true,
    params: z.object({
      ...pageParams,
      location_id: optional(id()).describe('Only labels of this location, and those that count everywhere.'),
      search_name: optional(text(255)),
      active: optional(boolean()),
    }),
    answer: z.array(workingHourLabelShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const institutionId = getInstitution(context).id;
        let query = tx
          .selectFrom('availability_label as label')
          .select(['label.id', 'label.location_id', 'label.name'])
          .where('label.institution_id', '=', institutionId);
        if (params.location_id !== undefined) {
          const location = await getOwned(tx, 'location', institutionId, params.location_id);
          query = query.where(({ or, and, eb }) =>
            or([
              eb('label.location_id', '=', location.id),
              and([eb('label.location_id', 'is', null), eb('label.connection_id', '=', location.connection_id)]),
            ]),
          );
        }
        if (params.search_name !== undefined)
          query = query.where('label.name', 'ilike', containing(params.search_name));
        if (params.active !== undefined) query = query.where('label.active', '=', params.active);
        const { rows, count, pageInfo } = await fetchPage(context, query, params, [
          { column: 'label.id', type: 'bigint', value: (row) => row.id },
        ]);
        return { data: rows.map(({ id, location_id, name }) => ({ id, location_id, name })), count, pageInfo };
      }),
  }),
];
