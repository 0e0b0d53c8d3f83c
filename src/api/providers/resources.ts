/** What is read along with providers: one query for all of them per kind of thing, however many they are. */
import { selectAvailabilities } from '../../store/availabilities.ts';
import type { Tx } from '../../store/database.ts';
import { selectRequestables, selectWorkplaces } from '../../store/providers.ts';
import { viewAvailability, viewWorkingHour } from '../../views/availability.ts';
import { viewLocation } from '../../views/location.ts';
import { type ProviderWithNames, type ProviderWithResources, viewProvider } from '../../views/provider.ts';
import type { Version } from '../../views/version.ts';
import { readBookableTypes, readTypesOf } from '../availabilities/rows.ts';
import { viewGroups } from '../groups.ts';
import { anyOf } from '../references.ts';

/** `include` names `locations`, `availabilities`, `appointment_types`; other names are passed over, as at NexHealth. */
export async function withResources(
  tx: Tx,
  rows: ProviderWithNames[],
  include: readonly string[],
  version: Version,
  nowMs: number,
): Promise<ProviderWithResources[]> {
  const ids = rows.map((row) => row.id);
  const requestables = await readRequestables(tx, ids);
  const locations = include.includes('locations') ? await readLocations(tx, ids) : null;
  const availabilities = include.includes('availabilities') ? await readHours(tx, ids, version, nowMs) : null;
  const types = include.includes('appointment_types') ? await readBookableTypes(tx, 'provider_id', ids) : null;
  return rows.map((row) => ({
    ...viewProvider(row),
    provider_requestables: requestables.get(row.id) ?? [],
    ...(locations && { locations: locations.get(row.id) ?? [] }),
    ...(availabilities && { availabilities: availabilities.get(row.id) ?? [] }),
    ...(types && { appointment_types: types.get(row.id) ?? [] }),
  }));
}

async function readRequestables(tx: Tx, providerIds: number[]) {
  const rows = await selectRequestables(tx, providerIds).execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    ({ location_id }) => ({ location_id }),
  );
}

async function readLocations(tx: Tx, providerIds: number[]) {
  const rows = await selectWorkplaces(tx, providerIds).execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    viewLocation,
  );
}

/** In the shape of each version's own list of hours. */
async function readHours(tx: Tx, providerIds: number[], version: Version, nowMs: number) {
  const rows = await selectAvailabilities(tx)
    .where('availability.provider_id', '=', anyOf(providerIds))
    .orderBy('availability.id')
    .execute();
  const types = await readTypesOf(
    tx,
    rows.map((row) => row.id),
  );
  const view = version === 'v2' ? viewAvailability : viewWorkingHour;
  return viewGroups(
    Map.groupBy(rows, (row) => row.provider_id),
    (row) => view(row, nowMs, types.get(row.id) ?? []),
  );
}
