/** What the world is told when rows have followed the HRS. */
import { sql } from 'kysely';
import type { Tx } from '../store/database.ts';
import type { StoredRow } from '../store/mirror.ts';
import type { AppointmentRow, InsuranceCoverageRow, PatientRow } from '../store/schema.ts';
import { type AppointmentView, viewAppointment } from '../views/appointment.ts';
import type { WorkingHourView } from '../views/availability.ts';
import { viewInsuranceCoverage } from '../views/insurance-coverage.ts';
import { viewPatient } from '../views/patient.ts';
import type { NewEvent } from '../webhooks/event.ts';
import { eventOfProvider, readToldProviders, type ToldProvider } from '../webhooks/provider.ts';
import { eventOfHours, readToldHours } from '../webhooks/working-hour.ts';

/** A row as it was and as it is now; `old` is null when it has just been made. */
export interface Written {
  table: 'provider' | 'availability' | 'patient' | 'insurance_coverage' | 'appointment';
  old: StoredRow | null;
  row: StoredRow;
}

/** These change with every write, and say nothing of the appointment. */
const BOOKKEEPING: readonly string[] = ['updated_at', 'last_sync_time'];

/**
 * One event for each row, in order, as NexHealth shapes it; `previous_attributes` are by the names of the wire. The
 * rows must be there as written: providers and hours are told of together with what belongs to them.
 */
export async function eventsOf(
  tx: Tx,
  connectionKind: string,
  written: readonly Written[],
  nowMs: number,
): Promise<NewEvent[]> {
  const idsIn = (wanted: Written['table']) => written.filter(({ table }) => table === wanted).map(({ row }) => row.id);
  const providers = await readToldProviders(tx, idsIn('provider'));
  const hours = await readToldHours(tx, idsIn('availability'), nowMs);
  const view = await appointmentView(tx, connectionKind, written);
  return written.map(({ table, old, row }) => {
    const base = { resourceId: row.id, sequence: row.sequence as number };
    const happened = old ? 'updated' : 'created';
    if (table === 'provider') {
      return eventOfProvider(providers.get(row.id) as ToldProvider, base.sequence, happened);
    }
    if (table === 'availability') {
      return eventOfHours(hours.get(row.id) as WorkingHourView, base.sequence, happened);
    }
    if (table === 'patient') {
      const patient = { ...(row as unknown as PatientRow), connection_kind: connectionKind };
      const data = { patients: [viewPatient(patient, 'v2')] };
      const dataV3 = { patients: [viewPatient(patient, 'v3.0.0')] };
      return { ...base, resourceType: 'Patient', event: `patient_${happened}`, data, dataV3 };
    }
    if (table === 'insurance_coverage') {
      const coverage = viewInsuranceCoverage(row as unknown as InsuranceCoverageRow);
      const data = { patient_insurance_coverage: coverage };
      return { ...base, resourceType: 'PatientInsuranceCoverage', event: `patient_insurance_${happened}`, data };
    }
    const appointment = view(row);
    if (old === null) {
      const data = { appointments: [appointment] };
      return { ...base, resourceType: 'Appointment', event: 'appointment_created', data };
    }
    const data = { appointment, previous_attributes: previousAttributes(view(old), appointment) };
    return { ...base, resourceType: 'Appointment', event: 'appointment_updated', data };
  });
}

function previousAttributes(old: AppointmentView, now: AppointmentView): Partial<AppointmentView> {
  const changed = Object.entries(old).filter(
    ([name, value]) =>
      !BOOKKEEPING.includes(name) && JSON.stringify(value) !== JSON.stringify(now[name as keyof AppointmentView]),
  );
  return Object.fromEntries(changed);
}

const anyOf = (ids: number[]) => sql<number>`any(${[...new Set(ids)]}::bigint[])`;

/** The view with the names it needs, which are read once for all rows. */
async function appointmentView(
  tx: Tx,
  connectionKind: string,
  written: readonly Written[],
): Promise<(row: StoredRow) => AppointmentView> {
  const rows = written
    .filter(({ table }) => table === 'appointment')
    .flatMap(({ old, row }) => (old ? [old, row] : [row])) as unknown as AppointmentRow[];
  const locations = await tx
    .selectFrom('location')
    .select(['id', 'tz'])
    .where('id', '=', anyOf(rows.map((row) => row.location_id)))
    .execute();
  const providers = await tx
    .selectFrom('provider')
    .select(['id', 'first_name', 'last_name'])
    .where('id', '=', anyOf(rows.flatMap((row) => row.provider_id ?? [])))
    .execute();
  const first = await tx
    .selectFrom('appointment')
    .select(['patient_id', (eb) => eb.fn.min('start_at').as('start_at')])
    .where('patient_id', '=', anyOf(rows.flatMap((row) => row.patient_id ?? [])))
    .where('cancelled', '=', false)
    .groupBy('patient_id')
    .execute();
  const firstStarts = new Map(first.map(({ patient_id, start_at }) => [patient_id, start_at]));
  const zones = new Map(locations.map(({ id, tz }) => [id, tz]));
  const names = new Map(providers.map(({ id, first_name, last_name }) => [id, `${first_name} ${last_name}`]));
  return (stored) => {
    const row = stored as unknown as AppointmentRow;
    return viewAppointment({
      ...row,
      tz: zones.get(row.location_id) as string,
      provider_name: row.provider_id === null ? null : (names.get(row.provider_id) ?? null),
      connection_kind: connectionKind,
      is_past_patient: (firstStarts.get(row.patient_id) ?? row.start_at) < row.start_at,
    });
  };
}
