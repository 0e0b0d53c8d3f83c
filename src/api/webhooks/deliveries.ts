/** `/webhook_deliveries`: what was sent to your endpoints, how each try ended, and sending it again. */
import { sql } from 'kysely';
import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { forAll, type Tx } from '../../store/database.ts';
import type { DeliveryRow } from '../../store/schema.ts';
import { redeliver } from '../../webhooks/delivery.ts';
import { type Context, getInstitution } from '../context.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { id, optional } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

const STATES = ['pending', 'delivered', 'failed', 'cancelled'] as const;
/** Eleven make a schedule; a delivery that was sent again many times shows its latest tries. */
const MAX_ATTEMPTS_SHOWN = 50;

const attemptShape = z.object({
  attempted_at: z.iso.datetime(),
  duration_ms: z.int(),
  status_code: z.int().nullable(),
  error_code: z.string().nullable(),
});

const deliveryShape = z
  .object({
    id: z.int(),
    webhook_endpoint_id: z.int(),
    webhook_subscription_id: z.int(),
    event_id: z.uuid(),
    event_name: z.string(),
    resource_type: z.string(),
    resource_id: z.int(),
    state: z.enum(STATES),
    next_attempt_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
    attempts: z.array(attemptShape),
  })
  .meta({ id: 'WebhookDelivery' });

type Attempt = z.infer<typeof attemptShape>;
type Listed = Omit<DeliveryRow, 'body'>;

/** Without the body: the log can be shown to whoever looks after the receivers. */
function viewDelivery(delivery: Listed, attempts: Attempt[]): z.infer<typeof deliveryShape> {
  return {
    id: delivery.id,
    webhook_endpoint_id: delivery.endpoint_id,
    webhook_subscription_id: delivery.subscription_id,
    event_id: delivery.event_id,
    event_name: delivery.event_name,
    resource_type: delivery.resource_type,
    resource_id: delivery.resource_id,
    state: delivery.state,
    next_attempt_at: delivery.state === 'pending' ? delivery.due_at : null,
    created_at: delivery.created_at,
    finished_at: delivery.finished_at,
    attempts,
  };
}

/** Deliveries of the caller's endpoints about institutions that it may see. */
function ownDeliveries(tx: Tx, caller: Context['caller'], institutionIds: number[]) {
  return tx
    .selectFrom('delivery')
    .innerJoin('webhook_endpoint', 'webhook_endpoint.id', 'delivery.endpoint_id')
    .where('webhook_endpoint.api_user_id', '=', caller.apiUserId)
    .where('delivery.institution_id', '=', sql<number>`any(${institutionIds}::bigint[])`)
    .select([
      'delivery.id',
      'delivery.institution_id',
      'delivery.endpoint_id',
      'delivery.subscription_id',
      'delivery.event_id',
      'delivery.event_position',
      'delivery.event_name',
      'delivery.resource_type',
      'delivery.resource_id',
      'delivery.state',
      'delivery.attempts',
      'delivery.first_attempt_at',
      'delivery.due_at',
      'delivery.fence',
      'delivery.lease_until',
      'delivery.created_at',
      'delivery.finished_at',
    ]);
}

/** The latest tries of each delivery, oldest first. */
async function findAttempts(tx: Tx, deliveryIds: number[]): Promise<Map<number, Attempt[]>> {
  const found = await sql<Attempt & { delivery_id: number }>`
    select wanted.id as delivery_id, attempted_at, duration_ms, status_code, error_code
    from unnest(${deliveryIds}::bigint[]) as wanted (id)
    cross join lateral (
      select * from delivery_attempt where delivery_id = wanted.id order by id desc limit ${MAX_ATTEMPTS_SHOWN}
    ) latest
    order by latest.id`.execute(tx);
  const attempts = new Map<number, Attempt[]>(deliveryIds.map((deliveryId) => [deliveryId, []]));
  for (const { delivery_id, ...attempt } of found.rows) attempts.get(delivery_id)?.push(attempt);
  return attempts;
}

async function getDelivery(tx: Tx, { caller }: Context, deliveryId: number) {
  const institutionIds = caller.institutions.map((one) => one.id);
  const delivery = await ownDeliveries(tx, caller, institutionIds)
    .where('delivery.id', '=', deliveryId)
    .executeTakeFirst();
  if (!delivery) throw notFound();
  const attempts = await findAttempts(tx, [deliveryId]);
  return viewDelivery(delivery, attempts.get(deliveryId) ?? []);
}

export const deliveryRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/webhook_deliveries',
    summary: 'List deliveries to your webhook endpoints with their attempts, newest first',
    tag: 'Webhook deliveries',
    subdomain: 'required',
    params: z.object({ endpoint_id: optional(id()), state: optional(z.enum(STATES)), ...pageParams }),
    answer: z.array(deliveryShape),
    paged: true,
    async handler(context, params) {
      return forAll(context.services.db, async (tx) => {
        let query = ownDeliveries(tx, context.caller, [getInstitution(context).id]);
        if (params.endpoint_id !== undefined) query = query.where('delivery.endpoint_id', '=', params.endpoint_id);
        if (params.state !== undefined) query = query.where('delivery.state', '=', params.state);
        const page = await fetchPage<Listed>(context, query, params, [
          { column: 'delivery.id', type: 'bigint', descending: true, value: (row) => row.id },
        ]);
        const attempts = await findAttempts(
          tx,
          page.rows.map((row) => row.id),
        );
        return {
          data: page.rows.map((row) => viewDelivery(row, attempts.get(row.id) ?? [])),
          count: page.count,
          pageInfo: page.pageInfo,
        };
      });
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/webhook_deliveries/:id',
    summary: 'Show one delivery with its attempts',
    tag: 'Webhook deliveries',
    subdomain: 'none',
    params: z.object({ id: id() }),
    answer: deliveryShape,
    async handler(context, params) {
      return { data: await forAll(context.services.db, (tx) => getDelivery(tx, context, params.id)) };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/webhook_deliveries/:id/redeliver',
    summary: 'Send a delivery again: same body, same webhook-id, signed anew',
    tag: 'Webhook deliveries',
    subdomain: 'none',
    params: z.object({ id: id() }),
    answer: deliveryShape,
    async handler(context, params) {
      const data = await forAll(context.services.db, async (tx) => {
        await getDelivery(tx, context, params.id);
        await redeliver(tx, params.id, context.nowMs);
        return getDelivery(tx, context, params.id);
      });
      context.services.wakeups.wake('deliveries');
      return { data };
    },
  }),
];
