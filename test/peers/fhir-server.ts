/**
 * A FHIR R4 server that is not ours: Medplum's router over its in-memory repository, as a process of its own.
 *
 *   node test/peers/fhir-server.ts --port 0 [--flavour strict|lax|loose-patch|torn] [options below]
 *
 * Prints its base URL when ready, and ends when its standard input closes. The router speaks no HTTP, so this file
 * adds what real servers add: ETag, Last-Modified and Location, a CapabilityStatement, a cap on pages, and `next`
 * links by `_offset` as the full Medplum server gives them.
 *
 * Flavours:
 * - `strict` guards PUT and PATCH by If-Match, keeps a transaction whole, takes only valid resources (npm `fhir`) and
 *   refuses search parameters that it does not know.
 * - `lax` does nothing of that: If-Match is ignored, an unknown search parameter finds nothing.
 * - `loose-patch` is strict, but ignores If-Match on PATCH.
 * - `torn` is strict, but commits the half of a transaction that works, and answers 200.
 *
 * Options: `--date-required` wants a date whenever appointments are searched by people or places;
 * `--no-last-updated` cannot search by `_lastUpdated`; `--type-history` tells what was deleted;
 * `--no-conditional-create` ignores If-None-Exist and says so; `--status-only` lets nothing be changed but the status,
 * by PATCH; `--subscriptions` calls rest-hooks, signed and with Medplum's header for deletions; `--paging none` cuts
 * long results off without a link; `--max-count 50` is the cap.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { getStatus, type OperationOutcomeError } from '@medplum/core';
import { type FhirRequest, FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { capabilityStatement, isKnownParameter, loadDefinitions, validityProblem } from './fhir-definitions.ts';
import { restHooks } from './fhir-hooks.ts';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    flavour: { type: 'string', default: 'strict' },
    paging: { type: 'string', default: 'links' },
    'max-count': { type: 'string', default: '50' },
    'date-required': { type: 'boolean', default: false },
    'no-last-updated': { type: 'boolean', default: false },
    'type-history': { type: 'boolean', default: false },
    'no-conditional-create': { type: 'boolean', default: false },
    'status-only': { type: 'boolean', default: false },
    subscriptions: { type: 'boolean', default: false },
  },
});

const DEFAULT_COUNT = 20;
const isLax = options.flavour === 'lax';

type Body = Record<string, unknown>;
interface Answer {
  status: number;
  body: Body;
}

loadDefinitions();
const router = new FhirRouter();
const repository = new MemoryRepository();
const hooks = restHooks(repository);
const deletions: { type: string; id: string; atMs: number }[] = [];
const statement = capabilityStatement({
  conditionalCreate: !options['no-conditional-create'],
  lastUpdated: !options['no-last-updated'],
  typeHistory: options['type-history'],
  statusOnly: options['status-only'],
  subscriptions: options.subscriptions,
});

/** One after the other, so that a transaction that fails can be undone. */
let previous: Promise<unknown> = Promise.resolve();

async function handle(request: IncomingMessage, base: string): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const body = text === '' ? undefined : JSON.parse(text);
  const answer = previous.then(() => answerTo(request, new URL(request.url ?? '/', base), body));
  previous = answer.catch(() => {});
  return answer;
}

async function answerTo({ method = 'GET', headers }: IncomingMessage, url: URL, body: unknown): Promise<Answer> {
  if (url.pathname === '/metadata') return { status: 200, body: statement };
  const [, type = '', id] = url.pathname.split('/');
  const isSearch = method === 'GET' && id === undefined && type !== '';
  const history = /^\/([A-Za-z]+)\/_history$/.exec(url.pathname);
  if (history && options['type-history']) return typeHistory(history[1] as string, url);
  const refusal = isSearch ? refusalOfSearch(type, url) : refusalOfWrite(method, type, headers, body);
  if (refusal !== null) return refusal;

  const count = Math.min(Number(url.searchParams.get('_count') ?? DEFAULT_COUNT), Number(options['max-count']));
  if (isSearch) url.searchParams.set('_count', String(count));
  const result = await route(method, url, body, headers);
  if (isSearch && result.body.resourceType === 'Bundle') addLinks(result.body, url, count);
  if (result.status < 300 && method === 'DELETE') deletions.push({ type, id: id as string, atMs: Date.now() });
  if (result.status < 300 && method !== 'GET' && options.subscriptions) {
    hooks.call(type, method === 'DELETE' ? `${type}/${id}` : null, result.body);
  }
  const isGone = result.status === 404 && deletions.some((one) => one.type === type && one.id === id);
  return isGone && !isLax ? { status: 410, body: outcome('deleted') } : result;
}

async function route(method: string, url: URL, body: unknown, given: IncomingMessage['headers']): Promise<Answer> {
  const headers = { ...given };
  if (isLax || (method === 'PATCH' && options.flavour === 'loose-patch')) delete headers['if-match'];
  if (options['no-conditional-create']) delete headers['if-none-exist'];
  const isWhole = (body as Body | undefined)?.type === 'transaction' && !isLax && options.flavour !== 'torn';
  // The in-memory store has no way back: what stood before is kept aside.
  const store = repository as unknown as { resources: Map<string, Map<string, object>> };
  const before = isWhole ? new Map([...store.resources].map(([type, rows]) => [type, new Map(rows)])) : null;
  const [result, resource] = await router.handleRequest(
    {
      method: method as FhirRequest['method'],
      url: url.pathname === '/' ? '' : url.pathname + url.search,
      pathname: '',
      params: {},
      query: {},
      body,
      headers,
    },
    repository,
  );
  const answer = { status: getStatus(result), body: structuredClone(resource ?? result) as unknown as Body };
  if (before === null || answer.status >= 300) return answer;
  const statuses = (answer.body.entry as { response: { status: string } }[]).map((entry) => entry.response.status);
  const failed = statuses.find((status) => Number.parseInt(status, 10) >= 300);
  if (failed === undefined) return answer;
  store.resources = before;
  return { status: Number.parseInt(failed, 10), body: outcome('conflict') };
}

function refusalOfSearch(type: string, url: URL): Answer | null {
  const names = [...url.searchParams.keys()].map((name) => name.split(':')[0] as string);
  const isOfAny = (...wanted: string[]) => wanted.some((name) => names.includes(name));
  const isNarrow = isOfAny('_id', 'identifier', 'slot');
  const isDated = isOfAny('date') && isOfAny('actor', 'patient', 'practitioner', 'location');
  if (type === 'Appointment' && options['date-required'] && !isNarrow && !isDated) {
    return { status: 400, body: outcome('required') };
  }
  if (options['no-last-updated'] && isOfAny('_lastUpdated')) return { status: 400, body: outcome('not-supported') };
  if (names.every((name) => isKnownParameter(type, name))) return null;
  if (!isLax) return { status: 400, body: outcome('not-supported') };
  return { status: 200, body: { resourceType: 'Bundle', type: 'searchset', total: 0 } };
}

function refusalOfWrite(
  method: string,
  type: string,
  headers: IncomingMessage['headers'],
  body: unknown,
): Answer | null {
  if (options['status-only'] && method === 'PATCH') {
    const paths = (body as { op: string; path: string }[]).map(({ op, path }) => `${op} ${path}`);
    if (headers['if-match'] === undefined) return { status: 412, body: outcome('required') };
    if (paths.join() !== 'replace /status') return { status: 422, body: outcome('not-supported') };
  }
  const problem = isLax || type === '' || (method !== 'POST' && method !== 'PUT') ? null : validityProblem(body);
  return problem === null ? null : { status: 422, body: outcome('invariant', problem) };
}

function typeHistory(type: string, url: URL): Answer {
  const sinceMs = Date.parse(url.searchParams.get('_since') ?? '') || 0;
  const entry = deletions
    .filter((one) => one.type === type && one.atMs >= sinceMs)
    .map(({ id, atMs }) => ({
      request: { method: 'DELETE', url: `${type}/${id}` },
      response: { status: '204', lastModified: new Date(atMs).toISOString() },
    }));
  return { status: 200, body: { resourceType: 'Bundle', type: 'history', total: entry.length, entry } };
}

function outcome(code: string, diagnostics?: string): Body {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] };
}

function addLinks(bundle: Body, url: URL, count: number): void {
  const offset = Number(url.searchParams.get('_offset') ?? 0);
  const next = new URL(url);
  next.searchParams.set('_offset', String(offset + count));
  const hasMore = (bundle.total as number) > offset + count;
  bundle.link = [
    { relation: 'self', url: url.href },
    ...(hasMore && options.paging === 'links' ? [{ relation: 'next', url: next.href }] : []),
  ];
  // As the full server does: the total only for those who ask for it.
  if (!url.searchParams.has('_total')) delete bundle.total;
}

function send(response: ServerResponse, base: string, { status, body }: Answer): void {
  const meta = body.meta as { versionId?: string; lastUpdated?: string } | undefined;
  if (meta?.versionId) {
    response.setHeader('ETag', `W/"${meta.versionId}"`);
    response.setHeader('Last-Modified', new Date(meta.lastUpdated ?? 0).toUTCString());
    response.setHeader('Location', `${base}/${body.resourceType}/${body.id}/_history/${meta.versionId}`);
  }
  response.writeHead(status, { 'content-type': 'application/fhir+json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  // Whoever calls through a proxy gets links that lead through it again.
  const base = `http://${request.headers.host}`;
  handle(request, base).then(
    (answer) => send(response, base, answer),
    (error: OperationOutcomeError) => {
      const isUnreadable = error instanceof SyntaxError;
      send(response, base, { status: isUnreadable ? 400 : 500, body: outcome(isUnreadable ? 'invalid' : 'exception') });
    },
  );
});
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit());
