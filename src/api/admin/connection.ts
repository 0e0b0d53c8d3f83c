/** A connection as administrators see it: how it is set up, how fresh what it has read is, and what waits for it. */
import { sql } from 'kysely';
import { z } from 'zod';
import { toIso } from '../../clock.ts';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { CallUseRow, ConnectionRow } from '../../store/schema.ts';
import { callsUsed, costsOf, limitsOf, type Period, rhythmOf, windowAt } from '../../sync/quota.ts';

/** Of the last passes that did not end well; all passes are in `/runs`. */
const SHOWN_ERRORS = 10;

const windowShape = z
  .object({ limit: z.int(), used: z.int(), resets_at: z.iso.datetime() })
  .meta({ id: 'CallWindow' })
  .nullable();

const quotaShape = z
  .object({ minute: windowShape, hour: windowShape, month: windowShape })
  .describe('Calls made in the minute, hour and month of UTC that are under way; null for what has no limit.')
  .meta({ id: 'CallQuota' });

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
    promised_staleness_seconds: z
      .int()
      .describe('How often it is read: `sync_cycle_ms`, or as seldom as its limits of calls ask for.'),
    promised_full_pass_seconds: z.int().describe('The same of `full_pass_every_ms`.'),
    behind: z.boolean().describe('More than twice `promised_staleness_seconds` have gone by without a complete pass.'),
    quota: quotaShape,
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
    last_message_at: z.iso.datetime().nullable().describe('When the last message of the HRS came, where it sends any.'),
  })
  .meta({ id: 'ConnectionDetail' });

/** All connections at that time. Credentials stay in: a configuration is written, never shown. */
export async function listConnections(tx: Tx, nowMs: number): Promise<z.infer<typeof connectionShape>[]> {
  const rows = await selectConnections(tx, nowMs).orderBy('connection.id').execute();
  return rows.map((row) => shown(row, nowMs));
}

/** One of them. Throws the ApiError `not_found`. */
export async function getConnection(tx: Tx, id: number, nowMs: number): Promise<z.infer<typeof connectionShape>> {
  const row = await selectConnections(tx, nowMs).where('connection.id', '=', id).executeTakeFirst();
  if (!row) throw notFound();
  return shown(row, nowMs);
}

/** What is not shown as it stands. */
type Terms = Pick<
  ConnectionRow,
  'created_at' | 'full_pass_every_ms' | 'calls_per_minute' | 'calls_per_hour' | 'calls_per_month'
>;
type Row = Awaited<ReturnType<ReturnType<typeof selectConnections>['executeTakeFirstOrThrow']>>;

function shown({ terms, use, ...row }: Row, nowMs: number): z.infer<typeof connectionShape> {
  const limits = limitsOf(terms);
  const { cycleMs, fullPassEveryMs } = rhythmOf({ ...row, ...terms }, limits, costsOf(use));
  const window = (period: Period) => {
    const limit = limits[period];
    if (limit === null) return null;
    return { limit, used: callsUsed(use, period, nowMs), resets_at: toIso(windowAt(period, nowMs).endsMs) };
  };
  return {
    ...row,
    promised_staleness_seconds: Math.ceil(cycleMs / 1_000),
    promised_full_pass_seconds: Math.ceil(fullPassEveryMs / 1_000),
    behind: nowMs > Date.parse(row.synced_at ?? terms.created_at) + 2 * cycleMs,
    quota: { minute: window('minute'), hour: window('hour'), month: window('month') },
  };
}

function selectConnections(tx: Tx, nowMs: number) {
  const now = sql`cast(${toIso(nowMs)} as timestamptz)`;
  return tx
    .selectFrom('connection')
    .innerJoin('institution', 'institution.id', 'connection.institution_id')
    .leftJoin('call_use', 'call_use.connection_id', 'connection.id')
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
      sql<boolean>`coalesce(connection.sync_lease_until > now(), false)`.as('syncing'),
      sql<string | null>`case when not connection.paused then connection.sync_due_at end`.as('sync_due_at'),
      sql<number>`waiting.open_commands`.as('open_commands'),
      'waiting.oldest as oldest_command_at',
      'connection.held_deletions',
      'connection.last_error_code',
      'connection.last_error',
      sql<string>`'/push/' || connection.push_token`.as('push_path'),
      sql<Terms>`jsonb_build_object('created_at', connection.created_at,
        'full_pass_every_ms', connection.full_pass_every_ms, 'calls_per_minute', connection.calls_per_minute,
        'calls_per_hour', connection.calls_per_hour, 'calls_per_month', connection.calls_per_month)`.as('terms'),
      sql<CallUseRow | null>`to_jsonb(call_use)`.as('use'),
    ]);
}

/** The same with what it last ran into. Throws the ApiError `not_found`. */
export async function getConnectionDetail(
  tx: Tx,
  connectionId: number,
  nowMs: number,
): Promise<z.infer<typeof connectionDetailShape>> {
  const connection = await getConnection(tx, connectionId, nowMs);
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
    .$narrowType<{ error_code: string }>()
    .execute();
  const lastMessage = await tx
    .selectFrom('raw_message')
    .select('stored_at')
    .where('connection_id', '=', connectionId)
    .where('direction', '=', 'in')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return { ...connection, last_errors, last_message_at: lastMessage?.stored_at ?? null };
}
