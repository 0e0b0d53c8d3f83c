import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { selectProviders } from '../../store/providers.ts';
import { providerWithResourcesShapeOf } from '../../views/provider.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, instantText, list, optional, text } from '../parameters.ts';
import { anyOf, getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';
import { withResources } from './resources.ts';

const include = list(text(40));

const DEFAULT_INCLUDE = ['locations'];

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/providers',
    summary: 'List providers.',
    tag: 'Providers',
    subdomain: 'required',
    paged: true,
    params: z.object({
      ...pageParams,
      sort: sortParam(['updated_at']),
      location_id: optional(id()),
      foreign_id: optional(text(255)),
      requestable: optional(boolean()),
      inactive: optional(boolean()),
      updated_since: optional(instantText()),
      include,
      ids: list(id()),
    }),
    answer: (version) => z.array(providerWithResourcesShapeOf(version)),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const institution = getInstitution(context);
        const location =
          params.location_id === undefined ? null : await getOwned(tx, 'location', institution.id, params.location_id);
        let query = selectProviders(tx)
          .where('provider.institution_id', '=', institution.id)
          .where('provider.inactive', '=', params.inactive ?? false);
        if (location) {
          query = query.where(({ exists, selectFrom }) =>
            exists(
              selectFrom('provider_location as link')
                .select('link.provider_id')
                .whereRef('link.provider_id', '=', 'provider.id')
                .where('link.location_id', '=', location.id),
            ),
          );
        }
        if (params.foreign_id !== undefined) query = query.where('provider.foreign_id', '=', params.foreign_id);
        if (params.ids !== undefined) query = query.where('provider.id', '=', anyOf(params.ids));
        if (params.updated_since !== undefined) {
          const sinceAt = getInstant('updated_since', params.updated_since, location?.tz ?? 'UTC');
          query = query.where('provider.updated_at', '>=', sinceAt);
        }
        if (params.requestable !== undefined) {
          query = query.where(({ exists, not, selectFrom }) => {
            let hours = selectFrom('availability')
              .select('availability.id')
              .whereRef('availability.provider_id', '=', 'provider.id')
              .where('availability.active', '=', true);
            if (location) hours = hours.where('availability.location_id', '=', location.id);
            return params.requestable ? exists(hours) : not(exists(hours));
          });
        }
        const order = orderBy(
          params.sort,
          { updated_at: { column: 'provider.updated_at', type: 'timestamptz', value: (row) => row.updated_at } },
          { column: 'provider.id', type: 'bigint', value: (row: { id: number; updated_at: string }) => row.id },
        );
        const page = await fetchPage(context, query, params, order);
        const { version, nowMs } = context;
        const data = await withResources(tx, page.rows, params.include ?? DEFAULT_INCLUDE, version, nowMs);
        return { data, count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    method: 'GET',
    path: '/providers/:id',
    summary: 'Show one provider.',
    tag: 'Providers',
    subdomain: 'required',
    params: z.object({ id: id(), include }),
    answer: providerWithResourcesShapeOf,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectProviders(tx)
          .where('provider.id', '=', params.id)
          .where('provider.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        const { version, nowMs } = context;
        return { data: (await withResources(tx, [row], params.include ?? DEFAULT_INCLUDE, version, nowMs))[0] };
      }),
  }),
];
