import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';

export const routes: Route[] = [
  defineRoute({
    method: 'POST',
    path: '/authenticates',
    summary: 'Exchange the API key in Authorization for a token that lasts an hour.',
    tag: 'Authentication',
    subdomain: 'none',
    // The server's own check takes tokens as well; here only a key counts, or a token could renew itself for ever.
    access: 'public',
    // It says nothing: NexHealth asks for no body, and clients send all sorts of empty ones.
    ignoresBody: true,
    params: z.object({}),
    answer: z.object({ token: z.string() }).meta({ id: 'Token' }),
    statuses: [201],
    refusals: [401],
    handler: async (context) => ({
      status: 201,
      data: { token: await context.issueToken() },
      description: 'Authenticated',
    }),
  }),
];
