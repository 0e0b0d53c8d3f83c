/** What the end of a command does to its appointment: the row, its claims, the event and the deliveries of it. */
import { toIso } from '../clock.ts';
import type { AppointmentRecord } from '../domain/records.ts';
import { columnsOf, selectAppointments } from '../store/appointments.ts';
import type { Tx } from '../store/database.ts';
import type { AppointmentRow, AppointmentUpdate, CommandRow } from '../store/schema.ts';
import { viewAppointment } from '../views/appointment.ts';
import { type NewEvent, recordEvents } from '../webhooks/event.ts';
import type { Outcome, TerminalState } from './outcome.ts';
import { afterChange, findWaiting, holdsTime, leaveToWaiting } from './waiting.ts';

/** The appointment a command is about, locked. */
export function lockAppointment(tx: Tx, appointmentId: number): Promise<AppointmentRow> {
  return tx.selectFrom('appointment').selectAll().where('id', '=', appointmentId).forUpdate().executeTakeFirstOrThrow();
}

/** Carries the end of `ended` over to the locked `row`, and tells of it. */
export async function concludeAppointment(
  tx: Tx,
  row: AppointmentRow,
  ended: CommandRow,
  outcome: Outcome,
  nowMs: number,
): Promise<void> {
  const record = outcome.record?.kind === 'appointment' ? outcome.record : null;
  const update: AppointmentUpdate =
    ended.kind === 'create'
      ? afterCreate(row, outcome.state, record, nowMs)
      : afterChange(ended, record && (await shownColumns(tx, ended, record)));
  const waiting = await findWaiting(tx, ended);
  await leaveToWaiting(tx, waiting, update);
  if (update.foreign_id) {
    // Where the HRS keeps no marker, a sync that came first took our appointment for a stranger's.
    await tx
      .deleteFrom('appointment')
      .where('connection_id', '=', row.connection_id)
      .where('foreign_id', '=', update.foreign_id)
      .where('id', '<>', row.id)
      .execute();
  }
  await tx
    .updateTable('appointment')
    .set({ ...update, updated_at: toIso(nowMs) })
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .where('id', '=', row.id)
    .execute();
  // In doubt the time stays taken, and until a move or a cancellation has gone through: nobody may be booked over it.
  if (outcome.state !== 'incomplete' && !waiting.some(holdsTime))
    await tx.deleteFrom('claim').where('appointment_id', '=', row.id).execute();
  await recordEvents(tx, ended.institution_id, await eventsOf(tx, row.id, ended));
}

function afterCreate(
  row: AppointmentRow,
  state: TerminalState,
  record: AppointmentRecord | null,
  nowMs: number,
): AppointmentUpdate {
  const now = toIso(nowMs);
  if (state === 'complete') {
    // A sync that came first has adopted the row, and what it read is newer than what was read back.
    if (!record || row.foreign_id !== null) return {};
    return { foreign_id: record.foreignId, synced_at: now, ...columnsOf(record), deleted_at: null };
  }
  if (state === 'incomplete' || row.foreign_id !== null) return {};
  return { deleted_at: now, cancelled: true, cancelled_at: row.cancelled_at ?? now };
}

/** The record by column. Its operatory is left out when we do not have that: the next sync will tell. */
async function shownColumns(tx: Tx, { connection_id }: CommandRow, record: AppointmentRecord) {
  const { operatoryForeignId } = record;
  if (operatoryForeignId === null) return { ...columnsOf(record), operatory_id: null };
  const operatory = await tx
    .selectFrom('operatory')
    .select('id')
    .where('connection_id', '=', connection_id)
    .where('foreign_id', '=', operatoryForeignId)
    .executeTakeFirst();
  return { ...columnsOf(record), ...(operatory && { operatory_id: operatory.id }) };
}

/** Columns whose name on the wire is another. */
const WIRE_NAMES: Record<string, string> = { start_at: 'start_time', end_at: 'end_time' };

const inWireNames = (columns: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(columns).map(([name, value]) => [WIRE_NAMES[name] ?? name, value]));

/** Exactly one event says how the command ended; a booking that is now in the HRS is also a new appointment. */
async function eventsOf(tx: Tx, appointmentId: number, command: CommandRow): Promise<NewEvent[]> {
  const row = await selectAppointments(tx).where('appointment.id', '=', appointmentId).executeTakeFirstOrThrow();
  const appointment = viewAppointment(row);
  const base = { resourceType: 'Appointment', resourceId: row.id, sequence: row.sequence };
  const outcome = command.state as TerminalState;
  const reason =
    outcome === 'complete'
      ? {}
      : {
          reason_code: command.reason_code,
          message: command.message,
          retryable: command.retryable,
          hrs_said: command.hrs_said,
        };
  if (command.kind !== 'create') {
    const data = { appointment, previous_attributes: inWireNames(command.previous), ...reason };
    return outcome === 'complete'
      ? [{ ...base, event: 'appointment_updated', data }]
      : [{ ...base, event: 'appointment_updated', outcome, data }];
  }
  const events: NewEvent[] = [{ ...base, event: 'appointment_insertion', outcome, data: { appointment, ...reason } }];
  if (outcome === 'complete')
    events.push({ ...base, event: 'appointment_created', data: { appointments: [appointment] } });
  return events;
}
