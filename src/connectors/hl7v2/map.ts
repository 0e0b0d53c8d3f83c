/**
 * SIU messages in our words. Whatever the event, a message is the full state of its appointment at that moment,
 * never a change to it: senders disagree about which event a change is, and none of them about what an appointment
 * looks like.
 */
import type {
  AppointmentRecord,
  DescriptorRecord,
  LocationRecord,
  OperatoryRecord,
  ProviderRecord,
} from '../../domain/records.ts';
import type { Hl7v2Config, Site } from './config.ts';
import type { Message, Segment } from './message.ts';
import { clean, findText, positionOf, standing, textAt } from './places.ts';
import { findState, type Profile, type State } from './profile.ts';
import { appointmentKeyOf, appointmentMarkerOf, patientKeyOf } from './refs.ts';
import { type Timing, timingOf } from './timing.ts';

export type Mapping = Pick<Hl7v2Config, 'sendingApplication' | 'profile' | 'timeZone' | 'sites'>;

/** A message of which nothing can be made. The text says what is missing and quotes nothing. */
export class NotUnderstood extends Error {
  override name = 'NotUnderstood';
}

/** What one message says of its appointment. */
export interface AppointmentSaid {
  foreignId: string;
  marker: string | null;
  /** Null where only a cancellation or a no-show is told: the time is then what it was. */
  timing: Timing | null;
  states: ReadonlySet<State>;
  locationForeignId: string;
  patientForeignId: string | null;
  provider: ProviderRecord | null;
  room: OperatoryRecord | null;
  descriptors: DescriptorRecord[];
  unavailable: boolean;
  note: string | null;
}

/**
 * S17 deletes, and is read as a cancellation: it is how feeds take back what should not have been, and the time is
 * free at once. A reported deletion would wait for the brake that guards against an HRS losing its records. S24 opens
 * what S23 has blocked.
 */
const CANCELLING = new Set(['S15', 'S16', 'S17', 'S24']);
const BLOCKED = 'S23';
const NO_SHOW = 'S26';

const MAX_DESCRIPTORS = 5;
const MAX_NAME_LENGTH = 255;

/** HL7's table 0277: what stands in SCH-8 of many feeds, and says nothing of the visit. */
const NO_VISIT_TYPES = new Set(['NORMAL', 'TENTATIVE', 'COMPLETE']);

export function isEnd(trigger: string): boolean {
  return CANCELLING.has(trigger) || trigger === NO_SHOW;
}

/** Throws NotUnderstood. `trigger` is S12 to S26. */
export function mapAppointment(mapping: Mapping, message: Message, trigger: string): AppointmentSaid {
  const { profile } = mapping;
  const foreignId = appointmentKeyOf(mapping, message);
  if (foreignId === null) throw new NotUnderstood('names no appointment in the places where its id should be');
  const patientForeignId = patientKeyOf(mapping, message);
  const isBlock = patientForeignId === null && !namesPerson(message);
  if (patientForeignId === null && !isBlock) throw new NotUnderstood('has a patient without an id');
  const site = siteOf(mapping, message);
  const timing = timingOf(message, profile, site.timeZone ?? mapping.timeZone);
  if (timing === null && !isEnd(trigger)) throw new NotUnderstood('has no usable start and end in any of the places');
  return {
    foreignId,
    marker: appointmentMarkerOf(mapping, message),
    timing,
    states: statesOf(profile, message, trigger),
    locationForeignId: site.id,
    patientForeignId,
    provider: providerOf(mapping, message),
    room: roomOf(mapping, message, site),
    descriptors: descriptorsOf(profile, message),
    unavailable: isBlock || trigger === BLOCKED,
    note: noteOf(profile, message),
  };
}

function namesPerson(message: Message): boolean {
  const pid = message.first('PID');
  return pid !== null && (textAt(pid, 5) !== null || textAt(pid, 5, 2) !== null);
}

/**
 * The first place that holds a known status says how the appointment stands. What stands can also be confirmed or
 * begun, and that is often told in another place: of each resource, say.
 */
function statesOf(profile: Profile, message: Message, trigger: string): Set<State> {
  if (CANCELLING.has(trigger)) return new Set(['cancelled']);
  const told: State[] = [];
  for (const place of profile.status) {
    const { segment: name, field, component } = positionOf(place);
    for (const segment of standing(message, name)) {
      const texts = [textAt(segment, field, component), textAt(segment, field, component + 1)];
      const state = texts.map((text) => text && findState(profile, text)).find((found) => found);
      if (state) told.push(state);
    }
  }
  if (trigger === NO_SHOW) return new Set(['missed']);
  const [first] = told;
  if (first === 'cancelled' || first === 'missed') return new Set([first]);
  return new Set(told.filter((state) => state !== 'cancelled' && state !== 'missed'));
}

/** Every site of the configuration: messages name sites and tell nothing of them. */
export function mapSites({ sites, timeZone }: Mapping): LocationRecord[] {
  return sites.map((site) => ({
    kind: 'location',
    foreignId: site.id,
    name: site.name,
    timeZone: site.timeZone ?? timeZone,
    mapByOperatory: false,
    inactive: false,
    streetAddress: null,
    city: null,
    state: null,
    zipCode: null,
    phoneNumber: null,
    email: null,
  }));
}

/** The site that the message names by one of its codes; the first, when it names none that is known. */
export function siteOf({ sites, profile }: Mapping, message: Message): Site {
  const [first, ...others] = sites as [Site, ...Site[]];
  if (others.length === 0) return first;
  for (const place of profile.site) {
    const code = findText(message, [place])?.text;
    const site = code && sites.find(({ id, codes }) => id === code || codes.includes(code));
    if (site) return site;
  }
  return first;
}

function providerOf({ profile, sites }: Mapping, message: Message): ProviderRecord | null {
  for (const place of profile.provider) {
    const { segment: name, field } = positionOf(place);
    for (const segment of standing(message, name)) {
      const lastName = textAt(segment, field, 2);
      const firstName = textAt(segment, field, 3);
      const id = textAt(segment, field) ?? ([lastName, firstName].filter((part) => part).join(', ') || null);
      if (id === null) continue;
      return {
        kind: 'provider',
        foreignId: id.slice(0, MAX_NAME_LENGTH),
        firstName: firstName ?? '',
        lastName: lastName ?? id.slice(0, MAX_NAME_LENGTH),
        email: null,
        npi: null,
        specialty: null,
        inactive: false,
        // HL7 does not tell where somebody works.
        locationForeignIds: sites.map((site) => site.id),
        // Some messages of a feed name their provider, and others give the id alone.
        ...(lastName === null && firstName === null ? { unsaid: ['firstName', 'lastName'] as const } : {}),
      };
    }
  }
  return null;
}

/** Two sites may have a room of one name, so with several the site is part of its id. */
function roomOf({ profile, sites }: Mapping, message: Message, site: Site): OperatoryRecord | null {
  const name = findText(message, profile.room)?.text.slice(0, MAX_NAME_LENGTH - site.id.length - 1);
  if (name === undefined) return null;
  const foreignId = sites.length === 1 ? name : `${site.id}/${name}`;
  return { kind: 'operatory', foreignId, locationForeignId: site.id, name, active: true };
}

/** The room as messages name it. */
export function roomName({ sites }: Pick<Mapping, 'sites'>, foreignId: string): string {
  return sites.length === 1 ? foreignId : foreignId.slice(foreignId.indexOf('/') + 1);
}

function descriptorsOf(profile: Profile, message: Message): DescriptorRecord[] {
  for (const place of profile.visitType) {
    const { segment: name, field } = positionOf(place);
    const found = standing(message, name)
      .slice(0, MAX_DESCRIPTORS)
      .flatMap((segment) => descriptorOf(segment, field) ?? []);
    if (found.length > 0) return [...new Map(found.map((record) => [record.foreignId, record])).values()];
  }
  return [];
}

/** CE: code, text. */
function descriptorOf(segment: Segment, field: number): DescriptorRecord | null {
  const code = textAt(segment, field)?.slice(0, MAX_NAME_LENGTH) ?? null;
  const name = textAt(segment, field, 2)?.slice(0, MAX_NAME_LENGTH) ?? code;
  if (name === null || NO_VISIT_TYPES.has(name.toUpperCase())) return null;
  return {
    kind: 'descriptor',
    foreignId: code ?? name,
    locationForeignId: null,
    descriptorType: 'Appointment Type',
    name,
    code,
    active: true,
    data: {},
  };
}

function noteOf(profile: Profile, message: Message): string | null {
  for (const place of profile.note) {
    const text = place === 'NTE-3' ? scheduleNotes(message) : (findText(message, [place])?.text ?? null);
    if (text !== null) return text;
  }
  return null;
}

/** Of the notes only those of the appointment itself: what follows PID or a resource is a note on that. */
function scheduleNotes(message: Message): string | null {
  const { segments } = message;
  const start = segments.findIndex(({ name }) => name === 'SCH');
  const lines: string[] = [];
  for (const segment of segments.slice(start + 1)) {
    if (segment.name === 'TQ1' || segment.name.startsWith('Z')) continue;
    if (segment.name !== 'NTE') break;
    const line = clean(segment.text(3) ?? '');
    if (line !== '') lines.push(line);
  }
  return lines.length === 0 ? null : lines.join('\n');
}

/** What a record has of these words; the instants of its states are for the fold to say. */
export function recordOf(said: AppointmentSaid, timing: Timing): AppointmentRecord {
  const { states } = said;
  return {
    kind: 'appointment',
    foreignId: said.foreignId,
    marker: said.marker,
    locationForeignId: said.locationForeignId,
    patientForeignId: said.patientForeignId,
    providerForeignId: said.provider?.foreignId ?? null,
    operatoryForeignId: said.room?.foreignId ?? null,
    descriptorForeignIds: said.descriptors.map(({ foreignId }) => foreignId),
    ...timing,
    unavailable: said.unavailable,
    note: said.note,
    // Who has come, or has been here, had said so.
    confirmed: states.has('confirmed') || states.has('arrived') || states.has('complete'),
    confirmedAt: null,
    cancelled: states.has('cancelled'),
    cancelledAt: null,
    patientMissed: states.has('missed'),
    checkinAt: null,
    checkedOut: states.has('complete'),
    checkedOutAt: null,
  };
}
