/**
 * The OpenAPI 3.1 documents, made from the route table: one for v2, one for v3.0.0. Nothing is written by hand
 * that a route does not say itself.
 */
import { z } from 'zod';
import type { Version } from './context.ts';
import type { Route } from './route.ts';

type Json = Record<string, unknown>;

const ENVELOPE_NOTE = 'NexHealth’s envelope.';

/** A document whose order is the route table's, so that a difference in review is a difference in the API. */
export function openApiDocument(routes: Route[], version: Version): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route, version, components);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `Openchair, ${version === 'v2' ? 'v2' : 'v3.0.0'}`,
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
    paths,
    components: {
      schemas: { ...components, Error: errorSchema(version) },
      securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'Authorization' } },
    },
  };
}

/** zod's JSON schema, with the shapes that carry an id moved into `components`. */
function schemaOf(type: z.ZodType, components: Json): Json {
  const {
    $schema: _,
    $defs,
    ...schema
  } = z.toJSONSchema(type, { io: 'output', unrepresentable: 'any', override: plain }) as Json & {
    $defs?: Json;
  };
  for (const [name, definition] of Object.entries($defs ?? {})) {
    const { id: _id, ...rest } = pointToComponents(definition) as Json;
    components[name] = rest;
  }
  const { id, ...rest } = pointToComponents(schema) as Json;
  if (typeof id !== 'string') return rest;
  components[id] = rest;
  return { $ref: `#/components/schemas/${id}` };
}

/** What a reader needs: a format says more than the pattern behind it, and no id comes near the bounds of a number. */
function plain({ jsonSchema }: { jsonSchema: Json }): void {
  if (jsonSchema.format) delete jsonSchema.pattern;
  if (jsonSchema.type !== 'integer') return;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) {
    delete jsonSchema.maximum;
    jsonSchema.format = 'int64';
  }
}

function pointToComponents(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(pointToComponents);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) =>
      key === '$ref' && typeof value === 'string'
        ? [key, value.replace('#/$defs/', '#/components/schemas/')]
        : [key, pointToComponents(value)],
    ),
  );
}

const isRequired = (type: z.ZodType) => !type.safeParse(undefined).success;

function operation(route: Route, version: Version, components: Json): Json {
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
      description: 'Which institution.',
    });
  }
  for (const [name, type] of Object.entries(route.params.shape) as [string, z.ZodType][]) {
    const schema = schemaOf(type, components);
    if (inBody.has(name)) {
      bodyProperties[name] = schema;
      if (isRequired(type)) bodyRequired.push(name);
    } else {
      const isList = schema.type === 'array';
      parameters.push({
        name: isList ? `${name}[]` : name,
        in: inPath.has(name) ? 'path' : 'query',
        required: inPath.has(name) || isRequired(type),
        schema,
        ...(isList && { style: 'form', explode: true }),
      });
    }
  }
  if (route.idempotent) {
    parameters.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
      description: 'The same key and request give the same answer; one that is still running answers 409.',
    });
  }
  const responses: Json = {};
  for (const status of route.statuses ?? [200]) {
    responses[status] =
      status === 204
        ? { description: 'Done; no body.' }
        : {
            description: ENVELOPE_NOTE,
            content: { 'application/json': { schema: envelopeSchema(route, version, components) } },
          };
  }
  for (const status of errorStatuses(route)) {
    responses[status] = {
      description: ERROR_TEXTS[status] ?? '',
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    };
  }
  return {
    summary: route.summary,
    operationId: operationId(route),
    tags: [route.tag],
    ...(route.access === 'public' && { security: [] }),
    parameters,
    ...(inBody.size > 0 && {
      requestBody: {
        required: bodyRequired.length > 0,
        content: {
          'application/json': { schema: { type: 'object', properties: bodyProperties, required: bodyRequired } },
        },
      },
    }),
    responses,
  };
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
  503: 'Not available at the moment.',
};

function errorStatuses(route: Route): number[] {
  const statuses = [400, 404, 413, 415, 503];
  if (route.access !== 'public') statuses.push(401);
  if (route.access === 'admin') statuses.push(403);
  if (route.idempotent) statuses.push(409, 422);
  return statuses.sort();
}

const operationId = (route: Route) =>
  route.method.toLowerCase() + route.path.replace(/[/_:]+(\w)/g, (_, letter: string) => letter.toUpperCase());

const pageInfoSchema: Json = {
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

function envelope(version: Version, code: boolean, data: Json): Json {
  const properties: Json = {
    code: { const: code },
    description: { type: ['string', 'null'] },
    error: { type: 'array', items: { type: 'string' } },
    data,
    count: { type: ['integer', 'null'] },
    ...(version !== 'v2' && { page_info: pageInfoSchema }),
  };
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

function envelopeSchema(route: Route, version: Version, components: Json): Json {
  const answer = typeof route.answer === 'function' ? route.answer(version) : route.answer;
  return envelope(version, true, schemaOf(answer, components));
}

const errorSchema = (version: Version) => envelope(version, false, { type: 'null' });
