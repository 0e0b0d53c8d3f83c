/**
 * The messages that are kept of a connection whose HRS sends them: what came when and what was wrong with it, and
 * reading them again once a profile or a program has been mended.
 */
import { isUtf8 } from 'node:buffer';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Cursor } from '../../connectors/connector.ts';
import { ApiError, notFound } from '../../errors.ts';
import { forAll, type Tx } from '../../store/database.ts';
import { openBody } from '../../store/messages.ts';
import type { Context } from '../context.ts';
import { getInstant } from '../instant.ts';
import { boolean, id, instantText, integer, optional, text } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

const DEFAULT_PER_PAGE = 100;
const MAX_PER_PAGE = 1_000;

const messageShape = z
  .object({
    position: z.int().describe('Its place among the messages of the connection, in the order of their arrival.'),
    direction: z.enum(['in', 'out']).describe('`out`: one of ours that was acknowledged.'),
    type: z.string(),
    control_id: z.string().nullable(),
    sent_at: z.iso.datetime().nullable().describe('When its sender says that it was made.'),
    stored_at: z.iso.datetime(),
    problem: z.string().nullable().describe('Why nothing could be made of it.'),
    kept: z.boolean().describe('Whether its content is still there.'),
  })
  .meta({ id: 'Message' });

const contentShape = messageShape
  .extend({ content: z.string().nullable().describe('As it came: UTF-8, or else every byte a character.') })
  .meta({ id: 'MessageContent' });

const selectMessages = (tx: Tx, connectionId: number) =>
  tx
    .selectFrom('raw_message')
    .select(['position', 'direction', 'type', 'control_id', 'sent_at', 'stored_at', 'problem'])
    .select(sql<boolean>`body is not null`.as('kept'))
    .where('connection_id', '=', connectionId);

/**
 * Sets the cursor back to the first message that arrived at or after `fromAt`, and gives how many there are. Whoever
 * reads the connection at this moment loses it: what that pass would store is of the cursor before.
 */
async function replay({ services }: Context, connectionId: number, fromAt: string): Promise<number> {
  return forAll(services.db, async (tx) => {
    const connection = await tx
      .updateTable('connection')
      .set({ sync_fence: sql`sync_fence + 1`, sync_lease_until: null, sync_due_at: sql`clock_timestamp()` })
      .where('id', '=', connectionId)
      .returning(['kind', 'cursor'])
      .executeTakeFirst();
    if (!connection) throw notFound();
    const kind = services.connectorKinds.get(connection.kind);
    if (!kind?.replayFrom) {
      throw new ApiError(
        'invalid_parameter',
        `Invalid parameter id: a connection of kind ${connection.kind} keeps no messages`,
      );
    }
    const { first, count } = await tx
      .selectFrom('raw_message')
      .select((eb) => [eb.fn.min('position').as('first'), eb.fn.countAll<number>().as('count')])
      .where('connection_id', '=', connectionId)
      .where('stored_at', '>=', fromAt)
      .where('body', 'is not', null)
      .executeTakeFirstOrThrow();
    if (first === null) return 0;
    const cursor = kind.replayFrom(connection.cursor as Cursor | null, first);
    await tx
      .updateTable('connection')
      .set({ cursor: cursor && JSON.stringify(cursor) })
      .where('id', '=', connectionId)
      .execute();
    return count;
  });
}

export const messageRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/admin/connections/:id/messages',
    summary: 'The messages kept of a connection, newest first, without their content',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      id: id(),
      problem: optional(boolean()).describe('true: only those of which nothing could be made; false: only the others.'),
      control_id: optional(text(200)).describe('Only the one that its sender calls so.'),
      from: optional(instantText()).describe('Only those that arrived at or after this instant.'),
      before: optional(integer(1, Number.MAX_SAFE_INTEGER)).describe('Only those before this position.'),
      per_page: optional(integer(1, MAX_PER_PAGE)).meta({ default: DEFAULT_PER_PAGE }),
    }),
    answer: z.array(messageShape),
    handler: async (context, asked) => {
      const fromAt = asked.from === undefined ? undefined : getInstant('from', asked.from, 'UTC');
      const data = await forAll(context.services.db, async (tx) => {
        const known = await tx.selectFrom('connection').select('id').where('id', '=', asked.id).executeTakeFirst();
        if (!known) throw notFound();
        let query = selectMessages(tx, asked.id);
        if (asked.problem !== undefined) query = query.where('problem', asked.problem ? 'is not' : 'is', null);
        if (asked.control_id !== undefined) query = query.where('control_id', '=', asked.control_id);
        if (fromAt !== undefined) query = query.where('stored_at', '>=', fromAt);
        if (asked.before !== undefined) query = query.where('position', '<', asked.before);
        return query
          .orderBy('position', 'desc')
          .limit(asked.per_page ?? DEFAULT_PER_PAGE)
          .execute();
      });
      return { data };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/admin/connections/:id/messages/:position',
    summary: 'One message with its content, which is patient data',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id(), position: id().describe('Its place among the messages of the connection.') }),
    answer: contentShape,
    handler: async (context, asked) => {
      const row = await forAll(context.services.db, (tx) =>
        selectMessages(tx, asked.id)
          .select(['digest', 'body'])
          .where('position', '=', asked.position)
          .executeTakeFirst(),
      );
      if (!row) throw notFound();
      const { digest, body, ...message } = row;
      const bytes = openBody(context.services.seal, asked.id, { digest, body });
      return { data: { ...message, kept: bytes !== null, content: bytes && textOf(bytes) } };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/admin/connections/:id/replay',
    summary: 'Read the messages again that arrived at or after an instant and are still kept',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      id: id(),
      from: instantText().describe('Since when; without an offset in UTC.'),
    }),
    body: ['from'],
    answer: z.object({ messages: z.int().describe('How many are read again.') }).meta({ id: 'Replay' }),
    statuses: [202],
    handler: async (context, asked) => {
      const messages = await replay(context, asked.id, getInstant('from', asked.from, 'UTC'));
      context.afterCommit.push(() => context.services.wakeups.wake('sync'));
      return { status: 202, data: { messages } };
    },
  }),
];

function textOf(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}
