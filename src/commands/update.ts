/**
 * Moving an appointment: another time, another operatory, another note, in any combination. The new time is taken
 * as a booking takes it, and the old one stays taken until the HRS has let go of it.
 */
import { toIso } from '../clock.ts';
import type { Capabilities } from '../connectors/connector.ts';
import { ApiError } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { AppointmentRow } from '../store/schema.ts';
import { checkHours, checkSpan } from './book.ts';
import { claimTime, isTaken, lockDays, MAX_PER_TIMESLOT, type Place, taken } from './claims.ts';

export interface Update {
  /** Known once the zone of the appointment's location is. */
  times?: ((tz: string) => { startMs: number; endMs: number }) | undefined;
  operatoryId?: number | undefined;
  /** Null takes it away. */
  note?: string | null | undefined;
}

/** The columns that an update may change. */
export type UpdatedColumns = Partial<Pick<AppointmentRow, 'start_at' | 'end_at' | 'operatory_id' | 'note'>>;

/**
 * What really changes of the locked `row`, having claimed the time for it. Null when everything is as wanted
 * already. Throws ApiError as `book` does, and `not_supported_by_hrs` for what the HRS cannot change.
 */
export async function takeUpdate(
  tx: Tx,
  row: AppointmentRow,
  wanted: Update,
  nowMs: number,
  capabilities: Capabilities | null,
): Promise<UpdatedColumns | null> {
  const location = await tx
    .selectFrom('location')
    .select('tz')
    .where('id', '=', row.location_id)
    .executeTakeFirstOrThrow();
  const changes = differences(row, wanted, location.tz);
  if (Object.keys(changes).length === 0) return null;
  checkCapable(changes, capabilities);
  if (changes.operatory_id != null) await checkOperatory(tx, row, changes.operatory_id);
  if (changes.start_at !== undefined || changes.operatory_id !== undefined)
    await move(tx, row, changes, location.tz, nowMs);
  return changes;
}

function differences(row: AppointmentRow, { times, operatoryId, note }: Update, tz: string): UpdatedColumns {
  const changes: UpdatedColumns = {};
  if (times) {
    const { startMs, endMs } = times(tz);
    const [start_at, end_at] = [toIso(startMs), toIso(endMs)];
    if (start_at !== row.start_at || end_at !== row.end_at) Object.assign(changes, { start_at, end_at });
  }
  if (operatoryId !== undefined && operatoryId !== row.operatory_id) changes.operatory_id = operatoryId;
  if (note !== undefined && note !== row.note) changes.note = note;
  return changes;
}

function checkCapable(changes: UpdatedColumns, able: Capabilities | null): void {
  const isAble =
    (changes.start_at === undefined || able?.reschedule) &&
    (changes.operatory_id === undefined || able?.changeOperatory) &&
    (changes.note === undefined || able?.changeNote);
  if (!isAble) throw new ApiError('not_supported_by_hrs', 'EMR does not support appointment update.');
}

async function checkOperatory(tx: Tx, row: AppointmentRow, operatoryId: number): Promise<void> {
  const operatory = await tx
    .selectFrom('operatory')
    .select('active')
    .where('id', '=', operatoryId)
    .where('institution_id', '=', row.institution_id)
    .where('location_id', '=', row.location_id)
    .executeTakeFirst();
  if (!operatory) throw new ApiError('invalid_parameter', 'operatory_id was not found');
  if (!operatory.active) throw new ApiError('inactive', 'operatory_id is inactive');
}

async function move(tx: Tx, row: AppointmentRow, changes: UpdatedColumns, tz: string, nowMs: number): Promise<void> {
  const after = { ...row, ...changes };
  const place: Place = {
    institutionId: row.institution_id,
    locationId: row.location_id,
    providerId: row.provider_id,
    operatoryId: after.operatory_id,
    startMs: Date.parse(after.start_at),
    endMs: Date.parse(after.end_at),
    appointmentsPerTimeslot: row.appointments_per_timeslot,
    exceptAppointmentId: row.id,
  };
  // Where staff have put it outside stored hours, another operatory is still no other time.
  if (changes.start_at !== undefined) {
    checkSpan({ ...place, unavailable: row.unavailable }, nowMs);
    if (!row.unavailable && row.provider_id !== null)
      await checkHours(tx, place, { tz, type: await readType(tx, row) });
  }
  if (await isTaken(tx, place)) throw taken();
  await lockDays(tx, place);
  if (await isTaken(tx, place)) throw taken();
  await holdTime(tx, row.id);
  if (!(await claimTime(tx, row.id, place, place.appointmentsPerTimeslot))) throw taken();
}

async function readType(tx: Tx, row: AppointmentRow): Promise<{ id: number; minutes: number } | null> {
  if (row.appointment_type_id === null) return null;
  const type = await tx
    .selectFrom('appointment_type')
    .select(['id', 'minutes'])
    .where('id', '=', row.appointment_type_id)
    .executeTakeFirst();
  return type ?? null;
}

/**
 * Claims the time that the appointment has in the HRS until the HRS has let go of it: a booking of it would be
 * refused there. Where no seat of it is left, it is taken anyway.
 */
export async function holdTime(tx: Tx, appointmentId: number): Promise<void> {
  const row = await tx
    .selectFrom('appointment')
    .select(['provider_id', 'operatory_id', 'start_at', 'end_at', 'foreign_id'])
    .where('id', '=', appointmentId)
    .executeTakeFirstOrThrow();
  if (row.foreign_id === null) return;
  const span = { startMs: Date.parse(row.start_at), endMs: Date.parse(row.end_at) };
  const place = { providerId: row.provider_id, operatoryId: row.operatory_id, ...span };
  // A seat that looked free may have gone to somebody who had not committed; the next look sees who has it.
  for (let look = 0; look < MAX_PER_TIMESLOT; look += 1) {
    if (await claimTime(tx, appointmentId, place, MAX_PER_TIMESLOT)) return;
  }
}
