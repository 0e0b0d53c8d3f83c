import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { forAll } from '../../store/database.ts';
import { requestSync } from '../../sync/loop.ts';
import { text } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

/** Longer than the tokens we make. */
const MAX_TOKEN_LENGTH = 100;

export const routes: Route[] = [
  defineRoute({
    method: 'POST',
    path: '/push/:token',
    summary: 'For the health record system: something has changed, read it now.',
    tag: 'Push',
    subdomain: 'none',
    access: 'public',
    // A hint needs no content, and a body from outside that nobody reads can do no harm.
    ignoresBody: true,
    params: z.object({ token: text(MAX_TOKEN_LENGTH) }),
    answer: z.null(),
    statuses: [202],
    handler: async (context, { token }) => {
      const known = await forAll(context.services.db, async (tx) => {
        const connection = await tx
          .selectFrom('connection')
          .select('id')
          .where('push_token', '=', token)
          .executeTakeFirst();
        if (connection) await requestSync(tx, connection.id);
        return connection;
      });
      if (!known) throw notFound();
      context.afterCommit.push(() => context.services.wakeups.wake('sync'));
      return { status: 202, data: null };
    },
  }),
];
