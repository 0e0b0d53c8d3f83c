/** The FHIR R4 resources that we write. */
import type { NewAppointment, NewPatient } from '../connector.ts';
import type { Json } from './fields.ts';
import { MARKER_SYSTEM } from './map.ts';

/** Leaves out what is null: FHIR has no nulls. */
function present(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

function identifier(marker: string): Json[] {
  return [{ system: MARKER_SYSTEM, value: marker }];
}

/** `null` instead of an empty list: FHIR has no empty lists either. */
function filled<Item>(items: Item[]): Item[] | null {
  return items.length > 0 ? items : null;
}

export function composePatient(patient: NewPatient, marker: string): Json {
  const { cellPhoneNumber, homePhoneNumber, workPhoneNumber, phoneNumber, email } = patient;
  const hasKind = [cellPhoneNumber, homePhoneNumber, workPhoneNumber].includes(phoneNumber);
  const telecom = [
    phoneNumber !== null && !hasKind ? { system: 'phone', value: phoneNumber } : null,
    cellPhoneNumber === null ? null : { system: 'phone', value: cellPhoneNumber, use: 'mobile' },
    homePhoneNumber === null ? null : { system: 'phone', value: homePhoneNumber, use: 'home' },
    workPhoneNumber === null ? null : { system: 'phone', value: workPhoneNumber, use: 'work' },
    email === null ? null : { system: 'email', value: email },
  ].filter((point) => point !== null);
  const lines = [patient.addressLine1, patient.addressLine2].filter((line) => line !== null);
  const address = present({
    line: filled(lines),
    city: patient.city,
    state: patient.state,
    postalCode: patient.zipCode,
  });
  const given = [patient.firstName, patient.middleName].filter((name) => name !== null && name !== '');
  return present({
    resourceType: 'Patient',
    identifier: identifier(marker),
    active: true,
    name: [present({ use: 'official', family: patient.lastName || null, given: filled(given) })],
    telecom: filled(telecom),
    gender: patient.gender?.toLowerCase(),
    birthDate: patient.dateOfBirth,
    address: Object.keys(address).length > 0 ? [address] : null,
    generalPractitioner:
      patient.providerForeignId === null ? null : [{ reference: `Practitioner/${patient.providerForeignId}` }],
  });
}

/** `locationId` is the room, or the site where the server knows it as a Location. */
export function composeAppointment(
  appointment: NewAppointment,
  marker: string,
  locationId: string | null,
  slotIds: string[],
): Json {
  const { patientForeignId, providerForeignId } = appointment;
  const participant = [
    // Booked, yet not confirmed by the patient: that is what `confirm` turns into "accepted".
    patientForeignId === null
      ? null
      : { actor: { reference: `Patient/${patientForeignId}` }, required: 'required', status: 'needs-action' },
    providerForeignId === null
      ? null
      : { actor: { reference: `Practitioner/${providerForeignId}` }, required: 'required', status: 'accepted' },
    locationId === null
      ? null
      : { actor: { reference: `Location/${locationId}` }, required: 'required', status: 'accepted' },
  ].filter((one) => one !== null);
  return present({
    resourceType: 'Appointment',
    identifier: identifier(marker),
    status: 'booked',
    start: appointment.startAt,
    end: appointment.endAt,
    slot: filled(slotIds.map((id) => ({ reference: `Slot/${id}` }))),
    comment: appointment.note || null,
    participant,
  });
}

export function composeBlock(appointment: NewAppointment, marker: string, scheduleId: string): Json {
  return present({
    resourceType: 'Slot',
    identifier: identifier(marker),
    schedule: { reference: `Schedule/${scheduleId}` },
    status: 'busy-unavailable',
    start: appointment.startAt,
    end: appointment.endAt,
    comment: appointment.note || null,
  });
}
