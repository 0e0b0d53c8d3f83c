import { z } from 'zod';
import { isZone } from '../../domain/zone.ts';

const auth = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }).meta({ title: 'None' }),
  z
    .strictObject({
      type: z.literal('bearer'),
      token: z
        .string()
        .regex(/^[\x21-\x7e]{1,8192}$/, 'must be visible ASCII')
        .meta({ title: 'Token', writeOnly: true }),
    })
    .meta({ title: 'A bearer token' }),
  z
    .strictObject({
      type: z.literal('basic'),
      username: z.string().min(1).max(255).meta({ title: 'User name' }),
      password: z.string().max(1_024).meta({ title: 'Password', writeOnly: true }),
    })
    .meta({ title: 'User name and password' }),
]);

/** Credentials belong in `auth`, and a query or fragment in the base would end up in the middle of every URL. */
function isBaseUrl(value: string): boolean {
  const url = URL.parse(value);
  return (
    url !== null && /^https?:$/.test(url.protocol) && !/[?#]/.test(value) && url.username === '' && url.password === ''
  );
}

export const fhirConfigSchema = z.strictObject({
  /** Where the resource types stand, such as `https://ehr.example.org/fhir/R4`. */
  baseUrl: z
    .string()
    .max(2_048)
    .refine(isBaseUrl, 'must be an http(s) URL without query, fragment or credentials')
    .meta({ title: 'Address of the FHIR server', examples: ['https://ehr.example.org/fhir/R4'] }),
  auth: auth.meta({ title: 'Credentials' }),
  /** Zone of a site that does not tell its own. */
  timeZone: z
    .string()
    .refine(isZone, 'must be an IANA time zone such as America/New_York')
    .meta({ title: 'Time zone', examples: ['America/New_York'] }),
  /**
   * How far before its last position each pass reads again. Servers stamp a change before it becomes visible, by
   * up to the length of their transactions; below five seconds changes get lost under load.
   */
  overlapSeconds: z.number().int().min(5).max(3_600).default(60),
  /** The site of everything that names none; needed when the server only knows rooms. */
  locationId: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,64}$/)
    .meta({ title: 'Id of the site on that server' })
    .optional(),
  requestTimeoutMs: z.number().int().min(100).max(120_000).default(10_000),
});

export type FhirConfig = z.infer<typeof fhirConfigSchema>;
