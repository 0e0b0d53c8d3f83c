/** What is read along with providers: one query for all of them per kind of thing, however many they are. */
import type { Tx } from '../../store/database.ts';
import { viewAvailability } from '../../views/availability.ts';
import { viewLocation } from '../../views/location.ts';
import { type ProviderWithNames, type ProviderWithResources, viewProvider } from '../../views/provider.ts';
import { readBookableTypes, readTypesOf, selectAvailabilities } from '../availabilities/rows.ts';
import { viewGroups } from '../groups.ts';
import { selectLocations } from '../locations/rows.ts';
import { anyOf } from '../references.ts';

export function selectProviders(tx: Tx) {
  return tx
    .selectFrom('provider')
    .leftJoin('connection', 'connection.id', 'provider.connection_id')
    .selectAll('provider')
    .select('connection.kind as connection_kind');
}

/** `include` names `locations`, `availabilities`, `appointment_types`; other names are passed over, as at NexHealth. */
export async function withResources(
  tx: Tx,
  rows: ProviderWithNames[],
  include: readonly string[],
  nowMs: number,
): Promise<ProviderWithResources[]> {
  const ids = rows.map((row) => row.id);
  const requestables = await readRequestables(tx, ids);
  const locations = include.includes('locations') ? await readLocations(tx, ids) : null;
  const availabilities = include.includes('availabilities') ? await readAvailabilities(tx, ids, nowMs) : null;
  const types = include.includes('appointment_types') ? await readBookableTypes(tx, 'provider_id', ids) : null;
  return rows.map((row) => ({
    ...viewProvider(row),
    provider_requestables: requestables.get(row.id) ?? [],
    ...(locations && { locations: locations.get(row.id) ?? [] }),
    ...(availabilities && { availabilities: availabilities.get(row.id) ?? [] }),
    ...(types && { appointment_types: types.get(row.id) ?? [] }),
  }));
}

/** Where each provider can be booked: the locations of their active hours. */
async function readRequestables(tx: Tx, providerIds: number[]) {
  const rows = await tx
    .selectFrom('availability')
    .select(['provider_id', 'location_id'])
    .distinct()
    .where('provider_id', '=', anyOf(providerIds))
    .where('active', '=', true)
    .orderBy('location_id')
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    ({ location_id }) => ({ location_id }),
  );
}

async function readLocations(tx: Tx, providerIds: number[]) {
  const rows = await selectLocations(tx)
    .innerJoin('provider_location as link', 'link.location_id', 'location.id')
    .select('link.provider_id')
    .where('link.provider_id', '=', anyOf(providerIds))
    .orderBy('location.id')
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    viewLocation,
  );
}

async function readAvailabilities(tx: Tx, providerIds: number[], nowMs: number) {
  const rows = await selectAvailabilities(tx)
    .where('availability.provider_id', '=', anyOf(providerIds))
    .orderBy('availability.id')
    .execute();
  const types = await readTypesOf(
    tx,
    rows.map((row) => row.id),
  );
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    (row) => viewAvailability(row, nowMs, types.get(row.id) ?? []),
  );
}
