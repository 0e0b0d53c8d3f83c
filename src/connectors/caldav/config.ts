import { z } from 'zod';
import { isZone } from '../../domain/zone.ts';

/** Credentials belong in their own fields, and a query or fragment would end up in the middle of every URL. */
function isCollectionUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:\/\/[^?#@\s]+\/$/.test(value);
}

const collectionUrl = z
  .string()
  .max(2_048)
  .refine(isCollectionUrl, 'must be an http(s) URL that ends with /, without query, fragment or credentials');

const name = z.string().trim().min(1).max(100);

export const caldavConfigSchema = z.strictObject({
  calendarUrl: collectionUrl.meta({
    title: 'Address of the calendar',
    examples: ['https://dav.example.org/kim/practice/'],
  }),
  /** Patients are the cards in it. */
  addressBookUrl: collectionUrl.meta({
    title: 'Address of the address book with the patients',
    examples: ['https://dav.example.org/kim/patients/'],
  }),
  username: z.string().max(255).meta({ title: 'User name' }),
  password: z.string().max(1_024).meta({ title: 'Password', writeOnly: true }),
  /** Of the practice: all-day events, and times that name no zone. */
  timeZone: z
    .string()
    .refine(isZone, 'must be an IANA time zone such as America/New_York')
    .meta({ title: 'Time zone', examples: ['America/New_York'] }),
  /** A calendar is one person's at one place; it says the name of neither. */
  locationName: name.meta({ title: 'Name of the practice' }),
  providerFirstName: name.meta({ title: 'First name of the provider' }),
  providerLastName: name.meta({ title: 'Last name of the provider' }),
  requestTimeoutMs: z.number().int().min(100).max(120_000).default(10_000),
});

export type CaldavConfig = z.infer<typeof caldavConfigSchema>;
