/**
 * FHIR R4 resources into our records. FHIR's words end here; what we write stands in `compose.ts`.
 *
 * A resource with a `modifierExtension` means something we do not know (R4, extensibility.html): it is kept, and
 * never made bookable.
 */
import type { Interval } from '../../domain/interval.ts';
import type {
  AppointmentRecord,
  LocationRecord,
  OperatoryRecord,
  PatientRecord,
  ProviderRecord,
} from '../../domain/records.ts';
import { isZone, MINUTE_MS, parseLocalDate } from '../../domain/zone.ts';
import type { Resource } from './client.ts';
import {
  codes,
  conceptText,
  identifierValue,
  instantMs,
  type Json,
  object,
  objects,
  referenceTarget,
  text,
  texts,
} from './fields.ts';

/** Identifier system of the marker on what we wrote. Stands in other people's records: never to be changed. */
export const MARKER_SYSTEM = 'urn:openchair:marker';

/** Identifier system on a Slot that we took for a booking in progress; its value is the booking's marker. */
export const GUARD_SYSTEM = 'urn:openchair:guard';

const TIME_ZONE_EXTENSION = 'http://hl7.org/fhir/StructureDefinition/timezone';
const NPI_SYSTEM = 'http://hl7.org/fhir/sid/us-npi';

/** `Location.physicalType` of what a visit takes place in, and of what stands on its own. */
const ROOM_TYPES = ['ro', 'area', 'bd', 'ca', 'wi', 'wa', 'lvl', 'co'];
const SITE_TYPES = ['si', 'bu'];

/** Locations nest this deep at most; more is a loop. */
const MAX_LOCATION_DEPTH = 10;

/** Whom and where a Schedule is for. */
export interface ScheduleRecord {
  id: string;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  locationForeignId: string;
  timeZone: string;
  /** False when its slots are no hours of practice. */
  isBookable: boolean;
}

/** Everything that is small enough to be read whole in every pass, and that the rest refers to. */
export interface Directory {
  baseUrl: string;
  /** By foreign id. */
  sites: Map<string, LocationRecord>;
  rooms: Map<string, OperatoryRecord>;
  providers: Map<string, ProviderRecord>;
  schedules: Map<string, ScheduleRecord>;
  /** Practitioner id by PractitionerRole id. */
  practitionerOfRole: Map<string, string>;
  /** Site of what names no place. */
  defaultSite: string | null;
}

export interface DirectoryResources {
  locations: Resource[];
  practitioners: Resource[];
  roles: Resource[];
  schedules: Resource[];
}

export interface DirectorySettings {
  baseUrl: string;
  timeZone: string;
  locationId?: string | undefined;
}

export function mapDirectory(resources: DirectoryResources, settings: DirectorySettings): Directory {
  const { baseUrl, timeZone, locationId } = settings;
  const directory: Directory = {
    baseUrl,
    sites: new Map(),
    rooms: new Map(),
    providers: new Map(),
    schedules: new Map(),
    practitionerOfRole: new Map(),
    defaultSite: null,
  };
  const isRoom = (location: Resource) => location.id !== locationId && isRoomType(location);

  for (const location of resources.locations) {
    if (!isRoom(location)) directory.sites.set(location.id, mapSite(location, timeZone));
  }
  if (locationId !== undefined && !directory.sites.has(locationId)) {
    directory.sites.set(locationId, mapSite({ resourceType: 'Location', id: locationId }, timeZone));
  }
  directory.defaultSite = locationId ?? firstSite(directory.sites);

  const byId = new Map(resources.locations.map((location) => [location.id, location]));
  for (const location of resources.locations.filter(isRoom)) {
    const site = siteAbove(location, byId, directory);
    if (site !== null) directory.rooms.set(location.id, mapRoom(location, site));
  }

  const rolesOf = new Map<string, Resource[]>();
  for (const role of resources.roles) {
    const practitioner = referenceTarget(role.practitioner, baseUrl);
    if (practitioner?.type !== 'Practitioner') continue;
    directory.practitionerOfRole.set(role.id, practitioner.id);
    if (role.active !== false) rolesOf.set(practitioner.id, [...(rolesOf.get(practitioner.id) ?? []), role]);
  }
  for (const practitioner of resources.practitioners) {
    const provider = mapProvider(practitioner, rolesOf.get(practitioner.id) ?? [], directory);
    directory.providers.set(practitioner.id, provider);
  }
  for (const schedule of resources.schedules) {
    const mapped = mapSchedule(schedule, directory);
    if (mapped !== null) directory.schedules.set(schedule.id, mapped);
  }
  return directory;
}

/** Is it something that a visit takes place in, rather than a site? */
export function isRoomType(location: Resource): boolean {
  const types = codes(location.physicalType);
  if (types.some((type) => SITE_TYPES.includes(type))) return false;
  return types.some((type) => ROOM_TYPES.includes(type)) || text(object(location.partOf).reference) !== null;
}

function firstSite(sites: Map<string, LocationRecord>): string | null {
  const ids = [...sites.values()].filter((site) => !site.inactive).map((site) => site.foreignId);
  return ids.sort()[0] ?? null;
}

function siteAbove(room: Resource, byId: Map<string, Resource>, directory: Directory): string | null {
  let at: Resource | undefined = room;
  for (let depth = 0; at !== undefined && depth < MAX_LOCATION_DEPTH; depth++) {
    const above = referenceTarget(at.partOf, directory.baseUrl);
    if (above === null) break;
    if (directory.sites.has(above.id)) return above.id;
    at = byId.get(above.id);
  }
  return directory.defaultSite;
}

function mapSite(location: Resource, defaultTimeZone: string): LocationRecord {
  const zone = objects(location.extension).find((extension) => extension.url === TIME_ZONE_EXTENSION);
  const told = text(zone?.valueCode) ?? '';
  const address = object(location.address);
  return {
    kind: 'location',
    foreignId: location.id,
    name: text(location.name) ?? texts(location.alias)[0] ?? location.id,
    timeZone: isZone(told) ? told : defaultTimeZone,
    mapByOperatory: false,
    inactive: isSetAside(location, location.status === 'inactive'),
    streetAddress: texts(address.line).join(', ') || null,
    city: text(address.city),
    state: text(address.state),
    zipCode: text(address.postalCode),
    phoneNumber: contact(location, 'phone'),
    email: contact(location, 'email'),
  };
}

function mapRoom(location: Resource, locationForeignId: string): OperatoryRecord {
  return {
    kind: 'operatory',
    foreignId: location.id,
    locationForeignId,
    name: text(location.name) ?? location.id,
    active: !isSetAside(location, location.status === 'inactive'),
  };
}

function mapProvider(practitioner: Resource, roles: Resource[], directory: Directory): ProviderRecord {
  const places = roles
    .flatMap((role) => objects(role.location))
    .map((place) => referenceTarget(place, directory.baseUrl));
  const sites = new Set(places.map((place) => siteOf(place?.id, directory)).filter((site) => site !== null));
  // A server without roles leaves open where somebody works.
  const locationForeignIds = sites.size > 0 ? [...sites].sort() : [...directory.sites.keys()].sort();
  const { first, last } = personName(practitioner);
  return {
    kind: 'provider',
    foreignId: practitioner.id,
    firstName: first.join(' '),
    lastName: last ?? practitioner.id,
    email: contact(practitioner, 'email'),
    npi: identifierValue(practitioner, NPI_SYSTEM),
    specialty:
      roles
        .flatMap((role) => objects(role.specialty))
        .map(conceptText)
        .find((name) => name !== null) ?? null,
    inactive: isSetAside(practitioner, practitioner.active === false),
    locationForeignIds,
  };
}

function mapSchedule(schedule: Resource, directory: Directory): ScheduleRecord | null {
  const { providerForeignId, operatoryForeignId, locationForeignId } = actorsOf(objects(schedule.actor), directory);
  if (locationForeignId === null) return null;
  return {
    id: schedule.id,
    providerForeignId,
    operatoryForeignId,
    locationForeignId,
    timeZone: directory.sites.get(locationForeignId)?.timeZone ?? 'UTC',
    isBookable: providerForeignId !== null && !isSetAside(schedule, schedule.active === false),
  };
}

export function mapPatient(patient: Resource, directory: Directory): PatientRecord {
  const { first, last } = personName(patient);
  const address = preferred(objects(patient.address));
  const phone = (use: string | undefined) =>
    text(objects(patient.telecom).find((point) => point.system === 'phone' && point.use === use)?.value);
  const [cell, home, work] = [phone('mobile'), phone('home'), phone('work')];
  const languages = objects(patient.communication);
  const language = languages.find(({ preferred }) => preferred === true) ?? languages[0];
  const replacedBy = objects(patient.link).find(({ type }) => type === 'replaced-by')?.other;
  const mergedInto = referenceTarget(replacedBy, directory.baseUrl);
  const isDead = patient.deceasedBoolean === true || text(patient.deceasedDateTime) !== null;
  return {
    kind: 'patient',
    foreignId: patient.id,
    marker: markerOf(patient),
    firstName: first[0] ?? '',
    middleName: first.slice(1).join(' ') || null,
    lastName: last ?? '',
    email: contact(patient, 'email'),
    dateOfBirth: parseLocalDate(text(patient.birthDate) ?? ''),
    gender: GENDERS.get(text(patient.gender) ?? '') ?? null,
    phoneNumber: phone(undefined) ?? cell ?? home ?? work,
    cellPhoneNumber: cell,
    homePhoneNumber: home,
    workPhoneNumber: work,
    addressLine1: texts(address.line)[0] ?? null,
    addressLine2: texts(address.line).slice(1).join(', ') || null,
    city: text(address.city),
    state: text(address.state),
    zipCode: text(address.postalCode),
    preferredLanguage: codes(language?.language)[0] ?? null,
    smsConsent: true,
    inactive: isSetAside(patient, patient.active === false || isDead || mergedInto !== null),
    nonPatient: false,
    guarantorForeignId: null,
    providerForeignId: usualPractitioner(patient, directory.baseUrl),
    // FHIR ties a patient to the organisation, not to a site of it.
    locationForeignIds: [...directory.sites.keys()].sort(),
    mergedIntoForeignId: mergedInto?.type === 'Patient' ? mergedInto.id : null,
  };
}

/** Of whom a patient names as theirs, the first who is a person; organisations and roles say less. */
function usualPractitioner(patient: Resource, baseUrl: string): string | null {
  const named = objects(patient.generalPractitioner).map((reference) => referenceTarget(reference, baseUrl));
  return named.find((target) => target?.type === 'Practitioner')?.id ?? null;
}

const GENDERS = new Map([
  ['male', 'Male'],
  ['female', 'Female'],
  ['other', 'Other'],
] as const) as Map<string, 'Male' | 'Female' | 'Other'>;

/** `null` for what is not on the schedule: no usable time (proposals, the waitlist), or no place anywhere. */
export function mapAppointment(appointment: Resource, directory: Directory): AppointmentRecord | null {
  const time = appointmentTime(appointment);
  const participants = objects(appointment.participant);
  const actors = actorsOf(
    participants.map((participant) => participant.actor),
    directory,
  );
  if (time === null || actors.locationForeignId === null) return null;
  const { status } = appointment;
  const isUnknown = hasUnknownModifier(appointment);
  return {
    kind: 'appointment',
    foreignId: appointment.id,
    marker: markerOf(appointment),
    locationForeignId: actors.locationForeignId,
    patientForeignId: isUnknown ? null : actors.patientForeignId,
    providerForeignId: actors.providerForeignId,
    operatoryForeignId: actors.operatoryForeignId,
    descriptorForeignIds: [],
    startAt: new Date(time.startMs).toISOString(),
    endAt: new Date(time.endMs).toISOString(),
    unavailable: isUnknown,
    note: text(appointment.comment),
    // FHIR's statuses do not tell it: "booked" is booked by the practice, not accepted by the patient.
    confirmed: patientParticipants(appointment, directory.baseUrl).some(({ status }) => status === 'accepted'),
    confirmedAt: null,
    cancelled: status === 'cancelled' || status === 'entered-in-error',
    cancelledAt: null,
    patientMissed: status === 'noshow',
    // FHIR keeps no time of arrival; the last change is the nearest thing while it is the arrival.
    checkinAt:
      status === 'arrived' || status === 'checked-in' ? (isoOf(object(appointment.meta).lastUpdated) ?? null) : null,
    checkedOut: status === 'fulfilled',
    checkedOutAt: null,
  };
}

/** Does it take the time of those in it? Proposals and the waitlist do not yet. */
export function takesTime(appointment: Resource): boolean {
  return !['cancelled', 'entered-in-error', 'noshow', 'proposed', 'waitlist'].includes(String(appointment.status));
}

/** Start and end; an absent end comes from `minutesDuration`. `null` when that leaves no time at all. */
export function appointmentTime(appointment: Json): Interval | null {
  const startMs = instantMs(appointment.start);
  if (startMs === null) return null;
  const { minutesDuration } = appointment;
  const minutes =
    typeof minutesDuration === 'number' && minutesDuration > 0 && minutesDuration <= 1440 ? minutesDuration : 0;
  const endMs = instantMs(appointment.end) ?? startMs + minutes * MINUTE_MS;
  return endMs > startMs ? { startMs, endMs } : null;
}

export function patientParticipants(appointment: Resource, baseUrl: string): Json[] {
  return objects(appointment.participant).filter(({ actor }) => referenceTarget(actor, baseUrl)?.type === 'Patient');
}

/** Our marker; another system's value under our name is none. */
export function markerOf(resource: Resource): string | null {
  const value = identifierValue(resource, MARKER_SYSTEM);
  return value !== null && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? value : null;
}

interface Actors {
  patientForeignId: string | null;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  locationForeignId: string | null;
}

/** The first of each kind, and the site: of the room, else named itself, else the provider's first, else the default. */
function actorsOf(references: unknown[], directory: Directory): Actors {
  const targets = references
    .map((reference) => referenceTarget(reference, directory.baseUrl))
    .filter((t) => t !== null);
  const firstOf = (type: string) => targets.find((target) => target.type === type)?.id ?? null;
  const role = directory.practitionerOfRole.get(firstOf('PractitionerRole') ?? '');
  const providerForeignId = firstOf('Practitioner') ?? role ?? null;
  const places = targets.filter((target) => target.type === 'Location').map((target) => target.id);
  const operatoryForeignId = places.find((id) => directory.rooms.has(id)) ?? null;
  const named = places.map((id) => siteOf(id, directory)).find((site) => site !== null) ?? null;
  const sitesOfProvider = directory.providers.get(providerForeignId ?? '')?.locationForeignIds ?? [];
  const usual = sitesOfProvider.length === 1 ? sitesOfProvider[0] : undefined;
  return {
    patientForeignId: firstOf('Patient'),
    providerForeignId,
    operatoryForeignId,
    locationForeignId: siteOf(operatoryForeignId ?? undefined, directory) ?? named ?? usual ?? directory.defaultSite,
  };
}

function siteOf(locationId: string | undefined, directory: Directory): string | null {
  if (locationId === undefined) return null;
  if (directory.sites.has(locationId)) return locationId;
  return directory.rooms.get(locationId)?.locationForeignId ?? null;
}

/**
 * Does it mean something else than it says, in a way that we do not know? Also in a participant, and by rules for
 * reading the whole (`implicitRules`).
 */
export function hasUnknownModifier(resource: Resource): boolean {
  const parts = [resource, ...objects(resource.participant)];
  return parts.some((part) => objects(part.modifierExtension).length > 0) || text(resource.implicitRules) !== null;
}

function isSetAside(resource: Resource, isInactive: boolean): boolean {
  return isInactive || hasUnknownModifier(resource);
}

function personName(person: Resource): { first: string[]; last: string | null } {
  const name = preferred(objects(person.name));
  const first = texts(name.given);
  const last = text(name.family);
  return last === null && first.length === 0 ? { first, last: text(name.text) } : { first, last };
}

/** The official one, else the usual, else the first that is not out of use. */
function preferred(items: Json[]): Json {
  const current = items.filter((item) => item.use !== 'old');
  const byUse = (use: string) => current.find((item) => item.use === use);
  return byUse('official') ?? byUse('usual') ?? byUse('home') ?? current[0] ?? {};
}

function contact(resource: Resource, system: string): string | null {
  return text(objects(resource.telecom).find((point) => point.system === system)?.value);
}

function isoOf(value: unknown): string | null {
  const ms = instantMs(value);
  return ms === null ? null : new Date(ms).toISOString();
}
