/**
 * The OpenAPI 3.1 documents, made from the route table: one for v2, one for v3.0.0. Nothing is written by hand
 * that a route does not say itself.
 */
import type { z } from 'zod';
import { ERRORS } from '../errors.ts';
import type { Version } from '../views/version.ts';
import { answerSchema, type Json, parameterSchema } from './json-schema.ts';
import { findParameterText } from './parameter-texts.ts';
import type { Route } from './route.ts';

/** A document whose order is the route table's, so that a difference in review is a difference in the API. */
export function openApiDocument(routes: Route[], version: Version): Json {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = templateOf(route);
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route, version, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `Openchair, ${version}`,
      version: version === 'v2' ? '2.2.2' : '3.0.0',
      description:
        'Appointments in front of health record systems, on the wire of NexHealth’s Synchronizer API. ' +
        (version === 'v2'
          ? 'Ask for this version with `Nex-Api-Version: v2`.'
          : 'This is what answers when no version is asked for.'),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: {
        ...schemas,
        ...(version !== 'v2' && { PageInfo: PAGE_INFO }),
        Error: envelope(version, false, { type: 'null' }),
      },
      parameters: { Version: VERSION_HEADER, IdempotencyKey: IDEMPOTENCY_HEADER },
      headers: HEADERS,
      responses: Object.fromEntries(
        Object.entries(ERROR_TEXTS).map(([status, text]) => [`Error${status}`, errorResponse(Number(status), text)]),
      ),
      securitySchemes: {
        key: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'The API key as it is, or `Bearer` and a token of POST /authenticates.',
        },
      },
    },
  };
}

/** The route's path as OpenAPI writes it: `/patients/{id}`. */
export const templateOf = (route: Route) => route.path.replace(/:(\w+)/g, '{$1}');

/** A name for programs: `getAppointmentsIdWrites`. */
const operationId = (route: Route) =>
  route.method.toLowerCase() + route.path.replace(/[/_:]+(\w)/g, (_, letter: string) => letter.toUpperCase());

const isRequired = (type: z.ZodType) => !type.safeParse(undefined).success;

function operation(route: Route, version: Version, schemas: Json): Json {
  const inBody = new Set<string>(route.body ?? []);
  const inPath = new Set([...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]));
  const parameters: Json[] = [];
  const bodyProperties: Json = {};
  const bodyRequired: string[] = [];
  if (route.subdomain !== 'none') {
    parameters.push({
      name: 'subdomain',
      in: 'query',
      required: route.subdomain === 'required',
      schema: { type: 'string' },
      description: findParameterText('subdomain'),
    });
  }
  for (const [name, type] of Object.entries(route.params.shape) as [string, z.ZodType][]) {
    if (version !== 'v2' && route.onlyV2?.includes(name)) continue;
    const schema = parameterSchema(name, type);
    if (inBody.has(name)) {
      bodyProperties[name] = schema;
      if (isRequired(type)) bodyRequired.push(name);
      continue;
    }
    const { description, ...rest } = schema;
    const isList = schema.type === 'array';
    parameters.push({
      name: isList ? `${name}[]` : name,
      in: inPath.has(name) ? 'path' : 'query',
      required: inPath.has(name) || isRequired(type),
      ...(description !== undefined && { description }),
      schema: rest,
      ...(isList && { style: 'form', explode: true }),
    });
  }
  if (route.idempotent) parameters.push({ $ref: '#/components/parameters/IdempotencyKey' });
  parameters.push({ $ref: '#/components/parameters/Version' });
  const id = operationId(route);
  if (inBody.size > 0) {
    schemas[bodyName(id)] = { type: 'object', properties: bodyProperties, required: bodyRequired };
  }
  const remarks = remarksOn(route, version);
  return {
    summary: route.summary,
    ...(remarks !== '' && { description: remarks }),
    operationId: id,
    tags: [route.tag],
    ...(isOldName(route, version) && { deprecated: true }),
    ...(!needsKey(route) && { security: [] }),
    parameters,
    ...(inBody.size > 0 && {
      requestBody: { required: bodyRequired.length > 0, content: bodyContent(`#/components/schemas/${bodyName(id)}`) },
    }),
    responses: responses(route, version, schemas),
  };
}

const bodyName = (id: string) => `${id.charAt(0).toUpperCase()}${id.slice(1)}Body`;

const bodyContent = ($ref: string) => ({
  'application/json': { schema: { $ref } },
  'application/x-www-form-urlencoded': { schema: { $ref } },
});

/** Paths of v2 that v3.0.0 has under another name. They answer under both versions. */
const OLD_NAMES: Record<string, string> = {
  availabilities: 'working_hours',
  appointment_slots: 'available_slots',
  appointment_categories: 'appointment_types',
};

const oldNameOf = (route: Route) => OLD_NAMES[route.path.split('/')[1] as string];
const isOldName = (route: Route, version: Version) => version !== 'v2' && oldNameOf(route) !== undefined;

function remarksOn(route: Route, version: Version): string {
  const remarks: string[] = [];
  if (isOldName(route, version)) remarks.push(`A name of v2; v3.0.0 says \`/${oldNameOf(route)}\`.`);
  if (route.paged) {
    remarks.push(
      version === 'v2'
        ? 'In pages by `page` and `per_page`; `count` is the number of all rows.'
        : 'In pages by cursor, or by `page` and `per_page`; `page_info` leads on.',
    );
  }
  if (route.ignoresBody) remarks.push('A body is not looked at.');
  if (route.takesAnyBody) remarks.push('With a body of any type, or none.');
  return remarks.join(' ');
}

const needsKey = (route: Route) => route.access !== 'public' || (route.refusals ?? []).includes(401);
const isLimited = (route: Route) => route.access === undefined;

function responses(route: Route, version: Version, schemas: Json): Json {
  const headers = isLimited(route) ? LIMIT_HEADERS : {};
  const answer = typeof route.answer === 'function' ? route.answer(version) : route.answer;
  const content = { 'application/json': { schema: envelope(version, true, answerSchema(answer, schemas)) } };
  const all: Json = {};
  for (const status of route.statuses ?? [200]) {
    all[status] =
      status === 204 ? { description: 'Done; no body.', headers } : { description: 'Done.', headers, content };
  }
  for (const status of errorStatuses(route)) all[status] = { $ref: `#/components/responses/Error${status}` };
  return all;
}

/** What can be refused before a handler is asked, and what any handler may refuse. */
function errorStatuses(route: Route): number[] {
  const statuses = new Set([400, 415, 503, ...(route.refusals ?? [])]);
  if (route.method !== 'GET' && !route.ignoresBody) statuses.add(413);
  if (needsKey(route)) statuses.add(401);
  if (isLimited(route)) statuses.add(429);
  if (route.access === 'admin') statuses.add(403);
  if (route.subdomain !== 'none' || Object.keys(route.params.shape).length > 0) statuses.add(404);
  if (route.idempotent) statuses.add(409).add(422);
  return [...statuses].sort();
}

const ERROR_TEXTS: Record<number, string> = {
  400: 'The request cannot be met as it stands; `error` says why.',
  401: 'No key or token, or one that is not known.',
  403: 'The key lacks the right.',
  404: 'Not there, or not yours.',
  409: 'The same Idempotency-Key is in progress.',
  413: 'The body is too large.',
  415: 'The media type is not supported.',
  422: 'The Idempotency-Key was used with another request.',
  429: 'Too many requests; Retry-After says when to come again.',
  503: 'Not available at the moment.',
};

const header = (name: string) => ({ $ref: `#/components/headers/${name}` });

const LIMIT_HEADERS = { RateLimit: header('RateLimit'), 'RateLimit-Policy': header('RateLimitPolicy') };

function errorResponse(status: number, description: string): Json {
  const codes = Object.entries(ERRORS).flatMap(([code, error]) => (error.status === status ? [code] : []));
  return {
    description,
    headers: {
      'Openchair-Error-Code': {
        description: 'Why, for programs.',
        required: true,
        schema: { type: 'string', ...(codes.length > 0 && { enum: codes }) },
      },
      ...(status === 401 && { 'WWW-Authenticate': header('WWWAuthenticate') }),
      ...((status === 429 || status === 503) && { 'Retry-After': header('RetryAfter') }),
      ...(status !== 401 && LIMIT_HEADERS),
    },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
}

const HEADERS: Json = {
  RateLimit: {
    description: 'What is left of a limit, and the seconds until it is whole again. Absent where nothing is limited.',
    schema: { type: 'string' },
    example: '"default";r=1999;t=60',
  },
  RateLimitPolicy: {
    description: 'The limits that count here: requests and seconds. Absent where nothing is limited.',
    schema: { type: 'string' },
    example: '"default";q=2000;w=60',
  },
  RetryAfter: { description: 'Seconds to wait.', required: true, schema: { type: 'integer', minimum: 1 } },
  WWWAuthenticate: { description: 'What is missing.', required: true, schema: { type: 'string' } },
};

const VERSION_HEADER: Json = {
  name: 'Nex-Api-Version',
  in: 'header',
  required: false,
  description:
    'Which version answers: `v2` or `v3.0.0` (also called `v20240412`). It wins over the version in `Accept`; ' +
    'without either, and with a name that nobody knows, it is v3.0.0.',
  schema: { type: 'string', default: 'v3.0.0', examples: ['v2', 'v20240412', 'v3.0.0'] },
};

const IDEMPOTENCY_HEADER: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key and request give the same answer; one that is still running answers 409.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
};

const PAGE_INFO: Json = {
  type: 'object',
  properties: {
    has_previous_page: { type: 'boolean' },
    has_next_page: { type: 'boolean' },
    start_cursor: { type: ['string', 'null'] },
    end_cursor: { type: ['string', 'null'] },
  },
  required: ['has_previous_page', 'has_next_page', 'start_cursor', 'end_cursor'],
  additionalProperties: false,
};

/** NexHealth's envelope. */
function envelope(version: Version, code: boolean, data: Json): Json {
  const properties: Json = {
    code: { const: code },
    description: { type: ['string', 'null'] },
    error: { type: 'array', items: { type: 'string' }, ...(!code && { minItems: 1 }) },
    data,
    count: { type: ['integer', 'null'] },
    ...(version !== 'v2' && { page_info: { $ref: '#/components/schemas/PageInfo' } }),
  };
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}
