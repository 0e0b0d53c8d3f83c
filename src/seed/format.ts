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
const MAX_PATIENTS = 10_000;
const MAX_APPOINTMENTS = 50_000;

const id = z.int().min(1).max(MAX_ID);
const name = z.string().trim().min(1).max(200);
const optionalText = z.string().trim().min(1).max(200).nullable().default(null);
const count = (max: number) => z.int().min(0).max(max);
const time = z.string().refine((text) => parseMinuteOfDay(text) !== null, 'must be a time such as 09:00');

const location = z.strictObject({
  id,
  name,
  tz: z.string().refine(isZone, 'must be an IANA time zone such as America/Chicago'),
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
    })
    .default({ count: 0, without_sms_consent: 0 })
    .describe('Invented people whose home is this location'),
  appointments: z
    .strictObject({ past: count(MAX_APPOINTMENTS).default(0), future: count(MAX_APPOINTMENTS).default(0) })
    .default({ past: 0, future: 0 })
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

const appointmentType = z.strictObject({
  id,
  name,
  minutes: z.int().min(1).max(1440),
  bookable_online: z.boolean().default(true),
  location_id: id.nullable().default(null).describe('For a type of one location alone'),
});

const availability = z.strictObject({
  id,
  location_id: id,
  provider_id: id,
  operatory_id: id.nullable().default(null),
  days: z.array(z.enum(WEEKDAYS)).default([]),
  specific_date: z
    .string()
    .refine((text) => parseLocalDate(text) !== null, 'must be a date such as 2030-01-31')
    .nullable()
    .default(null),
  begin_time: time,
  end_time: time,
  active: z.boolean().default(true),
  appointment_type_ids: z.array(id).default([]).describe('Types that can be booked in these hours'),
  synced: z
    .boolean()
    .default(false)
    .describe('Hours that the practice keeps itself, and the API cannot change: on one day, in no operatory'),
});

const institution = z.strictObject({
  id,
  name,
  subdomain: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be small letters, digits and hyphens'),
  phone_number: optionalText,
  country_code: z.string().length(2).default('US'),
  appointment_types_location_scoped: z.boolean().default(false),
  notify_insert_fails: z.boolean().default(false),
  locations: z.array(location).min(1),
  providers: z.array(provider).default([]),
  operatories: z.array(operatory).default([]),
  appointment_types: z.array(appointmentType).default([]),
  availabilities: z.array(availability).default([]),
});

const apiKey = z.strictObject({
  name,
  key: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be visible ASCII characters without spaces')
    .refine((text) => text.split('.').length !== 3, 'must not have exactly two dots: that is how tokens look')
    .optional()
    .describe('The key itself; without it one is made and written to demo.json'),
  admin: z.boolean().default(false),
  subdomains: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The institutions it may speak for; without it, all of the file'),
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
