/** `/webhook_endpoints/:id/webhook_subscriptions`, as NexHealth has it. */
import { z } from 'zod';
import { ApiError, notFound } from '../../errors.ts';
import { forAll, type Tx } from '../../store/database.ts';
import { findEndpoint, findEndpointForUpdate } from '../../webhooks/endpoint.ts';
import { EVENTS, eventsOf, findResourceType, RESOURCE_TYPES } from '../../webhooks/event-names.ts';
import {
  deleteSubscription,
  findSubscription,
  findSubscriptions,
  type Subscription,
  subscribe,
  updateSubscription,
} from '../../webhooks/subscription.ts';
import type { Context } from '../context.ts';
import { boolean, id, optional, text } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

const subscriptionShape = z
  .object({
    id: z.int(),
    webhook_endpoint_id: z.int(),
    /** Null for onboardings. */
    institution_id: z.int().nullable(),
    resource_type: z.string(),
    event: z.string(),
    active: z.boolean(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookSubscription' });

function viewSubscription(subscription: Subscription): z.infer<typeof subscriptionShape> {
  return {
    id: subscription.id,
    webhook_endpoint_id: subscription.endpoint_id,
    institution_id: subscription.institution_id,
    resource_type: subscription.resource_type,
    event: subscription.event,
    active: subscription.active,
    created_at: subscription.created_at,
    updated_at: subscription.updated_at,
  };
}

const MAX_NAME_LENGTH = 100;

const resourceType = () =>
  text(MAX_NAME_LENGTH)
    .refine((name) => findResourceType(name) !== undefined, `must be one of ${RESOURCE_TYPES.join(', ')}`)
    .transform((name) => findResourceType(name) ?? name);

const event = () =>
  text(MAX_NAME_LENGTH).refine((name) => EVENTS.includes(name), `must be one of ${EVENTS.join(', ')}`);

/** Changes to the subscriptions of one endpoint happen one after the other. Another user's endpoint is absent. */
async function lockEndpoint(tx: Tx, context: Context, endpointId: number): Promise<void> {
  if (!(await findEndpointForUpdate(tx, context.caller.apiUserId, endpointId))) throw notFound();
}

async function getSubscription(
  tx: Tx,
  endpointId: number,
  institutionIds: number[],
  subscriptionId: number,
): Promise<Subscription> {
  const subscription = await findSubscription(tx, endpointId, institutionIds, subscriptionId);
  if (!subscription) throw notFound();
  return subscription;
}

/** The institution that `subdomain` names, or all that the caller may see. */
function institutionIds({ institution, caller }: Context): number[] {
  return institution ? [institution.id] : caller.institutions.map((one) => one.id);
}

/** Onboardings are about no institution: for them, `subdomain` need not be sent and counts for nothing. */
function institutionIdOf(context: Context, resourceType: string): number | null {
  if (resourceType === 'Onboarding') return null;
  if (context.institution) return context.institution.id;
  throw new ApiError('missing_parameter', 'Missing parameter subdomain');
}

export const subscriptionRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/webhook_endpoints/:id/webhook_subscriptions',
    summary: 'List the subscriptions of a webhook endpoint',
    tag: 'Webhook subscriptions',
    subdomain: 'optional',
    params: z.object({ id: id(), resource_type: optional(resourceType()), event: optional(event()) }),
    answer: z.array(subscriptionShape),
    async handler(context, params) {
      const subscriptions = await forAll(context.services.db, async (tx) => {
        if (!(await findEndpoint(tx, context.caller.apiUserId, params.id))) throw notFound();
        return findSubscriptions(tx, params.id, institutionIds(context), {
          institutionId: context.institution?.id,
          resourceType: params.resource_type,
          event: params.event,
        });
      });
      return { data: subscriptions.map(viewSubscription) };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/webhook_endpoints/:id/webhook_subscriptions',
    summary: 'Subscribe a webhook endpoint to one event; doing so again returns the subscription that exists',
    tag: 'Webhook subscriptions',
    // Required for every resource type but one.
    subdomain: 'optional',
    params: z.object({ id: id(), resource_type: resourceType(), event: event(), active: optional(boolean()) }),
    body: ['resource_type', 'event', 'active'],
    answer: subscriptionShape,
    statuses: [201],
    async handler(context, params) {
      const events = eventsOf(params.resource_type);
      if (!events.includes(params.event)) {
        throw new ApiError(
          'invalid_parameter',
          `Invalid parameter event: must be one of ${events.join(', ')} for resource_type ${params.resource_type}`,
        );
      }
      const subscription = await forAll(context.services.db, async (tx) => {
        await lockEndpoint(tx, context, params.id);
        return subscribe(
          tx,
          {
            endpointId: params.id,
            institutionId: institutionIdOf(context, params.resource_type),
            resourceType: params.resource_type,
            event: params.event,
            active: params.active ?? true,
            version: context.version,
          },
          context.nowMs,
        );
      });
      return { status: 201, data: viewSubscription(subscription) };
    },
  }),

  defineRoute({
    method: 'PATCH',
    path: '/webhook_endpoints/:id/webhook_subscriptions/:subscription_id',
    summary: 'Switch a subscription on or off, or move it to another webhook endpoint',
    tag: 'Webhook subscriptions',
    // Required for every resource type but one.
    subdomain: 'optional',
    params: z.object({
      id: id(),
      subscription_id: id(),
      new_endpoint_id: optional(id()),
      active: optional(boolean()),
    }),
    body: ['new_endpoint_id', 'active'],
    answer: subscriptionShape,
    async handler(context, params) {
      const subscription = await forAll(context.services.db, async (tx) => {
        // In the order of their ids, so that two moves against each other cannot deadlock.
        const endpoints = new Set([params.id, params.new_endpoint_id ?? params.id]);
        for (const endpointId of [...endpoints].sort((a, b) => a - b)) await lockEndpoint(tx, context, endpointId);
        const found = await getSubscription(tx, params.id, institutionIds(context), params.subscription_id);
        institutionIdOf(context, found.resource_type);
        const changes = { endpointId: params.new_endpoint_id, active: params.active };
        return updateSubscription(tx, found, changes, context.nowMs);
      });
      context.services.wakeups.wake('deliveries');
      return { data: viewSubscription(subscription) };
    },
  }),

  defineRoute({
    method: 'DELETE',
    path: '/webhook_endpoints/:id/webhook_subscriptions/:subscription_id',
    summary: 'End a subscription; what it is still owed is cancelled',
    tag: 'Webhook subscriptions',
    subdomain: 'optional',
    params: z.object({ id: id(), subscription_id: id() }),
    answer: z.null(),
    statuses: [204],
    async handler(context, params) {
      await forAll(context.services.db, async (tx) => {
        await lockEndpoint(tx, context, params.id);
        const found = await getSubscription(tx, params.id, institutionIds(context), params.subscription_id);
        await deleteSubscription(tx, found, context.nowMs);
      });
      return { status: 204, data: null };
    },
  }),
];
