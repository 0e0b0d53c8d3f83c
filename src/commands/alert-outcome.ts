/** What the end of a command does to its patient alert. Nobody is told: NexHealth has no event for alerts. */
import { toIso } from '../clock.ts';
import type { PatientAlertRecord } from '../domain/records.ts';
import type { Tx } from '../store/database.ts';
import type { CommandRow, PatientAlertRow } from '../store/schema.ts';
import type { Outcome, TerminalState } from './outcome.ts';
import { afterChange, findWaiting, leaveToWaiting } from './waiting.ts';

/** The alert a command is about, locked. */
export function lockAlert(tx: Tx, alertId: number): Promise<PatientAlertRow> {
  return tx.selectFrom('patient_alert').selectAll().where('id', '=', alertId).forUpdate().executeTakeFirstOrThrow();
}

/** Carries the end of `ended` over to the locked `row`: what never reached the HRS is not shown any longer. */
export async function concludeAlert(
  tx: Tx,
  row: PatientAlertRow,
  ended: CommandRow,
  outcome: Outcome,
  nowMs: number,
): Promise<void> {
  const record = outcome.record?.kind === 'patient_alert' ? outcome.record : null;
  const update =
    ended.kind === 'create_alert'
      ? afterCreate(row, outcome.state, record, nowMs)
      : afterChange(ended, record && { disabled_at: record.disabledAt });
  await leaveToWaiting(tx, await findWaiting(tx, ended), update);
  if (typeof update.foreign_id === 'string') {
    // Where the HRS keeps no marker, a sync that came first took our alert for a stranger's.
    await tx
      .deleteFrom('patient_alert')
      .where('connection_id', '=', row.connection_id)
      .where('foreign_id', '=', update.foreign_id)
      .where('id', '<>', row.id)
      .execute();
  }
  await tx
    .updateTable('patient_alert')
    .set({ ...update, updated_at: toIso(nowMs) })
    .where('id', '=', row.id)
    .execute();
}

function afterCreate(
  row: PatientAlertRow,
  state: TerminalState,
  record: PatientAlertRecord | null,
  nowMs: number,
): Record<string, unknown> {
  const now = toIso(nowMs);
  // A sync that came first has adopted the row, and what it read is newer than what was read back.
  if (row.foreign_id !== null || state === 'incomplete') return {};
  if (state !== 'complete') return { deleted_at: now };
  if (!record) return {};
  return {
    foreign_id: record.foreignId,
    note: record.note,
    disabled_at: record.disabledAt,
    deleted_at: null,
    synced_at: now,
  };
}
