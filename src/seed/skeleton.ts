/**
 * The skeleton of a practice that exists somewhere, made to fit a seed file: every id stays, what a seed has no
 * place for is left out or simplified, and each such thing is remarked.
 */
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import { DAY_MS, isZone, parseLocalDate } from '../domain/zone.ts';
import { DESCRIPTOR_TYPES, MAX_APPOINTMENTS, MAX_PATIENTS, type SeedInstitution, SUBDOMAIN } from './format.ts';
import { placeAll, type Taken } from './invent-visits.ts';
import { randomFrom } from './random.ts';
import type { Remarks } from './remarks.ts';

type Found<T> = { [K in keyof T]: T[K] | null };
type Location = SeedInstitution['locations'][number];
type Provider = SeedInstitution['providers'][number];
type Operatory = SeedInstitution['operatories'][number];
type Descriptor = SeedInstitution['descriptors'][number];
type AppointmentType = SeedInstitution['appointment_types'][number];
type Label = SeedInstitution['working_hour_labels'][number];
type Availability = SeedInstitution['availabilities'][number];
type Numbered<T extends { id: number }> = Found<Omit<T, 'id'>> & { id: number };

/** An institution as its source has it; null where the source says nothing. */
export interface FoundInstitution
  extends Found<
    Pick<
      SeedInstitution,
      'name' | 'phone_number' | 'country_code' | 'appointment_types_location_scoped' | 'notify_insert_fails'
    >
  > {
  id: number;
  subdomain: string;
  locations: (Numbered<Location> & { inactive: boolean })[];
  providers: (Omit<Numbered<Provider>, 'location_ids'> & { location_ids: number[] })[];
  operatories: Numbered<Operatory>[];
  descriptors: (Omit<Numbered<Descriptor>, 'descriptor_type' | 'data'> & {
    descriptor_type: string | null;
    minutes: number | null;
  })[];
  appointment_types: (Numbered<AppointmentType> & { emr_appt_descriptor_ids: number[] })[];
  working_hour_labels: Numbered<Label>[];
  availabilities: (Omit<Numbered<Availability>, 'days' | 'appointment_type_ids'> & {
    days: string[];
    appointment_type_ids: number[];
  })[];
}

const MAX_NAME_LENGTH = 200;
/** Leaves room for ids behind it. */
const MAX_CODE_LENGTH = 60;
const DEFAULT_MINUTES = 30;
const NO_PATIENTS = {
  count: 0,
  without_sms_consent: 0,
  with_coverage: 0,
  with_two_coverages: 0,
  with_recall: 0,
  with_alert: 0,
};

/** The seed of `found` as of `nowMs`, without people of its own. Hours of days gone by are left out. */
export function skeletonOf(found: FoundInstitution, nowMs: number, remarks: Remarks): SeedInstitution {
  const locations = found.locations.filter(({ id, inactive }) => {
    if (inactive) remarks.add('inactive locations are left out, with what belongs to them', id);
    return !inactive;
  });
  if (locations.length === 0) throw new Error(`${found.subdomain} has no active location: there is nothing to write.`);
  const kept = new Set(locations.map(({ id }) => id));
  const isHere = ({ location_id }: { location_id: number | null }) => location_id === null || kept.has(location_id);
  const descriptors = descriptorsOf(found.descriptors, remarks);
  const types = typesOf(found.appointment_types.filter(isHere), descriptors, remarks);
  const institution: SeedInstitution = {
    id: found.id,
    name: nameOf(found.name, `Institution ${found.id}`),
    subdomain: subdomainOf(found, remarks),
    phone_number: textOf(found.phone_number),
    country_code: found.country_code?.length === 2 ? found.country_code : 'US',
    appointment_types_location_scoped: found.appointment_types_location_scoped ?? false,
    notify_insert_fails: found.notify_insert_fails ?? false,
    locations: locations.map((location) => locationOf(location, remarks)),
    providers: providersOf(found, kept, remarks),
    operatories: found.operatories.flatMap((operatory) => {
      const { id, location_id, active } = operatory;
      if (location_id === null || !kept.has(location_id)) return [];
      return [{ id, location_id, name: nameOf(operatory.name, `Operatory ${id}`), active: active ?? true }];
    }),
    descriptors,
    appointment_types: types,
    working_hour_labels: found.working_hour_labels.filter(isHere).map((label) => ({
      id: label.id,
      name: nameOf(label.name, `Label ${label.id}`),
      location_id: label.location_id,
      active: label.active ?? true,
    })),
    availabilities: [],
    patients: [],
  };
  // A day behind us in UTC may still go on in a location's own zone.
  const today = new Date(nowMs - DAY_MS).toISOString().slice(0, 10);
  institution.availabilities = found.availabilities.flatMap((hours) => hoursOf(hours, institution, today, remarks));
  const taken: Taken = new Map();
  for (const location of institution.locations) fitAppointments(institution, location, taken, nowMs, remarks);
  return institution;
}

function textOf(text: string | null): string | null {
  return (
    text
      ?.replace(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, MAX_NAME_LENGTH)
      .trim() || null
  );
}

const nameOf = (text: string | null, otherwise: string) => textOf(text) ?? otherwise;

function minutesOf(minutes: number | null, id: number, remarks: Remarks): number {
  if (minutes !== null && Number.isInteger(minutes) && minutes >= 1 && minutes <= 1440) return minutes;
  remarks.add(`appointment types without usable minutes get ${DEFAULT_MINUTES}`, id);
  return DEFAULT_MINUTES;
}

function subdomainOf({ subdomain }: FoundInstitution, remarks: Remarks): string {
  if (SUBDOMAIN.test(subdomain)) return subdomain;
  const fitting =
    subdomain
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || 'practice';
  remarks.add(`the subdomain ${subdomain} is written as ${fitting}: small letters, digits and hyphens`);
  return fitting;
}

function locationOf(found: FoundInstitution['locations'][number], remarks: Remarks): Location {
  const isKnownZone = found.tz !== null && isZone(found.tz);
  if (!isKnownZone) remarks.add('locations without a known time zone are written with UTC; correct their tz', found.id);
  const patients = found.patients ?? NO_PATIENTS;
  const count = Math.min(patients.count, MAX_PATIENTS);
  if (count < patients.count) remarks.add(`locations with more than ${MAX_PATIENTS} patients get so many`, found.id);
  const share = (part: number, whole: number) => Math.min(part, whole);
  const withCoverage = share(patients.with_coverage, count);
  return {
    id: found.id,
    name: nameOf(found.name, `Location ${found.id}`),
    tz: isKnownZone ? (found.tz as string) : 'UTC',
    street_address: textOf(found.street_address),
    city: textOf(found.city),
    state: textOf(found.state),
    zip_code: textOf(found.zip_code),
    phone_number: textOf(found.phone_number),
    map_by_operatory: found.map_by_operatory ?? false,
    patients: {
      count,
      without_sms_consent: share(patients.without_sms_consent, count),
      with_coverage: withCoverage,
      with_two_coverages: share(patients.with_two_coverages, withCoverage),
      with_recall: share(patients.with_recall, count),
      with_alert: share(patients.with_alert, count),
    },
    appointments: found.appointments ?? { past: 0, future: 0 },
  };
}

/** A provider also works where their hours are. */
function providersOf(found: FoundInstitution, kept: ReadonlySet<number>, remarks: Remarks): Provider[] {
  const placesOf = Map.groupBy(found.availabilities, ({ provider_id }) => provider_id);
  return found.providers.flatMap((provider) => {
    const { id, inactive } = provider;
    const places = (placesOf.get(id) ?? []).flatMap(({ location_id }) => location_id ?? []);
    const location_ids = [...new Set([...provider.location_ids, ...places])].filter((one) => kept.has(one));
    if (location_ids.length === 0) {
      remarks.add('providers who work at no location of the file are left out', id);
      return [];
    }
    if (!textOf(provider.first_name) || !textOf(provider.last_name))
      remarks.add('providers without a first or last name are called Provider and their id', id);
    return [
      {
        id,
        first_name: nameOf(provider.first_name, 'Provider'),
        last_name: nameOf(provider.last_name, String(id)),
        inactive: inactive ?? false,
        location_ids: location_ids.sort((a, b) => a - b),
      },
    ];
  });
}

function descriptorsOf(found: FoundInstitution['descriptors'], remarks: Remarks): Descriptor[] {
  const codes = new Set<string>();
  return found.map((descriptor) => {
    const { id, active, minutes } = descriptor;
    const isProcedure = /procedure/i.test(descriptor.descriptor_type ?? '');
    let code = textOf(descriptor.code)?.slice(0, MAX_CODE_LENGTH) ?? `CODE-${id}`;
    while (codes.has(code)) {
      remarks.add('descriptors whose code another one has too get their id behind it', id);
      code = `${code}-${id}`;
    }
    codes.add(code);
    return {
      id,
      descriptor_type: DESCRIPTOR_TYPES[isProcedure ? 1 : 0],
      name: nameOf(descriptor.name, code),
      code,
      active: active ?? true,
      data: { minutes: minutes !== null && minutes >= 1 && minutes <= 1440 ? Math.round(minutes) : DEFAULT_MINUTES },
    };
  });
}

function typesOf(
  found: FoundInstitution['appointment_types'],
  descriptors: readonly Descriptor[],
  remarks: Remarks,
): AppointmentType[] {
  const known = new Set(descriptors.map(({ id }) => id));
  const names = new Set<string>();
  return found.map((type) => {
    const { id, location_id, bookable_online } = type;
    let name = nameOf(type.name, `Type ${id}`);
    const place = (text: string) => `${location_id} ${text.toLowerCase()}`;
    while (names.has(place(name))) {
      remarks.add('appointment types whose name another one has too get their id behind it', id);
      name = `${name.slice(0, MAX_NAME_LENGTH - 40)} (${id})`;
    }
    names.add(place(name));
    return {
      id,
      name,
      minutes: minutesOf(type.minutes, id, remarks),
      bookable_online: bookable_online ?? true,
      location_id,
      emr_appt_descriptor_ids: type.emr_appt_descriptor_ids.filter((one) => known.has(one)),
    };
  });
}

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/** One record of hours as the seed can have it, or none. */
function hoursOf(
  found: FoundInstitution['availabilities'][number],
  institution: SeedInstitution,
  today: string,
  remarks: Remarks,
): Availability[] {
  const { id, provider_id } = found;
  const leaveOut = (why: string): Availability[] => {
    remarks.add(`hours are left out, because ${why}`, id);
    return [];
  };
  const location = institution.locations.find((one) => one.id === found.location_id);
  if (!location) return leaveOut('their location is not in the file');
  const provider = institution.providers.find((one) => one.id === provider_id);
  if (!provider) return leaveOut('their provider is not in the file');
  let operatory_id = found.operatory_id;
  const operatory = institution.operatories.find((one) => one.id === operatory_id);
  if (operatory_id !== null && operatory?.location_id !== location.id) {
    remarks.add('hours lose their operatory, which is not in the file', id);
    operatory_id = null;
  }
  if (operatory_id === null && location.map_by_operatory)
    return leaveOut('they name no operatory where the location books by operatory');

  const begin = parseMinuteOfDay(found.begin_time ?? '');
  const end = parseMinuteOfDay(found.end_time ?? '');
  if (begin === null || begin > 1439 || end === null || end === 0) return leaveOut('they have no usable time of day');
  const days = WEEKDAYS.filter((day) => found.days.includes(day));
  const specific_date = days.length === 0 ? found.specific_date : null;
  const custom_recurrence = days.length === 0 && specific_date === null ? found.custom_recurrence : null;
  if (specific_date !== null && parseLocalDate(specific_date) === null) return leaveOut('they have no usable date');
  if (specific_date !== null && specific_date < today) return leaveOut('their day is over');
  if (days.length === 0 && specific_date === null && custom_recurrence === null) return leaveOut('they are on no day');

  const isPlain = days.length <= 1 && custom_recurrence === null && operatory_id === null && end > begin;
  if (found.synced && !isPlain)
    remarks.add('synced hours on several days, in an operatory or past midnight become manual ones', id);
  const synced = (found.synced ?? false) && isPlain;
  const labelHere = institution.working_hour_labels.find(
    (one) => one.id === found.label_id && (one.location_id ?? location.id) === location.id,
  );
  const label = synced ? labelHere : undefined;
  if (found.label_id !== null && !label)
    remarks.add('hours that are not synced, or whose label is of another location, lose their label', id);
  const isTypeHere = (typeId: number) =>
    institution.appointment_types.some(
      (type) => type.id === typeId && (type.location_id === null || type.location_id === location.id),
    );
  return [
    {
      id,
      location_id: location.id,
      provider_id: provider.id,
      operatory_id,
      days,
      specific_date,
      custom_recurrence,
      begin_time: found.begin_time as string,
      end_time: found.end_time as string,
      active: found.active ?? true,
      appointment_type_ids: found.appointment_type_ids.filter(isTypeHere),
      synced,
      label_id: label?.id ?? null,
    },
  ];
}

/** Where the hours are too few for all, a share that fits whichever way the days are filled. */
const SURE_SHARE = 0.9;

/** A seed with more appointments than its hours have place for does not start. */
function fitAppointments(
  institution: SeedInstitution,
  location: Location,
  taken: Taken,
  nowMs: number,
  remarks: Remarks,
): void {
  const found = location.appointments;
  const capped = (count: number) => (location.patients.count === 0 ? 0 : Math.min(count, MAX_APPOINTMENTS));
  location.appointments = { past: capped(found.past), future: capped(found.future) };
  const placed = placeAll(institution, location, taken, nowMs, randomFrom(institution.id));
  const fitting = (when: 'past' | 'future') =>
    placed[when].length < location.appointments[when]
      ? Math.floor(placed[when].length * SURE_SHARE)
      : location.appointments[when];
  location.appointments = { past: fitting('past'), future: fitting('future') };
  if (location.appointments.past < found.past || location.appointments.future < found.future)
    remarks.add('locations get fewer appointments than they have, as many as fit into their hours', location.id);
}
