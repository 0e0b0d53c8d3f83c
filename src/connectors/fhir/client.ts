/**
 * FHIR's REST rules (R4, http.html), and nothing of what resources mean: searches read to their end, single reads,
 * conditional creates and version-guarded updates. Replies are checked here to be what was asked for.
 */
import { ALONE, type Budget, HrsNonsense, OutcomeUnknown, type Purpose, Unavailable } from '../connector.ts';
import { type HrsResponse, hrsRequest } from '../http.ts';
import { getResource, type Resource, refusalText, throwUnlessRead } from './answer.ts';
import type { FhirConfig } from './config.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { isObject, type Json, object, objects, text } from './fields.ts';
import { QUIRKS, type Quirks } from './quirks.ts';
import { deletedPages, type Page, type SearchParams, searchPages } from './search.ts';
import { narrow, readStatement, type Statement } from './statement.ts';

export type { Resource, SearchParams };

/** A record, and what `If-Match` needs to change it; null when the server gives it no version. */
export interface Versioned {
  resource: Resource;
  ifMatch: string | null;
}

export type WriteAnswer =
  | { kind: 'stored'; id: string | null }
  /** 409, 412 or 423: the record is not in the state we thought, or somebody is just changing it. */
  | { kind: 'conflict'; status: number }
  | { kind: 'missing' }
  | { kind: 'rejected'; status: number; said: string };

export interface FhirClient {
  /** Without a trailing slash. */
  baseUrl: string;
  /** The same client, whose calls count as made for that; a client is made for writing. */
  for(purpose: Purpose): FhirClient;
  /** The HRS's clock as last heard, from its `Date` header. */
  serverMs(): number | null;
  /** `null` when the server itself says that there is none (404 and 410 with an OperationOutcome). */
  read(type: string, id: string, signal: AbortSignal): Promise<Resource | null>;
  /** `read`, by somebody who means to change the record. */
  readVersion(type: string, id: string, signal: AbortSignal): Promise<Versioned | null>;
  /** Follows `next` links to the end; the last page says whether that was everything. */
  search(type: string, params: SearchParams, signal: AbortSignal): AsyncGenerator<Page>;
  /** Ids of what was deleted of a type since then, by its history; some of them may have been made anew. */
  deletedSince(type: string, sinceMs: number, signal: AbortSignal): AsyncGenerator<string[]>;
  /** `search` for a handful of rows; throws `HrsNonsense` when they cannot all be had or are too many. */
  searchAll(type: string, params: SearchParams, signal: AbortSignal, maxRows?: number): Promise<Resource[]>;
  /**
   * `ifNoneExist` is the search that must find nothing for a record to be made (FHIR's conditional create); null for a
   * server that does not know it.
   */
  create(resource: Json, ifNoneExist: SearchParams | null, signal: AbortSignal): Promise<WriteAnswer>;
  /** Replaces the record, provided that it still has the version that `ifMatch` names. */
  update(resource: Resource, ifMatch: string | null, signal: AbortSignal): Promise<WriteAnswer>;
  /** Sets the record's status and nothing else (JSON Patch), under the same condition. */
  patchStatus(resource: Resource, ifMatch: string | null, signal: AbortSignal): Promise<WriteAnswer>;
  /** What the server says of itself, kept for an hour. */
  statement(signal: AbortSignal): Promise<Statement>;
  /** What can be done with this server: its vendor's profile, narrowed by what it says of itself. */
  abilities(signal: AbortSignal): Promise<Quirks>;
  /** Whether the server has this type at all, by what it says of itself. */
  serves(type: string, signal: AbortSignal): Promise<boolean>;
}

/** A look-up that matches more than this was not understood by the server. */
const MAX_LOOKUP_ROWS = 2_000;

/** A CapabilityStatement can be half a megabyte and changes with the server's releases. */
const STATEMENT_MS = 3_600_000;

/** RFC 9110, 8.8.3, without what no version has; a version is opaque and rarely a number. */
const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e]{1,200}"$/;

/** What the clients of one server have in common, whatever their calls are for. */
interface Session {
  config: FhirConfig;
  baseUrl: string;
  budget: Budget;
  credentials: Credentials;
  serverMs: number | null;
  stated: { statement: Statement; readMs: number } | null;
}

export function fhirClient(config: FhirConfig, budget: Budget = ALONE.budget): FhirClient {
  const baseUrl = config.baseUrl.replace(/\/+$/, '');
  const credentials = credentialsOf(config, baseUrl);
  return clientFor('write', { config, baseUrl, budget, credentials, serverMs: null, stated: null });
}

function clientFor(purpose: Purpose, session: Session): FhirClient {
  const { config, baseUrl, budget, credentials } = session;

  async function send(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH',
    url: string,
    signal: AbortSignal,
    extra: { body?: Json | Json[]; headers?: Record<string, string> } = {},
  ): Promise<HrsResponse> {
    const attempt = async (authorization: string | null) => {
      await budget.spend(purpose);
      return hrsRequest({
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
    };
    const authorization = await credentials.get(signal);
    let response = await attempt(authorization);
    // A 401 is never acted upon, so even a write may be sent again.
    if (response.status === 401 && credentials.canReplace(authorization)) {
      response = await attempt(await credentials.get(signal));
    }
    const dateMs = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(dateMs)) session.serverMs = dateMs;
    // It waits until somebody has mended the credentials.
    if (response.status === 401) throw new Unavailable('the HRS refuses our credentials (401)');
    return response;
  }

  async function readVersion(type: string, id: string, signal: AbortSignal): Promise<Versioned | null> {
    const response = await send('GET', `${baseUrl}/${type}/${encodeURIComponent(id)}`, signal);
    const isOutcome = object(response.json).resourceType === 'OperationOutcome';
    // Without the OperationOutcome it may be a proxy that speaks, who knows nothing of the record.
    if ((response.status === 404 || response.status === 410) && isOutcome) return null;
    throwUnlessRead(response, `reading ${type}`);
    const resource = getResource(response.json, type);
    if (resource.id !== id) throw new HrsNonsense(`reading ${type} gave another record`);
    return { resource, ifMatch: ifMatchOf(response, resource) };
  }

  async function read(type: string, id: string, signal: AbortSignal): Promise<Resource | null> {
    return (await readVersion(type, id, signal))?.resource ?? null;
  }

  const ask = (signal: AbortSignal) => (url: string) => send('GET', url, signal);
  const search: FhirClient['search'] = (type, params, signal) => searchPages(ask(signal), baseUrl, type, params);
  const deletedSince: FhirClient['deletedSince'] = (type, sinceMs, signal) =>
    deletedPages(ask(signal), baseUrl, type, sinceMs);

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

  async function create(resource: Json, ifNoneExist: SearchParams | null, signal: AbortSignal): Promise<WriteAnswer> {
    const type = resource.resourceType as string;
    const headers: Record<string, string> =
      ifNoneExist === null ? {} : { 'if-none-exist': new URLSearchParams(ifNoneExist).toString() };
    return writeAnswer(await send('POST', `${baseUrl}/${type}`, signal, { body: resource, headers }), type);
  }

  async function change(
    method: 'PUT' | 'PATCH',
    { resourceType: type, id }: Resource,
    signal: AbortSignal,
    extra: { body: Json | Json[]; headers: Record<string, string> },
  ): Promise<WriteAnswer> {
    const answer = writeAnswer(await send(method, `${baseUrl}/${type}/${id}`, signal, extra), type);
    if (answer.kind === 'stored' && answer.id !== null && answer.id !== id) {
      throw new OutcomeUnknown(`the HRS answered a change of a ${type} with another record`);
    }
    return answer;
  }

  const condition = (ifMatch: string | null): Record<string, string> =>
    ifMatch === null ? {} : { 'if-match': ifMatch };

  const update: FhirClient['update'] = (resource, ifMatch, signal) =>
    change('PUT', resource, signal, { body: resource, headers: condition(ifMatch) });

  // Without a `test` operation: servers that take nothing but PATCH may take nothing but `replace` in it.
  const patchStatus: FhirClient['patchStatus'] = (resource, ifMatch, signal) =>
    change('PATCH', resource, signal, {
      body: [{ op: 'replace', path: '/status', value: resource.status }],
      headers: { ...condition(ifMatch), 'content-type': 'application/json-patch+json' },
    });

  async function statement(signal: AbortSignal): Promise<Statement> {
    if (session.stated === null || Date.now() - session.stated.readMs > STATEMENT_MS) {
      const response = await send('GET', `${baseUrl}/metadata`, signal);
      throwUnlessRead(response, 'reading the CapabilityStatement');
      session.stated = { statement: readStatement(response.json), readMs: Date.now() };
    }
    return session.stated.statement;
  }

  async function abilities(signal: AbortSignal): Promise<Quirks> {
    return narrow(QUIRKS[config.vendor], await statement(signal));
  }

  async function serves(type: string, signal: AbortSignal): Promise<boolean> {
    return (await statement(signal)).types.has(type);
  }

  return {
    ...{ baseUrl, serverMs: () => session.serverMs, for: (other: Purpose) => clientFor(other, session) },
    ...{
      read,
      readVersion,
      search,
      deletedSince,
      searchAll,
      create,
      update,
      patchStatus,
      statement,
      abilities,
      serves,
    },
  };
}

/** The server's own ETag; without a usable one, the version that the record names. */
function ifMatchOf({ headers }: HrsResponse, resource: Resource): string | null {
  const { etag } = headers;
  if (etag !== undefined && ENTITY_TAG.test(etag)) return etag;
  const version = `W/"${text(object(resource.meta).versionId) ?? ''}"`;
  return ENTITY_TAG.test(version) ? version : null;
}

function writeAnswer(response: HrsResponse, type: string): WriteAnswer {
  const { status, headers, json } = response;
  if (status === 409 || status === 412 || status === 423) return { kind: 'conflict', status };
  if (status >= 300) {
    // A refusal in another form may come from anybody on the way; 403 has one meaning whoever says it.
    const isOutcome = object(json).resourceType === 'OperationOutcome';
    if (!isOutcome && status !== 403)
      throw new OutcomeUnknown(`writing ${type}: ${status} without an OperationOutcome`);
    if (status === 404 || status === 410) return { kind: 'missing' };
    return { kind: 'rejected', status, said: refusalText(response) };
  }
  // An empty body, or an OperationOutcome when the server does not send representations: Location has the id.
  const isRemark = isObject(json) && json.resourceType === 'OperationOutcome' && !tellsOfError(json);
  const fromLocation = new RegExp(`/${type}/([A-Za-z0-9.-]{1,64})(/_history/|$)`).exec(headers.location ?? '')?.[1];
  if (!isObject(json) || isRemark) {
    if (json !== null && !isRemark) throw new OutcomeUnknown(`writing ${type}: the answer is no resource`);
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

function tellsOfError(outcome: Json): boolean {
  const severities = objects(outcome.issue).map((issue) => issue.severity);
  return severities.length === 0 || severities.some((severity) => severity !== 'information' && severity !== 'warning');
}
