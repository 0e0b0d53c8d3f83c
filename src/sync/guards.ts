/** What commands under way mean for a sync: whose word counts, and when doubt about a time is over. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { RecordKind } from '../domain/records.ts';
import type { Tx } from '../store/database.ts';
import type { StoredRow } from '../store/mirror.ts';
import type { CommandRow } from '../store/schema.ts';

/** A command whose columns a sync leaves alone: one that is open, or one that ended after the records were asked for. */
export type Guard = Pick<CommandRow, 'id' | 'state' | 'changes'>;

/** By row, in the order of the commands. */
export async function findGuards(
  tx: Tx,
  kind: RecordKind,
  ids: readonly number[],
  askedMs: number,
): Promise<Map<number, Guard[]>> {
  if (ids.length === 0 || (kind !== 'appointment' && kind !== 'patient_alert')) return new Map();
  const about = `${kind}_id` as const;
  const commands = await tx
    .selectFrom('command')
    .select((eb) => ['id', 'state', 'changes', eb.ref(about).$notNull().as('about')])
    .where(about, 'in', ids)
    .where((eb) => eb.or([eb('finished_at', 'is', null), eb('finished_at', '>=', toIso(askedMs))]))
    .orderBy('sequence')
    .execute();
  return Map.groupBy(commands, (command) => command.about);
}

/**
 * Puts the columns that belong to commands back to what the row shows. What the HRS says of them is not lost: a
 * command of which nothing is in the HRS keeps it, as what there is to go back to. Beside any other it may be older
 * than the command or newer, and true is returned, because only another reading can tell.
 */
export async function keepGuarded(
  tx: Tx,
  guards: readonly Guard[],
  next: Record<string, unknown>,
  old: StoredRow,
): Promise<boolean> {
  let again = false;
  for (const { id, state, changes } of guards) {
    const said = Object.entries(next).filter(([column]) => column in changes);
    if (said.every(([column, value]) => value === old[column])) continue;
    if (state === 'queued' || state === 'searched') {
      const known = JSON.stringify(Object.fromEntries(said));
      await sql`update command set previous = previous || ${known}::jsonb where id = ${id}`.execute(tx);
    } else again = true;
    for (const [column] of said) next[column] = old[column];
  }
  return again;
}

/** What has just been read may be the answer for which writes wait that the HRS had only accepted: they look now. */
export async function hurryAnswers(tx: Tx, connectionId: number): Promise<void> {
  await sql`
    update command set due_at = now()
    where connection_id = ${connectionId} and finished_at is null and accepted_at is not null and due_at > now()`.execute(
    tx,
  );
}

/**
 * Frees the times that commands which ended in doubt have kept, of appointments that the HRS has: a pass from the
 * beginning, begun after that end, has made their rows what is there.
 */
export async function freeDoubted(tx: Tx, connectionId: number, passStartedMs: number): Promise<void> {
  await sql`
    delete from claim using appointment a
    where a.connection_id = ${connectionId} and a.foreign_id is not null and claim.appointment_id = a.id
      and not exists (select from command c where c.appointment_id = a.id
        and (c.finished_at is null or c.finished_at >= ${toIso(passStartedMs)}))`.execute(tx);
}
