import { z } from 'zod';
import { isZone } from '../../domain/zone.ts';
import { QUIRKS, type Vendor } from './quirks.ts';
import { readSigningKey } from './signing-key.ts';
import { isTokenUrl, MAX_TOKEN_URL_LENGTH } from './token-url.ts';

/** An RSA key of 8192 bits as PEM has 6.4 kB. */
const MAX_KEY_LENGTH = 8_192;

/** Issued by servers, and signed or sent as they are. */
const visibleAscii = (maxLength: number) =>
  z.string().regex(new RegExp(`^[\\x21-\\x7e]{1,${maxLength}}$`), 'must be visible ASCII');

const privateKey = z
  .string()
  .max(MAX_KEY_LENGTH, { abort: true })
  .superRefine((value, context) => {
    try {
      readSigningKey(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  });

/** SMART Backend Services: we sign with a private key, and get tokens that last minutes. */
const smart = z.strictObject({
  type: z.literal('smart'),
  clientId: visibleAscii(255).meta({ title: 'Client id' }),
  /** PEM, or a JWK written as JSON. RSA signs RS384, P-384 signs ES384. */
  privateKey: privateKey.meta({ title: 'Private key (PEM or JWK)', writeOnly: true }),
  /** The `kid` under which the server knows the public half; without it the JWK's own, else its thumbprint. */
  keyId: visibleAscii(255).meta({ title: 'Key id, if the server gave one' }).optional(),
  /** Where tokens are asked for; without it, where the server says, if that is on its own origin. */
  tokenUrl: z
    .string()
    .max(MAX_TOKEN_URL_LENGTH)
    .refine(isTokenUrl, 'must be an https URL without fragment or credentials; http only inside a private network')
    .meta({ title: 'Address of the token endpoint, if it is on another server' })
    .optional(),
  /** What is asked for; without it, what reading and booking need, in the syntax of SMART 1. */
  scope: z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be names with single spaces between')
    .max(2_048)
    .optional(),
});

const auth = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }).meta({ title: 'None' }),
  z
    .strictObject({
      type: z.literal('bearer'),
      token: visibleAscii(8_192).meta({ title: 'Token', writeOnly: true }),
    })
    .meta({ title: 'A bearer token' }),
  z
    .strictObject({
      type: z.literal('basic'),
      username: z.string().min(1).max(255).meta({ title: 'User name' }),
      password: z.string().max(1_024).meta({ title: 'Password', writeOnly: true }),
    })
    .meta({ title: 'User name and password' }),
  smart.meta({ title: 'SMART Backend Services: a client id and a private key' }),
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
  /** Whose server it is: some do less than R4 says, or want it differently. */
  vendor: z
    .enum(Object.keys(QUIRKS) as [Vendor, ...Vendor[]])
    .default('generic')
    .meta({ title: 'Maker of the server', examples: ['generic'] }),
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
  /** What the server signs its calls to us with; with it, a call without that signature is refused. */
  subscriptionSecret: visibleAscii(255).min(16).meta({ title: 'Secret of the notices', writeOnly: true }).optional(),
  requestTimeoutMs: z.number().int().min(100).max(120_000).default(10_000),
});

export type FhirConfig = z.infer<typeof fhirConfigSchema>;
