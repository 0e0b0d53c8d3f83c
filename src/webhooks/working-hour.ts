/**
 * What happens to stored hours, as events. There is one shape for every version, that of GET /working_hours with the
 * appointment types: NexHealth has had these events only since the hours go by that name. Hours that are deleted are
 * told of once more, as not active.
 */
import { selectAvailabilities, selectTypesOfHours } from '../store/availabilities.ts';
import type { Tx } from '../store/database.ts';
import { viewAppointmentType } from '../views/appointment-type.ts';
import { viewWorkingHour, type WorkingHourView } from '../views/availability.ts';
import type { NewEvent } from './event.ts';

/** These hours as they now stand, by id; two queries, and none for none. */
export async function readToldHours(
  tx: Tx,
  ids: readonly number[],
  nowMs: number,
): Promise<Map<number, WorkingHourView>> {
  if (ids.length === 0) return new Map();
  const rows = await selectAvailabilities(tx).where('availability.id', 'in', ids).execute();
  const types = Map.groupBy(await selectTypesOfHours(tx, ids).execute(), (row) => row.availability_id);
  return new Map(
    rows.map((row) => [row.id, viewWorkingHour(row, nowMs, (types.get(row.id) ?? []).map(viewAppointmentType))]),
  );
}

/** `sequence` is that of the row: raise it with every change. */
export function eventOfHours(hours: WorkingHourView, sequence: number, happened: 'created' | 'updated'): NewEvent {
  const base = { resourceType: 'WorkingHour', resourceId: hours.id, sequence };
  return { ...base, event: `working_hour_${happened}`, data: { working_hour: hours } };
}
