/**
 * A subscription is one endpoint's interest in one event of one institution. Those to onboardings have no institution:
 * they bring the user's own onboardings, of whichever institution.
 */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { WebhookSubscriptionRow } from '../store/schema.ts';
import type { Version } from '../views/version.ts';
import { cancelDeliveries, moveDeliveries } from './delivery.ts';

export type Subscription = WebhookSubscriptionRow;

/** Those of one endpoint that are about one of `institutionIds` or about onboardings. */
function withinReach(tx: Tx, endpointId: number, institutionIds: number[]) {
  return tx
    .selectFrom('webhook_subscription')
    .selectAll()
    .where('endpoint_id', '=', endpointId)
    .where((row) =>
      row.or([
        row('institution_id', 'is', null),
        row('institution_id', '=', sql<number>`any(${institutionIds}::bigint[])`),
      ]),
    );
}

export interface SubscriptionFilter {
  /** About this institution; onboardings are about none. */
  institutionId?: number | undefined;
  resourceType?: string | undefined;
  event?: string | undefined;
}

/** Those of one endpoint within `institutionIds`, oldest first. */
export function findSubscriptions(
  tx: Tx,
  endpointId: number,
  institutionIds: number[],
  filter: SubscriptionFilter,
): Promise<Subscription[]> {
  let query = withinReach(tx, endpointId, institutionIds).orderBy('id');
  if (filter.institutionId !== undefined) query = query.where('institution_id', '=', filter.institutionId);
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
  return withinReach(tx, endpointId, institutionIds).where('id', '=', id).executeTakeFirst();
}

/**
 * Subscribing twice to the same under one version is subscribing once: set-up scripts run at every start. The
 * subscription that exists is returned, switched on or off as asked. Under another version it is another one.
 */
export function subscribe(
  tx: Tx,
  values: {
    endpointId: number;
    /** Null for onboardings. */
    institutionId: number | null;
    resourceType: string;
    event: string;
    active: boolean;
    version: Version;
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
        .columns(['endpoint_id', 'institution_id', 'event', 'version'])
        .doUpdateSet({ active: values.active, updated_at: toIso(nowMs) }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Switches a subscription on or off, or moves it to another endpoint of the same user, together with what it is
 * still owed. Switching off stops what would come, not what is already owed. The version stays in any case.
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
    const twin = await tx
      .selectFrom('webhook_subscription')
      .select('id')
      .where('endpoint_id', '=', endpointId)
      .where('institution_id', 'is not distinct from', subscription.institution_id)
      .where('event', '=', subscription.event)
      .where('version', '=', subscription.version)
      .executeTakeFirst();
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
