/**
 * The environment, read once and checked. The defaults below are the defaults: there is no other place.
 */
import { z } from 'zod';

const flag = (fallback: boolean) =>
  z
    .enum(['on', 'off', 'true', 'false', '1', '0'])
    .transform((text) => ['on', 'true', '1'].includes(text))
    .default(fallback);

/** A key of 32 bytes, as hex or as base64 of either alphabet; null when the text is neither. */
export function parseSecretKey(text: string): Buffer | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : null;
}

const secretKey = () =>
  z
    .string()
    .transform((text, context) => {
      const key = parseSecretKey(text);
      if (!key) context.addIssue('must be 32 bytes as hex or base64, such as `openssl rand -hex 32` prints');
      return key ?? z.NEVER;
    })
    .optional();

/** Where the API answers when nobody says otherwise. */
export const DEFAULT_PORT = 3000;

const schema = z.object({
  /** Where the API answers. A worker answers for its health here, and only when a port is given. */
  PORT: z.coerce.number().int().min(0).max(65535).optional(),
  /** All interfaces would put patient data on the network by accident: ask for it with `0.0.0.0`. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Holds the embedded database, the secret key, the sandbox's file and `demo.json`. */
  OPENCHAIR_DATA: z.string().min(1).default('data'),
  /** A PostgreSQL server (15 or newer) instead of the embedded one. Needed for more than one process. */
  DATABASE_URL: z.string().optional(),
  /** `off` leaves out the demo practice and its sandbox. */
  OPENCHAIR_DEMO: flag(true),
  /** A file that describes institutions to start with; see docs/operating.md. */
  OPENCHAIR_SEED: z.string().optional(),
  /** Webhooks may go to loopback and private addresses. The demo allows loopback by itself. */
  OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS: flag(false),
  /** `off`, `nexhealth`, or limits of your own; see docs/operating.md. Unset: NexHealth's, and none for the demo. */
  OPENCHAIR_RATE_LIMITS: z.string().optional(),
  /** How this installation is reached, by an HRS and by the links of onboardings. Default: loopback and PORT. */
  OPENCHAIR_PUBLIC_URL: z.url().optional(),
  /** Seals what is secret in the database. Unset: the key in the file below. */
  OPENCHAIR_SECRET_KEY: secretKey(),
  /** A file with such a key. Unset: `secret.key` in OPENCHAIR_DATA, which `serve` makes. */
  OPENCHAIR_SECRET_KEY_FILE: z.string().optional(),
  /** A key that opens what it has sealed and seals nothing: the one that is being replaced. */
  OPENCHAIR_SECRET_KEY_OLD: secretKey(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('warn'),
});

export interface Config {
  /** Null when none is given. */
  port: number | null;
  host: string;
  dataDir: string;
  databaseUrl: string | null;
  demo: boolean;
  seedFile: string | null;
  allowPrivateWebhooks: boolean;
  rateLimits: string | null;
  publicUrl: string | null;
  secretKey: Buffer | null;
  secretKeyFile: string | null;
  oldSecretKey: Buffer | null;
  logLevel: string;
}

/** Throws one error that names every variable that is wrong, what it was and what is wanted. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  // An empty variable is an unset one: that is how compose files and CI hand them over.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(present);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The environment is not usable:\n${lines.join('\n')}`);
  }
  const { data } = parsed;
  return {
    port: data.PORT ?? null,
    host: data.HOST,
    dataDir: data.OPENCHAIR_DATA,
    databaseUrl: data.DATABASE_URL ?? null,
    demo: data.OPENCHAIR_DEMO,
    seedFile: data.OPENCHAIR_SEED ?? null,
    allowPrivateWebhooks: data.OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS,
    rateLimits: data.OPENCHAIR_RATE_LIMITS ?? null,
    publicUrl: data.OPENCHAIR_PUBLIC_URL ?? null,
    secretKey: data.OPENCHAIR_SECRET_KEY ?? null,
    secretKeyFile: data.OPENCHAIR_SECRET_KEY_FILE ?? null,
    oldSecretKey: data.OPENCHAIR_SECRET_KEY_OLD ?? null,
    logLevel: data.LOG_LEVEL,
  };
}
