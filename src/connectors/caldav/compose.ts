/** Our words in iCalendar and vCard. What is changed keeps every property that we do not know. */
import ICAL from 'ical.js';
import type { AppointmentChanges, NewAppointment, NewPatient } from '../connector.ts';

const PRODUCT = '-//Openchair//EN';
const SEXES = { Female: 'F', Male: 'M', Other: 'O' } as const;

/** Whom an appointment is for: the address of the card, and the name that stands in the calendar. */
export interface Visitor {
  cardUrl: string;
  name: string;
}

/** `visitor` is null for a block. Not confirmed yet, so tentative. */
export function composeEvent(uid: string, appointment: NewAppointment, visitor: Visitor | null, nowAt: string): string {
  const event = new ICAL.Component('vevent');
  event.addPropertyWithValue('uid', uid);
  event.addPropertyWithValue('dtstamp', utc(nowAt));
  event.addPropertyWithValue('dtstart', utc(appointment.startAt));
  event.addPropertyWithValue('dtend', utc(appointment.endAt));
  event.addPropertyWithValue('summary', visitor?.name ?? 'Not available');
  event.addPropertyWithValue('status', visitor ? 'TENTATIVE' : 'CONFIRMED');
  event.addPropertyWithValue('transp', 'OPAQUE');
  if (appointment.note) event.addPropertyWithValue('description', appointment.note);
  if (visitor) {
    event.addPropertyWithValue('contact', visitor.name).setParameter('altrep', visitor.cardUrl);
  }
  const calendar = new ICAL.Component('vcalendar');
  calendar.addPropertyWithValue('version', '2.0');
  calendar.addPropertyWithValue('prodid', PRODUCT);
  calendar.addSubcomponent(event);
  return calendar.toString();
}

/** The event with these changes, a version further (RFC 5545, 3.8.7.4). */
export function changeEvent(
  calendar: ICAL.Component,
  changes: Omit<AppointmentChanges, 'operatoryForeignId'> & { status?: 'CONFIRMED' | 'CANCELLED' },
  nowAt: string,
): string {
  const event = calendar.getFirstSubcomponent('vevent') as ICAL.Component;
  if (changes.startAt !== undefined) replace(event, 'dtstart', utc(changes.startAt));
  if (changes.endAt !== undefined) {
    event.removeAllProperties('duration');
    replace(event, 'dtend', utc(changes.endAt));
  }
  if (changes.note !== undefined) {
    if (changes.note) replace(event, 'description', changes.note);
    else event.removeAllProperties('description');
  }
  if (changes.status !== undefined) replace(event, 'status', changes.status);
  replace(event, 'dtstamp', utc(nowAt));
  replace(event, 'sequence', Number(event.getFirstPropertyValue('sequence') ?? 0) + 1);
  return calendar.toString();
}

/** Without the parameters of the earlier value: a time zone of it would be wrong for the new one. */
function replace(event: ICAL.Component, name: string, value: string | number | ICAL.Time): void {
  event.removeAllProperties(name);
  event.addPropertyWithValue(name, value);
}

function utc(instant: string): ICAL.Time {
  return ICAL.Time.fromJSDate(new Date(instant), true);
}

/** vCard 3.0, which every server of address books takes. */
export function composeCard(uid: string, patient: NewPatient): string {
  const lines: [string, string | null][] = [
    ['VERSION', '3.0'],
    ['PRODID', PRODUCT],
    ['UID', uid],
    ['FN', escapeText([patient.firstName, patient.lastName].filter(Boolean).join(' '))],
    ['N', [patient.lastName, patient.firstName, patient.middleName ?? '', '', ''].map(escapeText).join(';')],
    ['BDAY', patient.dateOfBirth],
    ['GENDER', patient.gender && SEXES[patient.gender]],
    ['EMAIL', patient.email && escapeText(patient.email)],
    ['TEL', isOther(patient) ? patient.phoneNumber : null],
    ['TEL;TYPE=CELL', patient.cellPhoneNumber],
    ['TEL;TYPE=HOME', patient.homePhoneNumber],
    ['TEL;TYPE=WORK', patient.workPhoneNumber],
    ['ADR', addressOf(patient)],
  ];
  const body = lines.flatMap(([name, value]) => (value ? [fold(`${name}:${value}`)] : []));
  return ['BEGIN:VCARD', ...body, 'END:VCARD', ''].join('\r\n');
}

function isOther({ phoneNumber, cellPhoneNumber, homePhoneNumber, workPhoneNumber }: NewPatient): boolean {
  return ![cellPhoneNumber, homePhoneNumber, workPhoneNumber].includes(phoneNumber);
}

function addressOf({ addressLine1, addressLine2, city, state, zipCode }: NewPatient): string | null {
  const parts = ['', addressLine2, addressLine1, city, state, zipCode, ''];
  return parts.some(Boolean) ? parts.map((part) => escapeText(part ?? '')).join(';') : null;
}

function escapeText(text: string): string {
  return text.replace(/[\\;,]/g, '\\$&').replace(/\r\n|\r|\n/g, '\\n');
}

/** RFC 6350, 3.2: no line is longer than 75 bytes, and no character is cut. */
function fold(line: string): string {
  let folded = '';
  let bytes = 0;
  for (const char of line) {
    bytes += Buffer.byteLength(char);
    if (bytes > 75) {
      folded += '\r\n ';
      bytes = 1 + Buffer.byteLength(char);
    }
    folded += char;
  }
  return folded;
}
