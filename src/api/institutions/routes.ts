import { z } from 'zod';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import {
  type InstitutionFacts,
  institutionShape,
  institutionShapeV2,
  viewInstitution,
  viewInstitutionV2,
} from '../../views/institution.ts';
import { viewLocationBasic } from '../../views/location.ts';
import { type Context, inReach, reachableInstitution } from '../context.ts';
import { id } from '../parameters.ts';
import { anyOf } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

const shapeFor = (version: Context['version']) => (version === 'v2' ? institutionShapeV2 : institutionShape);
const viewFor = (version: Context['version']) => (version === 'v2' ? viewInstitutionV2 : viewInstitution);

async function readInstitutions(tx: Tx, ids: number[]): Promise<InstitutionFacts[]> {
  const rows = await tx.selectFrom('institution').selectAll().where('id', '=', anyOf(ids)).orderBy('id').execute();
  const locations = await tx
    .selectFrom('location')
    .selectAll()
    .where('institution_id', '=', anyOf(ids))
    .orderBy('id')
    .execute();
  const connections = await tx
    .selectFrom('connection')
    .select(['institution_id', 'kind'])
    .distinct()
    .where('institution_id', '=', anyOf(ids))
    .orderBy('kind')
    .execute();
  return rows.map((row) => ({
    row,
    emrs: connections.filter((one) => one.institution_id === row.id).map((one) => one.kind),
    locations: locations.filter((one) => one.institution_id === row.id).map(viewLocationBasic),
  }));
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/institutions',
    summary: 'List the institutions that the key reaches, with their locations.',
    tag: 'Institutions',
    subdomain: 'none',
    params: z.object({}),
    answer: (version) => z.array(shapeFor(version)),
    handler: async (context) => {
      const found = await inReach(context, readInstitutions);
      return { data: found.map(viewFor(context.version)) };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/institutions/:id',
    summary: 'Show one institution.',
    tag: 'Institutions',
    subdomain: 'none',
    params: z.object({ id: id() }),
    answer: shapeFor,
    handler: async (context, params) => {
      const { id: institutionId } = reachableInstitution(context, params.id);
      const [found] = await inReach(context, (tx) => readInstitutions(tx, [institutionId]));
      if (!found) throw notFound();
      return { data: viewFor(context.version)(found) };
    },
  }),
];
