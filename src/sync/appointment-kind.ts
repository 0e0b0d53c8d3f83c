import type { AppointmentRecord } from '../domain/records.ts';
import { columnsOf } from '../store/appointments.ts';
import type { StoredRow } from '../store/mirror.ts';
import type { KindOf } from './kind.ts';

export const appointment: KindOf<AppointmentRecord> = {
  mirror: {
    table: 'appointment',
    columns: {
      start_at: 'timestamptz',
      end_at: 'timestamptz',
      unavailable: 'boolean',
      note: 'text',
      confirmed: 'boolean',
      confirmed_at: 'timestamptz',
      cancelled: 'boolean',
      cancelled_at: 'timestamptz',
      patient_missed: 'boolean',
      checkin_at: 'timestamptz',
      checked_out: 'boolean',
      checked_out_at: 'timestamptz',
    },
    references: [
      { column: 'location_id', to: 'location', required: true },
      { column: 'patient_id', to: 'patient' },
      { column: 'provider_id', to: 'provider' },
      { column: 'operatory_id', to: 'operatory' },
      { column: 'descriptor_ids', to: 'descriptor', many: true },
    ],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2, cancelled = true, cancelled_at = coalesce(cancelled_at, $2)',
    tombstone: true,
    marked: true,
    sequenced: true,
    asks: {
      confirmed_at: 'case when x.confirmed then coalesce(x.confirmed_at, t.confirmed_at) end',
      // As NexHealth has it, cancelled_at stays when an appointment is taken back from its cancellation.
      cancelled_at: 'coalesce(x.cancelled_at, t.cancelled_at)',
    },
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    ...columnsOf(record),
    location_id: record.locationForeignId,
    patient_id: record.patientForeignId,
    provider_id: record.providerForeignId,
    operatory_id: record.operatoryForeignId,
    descriptor_ids: record.descriptorForeignIds,
  }),
  problem: (record) => (record.startAt < record.endAt ? null : 'its end is not after its start'),
  complete: (values, old, nowIso) => ({
    ...values,
    confirmed_at: values.confirmed ? since(values, old, 'confirmed', nowIso) : null,
    cancelled_at: values.cancelled
      ? since(values, old, 'cancelled', nowIso)
      : (values.cancelled_at ?? old?.cancelled_at ?? null),
  }),
  isAnother: (values, old, gone) => gone && values.patient_id !== old.patient_id,
};

/** When the HRS says no instant for a change of state that we watched, that is when it was seen. */
function since(
  values: Record<string, unknown>,
  old: StoredRow | null,
  state: 'confirmed' | 'cancelled',
  nowIso: string,
): unknown {
  const said = values[`${state}_at`];
  if (said !== null || old === null) return said;
  return old[state] ? old[`${state}_at`] : nowIso;
}
