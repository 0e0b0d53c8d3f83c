/**
 * The HTTP server: authenticate, resolve version and institution, validate, run the route, wrap the answer. Each
 * request takes this one path, so that no route can forget a step.
 */
import type { Readable } from 'node:stream';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { sql } from 'kysely';
import { ApiError, type ErrorCode, notFound } from '../errors.ts';
import { forInstitution, isDatabaseAway, type Tx } from '../store/database.ts';
import type { Authentication } from './authentication.ts';
import { MAX_BODY_BYTES, parseForm, parseJsonBody } from './body.ts';
import type { Call, Caller, Context, ReachableInstitution, Services } from './context.ts';
import { wrap, wrapError } from './envelope.ts';
import { type IdempotencyRequest, readIdempotency, storeAnswer, takeIdempotencyKey } from './idempotency.ts';
import type { Route } from './route.ts';
import { validate } from './validation.ts';
import { resolveVersion } from './version.ts';

/** Slower clients than this are attacks or broken; a request of ours needs milliseconds. */
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_PATH_PARAM_LENGTH = 100;

/** Nobody is calling: what public routes get. */
const NOBODY: Caller = { apiUserId: 0, apiKeyId: 0, isAdmin: false, institutions: [] };

interface RawAnswer {
  status: number;
  body: string | null;
  errorCode: string | null;
}

/** Builds the server with every route of the table; the caller listens and closes. */
export function createServer(services: Services, authentication: Authentication, routes: Route[]): FastifyInstance {
  const server = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    logger: false,
    exposeHeadRoutes: false,
    routerOptions: {
      maxParamLength: MAX_PATH_PARAM_LENGTH,
      ignoreTrailingSlash: true,
      // Parsed where a refusal can still be answered: what throws in here ends the process.
      querystringParser: (text) => ({ text }),
    },
    frameworkErrors: (_error, request, reply) => {
      refuse(services, request as FastifyRequest, reply as unknown as FastifyReply, notFound());
    },
  });

  server.removeAllContentTypeParsers();
  const parsers = [
    ['application/json', parseJsonBody],
    [/^application\/[\w.+-]*json/, parseJsonBody],
    ['application/x-www-form-urlencoded', parseForm],
  ] as const;
  for (const [type, parse] of parsers) {
    server.addContentTypeParser(type, { parseAs: 'string' }, async (_request: unknown, body: unknown) =>
      parse(body as string),
    );
  }
  // A client that names no type, or one for an empty body, means no body.
  server.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    if ((body as string).trim() === '') done(null, {});
    else done(new ApiError('unsupported_media_type', `content-type ${mediaType(request)} not supported`));
  });

  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    // Before anybody looks at a body: what it is about is not here.
    if (request.is404) throw notFound();
  });
  server.setNotFoundHandler((request, reply) => refuse(services, request, reply, notFound()));
  server.setErrorHandler((error, request, reply) => refuse(services, request, reply, error));

  const add = (scope: FastifyInstance, route: Route) =>
    scope.route({
      method: route.method,
      url: route.path,
      ...(!isUnparsed(route) && { preParsing: refusePacked }),
      handler: (request, reply) => serve(services, authentication, route, request, reply),
    });
  for (const route of routes) if (!isUnparsed(route)) add(server, route);
  server.register(async (scope) => {
    // Never read, whatever its type and size: node discards what is left of a request once it has been answered.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null, {}));
    for (const route of routes) if (route.ignoresBody) add(scope, route);
  });
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, done) => readBytes(body, (bytes) => done(null, bytes)));
    for (const route of routes) if (route.takesAnyBody) add(scope, route);
  });
  return server;
}

const isUnparsed = (route: Route) => route.ignoresBody || route.takesAnyBody;

/** Gives null for more than a body may be; the rest of that is discarded as it comes. */
function readBytes(body: Readable, done: (bytes: Buffer | null) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  body.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    else if (size - chunk.length <= MAX_BODY_BYTES) done(null);
  });
  body.once('end', () => size <= MAX_BODY_BYTES && done(Buffer.concat(chunks)));
}

function callOf(request: FastifyRequest): Call {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  // Without a body there is nothing to parse, and the framework asks nobody.
  return {
    headers: Object.fromEntries(headers),
    body: request.body === undefined ? Buffer.alloc(0) : (request.body as Buffer | null),
  };
}

/** Bodies are small here, and what is packed could unpack to anything. */
async function refusePacked(request: FastifyRequest): Promise<void> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new ApiError('unsupported_media_type', `content-encoding ${printable(encoding)} not supported`);
}

const mediaType = (request: FastifyRequest) =>
  printable((request.headers['content-type'] ?? 'missing').split(';')[0] ?? '');

const printable = (header: string) => header.replace(/[^\w/+.-]/g, '?').slice(0, 100);

async function serve(
  services: Services,
  authentication: Authentication,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const version = resolveVersion(request.headers);
  let caller = route.access === 'public' ? NOBODY : await authentication.identify(request.headers.authorization);
  if (route.access === 'admin' && !caller.isAdmin) {
    throw new ApiError('not_allowed', 'This needs an administrator’s key.');
  }
  // Administrators are few and have to get in, above all when something is too much.
  if (route.access === undefined && services.rateLimiter !== null) {
    const { headers, refusal } = await services.rateLimiter.take(caller.apiKeyId, route);
    reply.headers(headers);
    if (refusal) throw refusal;
  }
  const query = parseForm((request.query as { text?: string }).text ?? '');
  const body = (route.takesAnyBody ? {} : (request.body ?? {})) as Record<string, unknown>;
  const { params, ignored } = validate(route, version, { path: request.params as object, query, body });
  const subdomain = route.subdomain === 'none' ? undefined : query.subdomain || body.subdomain || undefined;
  if (subdomain !== undefined && !findInstitution(caller, subdomain)) {
    caller = await authentication.identify(request.headers.authorization, true);
  }
  const institution = findInstitution(caller, subdomain);
  if (subdomain !== undefined && !institution) throw notFound();
  const context: Context = {
    services,
    version,
    caller,
    institution,
    nowMs: services.clock.nowMs(),
    readsOnly: route.method === 'GET',
    issueToken: () => authentication.issueToken(request.headers.authorization),
    tx: null,
    call: route.takesAnyBody ? callOf(request) : null,
    afterCommit: [],
  };
  const idempotency = route.idempotent
    ? readIdempotency(request.headers['idempotency-key'], caller.apiUserId, {
        method: route.method,
        path: request.url.split('?')[0] ?? '',
        params: { ...params, subdomain: institution?.subdomain },
      })
    : null;

  const run = async (within: Context): Promise<RawAnswer> => {
    const answer = await route.handler(within, params);
    const status = answer.status ?? 200;
    return { status, body: status === 204 ? null : JSON.stringify(wrap(version, answer, ignored)), errorCode: null };
  };
  const answer =
    idempotency && institution ? await runOnce(services, context, institution, idempotency, run) : await run(context);
  for (const then of context.afterCommit) then();

  reply.code(answer.status);
  if (answer.errorCode !== null) reply.header('openchair-error-code', answer.errorCode);
  if (answer.body === null) return reply.send();
  return reply.header('content-type', 'application/json; charset=utf-8').send(answer.body);
}

/** NexHealth's `subdomain`: which institution is meant. One that the caller may not know about is absent. */
function findInstitution(caller: Caller, subdomain: unknown): ReachableInstitution | null {
  return caller.institutions.find((one) => one.subdomain === subdomain) ?? null;
}

/** The handler, its effect and the stored answer in one transaction. Refusals are answers too: they are stored. */
async function runOnce(
  services: Services,
  context: Context,
  institution: ReachableInstitution,
  idempotency: IdempotencyRequest,
  run: (context: Context) => Promise<RawAnswer>,
): Promise<RawAnswer> {
  return forInstitution(services.db, institution.id, async (tx: Tx) => {
    context.afterCommit.length = 0;
    const stored = await takeIdempotencyKey(tx, idempotency);
    if (stored) return stored;
    await sql`savepoint before_effect`.execute(tx);
    let answer: RawAnswer;
    try {
      answer = await run({ ...context, tx });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
      await sql`rollback to savepoint before_effect`.execute(tx);
      answer = { status: error.status, body: JSON.stringify(wrapError(context.version, error)), errorCode: error.code };
    }
    await storeAnswer(tx, idempotency, { ...answer, body: answer.body ?? '' });
    return answer;
  });
}

/** Fastify's own refusals in our words; whatever is not known stays our fault. */
const FRAMEWORK_REFUSALS: Record<string, [ErrorCode, string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed_body', 'The body is not as long as Content-Length says.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'This content-type is not supported'],
  FST_ERR_BAD_URL: ['not_found', 'Resource not found'],
};

function refuse(services: Services, request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const refusal = asApiError(error);
  if (refusal.status >= 500) {
    const { name, code, stack } = error as { name?: string; code?: string; stack?: string };
    services.log.error(
      { requestId: request.id, method: request.method, route: request.routeOptions?.url, name, code, stack },
      'a request failed',
    );
  }
  reply.header('openchair-error-code', refusal.code);
  if (refusal.code === 'unavailable') reply.header('retry-after', '1');
  if (refusal.code === 'not_authenticated') reply.header('www-authenticate', 'Bearer');
  return reply
    .code(refusal.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(wrapError(resolveVersion(request.headers), refusal)));
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const known = FRAMEWORK_REFUSALS[(error as { code?: string }).code ?? ''];
  if (known) return new ApiError(...known);
  if (isDatabaseAway(error)) return new ApiError('unavailable', 'The service is not available at the moment.');
  return new ApiError('internal', 'Something went wrong on our side.');
}
