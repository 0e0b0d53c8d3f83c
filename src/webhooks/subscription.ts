/** A subscription is one endpoint's interest in one event of one institution. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { WebhookSubscriptionRow } from '../store/schema.ts';
import { cancelDeliveries, moveDeliveries } from './delivery.ts';

export type Subscription = WebhookSubscriptionRow;

/** Those of one endpoint within `institutionIds`, oldest first. */
export function findSubscriptions(
  tx: Tx,
  endpointId: number,
  institutionIds: number[],
  filter: { resourceType?: string | undefined; event?: string | undefined },
): Promise<Subscription[]> {
  let query = tx
    .selectFrom('webhook_subscription')
    .selectAll()
    .where('endpoint_id', '=', endpointId)
    .where('institution_id', '=', sql<number>`any(${institutionIds}::bigint[])`)
    .orderBy('id');
  if (filter.resourceType !== undefined) query = query.where('resource_type', '=', filter.resourceType);
  if (filter.event !== undefined) query = query.where('event', '=', filter.event);
  return query.execute();
}

export function findSubscription(
  tx: Tx,
  endpointId: number,
  institutionIds: number[],
  id: number,
): Promise<Subscription | undefined> {
  return tx
    .selectFrom('webhook_subscription')
    .selectAll()
    .where('endpoint_id', '=', endpointId)
    .where('institution_id', '=', sql<number>`any(${institutionIds}::bigint[])`)
    .where('id', '=', id)
    .executeTakeFirst();
}

/**
 * Subscribing twice to the same is subscribing once: set-up scripts run at every start. The subscription that exists
 * is returned, switched on or off as asked; it keeps the version it was made under.
 */
export function subscribe(
  tx: Tx,
  values: {
    endpointId: number;
    institutionId: number;
    resourceType: string;
    event: string;
    active: boolean;
    version: 'v2' | 'v3.0.0';
  },
  nowMs: number,
): Promise<Subscription> {
  return tx
    .insertInto('webhook_subscription')
    .values({
      endpoint_id: values.endpointId,
      institution_id: values.institutionId,
      resource_type: values.resourceType,
      event: values.event,
      active: values.active,
      version: values.version,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['endpoint_id', 'institution_id', 'event'])
        .doUpdateSet({ active: values.active, updated_at: toIso(nowMs) }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Switches a subscription on or off, or moves it to another endpoint of the same user, together with what it is
 * still owed. Switching off stops what would come, not what is already owed.
 *
 * @throws ApiError `already_exists` when the other endpoint has the same subscription.
 */
export async function updateSubscription(
  tx: Tx,
  subscription: Subscription,
  changes: { endpointId?: number | undefined; active?: boolean | undefined },
  nowMs: number,
): Promise<Subscription> {
  const endpointId = changes.endpointId ?? subscription.endpoint_id;
  if (endpointId !== subscription.endpoint_id) {
    const [twin] = await findSubscriptions(tx, endpointId, [subscription.institution_id], {
      event: subscription.event,
    });
    if (twin) {
      throw new ApiError('already_exists', `Webhook endpoint ${endpointId} has this subscription already: ${twin.id}`);
    }
    await moveDeliveries(tx, subscription.endpoint_id, subscription.id, endpointId);
  }
  return tx
    .updateTable('webhook_subscription')
    .set({ endpoint_id: endpointId, active: changes.active ?? subscription.active, updated_at: toIso(nowMs) })
    .where('id', '=', subscription.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** What it is still owed is cancelled; the log of its deliveries stays. */
export async function deleteSubscription(tx: Tx, subscription: Subscription, nowMs: number): Promise<void> {
  await tx.deleteFrom('webhook_subscription').where('id', '=', subscription.id).execute();
  await cancelDeliveries(tx, subscription.endpoint_id, subscription.id, nowMs);
}
