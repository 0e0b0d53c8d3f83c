/**
 * Ending a command, in one transaction: the command, what it is about, and whoever is to hear of it. Guarded by the
 * fence, so that a worker that was away too long records nothing.
 */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { Tx } from '../store/database.ts';
import type { CommandRow } from '../store/schema.ts';
import { concludeAlert, lockAlert } from './alert-outcome.ts';
import { concludeAppointment, lockAppointment } from './appointment-outcome.ts';
import { type Outcome, withHistory } from './outcome.ts';

const MAX_MESSAGE_LENGTH = 500;

/**
 * Ends the command. Returns false, having changed nothing, when `fence` is no longer the command's own or it has
 * ended already. The caller wakes `deliveries` after its commit.
 *
 * What the command is about is locked before the command itself, as a sync does that has news for both: two of them
 * wait for each other, and never in a ring.
 */
export async function conclude(
  tx: Tx,
  command: Pick<CommandRow, 'id' | 'fence' | 'appointment_id' | 'patient_alert_id'>,
  outcome: Outcome,
  nowMs: number,
): Promise<boolean> {
  const { appointment_id: appointmentId, patient_alert_id: alertId } = command;
  if (appointmentId !== null) {
    const row = await lockAppointment(tx, appointmentId);
    const ended = await end(tx, command, outcome, nowMs);
    if (!ended) return false;
    await concludeAppointment(tx, row, ended, outcome, nowMs);
  } else {
    const row = await lockAlert(tx, alertId as number);
    const ended = await end(tx, command, outcome, nowMs);
    if (!ended) return false;
    await concludeAlert(tx, row, ended, outcome, nowMs);
  }
  return true;
}

function end(
  tx: Tx,
  command: Pick<CommandRow, 'id' | 'fence'>,
  outcome: Outcome,
  nowMs: number,
): Promise<CommandRow | undefined> {
  return tx
    .updateTable('command')
    .set({
      state: outcome.state,
      // A removal of a second copy carries its reason from the beginning.
      ...(outcome.reason && { reason_code: outcome.reason }),
      message: outcome.message?.slice(0, MAX_MESSAGE_LENGTH) ?? null,
      retryable: outcome.state === 'complete' ? null : (outcome.retryable ?? false),
      // A write that ran out of time keeps what the HRS has said to its last try.
      ...(outcome.hrsSaid !== undefined && { hrs_said: outcome.hrsSaid?.slice(0, MAX_MESSAGE_LENGTH) ?? null }),
      finished_at: toIso(nowMs),
      lease_until: null,
      history: withHistory(outcome.state, nowMs),
    })
    .where('id', '=', command.id)
    .where('fence', '=', command.fence)
    .where('finished_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
}

/**
 * A booking that is cancelled before anything of it has left never leaves: its create ends here, and the cancel
 * that follows finds nothing to do. A create that a worker holds, or may have sent, is left to that worker.
 */
export async function concludeUnsentCreate(tx: Tx, appointmentId: number, nowMs: number): Promise<void> {
  const command = await tx
    .selectFrom('command')
    .select(['id', 'fence', 'appointment_id', 'patient_alert_id'])
    .where('appointment_id', '=', appointmentId)
    .where('kind', '=', 'create')
    .where('state', '=', 'queued')
    .where('attempts', '=', 0)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', sql<string>`now()`)]))
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (!command) return;
  await conclude(
    tx,
    command,
    {
      state: 'failed',
      reason: 'cancelled_before_sent',
      message: 'It was cancelled before it was sent to the HRS.',
      retryable: false,
    },
    nowMs,
  );
}
