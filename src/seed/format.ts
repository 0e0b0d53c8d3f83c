/**
 * The seed file: institutions with the ids and subdomains that somebody else's configuration already names. Names
 * and units are those of the API's answers; docs/seed.md explains them, docs/seed.schema.json is made from here.
 */
import { z } from 'zod';
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import { isZone, parseLocalDate } from '../domain/zone.ts';
import { WEEKDAYS } from '../views/availability.ts';

/** Leaves the sequences of the database, which go on from the highest id, more room than anybody uses. */
const MAX_ID = 1_000_000_000_000;
/** The sandbox plants this many, and the first sync reads them, in some 20 s. */
export const MAX_PATIENTS = 10_000;
export const MAX_APPOINTMENTS = 50_000;

export const SUBDOMAIN = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const DESCRIPTOR_TYPES = ['Appointment Type', 'Procedure Code'] as const;

const id = z.int().min(1).max(MAX_ID);
/** PostgreSQL holds no NUL, and a name with a line in it is a slip. */
const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about, and \p{Cc} is not known to every reader of the schema.
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'text without control characters');
const name = line(200);
const optionalText = name.nullable().default(null);
const count = (max: number) => z.int().min(0).max(max);
const minutes = z.int().min(1).max(1440);
const time = z.string().refine((text) => parseMinuteOfDay(text) !== null, 'a time such as 09:00');
const date = z.string().refine((text) => parseLocalDate(text) !== null, 'a date such as 2030-01-31');

const location = z.strictObject({
  id,
  name,
  tz: z.string().refine(isZone, 'an IANA time zone such as America/Chicago'),
  street_address: optionalText,
  city: optionalText,
  state: optionalText.describe('As in an address: TX'),
  zip_code: optionalText,
  phone_number: optionalText,
  map_by_operatory: z.boolean().default(false).describe('Bookings here name an operatory'),
  patients: z
    .strictObject({
      count: count(MAX_PATIENTS),
      without_sms_consent: count(MAX_PATIENTS).default(0).describe('How many of them do not want text messages'),
      with_coverage: count(MAX_PATIENTS).default(0).describe('How many of them are insured'),
      with_two_coverages: count(MAX_PATIENTS).default(0).describe('How many of the insured have a second coverage'),
      with_recall: count(MAX_PATIENTS).default(0).describe('How many of them are due to come back'),
      with_alert: count(MAX_PATIENTS).default(0).describe('How many of them have an alert'),
    })
    .prefault({ count: 0 })
    .describe('Invented people whose home is this location'),
  appointments: z
    .strictObject({ past: count(MAX_APPOINTMENTS).default(0), future: count(MAX_APPOINTMENTS).default(0) })
    .prefault({})
    .describe('Invented appointments, within the availabilities and never overlapping'),
});

const provider = z.strictObject({
  id,
  first_name: name,
  last_name: name,
  inactive: z.boolean().default(false),
  location_ids: z.array(id).min(1),
});

const operatory = z.strictObject({ id, location_id: id, name, active: z.boolean().default(true) });

const descriptor = z.strictObject({
  id,
  descriptor_type: z.enum(DESCRIPTOR_TYPES).default('Appointment Type'),
  name,
  code: line(100).nullable().default(null).describe('CODE- and the id, when left out'),
  active: z.boolean().default(true),
  data: z.strictObject({ minutes }).prefault({ minutes: 30 }),
});

const appointmentType = z.strictObject({
  id,
  name,
  minutes,
  bookable_online: z.boolean().default(true),
  location_id: id.nullable().default(null).describe('For a type of one location alone'),
  emr_appt_descriptor_ids: z
    .array(id)
    .optional()
    .describe('What it is written as; left out, the practice gets a visit code for it'),
});

const workingHourLabel = z.strictObject({
  id,
  name,
  location_id: id.nullable().default(null).describe('For a label of one location alone'),
  active: z.boolean().default(true),
});

const availability = z.strictObject({
  id,
  location_id: id,
  provider_id: id,
  operatory_id: id.nullable().default(null),
  days: z.array(z.enum(WEEKDAYS)).default([]),
  specific_date: date.nullable().default(null),
  custom_recurrence: z
    .strictObject({ num: z.int().min(1).max(1000), unit: z.enum(['day', 'week', 'month']), ref: date })
    .nullable()
    .default(null)
    .describe('Every so many days, weeks or months, counted from ref'),
  begin_time: time,
  end_time: time,
  active: z.boolean().default(true),
  appointment_type_ids: z.array(id).default([]).describe('Types that can be booked in these hours'),
  synced: z
    .boolean()
    .default(false)
    .describe('Hours that the practice keeps itself, and the API cannot change: on one day, in no operatory'),
  label_id: id.nullable().default(null).describe('One of working_hour_labels; for synced hours only'),
});

const patient = z.strictObject({
  id,
  first_name: name,
  last_name: name,
  location_id: id.describe('Their home'),
  email: optionalText,
  unsubscribe_sms: z.boolean().default(false),
  bio: z
    .strictObject({
      date_of_birth: date.nullable().default(null),
      gender: z.enum(['Female', 'Male', 'Other']).nullable().default(null),
      phone_number: optionalText,
    })
    .prefault({}),
});

const institution = z.strictObject({
  id,
  name,
  subdomain: z.string().regex(SUBDOMAIN, 'small letters, digits and hyphens, not a hyphen first, at most 63'),
  phone_number: optionalText,
  country_code: z.string().length(2).default('US'),
  appointment_types_location_scoped: z.boolean().default(false),
  notify_insert_fails: z.boolean().default(false),
  locations: z.array(location).min(1),
  providers: z.array(provider).default([]),
  operatories: z.array(operatory).default([]),
  descriptors: z.array(descriptor).default([]).describe('What the practice itself calls visits and procedures'),
  appointment_types: z.array(appointmentType).default([]),
  working_hour_labels: z.array(workingHourLabel).default([]).describe('Names that the practice gives to some hours'),
  availabilities: z.array(availability).default([]),
  patients: z.array(patient).max(MAX_PATIENTS).default([]).describe('People with names and ids of your own invention'),
});

const apiKey = z.strictObject({
  name,
  key: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'visible ASCII characters without spaces')
    .refine((text) => text.split('.').length !== 3, 'a text without exactly two dots: that is how tokens look')
    .optional()
    .describe('The key itself; without it one is made and written to demo.json'),
  admin: z.boolean().default(false),
  subdomains: z.array(z.string()).optional().describe('The institutions it may speak for; without it, all of the file'),
});

/** The file without the rules between its parts, for which a JSON schema has no words. */
export const seedShape = z.strictObject({
  $schema: z.string().optional().describe('For editors; not read'),
  institutions: z.array(institution).min(1),
  api_keys: z.array(apiKey).default([]),
});

export type Seed = z.output<typeof seedShape>;
export type SeedInstitution = Seed['institutions'][number];
export type SeedLocation = SeedInstitution['locations'][number];
export type SeedKey = Seed['api_keys'][number];
/** A file before its defaults are filled in. */
export type SeedInput = z.input<typeof seedShape>;
