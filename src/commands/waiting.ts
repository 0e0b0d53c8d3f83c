/** Commands that wait behind one that has just ended. */
import type { Tx } from '../store/database.ts';
import type { CommandKind, CommandRow } from '../store/schema.ts';

type Columns = Record<string, unknown>;

/** Open commands about the same appointment or alert, in their order. */
export function findWaiting(tx: Tx, ended: CommandRow): Promise<CommandRow[]> {
  const query = tx.selectFrom('command').selectAll().where('finished_at', 'is', null).orderBy('sequence');
  return (
    ended.appointment_id === null
      ? query.where('patient_alert_id', '=', ended.patient_alert_id)
      : query.where('appointment_id', '=', ended.appointment_id)
  ).execute();
}

/**
 * What a later command is about is left for its outcome to show. Takes such columns out of `update`, and tells the
 * first command that is about one of them what there is to go back to.
 */
export async function leaveToWaiting(tx: Tx, waiting: readonly CommandRow[], update: Columns): Promise<void> {
  for (const { id, changes, previous } of waiting) {
    const names = Object.keys(update).filter((name) => name in changes);
    if (names.length === 0) continue;
    const now = { ...previous, ...Object.fromEntries(names.map((name) => [name, update[name] ?? null])) };
    await tx
      .updateTable('command')
      .set({ previous: JSON.stringify(now) })
      .where('id', '=', id)
      .execute();
    for (const name of names) delete update[name];
  }
}

const HOLDS_TIME: readonly CommandKind[] = ['create', 'update', 'cancel'];

/** Does the command take time in the schedule, or has it not let go of it yet? */
export function holdsTime({ kind }: Pick<CommandRow, 'kind'>): boolean {
  return HOLDS_TIME.includes(kind);
}

/**
 * The columns that a change was about: as the HRS has them where `shown` says so, else as they were before. Where
 * nothing is known of a change that is done or in doubt, the row keeps what was asked for.
 */
export function afterChange({ changes, previous, state }: CommandRow, shown: Columns | null): Columns {
  if (!shown && (state === 'complete' || state === 'incomplete')) return {};
  const update: Columns = {};
  for (const [name, wanted] of Object.entries(changes)) {
    if (!shown || !(name in shown)) {
      if (state !== 'complete') update[name] = previous[name];
    } else if (state !== 'complete' || shown[name] !== null) update[name] = shown[name];
    // An HRS that keeps no time of day for what it confirms leaves it to us.
    else update[name] = wanted;
  }
  return update;
}
