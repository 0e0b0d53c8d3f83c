/**
 * Taking a change of an appointment: move, confirm, check in, cancel. The row shows the wish at once; the command
 * carries it into the HRS, and its outcome keeps or takes back what the row shows.
 */
import { randomUUID } from 'node:crypto';
import { toIso } from '../clock.ts';
import type { ReasonCode } from '../domain/records.ts';
import { DAY_MS } from '../domain/zone.ts';
import { ApiError, notFound } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { AppointmentRow, CommandKind } from '../store/schema.ts';
import type { CapabilitiesOf } from './book.ts';
import { concludeUnsentCreate } from './conclude.ts';
import { holdTime, takeUpdate, type Update } from './update.ts';

const HOUR_MS = 3_600_000;
/** Each holds its time until its end: without a bound, one appointment could close a calendar while the HRS is off. */
const MAX_OPEN_MOVES = 5;

export interface Change {
  confirmed?: boolean | undefined;
  cancelled?: boolean | undefined;
  /** When the patient arrived. */
  checkinAt?: string | undefined;
  /** Time, operatory and note, which one command carries together. */
  update?: Update | undefined;
}

const notSynced = () =>
  new ApiError('not_synced', 'Cannot update appointment because it is not synced with the PMS and/or a live client');

/**
 * Stores the change and queues a command for each kind of change that really is one; what already has the wanted
 * value costs nothing. A move comes first, so that the appointment is confirmed where it will be. Throws ApiError.
 * The caller wakes `commands` after its commit.
 */
export async function change(
  tx: Tx,
  institutionId: number,
  appointmentId: number,
  wanted: Change,
  nowMs: number,
  capabilitiesOf: CapabilitiesOf,
): Promise<void> {
  let row = await tx
    .selectFrom('appointment')
    .selectAll()
    .where('id', '=', appointmentId)
    .where('institution_id', '=', institutionId)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw notFound();
  if (wanted.confirmed === false) {
    throw new ApiError('invalid_parameter', 'Invalid parameter appt[confirmed]: can only be set to true');
  }
  if (wanted.cancelled === false) {
    throw new ApiError('invalid_parameter', 'Invalid parameter appt[cancelled]: can only be set to true');
  }
  // NexHealth answers a second cancellation with this text, and clients treat it as "already cancelled".
  if (row.cancelled || row.deleted_at !== null) throw notSynced();
  const connection = await tx
    .selectFrom('connection')
    .select(['id', 'kind', 'config', 'capabilities'])
    .where('id', '=', row.connection_id)
    .executeTakeFirst();
  const capabilities = connection ? capabilitiesOf(connection) : null;

  if (wanted.update) {
    if (row.foreign_id === null || (await countOpenMoves(tx, row.id)) >= MAX_OPEN_MOVES) throw notSynced();
    const changes = await takeUpdate(tx, row, wanted.update, nowMs, capabilities);
    if (changes) {
      await submit(tx, row, 'update', changes, nowMs);
      row = { ...row, ...changes };
    }
  }
  if (wanted.confirmed && !row.confirmed) {
    checkChangeable(row, capabilities?.confirm, 'confirmed');
    const at = toIso(nowMs);
    await submit(
      tx,
      row,
      'confirm',
      { confirmed: true, confirmed_at: at, patient_confirmed: true, patient_confirmed_at: at },
      nowMs,
    );
  }
  if (wanted.checkinAt !== undefined) {
    if (row.checkin_at !== null) {
      throw new ApiError(
        'invalid_parameter',
        'Invalid parameter appt[checkin_at]: is set already and cannot be changed',
      );
    }
    checkChangeable(row, capabilities?.checkIn, 'checkin_at');
    await submit(tx, row, 'check_in', { checkin_at: wanted.checkinAt }, nowMs);
  }
  if (wanted.cancelled) {
    if (!capabilities?.cancel) throw notSupported('cancelled');
    await concludeUnsentCreate(tx, row.id, nowMs);
    await holdTime(tx, row.id);
    await submit(tx, row, 'cancel', { cancelled: true, cancelled_at: toIso(nowMs) }, nowMs);
  }
}

const notSupported = (field: string) =>
  new ApiError('not_supported_by_hrs', `EMR does not support appointment update of ${field}.`);

async function countOpenMoves(tx: Tx, appointmentId: number): Promise<number> {
  const { count } = await tx
    .selectFrom('command')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('appointment_id', '=', appointmentId)
    .where('kind', '=', 'update')
    .where('finished_at', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** What the HRS does not have yet cannot be changed there, and what it cannot do is refused before it is stored. */
function checkChangeable(row: AppointmentRow, capable: boolean | undefined, field: string): void {
  if (row.foreign_id === null) throw notSynced();
  if (!capable) throw notSupported(field);
}

/**
 * Queues a cancellation of an appointment that the HRS holds twice: the extra copy of a booking of ours. No row
 * change is asked for by anybody, so the outcome is all there is to tell.
 */
export async function submitRemoval(tx: Tx, appointmentId: number, nowMs: number): Promise<void> {
  const row = await tx
    .selectFrom('appointment')
    .selectAll()
    .where('id', '=', appointmentId)
    .forUpdate()
    .executeTakeFirst();
  if (!row || row.cancelled || row.connection_id === null) return;
  await submit(tx, row, 'cancel', { cancelled: true, cancelled_at: toIso(nowMs) }, nowMs, 'duplicate_suspected');
}

async function submit(
  tx: Tx,
  row: AppointmentRow,
  kind: CommandKind,
  changes: Partial<AppointmentRow>,
  nowMs: number,
  reason: ReasonCode | null = null,
): Promise<void> {
  const previous = Object.fromEntries(Object.keys(changes).map((name) => [name, row[name as keyof AppointmentRow]]));
  const { command_sequence: sequence } = await tx
    .updateTable('appointment')
    .set({ ...changes, updated_at: toIso(nowMs) })
    .set((eb) => ({ command_sequence: eb('command_sequence', '+', 1) }))
    .where('id', '=', row.id)
    .returning('command_sequence')
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('command')
    .values({
      institution_id: row.institution_id,
      connection_id: row.connection_id as number,
      appointment_id: row.id,
      sequence,
      kind,
      marker: randomUUID(),
      changes: JSON.stringify(changes),
      previous: JSON.stringify(previous),
      reason_code: reason,
      expires_at: kind === 'update' ? await expiryOfUpdate(tx, row, changes, nowMs) : expiryOf(row, kind, nowMs),
      history: JSON.stringify([{ state: 'queued', at: toIso(nowMs) }]),
    })
    .execute();
}

/** What was asked for after the start has an hour; a patient may be checked in until the appointment is a day old. */
function expiryOf(row: AppointmentRow, kind: CommandKind, nowMs: number): string {
  if (kind === 'check_in') return toIso(Math.max(Date.parse(row.end_at), nowMs) + DAY_MS);
  return Date.parse(row.start_at) > nowMs ? row.start_at : toIso(nowMs + HOUR_MS);
}

/**
 * The earlier of the old start and the new: after the one the patient is in the chair, and the other cannot be kept
 * any more. A move that waits for an earlier one goes no later than that, because until then its old start counts.
 */
async function expiryOfUpdate(
  tx: Tx,
  row: AppointmentRow,
  changes: Partial<AppointmentRow>,
  nowMs: number,
): Promise<string> {
  const earlier = await tx
    .selectFrom('command')
    .select((eb) => eb.fn.min('expires_at').as('at'))
    .where('appointment_id', '=', row.id)
    .where('kind', '=', 'update')
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  const ends = [expiryOf(row, 'update', nowMs), changes.start_at, earlier?.at].filter((at) => at != null);
  return toIso(Math.min(...ends.map((at) => Date.parse(at))));
}
