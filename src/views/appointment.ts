/** An appointment as NexHealth's clients read it: every field of its own example, each from the HRS where it knows. */
import { z } from 'zod';
import { zoneOffsetText } from '../domain/zone.ts';
import type { AppointmentRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';

/** What `selectAppointments` reads: the row and the names beside it. */
export interface AppointmentWithNames extends AppointmentRow {
  provider_name: string | null;
  tz: string;
  connection_kind: string | null;
  is_past_patient: boolean;
}

export const appointmentShape = z
  .object({
    id: z.int(),
    patient_id: z.int().nullable(),
    provider_id: z.int().nullable(),
    provider_name: z.string().nullable(),
    start_time: z.iso.datetime(),
    end_time: z.iso.datetime(),
    confirmed: z.boolean(),
    patient_missed: z.boolean(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    note: z.string().nullable(),
    unavailable: z.boolean(),
    cancelled: z.boolean(),
    timezone: z.string(),
    timezone_offset: z.string(),
    institution_id: z.int(),
    appointment_type_id: z.int(),
    checkin_at: z.iso.datetime().nullable(),
    location_id: z.int(),
    foreign_id: z.string().nullable(),
    foreign_id_type: z.string(),
    misc: z.object({ is_booked_on_nexhealth: z.boolean() }),
    last_sync_time: z.iso.datetime().nullable(),
    patient_confirmed: z.boolean(),
    patient_confirmed_at: z.iso.datetime().nullable(),
    created_by_user_id: z.int().nullable(),
    is_guardian: z.boolean(),
    cancelled_at: z.iso.datetime().nullable(),
    is_new_clients_patient: z.boolean(),
    confirmed_at: z.iso.datetime().nullable(),
    sooner_if_possible: z.boolean(),
    operatory_id: z.int().nullable(),
    deleted: z.boolean(),
    checked_out: z.boolean(),
    checked_out_at: z.iso.datetime().nullable(),
    referrer: z.string().nullable(),
    is_past_patient: z.boolean(),
  })
  .meta({ id: 'Appointment' });

export type AppointmentView = z.infer<typeof appointmentShape>;

export function viewAppointment(row: AppointmentWithNames): AppointmentView {
  return {
    id: row.id,
    patient_id: row.patient_id,
    provider_id: row.provider_id,
    provider_name: row.provider_name,
    start_time: row.start_at,
    end_time: row.end_at,
    confirmed: row.confirmed,
    patient_missed: row.patient_missed,
    created_at: row.created_at,
    updated_at: row.updated_at,
    note: row.note,
    unavailable: row.unavailable,
    cancelled: row.cancelled,
    timezone: row.tz,
    timezone_offset: zoneOffsetText(row.tz, Date.parse(row.start_at)),
    institution_id: row.institution_id,
    // NexHealth's word for none.
    appointment_type_id: row.appointment_type_id ?? 0,
    checkin_at: row.checkin_at,
    location_id: row.location_id,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    misc: { is_booked_on_nexhealth: row.marker !== null },
    last_sync_time: row.synced_at,
    patient_confirmed: row.patient_confirmed,
    patient_confirmed_at: row.patient_confirmed_at,
    created_by_user_id: row.created_by_user_id,
    is_guardian: row.is_guardian,
    cancelled_at: row.cancelled_at,
    is_new_clients_patient: row.is_new_clients_patient,
    confirmed_at: row.confirmed_at,
    sooner_if_possible: row.sooner_if_possible,
    operatory_id: row.operatory_id,
    deleted: row.deleted_at !== null,
    checked_out: row.checked_out,
    checked_out_at: row.checked_out_at,
    referrer: row.referrer,
    is_past_patient: row.is_past_patient,
  };
}
