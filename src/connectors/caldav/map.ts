/**
 * iCalendar and vCard in our words. An event with a `CONTACT` that leads to a card of the address book is an
 * appointment of that patient, every other event a block. What takes no time (`TRANSP:TRANSPARENT`) is told as
 * cancelled, so that an event which took time before is let go.
 */
import ICAL from 'ical.js';
import type { AppointmentRecord, LocationRecord, PatientRecord, ProviderRecord } from '../../domain/records.ts';
import { DAY_MS } from '../../domain/zone.ts';
import { HrsNonsense } from '../connector.ts';
import type { Item } from './client.ts';
import type { CaldavConfig } from './config.ts';
import { bounded, type Occurrence, occurrencesOf } from './series.ts';

/** A calendar and its owner have no ids of their own: there is one of each. */
export const LOCATION_ID = 'practice';
export const PROVIDER_ID = 'owner';

/** What we write is called by our marker, so a second one of a name is refused by the server itself. */
const NAME_PREFIX = 'openchair-';
const SUFFIXES = { appointment: '.ics', patient: '.vcf' } as const;
const MARKED = /^openchair-([0-9a-f-]{36})\.(ics|vcf)$/;

/** A series is told from a month ago to a little over a year from now; each pass from the beginning moves that on. */
const PAST_MS = 30 * DAY_MS;
const FUTURE_MS = 400 * DAY_MS;

export function nameOf(kind: 'appointment' | 'patient', marker: string): string {
  return NAME_PREFIX + marker + SUFFIXES[kind];
}

function markerIn(name: string): string | null {
  return MARKED.exec(name)?.[1] ?? null;
}

export function mapLocation(config: CaldavConfig): LocationRecord {
  return {
    kind: 'location',
    foreignId: LOCATION_ID,
    name: config.locationName,
    timeZone: config.timeZone,
    mapByOperatory: false,
    inactive: false,
    streetAddress: null,
    city: null,
    state: null,
    zipCode: null,
    phoneNumber: null,
    email: null,
  };
}

export function mapProvider(config: CaldavConfig): ProviderRecord {
  return {
    kind: 'provider',
    foreignId: PROVIDER_ID,
    firstName: config.providerFirstName,
    lastName: config.providerLastName,
    email: null,
    npi: null,
    specialty: null,
    inactive: false,
    locationForeignIds: [LOCATION_ID],
  };
}

export interface Events {
  records: AppointmentRecord[];
  /** More than one event: what is told of it depends on the day. */
  isSeries: boolean;
}

/** The events of an item: one, or those of a series near `nowMs`, each with an id of its own. */
export function mapEvents(item: Item, zone: string, nowMs: number): Events {
  const calendar = parse(item, 'vcalendar');
  const near = { fromMs: nowMs - PAST_MS, untilMs: nowMs + FUTURE_MS };
  const { occurrences, isSeries } = readable(() => bounded(() => occurrencesOf(calendar, zone, near)));
  return { records: occurrences.map((one) => record(item, one)), isSeries };
}

/** Whatever the library stumbles over is the item's fault; its message may quote a patient. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof HrsNonsense) throw error;
    throw new HrsNonsense('the calendar server gave an event that cannot be read');
  }
}

function record({ name }: Item, { part: event, startMs, endMs, placeMs }: Occurrence): AppointmentRecord {
  const patientForeignId = patientOf(event);
  const status = textIn(event, 'status')?.toUpperCase();
  const isFree = textIn(event, 'transp')?.toUpperCase() === 'TRANSPARENT';
  return {
    kind: 'appointment',
    foreignId: placeMs === null ? name : `${name}#${toId(placeMs)}`,
    marker: placeMs === null ? markerIn(name) : null,
    locationForeignId: LOCATION_ID,
    patientForeignId,
    providerForeignId: PROVIDER_ID,
    operatoryForeignId: null,
    descriptorForeignIds: [],
    startAt: new Date(startMs).toISOString(),
    endAt: new Date(endMs).toISOString(),
    unavailable: patientForeignId === null,
    note: textIn(event, 'description'),
    confirmed: status === 'CONFIRMED' && patientForeignId !== null,
    confirmedAt: null,
    cancelled: status === 'CANCELLED' || isFree,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  };
}

/** RFC 5545, 3.8.4.2: a contact may lead to a card by its address; ours end with the card's name. */
function patientOf(event: ICAL.Component): string | null {
  for (const contact of event.getAllProperties('contact')) {
    const address = contact.getFirstParameter('altrep');
    const name = /([^/]+\.vcf)$/.exec(address ?? '')?.[1];
    if (name) return decoded(name);
  }
  return null;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** `20400102T140000Z` */
function toId(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
}

export function mapPatient(item: Item): PatientRecord {
  const card = parse(item, 'vcard');
  const [lastName = '', firstName = '', middleName = ''] = listIn(card, 'n');
  const whole = textIn(card, 'fn') ?? '';
  const phones = card.getAllProperties('tel').map((property) => ({
    number: String(property.getFirstValue()).replace(/^tel:/i, ''),
    types: [property.getParameter('type') ?? []].flat().map((type) => type.toLowerCase()),
  }));
  const phone = (type: string) => phones.find(({ types }) => types.includes(type))?.number ?? null;
  const untyped = phones.find(({ types }) => !['cell', 'home', 'work'].some((type) => types.includes(type)))?.number;
  const [, addressLine2, addressLine1, city, state, zipCode] = listIn(card, 'adr');
  const birthday = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(String(card.getFirstPropertyValue('bday') ?? ''));
  const kind = textIn(card, 'kind') ?? textIn(card, 'x-addressbookserver-kind');
  return {
    kind: 'patient',
    foreignId: item.name,
    marker: markerIn(item.name),
    firstName: firstName || (lastName ? '' : whole),
    middleName: middleName || null,
    lastName,
    email: textIn(card, 'email'),
    dateOfBirth: birthday ? birthday.slice(1).join('-') : null,
    gender: GENDERS[(listIn(card, 'gender')[0] ?? '').toUpperCase()] ?? null,
    phoneNumber: untyped ?? phone('cell') ?? phone('home') ?? phone('work'),
    cellPhoneNumber: phone('cell'),
    homePhoneNumber: phone('home'),
    workPhoneNumber: phone('work'),
    addressLine1: addressLine1 || null,
    addressLine2: addressLine2 || null,
    city: city || null,
    state: state || null,
    zipCode: zipCode || null,
    preferredLanguage: textIn(card, 'lang'),
    smsConsent: false,
    inactive: false,
    nonPatient: kind?.toLowerCase() === 'group' || kind?.toLowerCase() === 'org',
    guarantorForeignId: null,
    providerForeignId: null,
    locationForeignIds: [LOCATION_ID],
    mergedIntoForeignId: null,
  };
}

const GENDERS: Record<string, PatientRecord['gender']> = { F: 'Female', M: 'Male', O: 'Other' };

/** The one component an item has to be; its text is not quoted, because it is a patient's. */
export function parse({ data }: Item, name: 'vcalendar' | 'vcard'): ICAL.Component {
  try {
    const parsed = ICAL.parse(data);
    const component = new ICAL.Component(Array.isArray(parsed[0]) ? parsed[0] : parsed);
    if (component.name === name) return component;
  } catch {
    // Told below.
  }
  throw new HrsNonsense(`the calendar server gave no readable ${name}`);
}

function textIn(component: ICAL.Component, name: string): string | null {
  const value = component.getFirstPropertyValue(name);
  return typeof value === 'string' && value !== '' ? value : null;
}

function listIn(component: ICAL.Component, name: string): string[] {
  const value = component.getFirstPropertyValue(name) as unknown;
  return [value ?? []].flat(2).map(String);
}
