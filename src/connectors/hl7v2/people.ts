/** Patients, as PID and MRG tell of them. A message says some of a patient's fields; the others stay as they are. */
import type { PatientField, PatientRecord } from '../../domain/records.ts';
import type { Message, Segment } from './message.ts';
import { said, textAt } from './places.ts';
import { markerOf, type Naming, patientKeyOf, retiredKeyOf, splitKey } from './refs.ts';
import { parseDate } from './time.ts';

/** What one message says of one patient: a field that is absent is not spoken of, null takes it away. */
export interface PatientSaid {
  foreignId: string;
  fields: Partial<Pick<PatientRecord, PatientField>>;
}

/** Events in which MRG-1 goes up into PID-3. */
const MERGES = new Set(['A18', 'A30', 'A34', 'A36', 'A39', 'A40']);
/** Deletes the person, or all that was known of them. */
const DELETES = new Set(['A23', 'A29']);
/** Registers a person, who is then a patient (again). */
const REGISTERS = new Set(['A04', 'A28']);

/** Repetitions of a name or a number that are looked through. */
const MAX_REPETITIONS = 20;

/** All that the message says of patients: of the one in PID, and of the one whom it retires. */
export function patientsOf(
  naming: Naming,
  message: Message,
  trigger: string,
  locationForeignId: string,
): PatientSaid[] {
  const foreignId = patientKeyOf(naming, message);
  const pid = message.first('PID');
  if (!pid || foreignId === null) return [];
  const fields: PatientSaid['fields'] = { ...personFields(pid), locationForeignIds: [locationForeignId] };
  const isDead = textAt(pid, 30)?.toUpperCase() === 'Y';
  if (DELETES.has(trigger) || isDead) fields.inactive = true;
  else if (REGISTERS.has(trigger)) fields.inactive = false;
  const patients = [{ foreignId, fields }];
  const retired = MERGES.has(trigger) ? retiredKeyOf(naming, message) : null;
  if (retired !== null && retired !== foreignId) {
    patients.push({ foreignId: retired, fields: { inactive: true, mergedIntoForeignId: foreignId } });
  }
  return patients;
}

/**
 * The patient after all of this has been said, the oldest first. What nobody has spoken of is `unsaid`: the messages
 * may not reach back to where it was said.
 */
export function foldPatient(naming: Naming, foreignId: string, words: readonly PatientSaid['fields'][]): PatientRecord {
  const fields: PatientSaid['fields'] = {};
  const sites = new Set<string>();
  for (const word of words) {
    Object.assign(fields, word);
    for (const site of word.locationForeignIds ?? []) sites.add(site);
    // Registered again under its id, a retired patient is one of its own.
    if (word.inactive === false) fields.mergedIntoForeignId = null;
  }
  if (sites.size > 0) fields.locationForeignIds = [...sites].sort();
  return {
    kind: 'patient',
    foreignId,
    marker: markerOf(naming, splitKey(foreignId)),
    ...NOTHING,
    ...fields,
    unsaid: (Object.keys(NOTHING) as PatientField[]).filter((field) => fields[field] === undefined),
  };
}

const NOTHING: Omit<PatientRecord, 'kind' | 'foreignId' | 'marker' | 'unsaid'> = {
  firstName: '',
  middleName: null,
  lastName: '',
  email: null,
  dateOfBirth: null,
  gender: null,
  phoneNumber: null,
  cellPhoneNumber: null,
  homePhoneNumber: null,
  workPhoneNumber: null,
  addressLine1: null,
  addressLine2: null,
  city: null,
  state: null,
  zipCode: null,
  preferredLanguage: null,
  smsConsent: true,
  inactive: false,
  nonPatient: false,
  guarantorForeignId: null,
  providerForeignId: null,
  locationForeignIds: [],
  mergedIntoForeignId: null,
};

function personFields(pid: Segment): PatientSaid['fields'] {
  const dateText = said(pid, 7);
  const dateOfBirth = typeof dateText === 'string' ? (parseDate(dateText) ?? undefined) : dateText;
  return spoken({
    ...nameFields(pid),
    dateOfBirth,
    gender: genderOf(said(pid, 8)),
    ...addressFields(pid),
    ...contactFields(pid),
    preferredLanguage: said(pid, 15, 2) ?? said(pid, 15),
  });
}

/** Without the fields that nothing is said of, so that they cover nothing that was said before. */
function spoken<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** The legal name, else the first. Names cannot be taken away: everybody has one. */
function nameFields(pid: Segment): PatientSaid['fields'] {
  const count = Math.min(pid.repetitions(5), MAX_REPETITIONS);
  let chosen = 1;
  for (let repetition = count; repetition >= 1; repetition--) {
    if (textAt(pid, 5, 7, repetition)?.toUpperCase() === 'L') chosen = repetition;
  }
  const lastName = textAt(pid, 5, 1, chosen);
  const firstName = textAt(pid, 5, 2, chosen);
  if (lastName === null && firstName === null) return {};
  return { lastName: lastName ?? '', firstName: firstName ?? '', middleName: textAt(pid, 5, 3, chosen) };
}

function genderOf(code: string | null | undefined): PatientRecord['gender'] | undefined {
  if (typeof code !== 'string') return code;
  const letter = code[0]?.toUpperCase();
  if (letter === 'U') return null;
  return letter === 'F' ? 'Female' : letter === 'M' ? 'Male' : 'Other';
}

/** An address is told as a whole. */
function addressFields(pid: Segment): PatientSaid['fields'] {
  const parts = [1, 2, 3, 4, 5].map((component) => textAt(pid, 11, component));
  if (parts.every((part) => part === null) && said(pid, 11) === undefined) return {};
  const [addressLine1 = null, addressLine2 = null, city = null, state = null, zipCode = null] = parts;
  return { addressLine1, addressLine2, city, state, zipCode };
}

const CONTACTS = {
  cell: 'cellPhoneNumber',
  home: 'homePhoneNumber',
  work: 'workPhoneNumber',
  email: 'email',
} as const;
type Contact = keyof typeof CONTACTS;

/** PID-13 is told at home and PID-14 at work, unless XTN's own codes say otherwise. */
function contactFields(pid: Segment): PatientSaid['fields'] {
  const fields: PatientSaid['fields'] = {};
  for (const [field, usual] of [
    [14, 'work'],
    [13, 'home'],
  ] as const) {
    if (said(pid, field) === null) fields[CONTACTS[usual]] = null;
    // The first of several is the one they prefer, so it is written last.
    for (let repetition = Math.min(pid.repetitions(field), MAX_REPETITIONS); repetition >= 1; repetition--) {
      const contact = readContact(pid, field, repetition, usual);
      if (contact) fields[CONTACTS[contact.kind]] = contact.text;
    }
  }
  const { cellPhoneNumber, homePhoneNumber, workPhoneNumber } = fields;
  const main = cellPhoneNumber ?? homePhoneNumber ?? workPhoneNumber;
  return main === undefined ? fields : { ...fields, phoneNumber: main };
}

/** XTN: one text until 2.3, then its parts (5 country, 6 area, 7 number), and from 2.5 on one text in 12 as well. */
function readContact(
  pid: Segment,
  field: number,
  repetition: number,
  usual: Contact,
): { kind: Contact; text: string } | null {
  const at = (component: number) => textAt(pid, field, component, repetition);
  const use = at(2)?.toUpperCase();
  const equipment = at(3)?.toUpperCase();
  const text = at(1);
  const email = at(4) ?? (text?.includes('@') ? text : null);
  if (use === 'NET' || equipment === 'INTERNET' || (email !== null && at(7) === null)) {
    return email === null ? null : { kind: 'email', text: email };
  }
  if (equipment === 'FX' || equipment === 'BP') return null;
  const country = at(5);
  const parts = [country && (country === '1' ? null : `+${country}`), at(6), at(7)].filter((part) => part !== null);
  const number = text ?? at(12) ?? (at(7) === null ? null : parts.join(''));
  if (number === null) return null;
  if (equipment === 'CP' || use === 'PRS') return { kind: 'cell', text: number };
  if (use === 'WPN') return { kind: 'work', text: number };
  return { kind: use === 'PRN' ? 'home' : usual, text: number };
}
