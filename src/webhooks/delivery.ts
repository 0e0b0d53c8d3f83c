/** Deliveries as rows: what an endpoint's state does to those it is owed, and sending one again. */
import { toIso } from '../clock.ts';
import type { Tx } from '../store/database.ts';
import { GIVE_UP_AFTER_MS } from './schedule.ts';

/** Gives up the pending deliveries of an endpoint whose first try is so old that their schedule is over. */
export async function closeOverdue(tx: Tx, endpointId: number, nowMs: number): Promise<void> {
  await tx
    .updateTable('delivery')
    .set({ state: 'failed', finished_at: toIso(nowMs), lease_until: null })
    .where('endpoint_id', '=', endpointId)
    .where('state', '=', 'pending')
    .where('first_attempt_at', '<=', toIso(nowMs - GIVE_UP_AFTER_MS))
    .execute();
}

/**
 * What was owed when the endpoint went off is due at once, except what is too old (see `closeOverdue`); each goes on
 * with the tries it has left. Events that happened in the meantime made no deliveries; the event log has them.
 */
export async function resumeDeliveries(tx: Tx, endpointId: number, nowMs: number): Promise<void> {
  await closeOverdue(tx, endpointId, nowMs);
  await tx
    .updateTable('delivery')
    .set({ due_at: toIso(nowMs) })
    .where('endpoint_id', '=', endpointId)
    .where('state', '=', 'pending')
    .where('due_at', '>', toIso(nowMs))
    .execute();
}

/** Nobody wants to hear these any more. One that is under way may still arrive. */
export async function cancelDeliveries(
  tx: Tx,
  endpointId: number,
  subscriptionId: number,
  nowMs: number,
): Promise<void> {
  await tx
    .updateTable('delivery')
    .set({ state: 'cancelled', finished_at: toIso(nowMs), lease_until: null })
    .where('endpoint_id', '=', endpointId)
    .where('subscription_id', '=', subscriptionId)
    .where('state', '=', 'pending')
    .execute();
}

/** A subscription takes what it is still owed along to the endpoint it moves to. */
export async function moveDeliveries(tx: Tx, endpointId: number, subscriptionId: number, to: number): Promise<void> {
  await tx
    .updateTable('delivery')
    .set({ endpoint_id: to })
    .where('endpoint_id', '=', endpointId)
    .where('subscription_id', '=', subscriptionId)
    .where('state', '=', 'pending')
    .execute();
}

/**
 * Sends a delivery again, now: the same bytes under the same `webhook-id`, signed anew. One that has ended starts
 * its schedule from the beginning; one that is pending is tried at once and keeps its place in the schedule. On an
 * endpoint that is off it waits until that is switched on.
 */
export async function redeliver(tx: Tx, deliveryId: number, nowMs: number): Promise<void> {
  const now = toIso(nowMs);
  await tx
    .updateTable('delivery')
    .set((row) => ({
      state: 'pending',
      attempts: 0,
      first_attempt_at: null,
      due_at: now,
      finished_at: null,
      fence: row('fence', '+', 1),
    }))
    .where('id', '=', deliveryId)
    .where('state', '<>', 'pending')
    .execute();
  await tx
    .updateTable('delivery')
    .set({ due_at: now })
    .where('id', '=', deliveryId)
    .where('state', '=', 'pending')
    .where('due_at', '>', now)
    .execute();
}
