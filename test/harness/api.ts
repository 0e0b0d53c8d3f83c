/** The real API on a free port, over a database of its own with one practice in it. */
import { pino } from 'pino';
import { z } from 'zod';
import { createAuthentication } from '../../src/api/authentication.ts';
import type { Services } from '../../src/api/context.ts';
import { routes } from '../../src/api/routes.ts';
import { createServer } from '../../src/api/server.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Capabilities, ConnectorKind } from '../../src/connectors/connector.ts';
import { openWakeups } from '../../src/jobs/wakeups.ts';
import { openDatabase } from '../../src/store/database.ts';
import type { Version } from '../../src/views/version.ts';
import { checkAnswer } from './contract.ts';
import { createTestDatabase } from './database.ts';
import { createKey, createPractice } from './practice.ts';
import { SEAL } from './seal.ts';

/** An HRS that takes everything. */
export const ALL_CAPABILITIES: Capabilities = {
  createAppointment: true,
  createPatient: true,
  createBlock: true,
  confirm: true,
  cancel: true,
  checkIn: true,
  reschedule: true,
  changeOperatory: true,
  changeNote: true,
  createAlert: true,
  changeAlert: true,
  appointmentsPerTimeslot: 5,
  marker: 'unique',
  settleMs: 1_000,
  reportsDeletions: true,
  readsAvailabilities: true,
  readsCompletely: [],
};

/** Known by name only: no request ever waits on an HRS, so none is behind it. */
const NAMED_KIND: ConnectorKind = {
  kind: 'sandbox',
  displayName: 'Sandbox',
  type: 'onprem',
  configSchema: z.unknown(),
  identityOf: (config) => JSON.stringify(config),
  connect() {
    throw new Error('the API connects to no HRS');
  },
};

export interface ApiOptions {
  subdomain?: string;
  clock?: Clock;
  services?: Partial<Services>;
}

export interface RequestOptions {
  /** Default v2. `null` sends no version, which means v3.0.0. */
  version?: Version | null;
  /** An object goes as JSON, text and bytes as they are. */
  body?: object | string | Uint8Array<ArrayBuffer>;
  /** Default: the key of the first practice. `null` sends none. */
  key?: string | null;
  headers?: Record<string, string>;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the API answers.
  body: any;
}

export type Api = Awaited<ReturnType<typeof startApi>>;

export async function startApi({ subdomain = 'oak', clock = systemClock, services = {} }: ApiOptions = {}) {
  const database = await createTestDatabase();
  const logLines: string[] = [];
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => void logLines.push(line) });
  const db = openDatabase(database.connection, 8, () => {});
  const wakeups = await openWakeups(database.connection, log);
  const practice = await createPractice(db, subdomain);
  const { key, apiUserId } = await createKey(db, [practice.institution.id]);
  const tokenSecret = 'a secret of at least thirty-two bytes';
  const all: Services = {
    db,
    clock,
    log,
    tokenSecret,
    seal: SEAL,
    wakeups,
    connectorKinds: new Map([[NAMED_KIND.kind, NAMED_KIND]]),
    capabilitiesOf: () => ALL_CAPABILITIES,
    rateLimiter: null,
    webhookAddresses: 'any',
    baseUrl: () => 'https://openchair.example',
    ...services,
  };
  const server = createServer(all, createAuthentication(db, tokenSecret, clock), routes);
  const url = await server.listen({ port: 0, host: '127.0.0.1' });

  async function request(method: string, path: string, options: RequestOptions = {}): Promise<ApiAnswer> {
    const { version = 'v2', body } = options;
    const credential = options.key === undefined ? key : options.key;
    const headers = {
      ...(version && { 'nex-api-version': version }),
      ...(credential !== null && { authorization: credential }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body !== undefined && {
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    checkAnswer({ method, path, headers }, { status: response.status, headers: response.headers, text });
    return { status: response.status, headers: response.headers, text, body: text === '' ? null : JSON.parse(text) };
  }

  return {
    url,
    db,
    database,
    services: all,
    practice,
    institution: practice.institution,
    key,
    apiUserId,
    /** What has been logged so far, a JSON line each. */
    logLines,
    request,
    get: (path: string, options?: RequestOptions) => request('GET', path, options),
    post: (path: string, options?: RequestOptions) => request('POST', path, options),
    patch: (path: string, options?: RequestOptions) => request('PATCH', path, options),
    delete: (path: string, options?: RequestOptions) => request('DELETE', path, options),
    async close() {
      await server.close();
      await wakeups.close();
      await db.close();
      await database.drop();
    },
  };
}
