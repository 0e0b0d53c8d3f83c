/** Appointments between the HRS, the table and the view. */
import { sql } from 'kysely';
import type { AppointmentRecord } from '../domain/records.ts';
import type { Tx } from './database.ts';

/** Rows of `appointment` joined with provider, location and connection; the caller adds its conditions. */
export function selectAppointments(tx: Tx) {
  return tx
    .selectFrom('appointment')
    .innerJoin('location', 'location.id', 'appointment.location_id')
    .leftJoin('provider', 'provider.id', 'appointment.provider_id')
    .leftJoin('connection', 'connection.id', 'appointment.connection_id')
    .selectAll('appointment')
    .select([
      'location.tz as tz',
      'connection.kind as connection_kind',
      // Has this patient been booked for an earlier time, and not cancelled? Asked for the first of all, which the
      // index knows: "is there any before?" makes the planner read the whole table for a patient with many.
      sql<boolean>`coalesce((select earlier.start_at from appointment earlier
        where earlier.patient_id = appointment.patient_id and not earlier.cancelled
        order by earlier.start_at limit 1) < appointment.start_at, false)`.as('is_past_patient'),
      sql<string | null>`provider.first_name || ' ' || provider.last_name`.as('provider_name'),
    ]);
}

/** What an HRS's record says of an appointment, as columns; without what refers to other records. */
export function columnsOf(record: AppointmentRecord) {
  return {
    start_at: record.startAt,
    end_at: record.endAt,
    unavailable: record.unavailable,
    note: record.note,
    confirmed: record.confirmed,
    confirmed_at: record.confirmedAt,
    cancelled: record.cancelled,
    cancelled_at: record.cancelledAt,
    patient_missed: record.patientMissed,
    checkin_at: record.checkinAt,
    checked_out: record.checkedOut,
    checked_out_at: record.checkedOutAt,
  };
}
