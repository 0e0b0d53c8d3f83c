/** What happens to providers, as events: as GET /providers shows them, which is the same in every version. */
import type { Tx } from '../store/database.ts';
import { selectProviders, selectRequestables, selectWorkplaces } from '../store/providers.ts';
import { type LocationView, viewLocation } from '../views/location.ts';
import { type ProviderView, viewProvider } from '../views/provider.ts';
import type { NewEvent } from './event.ts';

export interface ToldProvider extends ProviderView {
  provider_requestables: { location_id: number }[];
  locations: LocationView[];
}

/** These providers with where they work and where they can be booked, by id; three queries, and none for none. */
export async function readToldProviders(tx: Tx, ids: readonly number[]): Promise<Map<number, ToldProvider>> {
  if (ids.length === 0) return new Map();
  const rows = await selectProviders(tx).where('provider.id', 'in', ids).execute();
  const requestables = Map.groupBy(await selectRequestables(tx, ids).execute(), (row) => row.provider_id);
  const workplaces = Map.groupBy(await selectWorkplaces(tx, ids).execute(), (row) => row.provider_id);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        ...viewProvider(row),
        provider_requestables: (requestables.get(row.id) ?? []).map(({ location_id }) => ({ location_id })),
        locations: (workplaces.get(row.id) ?? []).map(viewLocation),
      },
    ]),
  );
}

/** `sequence` is that of the row: raise it with every change. */
export function eventOfProvider(provider: ToldProvider, sequence: number, happened: 'created' | 'updated'): NewEvent {
  const base = { resourceType: 'Provider', resourceId: provider.id, sequence };
  return { ...base, event: `provider_${happened}`, data: { provider } };
}
