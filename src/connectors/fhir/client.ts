/**
 * FHIR's REST rules (R4, http.html), and nothing of what resources mean: searches read to their end, single reads,
 * conditional creates and version-guarded updates. Replies are checked here to be what was asked for.
 */
import { HrsNonsense, OutcomeUnknown, Unavailable } from '../connector.ts';
import { type HrsResponse, hrsRequest } from '../http.ts';
import type { FhirConfig } from './config.ts';
import { credentialsOf } from './credentials.ts';
import { isObject, type Json, object, objects, text } from './fields.ts';

export interface Resource extends Json {
  resourceType: string;
  id: string;
}

export type SearchParams = [name: string, value: string][];

export interface Page {
  /** Rows not yet given in this version, in the server's order. */
  resources: Resource[];
  /** True on the last page, and only when nothing speaks against having seen every row. */
  isComplete: boolean;
}

export type WriteAnswer =
  | { kind: 'stored'; id: string | null }
  /** 409, or 412 to `If-Match`: the record is not in the state we thought. */
  | { kind: 'conflict' }
  | { kind: 'missing' }
  | { kind: 'rejected'; status: number; said: string };

export interface FhirClient {
  /** Without a trailing slash. */
  baseUrl: string;
  /** The HRS's clock as last heard, from its `Date` header. */
  serverMs(): number | null;
  /** `null` when the server itself says that there is none (404 and 410 with an OperationOutcome). */
  read(type: string, id: string, signal: AbortSignal): Promise<Resource | null>;
  /** Follows `next` links to the end; the last page says whether that was everything. */
  search(type: string, params: SearchParams, signal: AbortSignal): AsyncGenerator<Page>;
  /** `search` for a handful of rows; throws `HrsNonsense` when they cannot all be had or are too many. */
  searchAll(type: string, params: SearchParams, signal: AbortSignal, maxRows?: number): Promise<Resource[]>;
  /** `ifNoneExist` is the search that must find nothing for a record to be made (FHIR's conditional create). */
  create(resource: Json, ifNoneExist: SearchParams, signal: AbortSignal): Promise<WriteAnswer>;
  /** Replaces the record, provided that it still has the version we read. */
  update(resource: Resource, signal: AbortSignal): Promise<WriteAnswer>;
  /** The server's CapabilityStatement. */
  metadata(signal: AbortSignal): Promise<Json>;
  /** Whether the server has this type at all, by its CapabilityStatement. */
  serves(type: string, signal: AbortSignal): Promise<boolean>;
}

/** Servers cap this as they like; the answer's own links decide. */
const PAGE_SIZE = 200;

/** Two million rows. A server that still offers a next page is taken to be going round in circles. */
const MAX_PAGES = 10_000;

/** Rows that move while paging by offset can hide others; they show up on reading again. */
const MAX_READINGS = 3;

/** A look-up that matches more than this was not understood by the server. */
const MAX_LOOKUP_ROWS = 2_000;

/** A CapabilityStatement can be half a megabyte and changes with the server's releases. */
const SERVED_TYPES_MS = 3_600_000;

const MAX_LINK_LENGTH = 8_192;

export function fhirClient(config: FhirConfig): FhirClient {
  const baseUrl = config.baseUrl.replace(/\/+$/, '');
  const credentials = credentialsOf(config, baseUrl);
  let serverMs: number | null = null;
  let served: { types: Set<string>; readMs: number } | null = null;

  async function send(
    method: 'GET' | 'POST' | 'PUT',
    url: string,
    signal: AbortSignal,
    extra: { body?: Json; headers?: Record<string, string> } = {},
  ): Promise<HrsResponse> {
    const attempt = (authorization: string | null) =>
      hrsRequest({
        method,
        url,
        headers: {
          accept: 'application/fhir+json',
          ...(extra.body ? { 'content-type': 'application/fhir+json' } : {}),
          ...(authorization === null ? {} : { authorization }),
          ...extra.headers,
        },
        body: extra.body,
        isWrite: method !== 'GET',
        timeoutMs: config.requestTimeoutMs,
        signal,
      });
    const authorization = await credentials.get(signal);
    let response = await attempt(authorization);
    // A 401 is never acted upon, so even a write may be sent again.
    if (response.status === 401 && credentials.canReplace(authorization)) {
      response = await attempt(await credentials.get(signal));
    }
    const dateMs = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(dateMs)) serverMs = dateMs;
    // It waits until somebody has mended the credentials.
    if (response.status === 401) throw new Unavailable('the HRS refuses our credentials (401)');
    return response;
  }

  async function read(type: string, id: string, signal: AbortSignal): Promise<Resource | null> {
    const response = await send('GET', `${baseUrl}/${type}/${encodeURIComponent(id)}`, signal);
    const isOutcome = object(response.json).resourceType === 'OperationOutcome';
    // Without the OperationOutcome it may be a proxy that speaks, who knows nothing of the record.
    if ((response.status === 404 || response.status === 410) && isOutcome) return null;
    throwUnlessRead(response, `reading ${type}`);
    const resource = getResource(response.json, type);
    if (resource.id !== id) throw new HrsNonsense(`reading ${type} gave another record`);
    return resource;
  }

  async function* search(type: string, params: SearchParams, signal: AbortSignal): AsyncGenerator<Page> {
    const versions = new Map<string, string>();
    for (let reading = 1; ; reading++) {
      let next: string | null = searchUrl(type, params);
      let total = 0;
      const visited = new Set<string>();
      while (next !== null) {
        if (visited.has(next) || visited.size === MAX_PAGES) throw new HrsNonsense(`paging of ${type} never ends`);
        visited.add(next);
        const response = await send('GET', next, signal);
        throwUnlessRead(response, `searching ${type}`);
        const bundle = getBundle(response.json, type);
        total = Math.max(total, bundle.total);
        next = bundle.next === null ? null : sameOrigin(bundle.next, next);
        const resources = bundle.resources.filter((resource) => {
          const version = text(object(resource.meta).versionId) ?? JSON.stringify(resource);
          if (versions.get(resource.id) === version) return false;
          versions.set(resource.id, version);
          return true;
        });
        const isLast = next === null && (total <= versions.size || reading === MAX_READINGS);
        if (isLast || resources.length > 0) yield { resources, isComplete: isLast && total <= versions.size };
        if (isLast) return;
      }
    }
  }

  function searchUrl(type: string, params: SearchParams): string {
    const query = new URLSearchParams(params);
    query.set('_count', String(PAGE_SIZE));
    query.set('_total', 'accurate');
    return `${baseUrl}/${type}?${query}`;
  }

  async function searchAll(
    type: string,
    params: SearchParams,
    signal: AbortSignal,
    maxRows = MAX_LOOKUP_ROWS,
  ): Promise<Resource[]> {
    const latest = new Map<string, Resource>();
    for await (const { resources, isComplete } of search(type, params, signal)) {
      for (const resource of resources) latest.set(resource.id, resource);
      if (latest.size > maxRows) throw new HrsNonsense(`look-up in ${type} gives more than ${maxRows} rows`);
      if (isComplete) return [...latest.values()];
    }
    throw new HrsNonsense(`look-up in ${type} gave fewer rows than its total`);
  }

  async function create(resource: Json, ifNoneExist: SearchParams, signal: AbortSignal): Promise<WriteAnswer> {
    const type = resource.resourceType as string;
    const headers = { 'if-none-exist': new URLSearchParams(ifNoneExist).toString() };
    const response = await send('POST', `${baseUrl}/${type}`, signal, { body: resource, headers });
    // FHIR's answer to several matches of If-None-Exist: there are copies already.
    if (response.status === 412) throw new OutcomeUnknown(`the HRS already holds several copies of this ${type}`);
    return writeAnswer(response, type);
  }

  async function update(resource: Resource, signal: AbortSignal): Promise<WriteAnswer> {
    const { resourceType: type, id } = resource;
    const version = text(object(resource.meta).versionId);
    const headers: Record<string, string> = version === null ? {} : { 'if-match': `W/"${version}"` };
    const response = await send('PUT', `${baseUrl}/${type}/${id}`, signal, { body: resource, headers });
    const answer = writeAnswer(response, type);
    if (answer.kind === 'stored' && answer.id !== null && answer.id !== id) {
      throw new OutcomeUnknown(`the HRS answered an update of a ${type} with another record`);
    }
    return answer;
  }

  async function metadata(signal: AbortSignal): Promise<Json> {
    const response = await send('GET', `${baseUrl}/metadata`, signal);
    throwUnlessRead(response, 'reading the CapabilityStatement');
    const statement = object(response.json);
    if (statement.resourceType !== 'CapabilityStatement') throw new HrsNonsense('there is no CapabilityStatement');
    return statement;
  }

  async function serves(type: string, signal: AbortSignal): Promise<boolean> {
    if (served === null || Date.now() - served.readMs > SERVED_TYPES_MS) {
      const types = objects((await metadata(signal)).rest).flatMap((rest) => objects(rest.resource));
      served = { types: new Set(types.map((one) => text(one.type) ?? '')), readMs: Date.now() };
    }
    return served.types.has(type);
  }

  return { baseUrl, serverMs: () => serverMs, read, search, searchAll, create, update, metadata, serves };
}

function throwUnlessRead(response: HrsResponse, doing: string): void {
  if (response.status === 403) throw new Unavailable(`the HRS does not allow ${doing} (403)`);
  if (response.status >= 300) throw new HrsNonsense(`${doing}: ${refusalText(response)}`);
}

function getResource(json: unknown, type: string): Resource {
  const { resourceType, id } = object(json);
  if (resourceType !== type) throw new HrsNonsense(`wanted a ${type}, got something else`);
  if (typeof id !== 'string' || !/^[A-Za-z0-9.-]{1,64}$/.test(id)) throw new HrsNonsense(`a ${type} has no valid id`);
  return json as Resource;
}

/** Included rows are left out; rows of another type, and errors told as entries, make the whole page unusable. */
function getBundle(json: unknown, type: string): { resources: Resource[]; next: string | null; total: number } {
  const bundle = object(json);
  if (bundle.resourceType !== 'Bundle' || bundle.type !== 'searchset') throw new HrsNonsense('no searchset Bundle');
  const { entry = [], total = 0 } = bundle;
  if (!Array.isArray(entry)) throw new HrsNonsense('entry is no list');
  if (typeof total !== 'number' || total < 0) throw new HrsNonsense('total is no count');
  const resources: Resource[] = [];
  for (const item of entry) {
    const mode = object(object(item).search).mode ?? 'match';
    const resource = object(item).resource;
    if (mode === 'include') continue;
    if (object(resource).resourceType === 'OperationOutcome') {
      const severities = objects(object(resource).issue).map((issue) => issue.severity);
      if (severities.some((severity) => severity !== 'information' && severity !== 'warning')) {
        throw new HrsNonsense('the search result tells of an error');
      }
      continue;
    }
    resources.push(getResource(resource, type));
  }
  const link = objects(bundle.link).find(({ relation }) => relation === 'next');
  if (link && typeof link.url !== 'string') throw new HrsNonsense('next link without a URL');
  return { resources, next: (link?.url as string | undefined) ?? null, total };
}

/** A next link is followed only to where our credentials already go. */
function sameOrigin(link: string, current: string): string {
  const url = URL.parse(link, current);
  if (url === null || link.length > MAX_LINK_LENGTH || url.origin !== new URL(current).origin) {
    throw new HrsNonsense('next link leaves the server');
  }
  return url.href;
}

function writeAnswer(response: HrsResponse, type: string): WriteAnswer {
  const { status, headers, json } = response;
  if (status === 409 || status === 412) return { kind: 'conflict' };
  if (status >= 300) {
    // A refusal in another form may come from anybody on the way; 403 has one meaning whoever says it.
    const isOutcome = object(json).resourceType === 'OperationOutcome';
    if (!isOutcome && status !== 403)
      throw new OutcomeUnknown(`writing ${type}: ${status} without an OperationOutcome`);
    if (status === 404 || status === 410) return { kind: 'missing' };
    return { kind: 'rejected', status, said: refusalText(response) };
  }
  // An empty body, or an OperationOutcome when the server does not send representations: Location has the id.
  const fromLocation = new RegExp(`/${type}/([A-Za-z0-9.-]{1,64})(/_history/|$)`).exec(headers.location ?? '')?.[1];
  if (!isObject(json)) {
    if (json !== null) throw new OutcomeUnknown(`writing ${type}: the answer is no resource`);
    return { kind: 'stored', id: fromLocation ?? null };
  }
  if (json.resourceType !== type || typeof json.id !== 'string') {
    throw new OutcomeUnknown(`writing ${type}: the answer is not a ${type}`);
  }
  if (fromLocation !== undefined && fromLocation !== json.id) {
    throw new OutcomeUnknown(`writing ${type}: Location and body name different records`);
  }
  return { kind: 'stored', id: json.id };
}

/** Status and issue codes only: `diagnostics` and `details` tend to quote the patient. */
function refusalText({ status, json }: HrsResponse): string {
  const issues = objects(object(json).issue).map((issue) =>
    `${text(issue.severity) ?? '?'}/${text(issue.code) ?? '?'}`.slice(0, 60),
  );
  return [`HTTP ${status}`, ...issues].join(', ').slice(0, 500);
}
