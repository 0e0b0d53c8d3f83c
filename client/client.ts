/**
 * A client of Openchair's API: every path, parameter and answer is typed from `openapi.json`. Needs nothing but
 * `fetch`: Node 20 or newer, or anything else that has it.
 */
import type { Operations, PageInfo } from './dist/operations.d.ts';

export type * from './dist/operations.d.ts';
export * from './webhooks.ts';

export interface ClientOptions {
  /** Where Openchair answers: `https://chairs.example.org`. */
  baseUrl: string;
  /** An API key, or a token of `POST /authenticates`. */
  key: string;
  /** The institution that is meant by every request that names no other. */
  subdomain?: string;
}

export interface RequestOptions {
  /** Makes a repeated write safe: the same key and request give the same answer. */
  idempotencyKey?: string;
  /** Ends the request early. Without one it ends after 30 s. */
  signal?: AbortSignal;
}

/** What Openchair answers when it does what was asked. */
export interface Answer<Data> {
  code: true;
  description: string | null;
  error: string[];
  data: Data;
  count: number | null;
  page_info: PageInfo;
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type Key<M extends Method, Path extends string> = `${M} ${Path}` & keyof Operations;
/** The paths that a method has. */
export type PathOf<M extends Method> = keyof Operations extends infer K
  ? K extends `${M} ${infer P}`
    ? P
    : never
  : never;
/** What a request may say: the parameters of path, query and body in one. */
export type ParamsOf<M extends Method, Path extends string> = Operations[Key<M, Path>]['params'];
/** What is in `data` of its answer. */
export type DataOf<M extends Method, Path extends string> = Operations[Key<M, Path>]['data'];
// biome-ignore lint/complexity/noBannedTypes: the type of a request that says nothing.
type Arguments<Params> = {} extends Params
  ? [params?: Params, options?: RequestOptions]
  : [params: Params, options?: RequestOptions];

/** Paths whose rows come in pages. */
export type PagedPath = {
  [P in PathOf<'GET'>]: 'end_cursor' extends keyof ParamsOf<'GET', P>
    ? DataOf<'GET', P> extends unknown[]
      ? P
      : never
    : never;
}[PathOf<'GET'>];
type Row<Data> = Data extends (infer One)[] ? One : never;

export interface Client {
  get<P extends PathOf<'GET'>>(path: P, ...rest: Arguments<ParamsOf<'GET', P>>): Promise<Answer<DataOf<'GET', P>>>;
  post<P extends PathOf<'POST'>>(path: P, ...rest: Arguments<ParamsOf<'POST', P>>): Promise<Answer<DataOf<'POST', P>>>;
  patch<P extends PathOf<'PATCH'>>(
    path: P,
    ...rest: Arguments<ParamsOf<'PATCH', P>>
  ): Promise<Answer<DataOf<'PATCH', P>>>;
  delete<P extends PathOf<'DELETE'>>(
    path: P,
    ...rest: Arguments<ParamsOf<'DELETE', P>>
  ): Promise<Answer<DataOf<'DELETE', P>>>;
  /** Every row of a list, read page by page while it is walked. */
  each<P extends PagedPath>(
    path: P,
    ...rest: Arguments<ParamsOf<'GET', P>>
  ): AsyncGenerator<Row<DataOf<'GET', P>>, void>;
}

/** A refusal. `messages` are for people, `code` is for programs: docs/errors.md says what to do about each. */
export class OpenchairError extends Error {
  override name = 'OpenchairError';
  readonly status: number;
  /** Null when it was not Openchair that answered, but something before it. */
  readonly code: string | null;
  readonly messages: string[];
  /** How long to wait before the next try, where the answer says so. */
  readonly retryAfterSeconds: number | null;

  constructor(status: number, code: string | null, messages: string[], retryAfterSeconds: number | null) {
    super(messages.join('; ') || `answered with status ${status}`);
    this.status = status;
    this.code = code;
    this.messages = messages;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const TIMEOUT_MS = 30_000;

/**
 * Speaks v3.0.0. Each call throws `OpenchairError` for a refusal, and what `fetch` throws when nothing answers.
 * Nothing is tried again by itself.
 */
export function createClient({ baseUrl, key, subdomain }: ClientOptions): Client {
  async function request(
    method: Method,
    template: string,
    params: Record<string, unknown> = {},
    options: RequestOptions = {},
  ) {
    const rest = { ...params };
    const path = template.replace(/\{(\w+)\}/g, (_place, name: string) => {
      const value = String(rest[name] ?? '');
      // Dots would be another path: no encoding keeps a URL from being shortened by them.
      if (/^\.{0,2}$/.test(value)) throw new TypeError(`${method} ${template} needs ${name}`);
      delete rest[name];
      return encodeURIComponent(value);
    });
    const hasBody = method === 'POST' || method === 'PATCH';
    const institution = rest.subdomain ?? subdomain;
    delete rest.subdomain;
    const query = new URLSearchParams(institution === undefined ? {} : { subdomain: String(institution) });
    if (!hasBody) addTo(query, rest);
    const text = query.toString();
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}${path}${text === '' ? '' : `?${text}`}`, {
      method,
      headers: {
        authorization: key,
        accept: 'application/json',
        'nex-api-version': 'v3.0.0',
        ...(hasBody && { 'content-type': 'application/json' }),
        ...(options.idempotencyKey !== undefined && { 'idempotency-key': options.idempotencyKey }),
      },
      ...(hasBody && { body: JSON.stringify(rest) }),
      signal: options.signal ?? AbortSignal.timeout(TIMEOUT_MS),
    });
    return read(response);
  }

  async function* each(path: string, params: Record<string, unknown> = {}, options: RequestOptions = {}) {
    for (let cursor = params.end_cursor; ; ) {
      const { data, page_info } = await request('GET', path, { ...params, end_cursor: cursor }, options);
      yield* data as unknown[];
      if (!page_info.has_next_page || page_info.end_cursor === null) return;
      cursor = page_info.end_cursor;
    }
  }

  const calling = (method: Method) => (path: string, params?: Record<string, unknown>, options?: RequestOptions) =>
    request(method, path, params, options);
  return {
    get: calling('GET'),
    post: calling('POST'),
    patch: calling('PATCH'),
    delete: calling('DELETE'),
    each,
  } as unknown as Client;
}

/** Lists with brackets; what is absent is left out. */
function addTo(query: URLSearchParams, params: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) for (const entry of value) query.append(`${name}[]`, String(entry));
    else query.append(name, String(value));
  }
}

const NO_PAGES: PageInfo = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };

async function read(response: Response): Promise<Answer<unknown>> {
  const text = await response.text();
  if (response.status === 204) {
    return { code: true, description: null, error: [], data: null, count: null, page_info: NO_PAGES };
  }
  const envelope = parse(text);
  if (response.ok && envelope?.code === true) return envelope as unknown as Answer<unknown>;
  const retryAfter = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  throw new OpenchairError(
    response.status,
    response.headers.get('openchair-error-code'),
    Array.isArray(envelope?.error) ? envelope.error.map(String) : [],
    Number.isNaN(retryAfter) ? null : retryAfter,
  );
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
