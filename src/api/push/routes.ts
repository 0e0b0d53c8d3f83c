import { z } from 'zod';
import { ApiError, notFound } from '../../errors.ts';
import { forAll } from '../../store/database.ts';
import { storeMessages } from '../../store/messages.ts';
import type { ConnectionRow } from '../../store/schema.ts';
import { ConnectionUnusable, parseConfig } from '../../sync/connectors.ts';
import { requestSync } from '../../sync/loop.ts';
import type { Call, Services } from '../context.ts';
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
    takesAnyBody: true,
    params: z.object({ token: text(MAX_TOKEN_LENGTH) }),
    answer: z.null(),
    statuses: [202],
    handler: async ({ services, call, afterCommit }, { token }) => {
      const connection = await forAll(services.db, (tx) =>
        tx.selectFrom('connection').select(['id', 'kind', 'config']).where('push_token', '=', token).executeTakeFirst(),
      );
      if (!connection) throw notFound();
      await keepNotice(services, connection, call as Call);
      // Apart from what was kept: the row of a connection that is being read may be locked for a moment.
      await forAll(services.db, (tx) => requestSync(tx, connection.id));
      afterCommit.push(() => services.wakeups.wake('sync'));
      return { status: 202, data: null };
    },
  }),
];

/**
 * Stores what the HRS says has changed, where its kind reads that; for every other the call alone is a hint, whatever
 * comes with it. Throws `not_found` for a call that is not the HRS's, as if nobody were there.
 */
async function keepNotice(
  { db, seal, connectorKinds }: Services,
  connection: Pick<ConnectionRow, 'id' | 'kind' | 'config'>,
  { headers, body }: Call,
): Promise<void> {
  const kind = connectorKinds.get(connection.kind);
  if (!kind?.notice) return;
  if (body === null) throw new ApiError('body_too_large', 'The body is larger than 1 MB.');
  let config: unknown;
  try {
    config = parseConfig(kind, seal, connection);
  } catch (error) {
    // Whether the call is the HRS's cannot be known until an administrator has mended the connection.
    if (error instanceof ConnectionUnusable) throw notFound();
    throw error;
  }
  const message = kind.notice(config, { headers, body });
  if (message === 'refused') throw notFound();
  if (message === null) return;
  await storeMessages(db, seal, [{ connectionId: connection.id, direction: 'in', message }]);
}
