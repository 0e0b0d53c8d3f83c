/** What happens to an onboarding, as events. They are told to the subscriptions of whoever made it. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { Tx } from '../store/database.ts';
import { selectOnboardings } from '../store/onboardings.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { viewOnboarding } from '../views/onboarding.ts';
import type { NewEvent } from './event.ts';

type Happened = 'onboarding_created' | 'onboarding_updated' | 'onboarding_availability_ready';

/** The event that tells of one onboarding as it now stands. Raise its `sequence` in the same transaction before. */
export async function eventOfOnboarding(tx: Tx, id: number, event: Happened, nowMs: number): Promise<NewEvent> {
  const row = await selectOnboardings(tx, nowMs).where('onboarding.id', '=', id).executeTakeFirstOrThrow();
  return {
    resourceType: 'Onboarding',
    resourceId: row.id,
    sequence: row.sequence,
    event,
    data: { onboarding: viewOnboarding(row) },
  };
}

/**
 * The onboardings of a connection for which something can be booked for the first time: call it whenever a complete
 * pass over the connection has been stored. Where the HRS keeps no hours that is the first pass after somebody has
 * stored some by the API.
 */
export async function eventsOfReadiness(
  tx: Tx,
  connection: Pick<ConnectionRow, 'id'>,
  nowMs: number,
): Promise<NewEvent[]> {
  const ready = await sql<{ id: number }>`
    update onboarding
    set availability_ready_at = ${toIso(nowMs)}, sequence = sequence + 1, updated_at = ${toIso(nowMs)}
    where connection_id = ${connection.id} and availability_ready_at is null and exists (
      select from availability join location on location.id = availability.location_id
      where location.connection_id = ${connection.id} and availability.active)
    returning id`.execute(tx);
  const events: NewEvent[] = [];
  for (const { id } of ready.rows) events.push(await eventOfOnboarding(tx, id, 'onboarding_availability_ready', nowMs));
  return events;
}
