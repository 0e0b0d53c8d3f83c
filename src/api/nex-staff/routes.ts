/** `/nex_staff`: who may speak for the institution, which here is API users. `created_by_user_id` is one of them. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { Tx } from '../../store/database.ts';
import { type StaffFacts, staffShape, viewStaff } from '../../views/staff.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, list, optional } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

/** Every API user of an institution speaks for all of its locations. */
function selectStaff(tx: Tx, institutionId: number) {
  return tx
    .selectFrom((from) =>
      from
        .selectFrom('api_user')
        .innerJoin('api_user_institution as reach', 'reach.api_user_id', 'api_user.id')
        .where('reach.institution_id', '=', institutionId)
        .select([
          'api_user.id',
          'api_user.name',
          'api_user.created_at',
          'reach.institution_id',
          sql<boolean>`not exists (
            select from api_key where api_key.api_user_id = api_user.id and revoked_at is null)`.as('inactive'),
          sql<number[]>`array(
            select location.id from location where location.institution_id = reach.institution_id
            order by location.id)`.as('location_ids'),
        ])
        .as('staff'),
    )
    .selectAll();
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/nex_staff',
    summary: 'List the API users that may speak for the institution',
    tag: 'Nex staff',
    subdomain: 'required',
    params: z.object({ inactive: optional(boolean()), location_ids: list(id()), ...pageParams }),
    answer: z.array(staffShape),
    paged: true,
    async handler(context, params) {
      return inInstitution(context, async (tx) => {
        let query = selectStaff(tx, getInstitution(context).id);
        if (params.inactive !== undefined) query = query.where('staff.inactive', '=', params.inactive);
        if (params.location_ids !== undefined) {
          query = query.where(sql<boolean>`staff.location_ids && ${params.location_ids}::bigint[]`);
        }
        const page = await fetchPage<StaffFacts>(context, query, params, [
          { column: 'staff.id', type: 'bigint', value: (row) => row.id },
        ]);
        return { data: page.rows.map(viewStaff), count: page.count, pageInfo: page.pageInfo };
      });
    },
  }),
];
