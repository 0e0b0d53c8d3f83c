/**
 * How a command ended, in one transaction: the command, the appointment, its claims, the event and the deliveries
 * of it. Guarded by the fence, so that a worker that was away too long records nothing.
 */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { AppointmentRecord, PatientRecord, ReasonCode } from '../domain/records.ts';
import { columnsOf, selectAppointments } from '../store/appointments.ts';
import type { Tx } from '../store/database.ts';
import { selectPatients } from '../store/patients.ts';
import type { AppointmentRow, AppointmentUpdate, CommandRow, CommandState } from '../store/schema.ts';
import { viewAppointment } from '../views/appointment.ts';
import { viewPatient } from '../views/patient.ts';
import { type NewEvent, recordEvents } from '../webhooks/event.ts';

export type TerminalState = 'complete' | 'failed' | 'timed_out' | 'incomplete';

export interface Outcome {
  state: TerminalState;
  reason?: ReasonCode;
  /** For the developer who reads the event; no patient data. */
  message?: string;
  retryable?: boolean;
  hrsSaid?: string | null;
  /** What the HRS holds now, as it was read back. */
  record?: AppointmentRecord | null;
}

const MAX_MESSAGE_LENGTH = 500;
const MAX_HISTORY = 200;

/** Appends to a command's history; what is beyond its bound is no longer told. */
export const withHistory = (state: CommandState, nowMs: number) => sql<string>`
  case when jsonb_array_length(history) < ${MAX_HISTORY}
    then history || jsonb_build_array(jsonb_build_object('state', ${state}::text, 'at', ${toIso(nowMs)}::text))
    else history end`;

/**
 * Ends the command. Returns false, having changed nothing, when `fence` is no longer the command's own or it has
 * ended already. The caller wakes `deliveries` after its commit.
 */
export async function conclude(
  tx: Tx,
  command: Pick<CommandRow, 'id' | 'fence'>,
  outcome: Outcome,
  nowMs: number,
): Promise<boolean> {
  const ended = await tx
    .updateTable('command')
    .set({
      state: outcome.state,
      // A removal of a second copy carries its reason from the beginning.
      ...(outcome.reason && { reason_code: outcome.reason }),
      message: outcome.message?.slice(0, MAX_MESSAGE_LENGTH) ?? null,
      retryable: outcome.state === 'complete' ? null : (outcome.retryable ?? false),
      hrs_said: outcome.hrsSaid?.slice(0, MAX_MESSAGE_LENGTH) ?? null,
      finished_at: toIso(nowMs),
      lease_until: null,
      history: withHistory(outcome.state, nowMs),
    })
    .where('id', '=', command.id)
    .where('fence', '=', command.fence)
    .where('finished_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (!ended) return false;
  const row = await tx
    .selectFrom('appointment')
    .selectAll()
    .where('id', '=', ended.appointment_id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const update = ended.kind === 'create' ? afterCreate(row, outcome, nowMs) : afterChange(ended, outcome);
  const waiting = await tx
    .selectFrom('command')
    .select('changes')
    .where('appointment_id', '=', row.id)
    .where('finished_at', 'is', null)
    .execute();
  // What a later command is about waits for that command's outcome.
  for (const { changes } of waiting)
    for (const name of Object.keys(changes)) delete update[name as keyof typeof update];
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
  // In doubt the time stays taken, and until a cancellation has gone through: nobody may be booked over it.
  if (outcome.state !== 'incomplete' && waiting.length === 0)
    await tx.deleteFrom('claim').where('appointment_id', '=', row.id).execute();
  await recordEvents(tx, ended.institution_id, await eventsOf(tx, ended));
  return true;
}

function afterCreate(row: AppointmentRow, outcome: Outcome, nowMs: number): AppointmentUpdate {
  const now = toIso(nowMs);
  if (outcome.state === 'complete') {
    const record = outcome.record;
    // A sync that came first has adopted the row, and what it read is newer than what was read back.
    if (!record || row.foreign_id !== null) return {};
    return { foreign_id: record.foreignId, synced_at: now, ...columnsOf(record), deleted_at: null };
  }
  if (outcome.state === 'incomplete' || row.foreign_id !== null) return {};
  return { deleted_at: now, cancelled: true, cancelled_at: row.cancelled_at ?? now };
}

/** The fields that the command was about: as the HRS has them where that is known, else as they were before. */
function afterChange(command: CommandRow, outcome: Outcome): AppointmentUpdate {
  const { record } = outcome;
  if (!record && (outcome.state === 'complete' || outcome.state === 'incomplete')) return {};
  const shown: Record<string, unknown> = record ? columnsOf(record) : {};
  const update: Record<string, unknown> = {};
  for (const [name, wanted] of Object.entries(command.changes)) {
    if (!(name in shown)) {
      if (outcome.state !== 'complete') update[name] = command.previous[name];
    } else if (outcome.state !== 'complete' || shown[name] !== null) update[name] = shown[name];
    // An HRS that keeps no time of day for what it confirms leaves it to us.
    else update[name] = wanted;
  }
  return update as AppointmentUpdate;
}

/** Exactly one event says how the command ended; a booking that is now in the HRS is also a new appointment. */
async function eventsOf(tx: Tx, command: CommandRow): Promise<NewEvent[]> {
  const row = await selectAppointments(tx)
    .where('appointment.id', '=', command.appointment_id)
    .executeTakeFirstOrThrow();
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
    const data = { appointment, previous_attributes: command.previous, ...reason };
    return outcome === 'complete'
      ? [{ ...base, event: 'appointment_updated', data }]
      : [{ ...base, event: 'appointment_updated', outcome, data }];
  }
  const events: NewEvent[] = [{ ...base, event: 'appointment_insertion', outcome, data: { appointment, ...reason } }];
  if (outcome === 'complete')
    events.push({ ...base, event: 'appointment_created', data: { appointments: [appointment] } });
  return events;
}

/**
 * A booking that is cancelled before anything of it has left never leaves: its create ends here, and the cancel
 * that follows finds nothing to do. A create that a worker holds, or may have sent, is left to that worker.
 */
export async function concludeUnsentCreate(tx: Tx, appointmentId: number, nowMs: number): Promise<void> {
  const command = await tx
    .selectFrom('command')
    .select(['id', 'fence'])
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

/** The patient is in the HRS now: from here on it is an ordinary one, and whoever listens hears of it. */
export async function adoptPatient(
  tx: Tx,
  institutionId: number,
  patientId: number,
  record: Pick<PatientRecord, 'foreignId'>,
  nowMs: number,
): Promise<void> {
  const known = await tx
    .selectFrom('patient as placeholder')
    .innerJoin('patient as known', 'known.connection_id', 'placeholder.connection_id')
    .select('known.id')
    .where('placeholder.id', '=', patientId)
    .where('known.foreign_id', '=', record.foreignId)
    .executeTakeFirst();
  if (known) {
    if (known.id !== patientId) await replacePatient(tx, patientId, known.id, nowMs);
    return;
  }
  const adopted = await tx
    .updateTable('patient')
    .set({ foreign_id: record.foreignId, synced_at: toIso(nowMs), updated_at: toIso(nowMs) })
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .where('id', '=', patientId)
    .where('foreign_id', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (!adopted) return;
  const row = await selectPatients(tx).where('patient.id', '=', patientId).executeTakeFirstOrThrow();
  await recordEvents(tx, institutionId, [
    {
      resourceType: 'Patient',
      resourceId: row.id,
      sequence: row.sequence,
      event: 'patient_created',
      data: { patients: [viewPatient(row)] },
    },
  ]);
}

/** The HRS had this patient under another row of ours: what belongs to the placeholder moves there. */
async function replacePatient(tx: Tx, placeholderId: number, knownId: number, nowMs: number): Promise<void> {
  await tx.updateTable('appointment').set({ patient_id: knownId }).where('patient_id', '=', placeholderId).execute();
  await tx
    .updateTable('patient')
    .set({ merged_into_id: knownId, inactive: true, updated_at: toIso(nowMs) })
    .where('id', '=', placeholderId)
    .execute();
}
