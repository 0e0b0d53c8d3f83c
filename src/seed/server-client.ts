/**
 * Reads lists from a server that speaks NexHealth's API, in either of its envelopes. Asks for nothing but a token
 * and lists of things, slower than the strictest limit that is known of, and waits when it is told to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HrsNonsense, Unavailable } from '../connectors/connector.ts';
import { type HrsResponse, hrsRequest } from '../connectors/http.ts';

/** Under 8 a second; NexHealth's strictest limit is 10. */
const PACE_MS = 130;
const TIMEOUT_MS = 30_000;
const MAX_TRIES = 6;
/** Of a request that nobody answered: the address may be wrong. */
const MAX_SILENT_TRIES = 3;
/** Whoever is told to wait longer comes back another time. */
const MAX_WAIT_MS = 120_000;
/** What NexHealth allows under v2; v3.0.0 allows more. */
const PER_PAGE = 300;
const MAX_ROWS = 100_000;

export type Json = Record<string, unknown>;
export type Params = [name: string, value: string | number | boolean][];

export interface ServerClient {
  /** Every row of a list, each id once, over all pages. Null where the server has no such list, or not for this key. */
  findAll(path: string, params: Params): Promise<Json[] | null>;
  /** The same of a list that must be there. Throws what the server said. */
  getAll(path: string, params: Params): Promise<Json[]>;
}

export interface ServerOptions {
  url: string;
  key: string;
  /** Hears of waits, which would look like a standstill. */
  tell(line: string): void;
}

/** Signs in, and promises a client. Throws when the server is not reached or does not take the key. */
export async function openServer({ url, key, tell }: ServerOptions): Promise<ServerClient> {
  const base = baseOf(url);
  let nextMs = 0;
  let token = '';

  async function send(method: 'GET' | 'POST', path: string, authorization: string): Promise<HrsResponse> {
    for (let tries = 1; ; tries += 1) {
      await sleep(Math.max(0, nextMs - Date.now()));
      nextMs = Date.now() + PACE_MS;
      try {
        return await hrsRequest({
          method,
          url: base + path,
          headers: { authorization, 'nex-api-version': 'v3.0.0', 'user-agent': 'openchair-export' },
          isWrite: false,
          timeoutMs: TIMEOUT_MS,
          signal: new AbortController().signal,
        });
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        const waitMs = error.retryAfterMs ?? 500 * 2 ** tries;
        const most = error.retryAfterMs === null ? MAX_SILENT_TRIES : MAX_TRIES;
        if (tries >= most || waitMs > MAX_WAIT_MS) throw error;
        if (waitMs >= 1_000) tell(`${error.message}; going on in ${Math.ceil(waitMs / 1_000)} s`);
        nextMs = Date.now() + waitMs;
      }
    }
  }

  async function signIn(): Promise<void> {
    const { status, json } = await send('POST', '/authenticates', key);
    const found = objectOf(objectOf(json)?.data)?.token;
    if (typeof found === 'string') token = `Bearer ${found}`;
    // A server without tokens takes the key itself.
    else if (status === 404) token = key;
    else throw new Error(`${base} does not take this key (${status}${saidOf(json)}).`);
  }

  async function get(path: string): Promise<HrsResponse> {
    const answer = await send('GET', path, token);
    if (answer.status !== 401) return answer;
    await signIn();
    return send('GET', path, token);
  }

  async function findAll(path: string, params: Params, isNeeded = false): Promise<Json[] | null> {
    const rows = new Map<unknown, Json>();
    let place: Params = [];
    for (let page = 1; ; page += 1) {
      const query = [...params, ['per_page', PER_PAGE] as const, ...place]
        .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
        .join('&');
      const { status, json } = await get(`${path}?${query}`);
      const body = objectOf(json);
      if (status >= 400 || body?.code === false) {
        if (!isNeeded && [400, 403, 404].includes(status)) return null;
        throw new Error(`GET ${path} of ${base} answered ${status}${saidOf(json)}.`);
      }
      const list = listOf(body?.data);
      if (list === null && !isNeeded) return null;
      if (list === null) throw new HrsNonsense(`GET ${path} of ${base} answered without a list in "data".`);
      const before = rows.size;
      for (const row of list) rows.set(row.id, row);
      // A server that takes no notice of pages answers the same again.
      if (rows.size === before || rows.size >= MAX_ROWS) break;
      const info = objectOf(body?.page_info);
      const cursor = info?.has_next_page === true ? info.end_cursor : null;
      const count = Number(body?.count ?? Number.NaN);
      if (typeof cursor === 'string') place = [['end_cursor', cursor]];
      else if (info?.has_next_page === false) break;
      else if (rows.size >= count) break;
      else place = [['page', page + 1]];
    }
    return [...rows.values()];
  }

  await signIn();
  return {
    findAll: (path, params) => findAll(path, params),
    getAll: async (path, params) => (await findAll(path, params, true)) ?? [],
  };
}

function baseOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new Error(`--from must be an address such as https://nexhealth.info, and is "${url}".`);
  return (parsed.origin + parsed.pathname).replace(/\/+$/, '');
}

/** The value when it is an object and no list, else null. */
export function objectOf(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** The objects of a list; nothing when it is none. */
export function objectsOf(value: unknown): Json[] {
  const list: unknown[] = Array.isArray(value) ? value : [];
  return list.map(objectOf).filter((one) => one !== null);
}

/** The rows themselves, or under the one name that v2 puts them (`data.operatories`). */
function listOf(data: unknown): Json[] | null {
  const list = Array.isArray(data) ? data : Object.values(objectOf(data) ?? {}).find(Array.isArray);
  return list ? objectsOf(list) : null;
}

/** Without the characters that a terminal obeys and a database refuses. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

/** `: Resource not found`, when the envelope says so. */
function saidOf(json: unknown): string {
  const error = objectOf(json)?.error;
  const texts = Array.isArray(error) ? error : [error];
  const said = texts.filter((text) => typeof text === 'string').join(', ');
  return said === '' ? '' : `: ${plainText(said).slice(0, 300)}`;
}
