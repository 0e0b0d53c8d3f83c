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

/** What no text in FHIR may have (R4, datatypes.html#string). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;

/** The text as FHIR can have it; `null` instead of one of spaces, for it has no empty texts either. */
export function said(text: string | null): string | null {
  return text?.replace(CONTROL, '').toWellFormed().trim() || null;
}

/** `null` instead of an empty list: nor has it empty lists. */
function filled<Item>(items: Item[]): Item[] | null {
  return items.length > 0 ? items : null;
}

export function composePatient(patient: NewPatient, marker: string): Json {
  const { gender, dateOfBirth, providerForeignId } = patient;
  const [cell, home, work, phone] = [
    said(patient.cellPhoneNumber),
    said(patient.homePhoneNumber),
    said(patient.workPhoneNumber),
    said(patient.phoneNumber),
  ];
  const telecom = [
    { system: 'phone', value: [cell, home, work].includes(phone) ? null : phone },
    { system: 'phone', value: cell, use: 'mobile' },
    { system: 'phone', value: home, use: 'home' },
    { system: 'phone', value: work, use: 'work' },
    { system: 'email', value: said(patient.email) },
  ].filter(({ value }) => value !== null);
  const address = present({
    line: filled([said(patient.addressLine1), said(patient.addressLine2)].filter((line) => line !== null)),
    city: said(patient.city),
    state: said(patient.state),
    postalCode: said(patient.zipCode),
  });
  const given = [said(patient.firstName), said(patient.middleName)].filter((name) => name !== null);
  return present({
    resourceType: 'Patient',
    identifier: identifier(marker),
    active: true,
    name: [present({ use: 'official', family: said(patient.lastName), given: filled(given) })],
    telecom: filled(telecom),
    gender: gender?.toLowerCase(),
    birthDate: dateOfBirth,
    address: Object.keys(address).length > 0 ? [address] : null,
    generalPractitioner: providerForeignId === null ? null : [{ reference: `Practitioner/${providerForeignId}` }],
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
    comment: said(appointment.note),
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
    comment: said(appointment.note),
  });
}
