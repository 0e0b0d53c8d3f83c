import { z } from 'zod';
import type { Tx } from '../../store/database.ts';
import { viewLocationBasic } from '../../views/location.ts';
import { syncStatusShape, viewSyncStatus } from '../../views/sync-status.ts';
import { inReach } from '../context.ts';
import { id, list, oneOf, optional } from '../parameters.ts';
import { anyOf } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

const status = optional(oneOf(['green', 'red']));

const params = z.object({ location_ids: list(id()), read_status: status, write_status: status });

async function readConnections(tx: Tx, institutionIds: number[], filter: z.output<typeof params>) {
  let query = tx
    .selectFrom('connection')
    .selectAll()
    .where('institution_id', '=', anyOf(institutionIds))
    .orderBy('institution_id')
    .orderBy('id');
  const { location_ids, read_status, write_status } = filter;
  if (read_status !== undefined) query = query.where('read_status', '=', read_status);
  if (write_status !== undefined) query = query.where('write_status', '=', write_status);
  if (location_ids !== undefined) {
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('location')
          .select('location.id')
          .whereRef('location.connection_id', '=', 'connection.id')
          .where('location.id', '=', anyOf(location_ids)),
      ),
    );
  }
  const connections = await query.execute();
  const rows = await tx
    .selectFrom('location')
    .selectAll()
    .where('connection_id', '=', anyOf(connections.map((connection) => connection.id)))
    .orderBy('id')
    .execute();
  const locations = Map.groupBy(rows, (row) => row.connection_id);
  return connections.map((connection) => ({
    connection,
    locations: (locations.get(connection.id) ?? []).map(viewLocationBasic),
  }));
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/sync_status',
    summary: 'Tell how fresh each connection to a health record system is, and whether it takes writes.',
    tag: 'Sync status',
    subdomain: 'optional',
    params,
    answer: z.array(syncStatusShape),
    handler: async (context, filter) => {
      const found = await inReach(context, (tx, institutionIds) => readConnections(tx, institutionIds, filter));
      const { connectorKinds } = context.services;
      return {
        data: found.map(({ connection, locations }) =>
          viewSyncStatus({ ...connection, locations }, connectorKinds.get(connection.kind)),
        ),
      };
    },
  }),
];
