/** What a command is about, read afresh each time it is taken up, and the write that it means. */
import { sql } from 'kysely';
import type { NewPatient, Write } from '../connectors/connector.ts';
import type { Tx } from '../store/database.ts';
import type { AppointmentRow, CommandRow, ConnectionRow, PatientRow } from '../store/schema.ts';

export interface Assignment {
  connection: ConnectionRow;
  appointment: AppointmentRow;
  patient: PatientRow | null;
  guarantorForeignId: string | null;
  locationForeignId: string;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  descriptorForeignIds: string[];
}

/** The command's appointment with all that a write of it names. Throws when one of them is gone. */
export async function readAssignment(tx: Tx, command: CommandRow): Promise<Assignment> {
  const appointment = await tx
    .selectFrom('appointment')
    .selectAll()
    .where('id', '=', command.appointment_id)
    .executeTakeFirstOrThrow();
  const connection = await tx
    .selectFrom('connection')
    .selectAll()
    .where('id', '=', command.connection_id)
    .executeTakeFirstOrThrow();
  const patient =
    appointment.patient_id === null
      ? null
      : await tx.selectFrom('patient').selectAll().where('id', '=', appointment.patient_id).executeTakeFirstOrThrow();
  const names = await sql<Omit<Assignment, 'appointment' | 'connection' | 'patient'>>`
    select
      (select foreign_id from location where id = ${appointment.location_id}) as "locationForeignId",
      (select foreign_id from provider where id = ${appointment.provider_id}) as "providerForeignId",
      (select foreign_id from operatory where id = ${appointment.operatory_id}) as "operatoryForeignId",
      (select foreign_id from patient where id = ${patient?.guarantor_id ?? null}) as "guarantorForeignId",
      array(select foreign_id from descriptor where id = any(${appointment.descriptor_ids}) order by id) as "descriptorForeignIds"
  `.execute(tx);
  return { connection, appointment, patient, ...(names.rows[0] as (typeof names.rows)[0]) };
}

/**
 * The write that is next for this command. Null when there is nothing to do because the HRS has nothing of it (a
 * cancellation of what was never written), `gone` when what is to be changed was never there.
 */
export function writeOf(command: CommandRow, assignment: Assignment): Write | null | 'gone' {
  const { appointment, patient } = assignment;
  if (command.kind === 'create') {
    if (patient && patient.foreign_id === null) {
      return { kind: 'create_patient', marker: patient.marker as string, patient: newPatient(patient, assignment) };
    }
    return {
      kind: 'create_appointment',
      marker: command.marker,
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
      },
    };
  }
  if (appointment.foreign_id === null) return command.kind === 'cancel' ? null : 'gone';
  if (command.kind === 'check_in') {
    const checkinAt = String(command.changes.checkin_at);
    return { kind: 'check_in', marker: command.marker, foreignId: appointment.foreign_id, checkinAt };
  }
  return { kind: command.kind, marker: command.marker, foreignId: appointment.foreign_id };
}

function newPatient(patient: PatientRow, assignment: Assignment): NewPatient {
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
