/**
 * Administration: institutions, their connections to health record systems, and keys. Beyond NexHealth; only keys
 * of administrators get here.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import type { ConnectorKind } from '../../connectors/connector.ts';
import { ApiError, notFound } from '../../errors.ts';
import { forAll } from '../../store/database.ts';
import { createApiKey, findInstitutionIds, newApiKey } from '../../store/keys.ts';
import { sealConfig } from '../../store/secrets.ts';
import { takeIdentity } from '../../sync/identity.ts';
import { requestSync } from '../../sync/loop.ts';
import type { Context } from '../context.ts';
import { boolean, id, integer, list, optional, requiredText, text } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';
import { AlreadyConnected, addConnection, type CallLimits, checkConnection, findConfigProblems } from './connecting.ts';
import {
  connectionDetailShape,
  connectionShape,
  getConnection,
  getConnectionDetail,
  listConnections,
} from './connection.ts';
import { messageRoutes } from './messages.ts';

const SUBDOMAIN = /^[a-z0-9][a-z0-9-]{0,62}$/;

const institutionShape = z
  .object({ id: z.int(), name: z.string(), subdomain: z.string() })
  .meta({ id: 'AdminInstitution' });

const runShape = z
  .object({
    id: z.int(),
    kind: z.enum(['first', 'incremental', 'full']),
    outcome: z.enum(['complete', 'partial', 'failed']).nullable(),
    records: z.int(),
    changed: z.int(),
    deleted: z.int(),
    held: z.int(),
    error_code: z.string().nullable(),
    error: z.string().nullable(),
    started_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'SyncRun' });

/** Enough to see what has been going on; older runs are in the table. */
const SHOWN_RUNS = 100;

/** How many calls the HRS allows; null lifts a limit. */
const callLimit = z.preprocess(
  (value) => (value === '' ? null : value),
  integer(1, 1_000_000_000).nullable().optional(),
);
const callLimits = { calls_per_minute: callLimit, calls_per_hour: callLimit, calls_per_month: callLimit };
const callLimitsOf = ({ calls_per_minute, calls_per_hour, calls_per_month }: CallLimits): CallLimits => ({
  calls_per_minute,
  calls_per_hour,
  calls_per_month,
});

const checkShape = z.object({ ok: z.boolean(), message: z.string() }).meta({ id: 'ConnectionCheck' });

function getKind({ services }: Context, name: string): ConnectorKind {
  const kind = services.connectorKinds.get(name);
  if (kind) return kind;
  const known = [...services.connectorKinds.keys()].join(', ');
  throw new ApiError('invalid_parameter', `Invalid parameter connection[kind]: must be one of ${known}`);
}

/** Throws `invalid_parameter` that names each field which is wrong. */
function checkConfig(context: Context, kind: string, config: object): void {
  const problems = findConfigProblems(getKind(context, kind), config);
  if (problems.length === 0) return;
  throw new ApiError(
    'invalid_parameter',
    problems.map(({ path, message }) => {
      const name = ['connection', 'config', ...path].map((part, at) => (at === 0 ? part : `[${part}]`)).join('');
      return `Invalid parameter ${name}: ${message}`;
    }),
  );
}

export const routes: Route[] = [
  defineRoute({
    method: 'POST',
    path: '/admin/institutions',
    summary: 'Add an institution',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      institution: z.object({
        name: requiredText(200),
        subdomain: text(63).regex(SUBDOMAIN, 'must be lower-case letters, digits and hyphens'),
      }),
    }),
    body: ['institution'],
    answer: institutionShape,
    statuses: [201],
    handler: async (context, { institution }) => {
      const made = await forAll(context.services.db, async (tx) => {
        const row = await tx
          .insertInto('institution')
          .values(institution)
          .onConflict((conflict) => conflict.column('subdomain').doNothing())
          .returning(['id', 'name', 'subdomain'])
          .executeTakeFirst();
        if (!row) throw new ApiError('already_exists', 'An institution with that subdomain already exists');
        // Whoever adds an institution can work with it at once.
        await tx
          .insertInto('api_user_institution')
          .values({ api_user_id: context.caller.apiUserId, institution_id: row.id })
          .execute();
        return row;
      });
      return { status: 201, data: made };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/admin/institutions',
    summary: 'All institutions',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({}),
    answer: z.array(institutionShape),
    handler: async (context) => ({
      data: await forAll(context.services.db, (tx) =>
        tx.selectFrom('institution').select(['id', 'name', 'subdomain']).orderBy('id').execute(),
      ),
    }),
  }),

  defineRoute({
    method: 'POST',
    path: '/admin/keys',
    summary: 'Make an API key; it is shown in this answer and never again',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      key: z.object({ name: requiredText(200), subdomains: list(text(63)), admin: optional(boolean()) }),
    }),
    body: ['key'],
    answer: z.object({ id: z.int(), key: z.string() }).meta({ id: 'NewKey' }),
    statuses: [201],
    handler: async (context, { key: asked }) => {
      const key = newApiKey();
      const { id: keyId } = await forAll(context.services.db, async (tx) => {
        const institutionIds = await findInstitutionIds(tx, asked.subdomains ?? []);
        if (!institutionIds) throw notFound();
        return createApiKey(tx, { name: asked.name, isAdmin: asked.admin ?? false, institutionIds, key });
      });
      return { status: 201, data: { id: keyId, key } };
    },
  }),

  defineRoute({
    method: 'DELETE',
    path: '/admin/keys/:id',
    summary: 'Revoke an API key; it is refused within a second',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id() }),
    answer: z.null(),
    statuses: [204],
    handler: async (context, asked) => {
      const revoked = await forAll(context.services.db, (tx) =>
        tx
          .updateTable('api_key')
          .set({ revoked_at: new Date(context.nowMs).toISOString() })
          .where('id', '=', asked.id)
          .where('revoked_at', 'is', null)
          .returning('id')
          .executeTakeFirst(),
      );
      if (!revoked) throw notFound();
      return { status: 204, data: null };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/admin/connections',
    summary: 'Connect an institution to its health record system; the first sync starts at once',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      connection: z.object({
        subdomain: text(63),
        kind: text(40),
        name: requiredText(200),
        config: z.record(z.string(), z.unknown()),
        sync_cycle_ms: optional(integer(100, 86_400_000)),
        full_pass_every_ms: optional(integer(1_000, 604_800_000)),
        ...callLimits,
      }),
    }),
    body: ['connection'],
    answer: connectionShape,
    statuses: [201],
    handler: async (context, { connection: asked }) => {
      checkConfig(context, asked.kind, asked.config);
      const made = await forAll(context.services.db, async (tx) => {
        const institution = await tx
          .selectFrom('institution')
          .select('id')
          .where('subdomain', '=', asked.subdomain)
          .executeTakeFirst();
        if (!institution) throw notFound();
        const connectionId = await addConnection(tx, context.services.seal, {
          institutionId: institution.id,
          kind: getKind(context, asked.kind),
          name: asked.name,
          config: asked.config,
          syncCycleMs: asked.sync_cycle_ms,
          fullPassEveryMs: asked.full_pass_every_ms,
          callLimits: callLimitsOf(asked),
        });
        return getConnection(tx, connectionId, context.nowMs);
      });
      context.afterCommit.push(() => context.services.wakeups.wake('sync'));
      return { status: 201, data: made };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/admin/connections',
    summary: 'All connections and how they are',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({}),
    answer: z.array(connectionShape),
    handler: async (context) => ({
      data: await forAll(context.services.db, (tx) => listConnections(tx, context.nowMs)),
    }),
  }),

  defineRoute({
    method: 'GET',
    path: '/admin/connections/:id',
    summary: 'One connection, how it is, and what it last ran into',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id() }),
    answer: connectionDetailShape,
    handler: async (context, asked) => {
      const data = await forAll(context.services.db, (tx) => getConnectionDetail(tx, asked.id, context.nowMs));
      return { data };
    },
  }),

  defineRoute({
    method: 'PATCH',
    path: '/admin/connections/:id',
    summary: 'Change a connection: pause it, its cycle, its configuration',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({
      id: id(),
      connection: z.object({
        name: optional(requiredText(200)),
        paused: optional(boolean()),
        /** True: a person has looked, and what the brake holds is really gone. */
        accept_deletions: optional(boolean()),
        config: z.record(z.string(), z.unknown()).optional(),
        sync_cycle_ms: optional(integer(100, 86_400_000)),
        full_pass_every_ms: optional(integer(1_000, 604_800_000)),
        ...callLimits,
      }),
    }),
    body: ['connection'],
    answer: connectionShape,
    handler: async (context, { id: connectionId, connection: asked }) => {
      const data = await forAll(context.services.db, async (tx) => {
        const row = await tx.selectFrom('connection').select('kind').where('id', '=', connectionId).executeTakeFirst();
        if (!row) throw notFound();
        if (asked.config) {
          checkConfig(context, row.kind, asked.config);
          const other = await takeIdentity(tx, connectionId, getKind(context, row.kind), asked.config);
          if (other) throw new AlreadyConnected(other);
        }
        await tx
          .updateTable('connection')
          .set({
            name: asked.name,
            paused: asked.paused,
            deletions_accepted: asked.accept_deletions,
            sync_cycle_ms: asked.sync_cycle_ms,
            full_pass_every_ms: asked.full_pass_every_ms,
            ...callLimitsOf(asked),
            config: asked.config ? sealConfig(context.services.seal, connectionId, asked.config) : undefined,
            // Of another HRS, or the same under another profile, nothing is known.
            capabilities: asked.config ? null : undefined,
            sync_due_at: sql<string>`now()`,
          })
          .where('id', '=', connectionId)
          .execute();
        return getConnection(tx, connectionId, context.nowMs);
      });
      context.afterCommit.push(() => context.services.wakeups.wake('sync'));
      // What has rested while it was paused.
      context.afterCommit.push(() => context.services.wakeups.wake('commands'));
      return { data };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/admin/connections/:id/check',
    summary: 'Can the health record system be reached and read? Waits for it',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id() }),
    answer: checkShape,
    handler: async (context, asked) => {
      const row = await forAll(context.services.db, (tx) =>
        tx.selectFrom('connection').select(['id', 'kind', 'config']).where('id', '=', asked.id).executeTakeFirst(),
      );
      if (!row) throw notFound();
      return { data: await checkConnection(context.services.connectorKinds, context.services.seal, row) };
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/admin/connections/:id/sync',
    summary: 'Read the health record system now; with full=true from the beginning',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id(), full: optional(boolean()) }),
    answer: connectionShape,
    statuses: [202],
    handler: async (context, asked) => {
      const data = await forAll(context.services.db, async (tx) => {
        await requestSync(tx, asked.id, asked.full);
        return getConnection(tx, asked.id, context.nowMs);
      });
      context.afterCommit.push(() => context.services.wakeups.wake('sync'));
      return { status: 202, data };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/admin/connections/:id/runs',
    summary: 'The last passes over a connection, newest first',
    tag: 'Administration',
    subdomain: 'none',
    access: 'admin',
    params: z.object({ id: id() }),
    answer: z.array(runShape),
    handler: async (context, asked) => ({
      data: await forAll(context.services.db, (tx) =>
        tx
          .selectFrom('sync_run')
          .select([
            'id',
            'kind',
            'outcome',
            'records',
            'changed',
            'deleted',
            'held',
            'error_code',
            'error',
            'started_at',
            'finished_at',
          ])
          .where('connection_id', '=', asked.id)
          .orderBy('id', 'desc')
          .limit(SHOWN_RUNS)
          .execute(),
      ),
    }),
  }),

  ...messageRoutes,
];
