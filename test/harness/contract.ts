/**
 * Every answer of the API against the OpenAPI document of the version that was asked for: status, headers, content
 * type and body. Both clients of the tests look here, so no test has to remember it.
 */
import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { openApiDocument, templateOf } from '../../src/api/openapi.ts';
import { routes } from '../../src/api/routes.ts';
import { resolveVersion } from '../../src/api/version.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document is JSON.
type Json = any;

export interface Asked {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
}

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
}

/** The HTTP parser's own answer to a request line and headers of more than 16 KB: no route has been looked for yet. */
const HEADERS_TOO_LARGE = 431;

/** What stands beside the API on the same port, and is no part of its documents. */
const PAGES = /^\/(?:$|docs\b|openapi(?:-v2)?\.json$|healthz$|readyz$|metrics$|connect\/)/;

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
const documents = new Map<string, Json>();
const compiled = new Map<string, ValidateFunction>();

function documentOf(version: 'v2' | 'v3.0.0'): Json {
  let document = documents.get(version);
  if (!document) {
    document = openApiDocument(routes, version);
    documents.set(version, document);
    ajv.addSchema({ ...document, $id: version });
  }
  return document;
}

/** Validates by a place in a document, compiled once. */
function validatorAt(version: string, place: string[]): ValidateFunction {
  const pointer = place.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const $ref = `${version}#/${pointer}`;
  let validate = compiled.get($ref);
  if (!validate) {
    validate = ajv.compile({ $ref });
    compiled.set($ref, validate);
  }
  return validate;
}

/** The places of a path are anything but a slash; a word of the path itself is a better fit than a place. */
const patterns = routes
  .map((route) => ({
    method: route.method.toLowerCase(),
    template: templateOf(route),
    pattern: new RegExp(`^${route.path.replace(/:\w+/g, '[^/]*')}/?$`),
    places: route.path.split(':').length,
  }))
  .sort((a, b) => a.places - b.places);

const findTemplate = (method: string, path: string) =>
  patterns.find((route) => route.method === method && route.pattern.test(path))?.template;

/** Throws what is wrong with an answer, with the request it answers. */
export function checkAnswer(asked: Asked, answered: Answered): void {
  // As fetch sends it: `/patients/.` becomes `/patients/`.
  const path = new URL(`http://localhost${asked.path}`).pathname;
  if (PAGES.test(path) || answered.status === HEADERS_TOO_LARGE) return;
  const headers = Object.fromEntries(Object.entries(asked.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const version = resolveVersion(headers);
  const document = documentOf(version);
  const about = `${asked.method} ${asked.path.slice(0, 300)} in ${version}: ${answered.status} ${answered.text.slice(0, 2_000)}\n`;
  const method = asked.method.toLowerCase();
  const template = findTemplate(method, path);
  let place = ['components', 'responses', 'Error404'];
  if (template === undefined) {
    assert.equal(answered.status, 404, `${about}the path is in no document`);
  } else {
    place = ['paths', template, method, 'responses', String(answered.status)];
    const response = document.paths[template][method].responses[answered.status];
    assert.ok(response, `${about}the status is not documented`);
    if (response.$ref) place = response.$ref.slice(2).split('/');
  }
  // An answer to HEAD has the headers of one to GET, and no body.
  if (asked.method === 'HEAD') return;
  const response = place.reduce((node, key) => node[key], document);
  checkHeaders(version, place, response, answered, about);
  if (!response.content) {
    assert.equal(answered.text, '', `${about}documented without a body`);
    return;
  }
  assert.match(answered.headers.get('content-type') ?? 'none', /^application\/json\b/, `${about}content-type`);
  const validate = validatorAt(version, [...place, 'content', 'application/json', 'schema']);
  const isValid = validate(JSON.parse(answered.text));
  assert.ok(
    isValid,
    `${about}the body is not as documented:\n${isValid ? '' : ajv.errorsText(validate.errors).slice(0, 3_000)}`,
  );
}

function checkHeaders(version: string, place: string[], response: Json, answered: Answered, about: string): void {
  for (const [name, written] of Object.entries<Json>(response.headers ?? {})) {
    const at = written.$ref ? written.$ref.slice(2).split('/') : [...place, 'headers', name];
    const header = written.$ref ? documentOf(version as 'v2').components.headers[at.at(-1)] : written;
    const value = answered.headers.get(name);
    assert.ok(value !== null || !header.required, `${about}without the header ${name}`);
    if (value === null) continue;
    const typed = header.schema.type === 'integer' ? Number(value) : value;
    assert.ok(validatorAt(version, [...at, 'schema'])(typed), `${about}header ${name}: ${value}`);
  }
}
