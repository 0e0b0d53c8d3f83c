/** A connection as administrators see it: how it is set up, how fresh what it has read is, and what waits for it. */
import { sql } from 'kysely';
import { z } from 'zod';
import { toIso } from '../../clock.ts';
import type { Tx } from '../../store/database.ts';

/** Of the last passes that did not end well; all passes are in `/runs`. */
const SHOWN_ERRORS = 10;

export const connectionShape = z
  .object({
    id: z.int(),
    subdomain: z.string(),
    kind: z.string(),
    name: z.string(),
    paused: z.boolean(),
    sync_cycle_ms: z.int(),
    read_status: z.enum(['green', 'red']),
    write_status: z.enum(['green', 'red']),
    first_synced_at: z.iso.datetime().nullable(),
    synced_at: z.iso.datetime().nullable().describe('End of the last pass that saw everything there was to see.'),
    lag_seconds: z.int().nullable().describe('Since `synced_at`; null before the first complete pass.'),
    behind: z.boolean().describe('More than two cycles have gone by without a complete pass.'),
    syncing: z.boolean().describe('A pass is under way.'),
    sync_due_at: z.iso.datetime().nullable().describe('When the next pass may begin; null while paused.'),
    open_commands: z.int().describe('Writes that have not ended yet.'),
    oldest_command_at: z.iso.datetime().nullable().describe('When the oldest of them was asked for.'),
    held_deletions: z.int(),
    last_error_code: z.string().nullable(),
    last_error: z.string().nullable(),
    push_path: z.string(),
  })
  .meta({ id: 'Connection' });

export const connectionDetailShape = connectionShape
  .extend({
    last_errors: z
      .array(z.object({ at: z.iso.datetime(), error_code: z.string(), error: z.string().nullable() }))
      .describe(`What the last passes that did not end well ran into, newest first; at most ${SHOWN_ERRORS}.`),
  })
  .meta({ id: 'ConnectionDetail' });

/** Rows of `connectionShape` at that time. Credentials stay in: a configuration is written, never shown. */
export function selectConnections(tx: Tx, nowMs: number) {
  const now = sql`cast(${toIso(nowMs)} as timestamptz)`;
  return tx
    .selectFrom('connection')
    .innerJoin('institution', 'institution.id', 'connection.institution_id')
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('command')
          .select((one) => [one.fn.countAll<number>().as('open_commands'), one.fn.min('created_at').as('oldest')])
          .whereRef('command.connection_id', '=', 'connection.id')
          .where('command.finished_at', 'is', null)
          .as('waiting'),
      (join) => join.onTrue(),
    )
    .select([
      'connection.id',
      'institution.subdomain',
      'connection.kind',
      'connection.name',
      'connection.paused',
      'connection.sync_cycle_ms',
      'connection.read_status',
      'connection.write_status',
      'connection.first_synced_at',
      'connection.synced_at',
      // greatest() by itself takes null for the smaller.
      sql<number | null>`case when connection.synced_at is not null
        then greatest(0, floor(extract(epoch from ${now} - connection.synced_at)))::integer end`.as('lag_seconds'),
      sql<boolean>`coalesce(connection.synced_at, connection.created_at)
        + 2 * connection.sync_cycle_ms * interval '1 millisecond' < ${now}`.as('behind'),
      sql<boolean>`coalesce(connection.sync_lease_until > now(), false)`.as('syncing'),
      sql<string | null>`case when not connection.paused then connection.sync_due_at end`.as('sync_due_at'),
      sql<number>`waiting.open_commands`.as('open_commands'),
      'waiting.oldest as oldest_command_at',
      'connection.held_deletions',
      'connection.last_error_code',
      'connection.last_error',
      sql<string>`'/push/' || connection.push_token`.as('push_path'),
    ]);
}

/** A row of `connectionDetailShape`, or null when there is no such connection. */
export async function findConnectionDetail(tx: Tx, connectionId: number, nowMs: number) {
  const connection = await selectConnections(tx, nowMs).where('connection.id', '=', connectionId).executeTakeFirst();
  if (!connection) return null;
  const last_errors = await tx
    .selectFrom('sync_run')
    .select(['error_code', 'error'])
    .select((eb) => eb.fn.coalesce('finished_at', 'started_at').as('at'))
    .where('connection_id', '=', connectionId)
    .where('error_code', 'is not', null)
    // A program that stops is no error.
    .where('error_code', '<>', 'stopped')
    .orderBy('id', 'desc')
    .limit(SHOWN_ERRORS)
    .execute();
  return { ...connection, last_errors };
}
