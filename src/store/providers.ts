/** Reads of providers, and of where they work. */
import { sql } from 'kysely';
import type { Tx } from './database.ts';
import { selectLocations } from './locations.ts';

/** Rows of `provider` joined with their connection; the caller adds its conditions. */
export function selectProviders(tx: Tx) {
  return tx
    .selectFrom('provider')
    .leftJoin('connection', 'connection.id', 'provider.connection_id')
    .selectAll('provider')
    .select('connection.kind as connection_kind');
}

const anyOf = (ids: readonly number[]) => sql<number>`any(${ids}::bigint[])`;

/** Where these providers can be booked: the locations of their active hours. One query for all of them. */
export function selectRequestables(tx: Tx, providerIds: readonly number[]) {
  return tx
    .selectFrom('availability')
    .select(['provider_id', 'location_id'])
    .distinct()
    .where('provider_id', '=', anyOf(providerIds))
    .where('active', '=', true)
    .orderBy('location_id');
}

/** The locations at which these providers work, each with its `provider_id`. */
export function selectWorkplaces(tx: Tx, providerIds: readonly number[]) {
  return selectLocations(tx)
    .innerJoin('provider_location as link', 'link.location_id', 'location.id')
    .select('link.provider_id')
    .where('link.provider_id', '=', anyOf(providerIds))
    .orderBy('location.id');
}
