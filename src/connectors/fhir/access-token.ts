/**
 * Access tokens by SMART Backend Services (SMART App Launch 2): for each, a statement that is signed with our private
 * key and good once, for this token endpoint, for minutes (RFC 7523). Whatever goes wrong here is `Unavailable`,
 * because the request that needs the token has not been sent; messages hold neither key nor statement nor token.
 */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { HrsNonsense, Unavailable } from '../connector.ts';
import { type HrsResponse, hrsRequest } from '../http.ts';
import type { FhirConfig } from './config.ts';
import { object, text } from './fields.ts';
import { publicJwkOf, readSigningKey } from './signing-key.ts';
import { discoverTokenUrl } from './token-url.ts';

export interface AccessTokens {
  /** A token with some time left. All who need a new one at the same time wait for the same. */
  get(signal: AbortSignal): Promise<string>;
  /** The server refused this token: the next `get` does not give it again. */
  forget(token: string): void;
}

/** The resource types that are read and written. Not `*`, because some servers grant none then. */
const DEFAULT_SCOPE = [
  ...['Location', 'Practitioner', 'PractitionerRole', 'Schedule', 'Slot', 'Patient', 'Appointment'].map(
    (type) => `system/${type}.read`,
  ),
  ...['Slot', 'Patient', 'Appointment'].map((type) => `system/${type}.write`),
].join(' ');

/** SMART allows five minutes; the rest is left for a server whose clock is behind ours. */
const STATEMENT_LIFETIME_S = 180;

/** Smaller differences do not make a statement invalid, and `Date` only has seconds. */
const MIN_CLOCK_DIFFERENCE_MS = 30_000;

/** What SMART recommends for a token that does not say; a 401 tells when it was less. */
const DEFAULT_TOKEN_LIFETIME_S = 300;

/** A token is not used on its last seconds, nor on the second half of a very short life. */
const TOKEN_MARGIN_MS = 30_000;

/** A token is a kilobyte or two. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What a header can carry. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

/** RFC 6749, 5.2, in the words of whoever has to mend it. */
const REFUSALS: Record<string, string> = {
  invalid_client: 'does not know this client id, or not the public half of our key',
  invalid_grant: 'does not accept what we signed: look at client id, key and token URL',
  unauthorized_client: 'does not let this client sign in by itself (client_credentials)',
  unsupported_grant_type: 'lets no client sign in by itself (client_credentials)',
  invalid_scope: 'does not grant the scope that was asked for',
};

export function accessTokens(
  auth: Extract<FhirConfig['auth'], { type: 'smart' }>,
  baseUrl: string,
  timeoutMs: number,
): AccessTokens {
  const signingKey = readSigningKey(auth.privateKey);
  /** Token requests serve several callers, and none of these ends one: each has its time-out. */
  const { signal: neverAborted } = new AbortController();
  /** By how much the server's clock is ahead of ours, where it made a difference. */
  let aheadMs = 0;
  let current: { token: string; usableUntilMs: number } | null = null;
  let pending: Promise<string> | null = null;

  async function get(signal: AbortSignal): Promise<string> {
    // Monotonic: a wall clock that is set back must not keep an expired token in use.
    if (current !== null && performance.now() < current.usableUntilMs) return current.token;
    pending ??= renew().finally(() => {
      pending = null;
    });
    return untilAborted(pending, signal);
  }

  function forget(token: string): void {
    if (current?.token === token) current = null;
  }

  async function renew(): Promise<string> {
    const askedMs = performance.now();
    try {
      const { token, lifetimeMs } = await requestToken();
      current = { token, usableUntilMs: askedMs + lifetimeMs - Math.min(TOKEN_MARGIN_MS, lifetimeMs / 2) };
      return token;
    } catch (error) {
      if (!(error instanceof HrsNonsense || error instanceof Unavailable)) throw error;
      const retryAfterMs = error instanceof Unavailable ? error.retryAfterMs : null;
      throw new Unavailable(`no access token: ${error.message}`, retryAfterMs);
    }
  }

  async function requestToken(): Promise<{ token: string; lifetimeMs: number }> {
    const tokenUrl = auth.tokenUrl ?? (await discoverTokenUrl(baseUrl, timeoutMs, neverAborted));
    let response = await post(tokenUrl, aheadMs);
    const heardMs = Date.parse(response.headers.date ?? '') - Date.now();
    if (isRefused(response) && Math.abs(heardMs - aheadMs) > MIN_CLOCK_DIFFERENCE_MS) {
      // What we signed may have been too old or too new by the server's clock.
      response = await post(tokenUrl, heardMs);
      if (!isRefused(response)) aheadMs = heardMs;
    }
    return readToken(response, new URL(tokenUrl).origin);
  }

  async function post(tokenUrl: string, clockAheadMs: number): Promise<HrsResponse> {
    const form = {
      grant_type: 'client_credentials',
      scope: auth.scope ?? DEFAULT_SCOPE,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await sign(tokenUrl, Date.now() + clockAheadMs),
    };
    // Not a write: it changes nothing in the practice, and may be repeated.
    return hrsRequest({
      ...{ method: 'POST', url: tokenUrl, form, isWrite: false },
      ...{ maxBodyBytes: MAX_ANSWER_BYTES, timeoutMs, signal: neverAborted },
    });
  }

  async function sign(tokenUrl: string, nowMs: number): Promise<string> {
    const nowS = Math.floor(nowMs / 1_000);
    const { kid } = await publicJwkOf(signingKey, auth.keyId);
    return new SignJWT()
      .setProtectedHeader({ alg: signingKey.algorithm, kid, typ: 'JWT' })
      .setIssuer(auth.clientId)
      .setSubject(auth.clientId)
      .setAudience(tokenUrl)
      .setJti(randomUUID())
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + STATEMENT_LIFETIME_S)
      .sign(signingKey.key);
  }

  return { get, forget };
}

const isRefused = ({ status }: HrsResponse) => status === 400 || status === 401;

/** RFC 6749, 5.1. */
function readToken(response: HrsResponse, origin: string): { token: string; lifetimeMs: number } {
  if (response.status >= 300) throw new Unavailable(refusalText(response, origin));
  const { access_token: token, token_type: type, expires_in: expiresIn } = object(response.json);
  if (typeof token !== 'string' || !TOKEN.test(token) || !/^bearer$/i.test(text(type) ?? '')) {
    throw new Unavailable(`${origin} answers without a bearer token`);
  }
  const lifetimeS = Number(expiresIn);
  return { token, lifetimeMs: 1_000 * (lifetimeS > 0 ? lifetimeS : DEFAULT_TOKEN_LIFETIME_S) };
}

function refusalText({ status, json }: HrsResponse, origin: string): string {
  const error = text(object(json).error) ?? '';
  const known = REFUSALS[error] ?? 'refuses to give us one';
  const code = /^[a-z_]{1,40}$/.test(error) ? `${status}, ${error}` : `${status}`;
  const said = plainText(text(object(json).error_description) ?? '');
  return `${origin} ${known} (${code})${said === '' ? '' : `; it says: ${said}`}`;
}

/** The server's own words, shortened; a long run without a space may be what we sent. */
function plainText(description: string): string {
  return description
    .slice(0, 2_000)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[\w.+/=~-]{32,}/g, '…')
    .trim()
    .replace(/\.$/, '')
    .slice(0, 200);
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(new Unavailable('given up by the caller'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
