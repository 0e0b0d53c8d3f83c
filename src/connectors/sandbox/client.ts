/** The sandbox's API: one request each, with its answer checked to be what was asked for. */
import { CursorRejected, HrsNonsense, OutcomeUnknown, Unavailable } from '../connector.ts';
import { type HrsRequest, type HrsResponse, hrsRequest } from '../http.ts';
import type { SandboxConfig } from './config.ts';
import { getCount, getFlag, getObjects, getOneOf, isObject, type Json } from './fields.ts';

/** What the sandbox calls its records, in an order in which each refers to those before it. */
export const KINDS = [
  'site',
  'practitioner',
  'room',
  'code',
  'schedule_label',
  'schedule',
  'patient',
  'alert',
  'plan',
  'coverage',
  'recall_type',
  'visit',
  'block',
  'recall',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Change {
  revision: number;
  kind: Kind;
  id: number;
  /** `null` when it was deleted. */
  record: Json | null;
}

export interface ChangePage {
  /** Oldest first, all behind the revision that was asked for. */
  changes: Change[];
  /** How far the page reaches. */
  revision: number;
  /** The newest revision there is: a page that ends before it, with no more to come, is not the whole truth. */
  head: number;
  hasMore: boolean;
}

export type WriteAnswer =
  | { kind: 'done'; record: Json }
  | { kind: 'refused'; status: number; code: string; message: string; details: Json };

export interface SandboxClient {
  /** What changed after revision `since`. Throws `CursorRejected` when the sandbox no longer knows it. */
  changes(since: number, signal: AbortSignal): Promise<ChangePage>;
  /** `null` when the sandbox says that there is none. */
  find(kind: Kind, id: string, signal: AbortSignal): Promise<Json | null>;
  /** All records of a kind that equal `filters`, by id, a page at a time; throws when some are held back. */
  list(kind: Kind, filters: Record<string, string>, signal: AbortSignal): AsyncGenerator<Json[]>;
  /** How many records of a kind there are. */
  count(kind: Kind, signal: AbortSignal): Promise<number>;
  hooks(signal: AbortSignal): Promise<Json[]>;
  write(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body: Json | undefined,
    signal: AbortSignal,
  ): Promise<WriteAnswer>;
}

/** The sandbox's own limit. */
const PAGE_SIZE = 1_000;

/** `spend` counts each request before it leaves, and throws when it must not. */
export function sandboxClient(config: SandboxConfig, spend: () => Promise<void>): SandboxClient {
  const baseUrl = config.baseUrl.replace(/\/+$/, '');

  async function request(
    part: Pick<HrsRequest, 'method' | 'isWrite' | 'signal'> & { path: string; body?: Json | undefined },
  ): Promise<HrsResponse> {
    await spend();
    const response = await hrsRequest({
      method: part.method,
      url: baseUrl + part.path,
      headers: { 'x-sandbox-key': config.apiKey },
      body: part.body,
      isWrite: part.isWrite,
      timeoutMs: config.requestTimeoutMs,
      signal: part.signal,
    });
    if (response.status === 401 || response.status === 403) {
      throw new Unavailable(`the sandbox does not accept the API key (${response.status})`);
    }
    return response;
  }

  async function get(path: string, query: Record<string, string>, signal: AbortSignal): Promise<HrsResponse> {
    const search = new URLSearchParams(query).toString();
    return request({ method: 'GET', path: search === '' ? path : `${path}?${search}`, isWrite: false, signal });
  }

  async function read(path: string, query: Record<string, string>, signal: AbortSignal): Promise<Json> {
    const { status, json } = await get(path, query, signal);
    if (status === 410 && refusalOf(json)?.code === 'cursor_gone') {
      throw new CursorRejected('the sandbox no longer knows this revision');
    }
    if (status !== 200 || !isObject(json)) throw new HrsNonsense(`the sandbox answered a read with ${status}`);
    return json;
  }

  return {
    async changes(since, signal) {
      const body = await read('/v1/changes', { since: String(since), limit: String(PAGE_SIZE) }, signal);
      const page: ChangePage = {
        changes: getObjects(body, 'changes').map(readChange),
        revision: getCount(body, 'revision'),
        head: getCount(body, 'head'),
        hasMore: getFlag(body, 'has_more'),
      };
      let last = since;
      for (const { revision } of page.changes) {
        if (revision <= last) throw new HrsNonsense('the sandbox told of changes out of order');
        last = revision;
      }
      const isNext = page.hasMore ? page.revision === last && last > since : page.revision >= last;
      if (!isNext || page.revision > page.head) throw new HrsNonsense('the sandbox told of changes that do not add up');
      return page;
    },

    async find(kind, id, signal) {
      const { status, json } = await get(`/v1/${kind}s/${encodeURIComponent(id)}`, {}, signal);
      if (status === 404 && refusalOf(json)?.code === `unknown_${kind}`) return null;
      if (status !== 200 || !isObject(json)) throw new HrsNonsense(`the sandbox answered a read with ${status}`);
      if (String(json.id) !== id) throw new HrsNonsense('the sandbox answered with another record');
      return json;
    },

    async *list(kind, filters, signal) {
      let after = 0;
      let seen = 0;
      for (;;) {
        const body = await read(`/v1/${kind}s`, { ...filters, after: String(after), limit: String(PAGE_SIZE) }, signal);
        const items = getObjects(body, 'items');
        for (const item of items) {
          const id = getCount(item, 'id');
          if (id <= after) throw new HrsNonsense('the sandbox gave a list out of order');
          after = id;
        }
        seen += items.length;
        yield items;
        if (body.next === null) {
          // Records that are erased meanwhile make it less than we have seen, never more.
          if (getCount(body, 'total') > seen) throw new HrsNonsense('the sandbox gave a part of a list');
          return;
        }
        if (items.length === 0 || body.next !== after)
          throw new HrsNonsense('the sandbox gave a list that goes on elsewhere');
      }
    },

    async count(kind, signal) {
      return getCount(await read(`/v1/${kind}s`, { limit: '1' }, signal), 'total');
    },

    async hooks(signal) {
      return getObjects(await read('/v1/hooks', {}, signal), 'items');
    },

    async write(method, path, body, signal) {
      const { status, json } = await request({ method, path, body, isWrite: true, signal });
      if (status < 400) {
        if (!isObject(json)) throw new OutcomeUnknown('the sandbox answered a write without a record');
        return { kind: 'done', record: json };
      }
      const refusal = refusalOf(json);
      // Somebody in between, perhaps, who does not know what became of it.
      if (refusal === null) throw new OutcomeUnknown(`the sandbox answered a write with ${status} and no reason`);
      return { kind: 'refused', status, ...refusal };
    },
  };
}

function readChange(change: Json): Change {
  const record = change.record;
  const isDeleted = getFlag(change, 'deleted');
  if (isDeleted ? record !== null : !isObject(record))
    throw new HrsNonsense('the sandbox told of a change without its record');
  return {
    revision: getCount(change, 'revision'),
    kind: getOneOf(change, 'kind', KINDS),
    id: getCount(change, 'id'),
    record: record as Json | null,
  };
}

function refusalOf(json: unknown): { code: string; message: string; details: Json } | null {
  if (!isObject(json) || typeof json.error !== 'string' || typeof json.message !== 'string') return null;
  return { code: json.error, message: json.message, details: json };
}
