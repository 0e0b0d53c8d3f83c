/** An endpoint is a URL of one API user, with the secret that signs what is sent there; `openEndpointSecret` opens it. */
import { toIso } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { WebhookEndpointRow } from '../store/schema.ts';
import type { Seal } from '../store/seal.ts';
import { newEndpointSecret, sealSecret, takeId } from '../store/secrets.ts';
import { resumeDeliveries } from './delivery.ts';

/** More than any integration needs; each costs a look whenever deliveries are handed out. */
export const MAX_ENDPOINTS = 200;

export type Endpoint = WebhookEndpointRow;

/** All endpoints of the user, oldest first; with `active`, only those that are on or off. */
export function findEndpoints(tx: Tx, apiUserId: number, active?: boolean): Promise<Endpoint[]> {
  let query = tx.selectFrom('webhook_endpoint').selectAll().where('api_user_id', '=', apiUserId).orderBy('id');
  if (active !== undefined) query = query.where('active', '=', active);
  return query.execute();
}

function ownEndpoint(tx: Tx, apiUserId: number, id: number) {
  return tx.selectFrom('webhook_endpoint').selectAll().where('api_user_id', '=', apiUserId).where('id', '=', id);
}

/** The user's own endpoint; nothing for anybody else's. */
export function findEndpoint(tx: Tx, apiUserId: number, id: number): Promise<Endpoint | undefined> {
  return ownEndpoint(tx, apiUserId, id).executeTakeFirst();
}

/** The same, its row locked until the transaction ends: whatever changes around an endpoint begins with this. */
export function findEndpointForUpdate(tx: Tx, apiUserId: number, id: number): Promise<Endpoint | undefined> {
  return ownEndpoint(tx, apiUserId, id).forNoKeyUpdate().executeTakeFirst();
}

/**
 * With a secret of its own.
 *
 * @throws ApiError `invalid_parameter` when the user has MAX_ENDPOINTS already.
 */
export async function createEndpoint(
  tx: Tx,
  seal: Seal,
  apiUserId: number,
  values: { targetUrl: string; active: boolean },
): Promise<Endpoint> {
  // The lock makes the count hold until the insert.
  await tx.selectFrom('api_user').select('id').where('id', '=', apiUserId).forNoKeyUpdate().executeTakeFirstOrThrow();
  const existing = await findEndpoints(tx, apiUserId);
  if (existing.length >= MAX_ENDPOINTS) {
    throw new ApiError(
      'invalid_parameter',
      `There are ${MAX_ENDPOINTS} webhook endpoints already, which is the limit: delete one that is not used`,
    );
  }
  const id = await takeId(tx, 'webhook_endpoint');
  return tx
    .insertInto('webhook_endpoint')
    .values({
      id,
      api_user_id: apiUserId,
      target_url: values.targetUrl,
      secret_key: sealSecret(seal, newEndpointSecret(), `webhook_endpoint ${id}`),
      active: values.active,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Changes an endpoint that `findEndpointForUpdate` has found. A new URL has not failed yet; switching on, even what
 * is on, forgets past failures and sends what is owed at once (see `resumeDeliveries`).
 */
export async function updateEndpoint(
  tx: Tx,
  endpoint: Endpoint,
  changes: { targetUrl?: string | undefined; active?: boolean | undefined },
  nowMs: number,
): Promise<Endpoint> {
  const targetUrl = changes.targetUrl ?? endpoint.target_url;
  const startsAfresh = changes.active === true || targetUrl !== endpoint.target_url;
  const updated = await tx
    .updateTable('webhook_endpoint')
    .set({
      target_url: targetUrl,
      active: changes.active ?? endpoint.active,
      failing_since: startsAfresh ? null : endpoint.failing_since,
      updated_at: toIso(nowMs),
    })
    .where('id', '=', endpoint.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (changes.active === true) await resumeDeliveries(tx, endpoint.id, nowMs);
  return updated;
}

/** With its subscriptions, its deliveries and their log. Returns whether the user had such an endpoint. */
export async function deleteEndpoint(tx: Tx, apiUserId: number, id: number): Promise<boolean> {
  const deleted = await tx
    .deleteFrom('webhook_endpoint')
    .where('api_user_id', '=', apiUserId)
    .where('id', '=', id)
    .executeTakeFirst();
  return deleted.numDeletedRows === 1n;
}
