/** `/webhook_endpoints`, as NexHealth has it. Endpoints belong to the API user and span its institutions. */
import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { forAll } from '../../store/database.ts';
import type { Seal } from '../../store/seal.ts';
import { openEndpointSecret } from '../../store/secrets.ts';
import { checkTargetUrl, MAX_URL_LENGTH } from '../../webhooks/addresses.ts';
import {
  createEndpoint,
  deleteEndpoint,
  type Endpoint,
  findEndpointForUpdate,
  findEndpoints,
  updateEndpoint,
} from '../../webhooks/endpoint.ts';
import { boolean, id, optional, requiredText } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

const endpointShape = z
  .object({
    id: z.int(),
    target_url: z.string(),
    secret_key: z.string(),
    active: z.boolean(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookEndpoint' });

/** The secret is in every answer: clients that have lost it would otherwise delete and make the endpoint anew. */
function viewEndpoint(endpoint: Endpoint, seal: Seal): z.infer<typeof endpointShape> {
  return {
    id: endpoint.id,
    target_url: endpoint.target_url,
    secret_key: openEndpointSecret(seal, endpoint),
    active: endpoint.active,
    created_at: endpoint.created_at,
    updated_at: endpoint.updated_at,
  };
}

export const endpointRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/webhook_endpoints',
    summary: 'List your webhook endpoints',
    tag: 'Webhook endpoints',
    subdomain: 'none',
    params: z.object({ active: optional(boolean()) }),
    answer: z.array(endpointShape),
    async handler({ services, caller }, { active }) {
      const endpoints = await forAll(services.db, (tx) => findEndpoints(tx, caller.apiUserId, active));
      return { data: endpoints.map((endpoint) => viewEndpoint(endpoint, services.seal)) };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/webhook_endpoints',
    summary: 'Register a URL that webhooks are sent to',
    tag: 'Webhook endpoints',
    subdomain: 'none',
    params: z.object({ target_url: requiredText(MAX_URL_LENGTH), active: optional(boolean()) }),
    body: ['target_url', 'active'],
    answer: endpointShape,
    statuses: [201],
    async handler({ services, caller }, params) {
      checkTargetUrl(params.target_url, services.webhookAddresses);
      const endpoint = await forAll(services.db, (tx) =>
        createEndpoint(tx, services.seal, caller.apiUserId, {
          targetUrl: params.target_url,
          active: params.active ?? true,
        }),
      );
      return { status: 201, data: viewEndpoint(endpoint, services.seal) };
    },
  }),

  defineRoute({
    method: 'PATCH',
    path: '/webhook_endpoints/:id',
    summary: 'Change a webhook endpoint, or switch it on or off',
    tag: 'Webhook endpoints',
    subdomain: 'none',
    params: z.object({
      id: id(),
      target_url: optional(requiredText(MAX_URL_LENGTH)),
      active: optional(boolean()),
    }),
    body: ['target_url', 'active'],
    answer: endpointShape,
    async handler({ services, caller, nowMs }, params) {
      if (params.target_url !== undefined) checkTargetUrl(params.target_url, services.webhookAddresses);
      const endpoint = await forAll(services.db, async (tx) => {
        const found = await findEndpointForUpdate(tx, caller.apiUserId, params.id);
        if (!found) throw notFound();
        return updateEndpoint(tx, found, { targetUrl: params.target_url, active: params.active }, nowMs);
      });
      services.wakeups.wake('deliveries');
      return { data: viewEndpoint(endpoint, services.seal) };
    },
  }),

  defineRoute({
    method: 'DELETE',
    path: '/webhook_endpoints/:id',
    summary: 'Delete a webhook endpoint, its subscriptions and its delivery log',
    tag: 'Webhook endpoints',
    subdomain: 'none',
    params: z.object({ id: id() }),
    answer: z.null(),
    statuses: [204],
    async handler({ services, caller }, params) {
      const deleted = await forAll(services.db, (tx) => deleteEndpoint(tx, caller.apiUserId, params.id));
      if (!deleted) throw notFound();
      return { status: 204, data: null };
    },
  }),
];
