/** What a command is about, read afresh each time it is taken up, and the write that it means. */
import { sql } from 'kysely';
import type { AppointmentChanges, NewPatient, Write } from '../connectors/connector.ts';
import type { Tx } from '../store/database.ts';
import type { AppointmentRow, CommandRow, ConnectionRow, PatientAlertRow, PatientRow } from '../store/schema.ts';

export interface AppointmentAssignment {
  about: 'appointment';
  connection: ConnectionRow;
  appointment: AppointmentRow;
  patient: PatientRow | null;
  guarantorForeignId: string | null;
  locationForeignId: string;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  descriptorForeignIds: string[];
  /** What an update asks for, and what the HRS had before it, in the HRS's own ids; empty for other commands. */
  wanted: AppointmentChanges;
  before: AppointmentChanges;
}

export interface AlertAssignment {
  about: 'alert';
  connection: ConnectionRow;
  alert: PatientAlertRow;
  patientForeignId: string | null;
}

export type Assignment = AppointmentAssignment | AlertAssignment;

/** The command's appointment or alert, with all that a write of it names. Throws when one of them is gone. */
export async function readAssignment(tx: Tx, command: CommandRow): Promise<Assignment> {
  const connection = await tx
    .selectFrom('connection')
    .selectAll()
    .where('id', '=', command.connection_id)
    .executeTakeFirstOrThrow();
  return command.appointment_id === null
    ? readAlert(tx, command, connection)
    : readAppointment(tx, command, connection, command.appointment_id);
}

async function readAlert(tx: Tx, command: CommandRow, connection: ConnectionRow): Promise<AlertAssignment> {
  const { patient_foreign_id: patientForeignId, ...alert } = await tx
    .selectFrom('patient_alert')
    .innerJoin('patient', 'patient.id', 'patient_alert.patient_id')
    .selectAll('patient_alert')
    .select('patient.foreign_id as patient_foreign_id')
    .where('patient_alert.id', '=', command.patient_alert_id)
    .executeTakeFirstOrThrow();
  return { about: 'alert', connection, alert, patientForeignId };
}

interface Names
  extends Pick<
    AppointmentAssignment,
    'guarantorForeignId' | 'locationForeignId' | 'providerForeignId' | 'operatoryForeignId' | 'descriptorForeignIds'
  > {
  wantedOperatory: string | null;
  earlierOperatory: string | null;
}

async function readAppointment(
  tx: Tx,
  { kind, changes, previous }: CommandRow,
  connection: ConnectionRow,
  appointmentId: number,
): Promise<AppointmentAssignment> {
  const appointment = await tx
    .selectFrom('appointment')
    .selectAll()
    .where('id', '=', appointmentId)
    .executeTakeFirstOrThrow();
  const patient =
    appointment.patient_id === null
      ? null
      : await tx.selectFrom('patient').selectAll().where('id', '=', appointment.patient_id).executeTakeFirstOrThrow();
  const result = await sql<Names>`
    select
      (select foreign_id from location where id = ${appointment.location_id}) as "locationForeignId",
      (select foreign_id from provider where id = ${appointment.provider_id}) as "providerForeignId",
      (select foreign_id from operatory where id = ${appointment.operatory_id}) as "operatoryForeignId",
      (select foreign_id from operatory where id = ${changes.operatory_id ?? null}) as "wantedOperatory",
      (select foreign_id from operatory where id = ${previous.operatory_id ?? null}) as "earlierOperatory",
      (select foreign_id from patient where id = ${patient?.guarantor_id ?? null}) as "guarantorForeignId",
      array(select foreign_id from descriptor where id = any(${appointment.descriptor_ids}) order by id) as "descriptorForeignIds"
  `.execute(tx);
  const { wantedOperatory, earlierOperatory, ...names } = result.rows[0] as Names;
  const isUpdate = kind === 'update';
  return {
    about: 'appointment',
    connection,
    appointment,
    patient,
    ...names,
    wanted: isUpdate ? inForeignIds(changes, wantedOperatory) : {},
    before: isUpdate ? inForeignIds(previous, earlierOperatory) : {},
  };
}

/** Columns as an update stores them, in the contract's words. */
function inForeignIds(columns: Record<string, unknown>, operatoryForeignId: string | null): AppointmentChanges {
  return {
    ...('start_at' in columns && { startAt: String(columns.start_at), endAt: String(columns.end_at) }),
    ...('operatory_id' in columns && { operatoryForeignId }),
    ...('note' in columns && { note: columns.note as string | null }),
  };
}

/**
 * The write that is next for this command. Null when there is nothing to do because the HRS has nothing of it (a
 * cancellation of what was never written), `gone` when what is to be changed was never there.
 */
export function writeOf(command: CommandRow, assignment: Assignment): Write | null | 'gone' {
  return assignment.about === 'alert' ? alertWrite(command, assignment) : appointmentWrite(command, assignment);
}

function alertWrite({ kind, marker, changes }: CommandRow, assignment: AlertAssignment): Write | 'gone' {
  const { alert, patientForeignId } = assignment;
  if (kind === 'create_alert') {
    return patientForeignId === null ? 'gone' : { kind, marker, alert: { patientForeignId, note: alert.note } };
  }
  if (alert.foreign_id === null) return 'gone';
  return { kind: 'change_alert', marker, foreignId: alert.foreign_id, disabled: changes.disabled_at !== null };
}

function appointmentWrite(command: CommandRow, assignment: AppointmentAssignment): Write | null | 'gone' {
  const { appointment, patient } = assignment;
  const { marker } = command;
  const appointmentsPerTimeslot = appointment.appointments_per_timeslot;
  if (command.kind === 'create') {
    if (patient && patient.foreign_id === null) {
      return { kind: 'create_patient', marker: patient.marker as string, patient: newPatient(patient, assignment) };
    }
    return {
      kind: 'create_appointment',
      marker,
      appointment: {
        locationForeignId: assignment.locationForeignId,
        patientForeignId: patient?.foreign_id ?? null,
        providerForeignId: assignment.providerForeignId,
        operatoryForeignId: assignment.operatoryForeignId,
        descriptorForeignIds: assignment.descriptorForeignIds,
        startAt: appointment.start_at,
        endAt: appointment.end_at,
        unavailable: appointment.unavailable,
        note: appointment.note,
        appointmentsPerTimeslot,
      },
    };
  }
  const foreignId = appointment.foreign_id;
  if (foreignId === null) return command.kind === 'cancel' ? null : 'gone';
  switch (command.kind) {
    case 'confirm':
    case 'cancel':
      return { kind: command.kind, marker, foreignId };
    case 'check_in':
      return { kind: 'check_in', marker, foreignId, checkinAt: String(command.changes.checkin_at) };
    case 'update':
      return { kind: 'update', marker, foreignId, changes: assignment.wanted, appointmentsPerTimeslot };
    default:
      throw new Error(`a command of an appointment cannot be a ${command.kind}`);
  }
}

function newPatient(patient: PatientRow, assignment: AppointmentAssignment): NewPatient {
  return {
    firstName: patient.first_name,
    middleName: patient.middle_name,
    lastName: patient.last_name,
    email: patient.email,
    dateOfBirth: patient.date_of_birth,
    gender: patient.gender,
    phoneNumber: patient.phone_number,
    cellPhoneNumber: patient.cell_phone_number,
    homePhoneNumber: patient.home_phone_number,
    workPhoneNumber: patient.work_phone_number,
    addressLine1: patient.address_line_1,
    addressLine2: patient.address_line_2,
    city: patient.city,
    state: patient.state,
    zipCode: patient.zip_code,
    guarantorForeignId: assignment.guarantorForeignId,
    locationForeignId: assignment.locationForeignId,
    providerForeignId: assignment.providerForeignId,
  };
}
