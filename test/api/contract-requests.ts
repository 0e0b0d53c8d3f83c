/**
 * Requests made from an OpenAPI document: good ones, and the same with something wrong about them. Ids and cursors
 * are named rather than given, so that a request means the same in every world and shrinks to something readable.
 */
import fc from 'fast-check';
import type { Ids } from '../harness/world.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document is JSON.
type Json = any;

/** A value that the world fills in when the request is sent. `$many` is a list that would be tiresome to read. */
export type Named =
  | { $many: number }
  | { $id: string; of: 'ours' | 'strangers' }
  | { $cursor: 'ours' | 'edited' | 'strangers' };

export interface QueryEntry {
  name: string;
  spelling: keyof typeof SPELLINGS;
  value: Json;
}

export interface ContractRequest {
  method: string;
  template: string;
  version: 'v2' | 'v3.0.0';
  isAdmin: boolean;
  isPaged: boolean;
  path: Record<string, Json>;
  query: QueryEntry[];
  body?: Json;
  asForm: boolean;
  subdomain: boolean;
}

/** One thing wrong with a request. */
export type Fault =
  | { fault: 'query'; at: number; spelling: keyof typeof SPELLINGS; value: Json }
  | { fault: 'repeated'; at: number; value: Json }
  | { fault: 'missing'; at: number }
  | { fault: 'path'; value: Json }
  | { fault: 'body'; at: number; value: Json }
  | { fault: 'body text'; text: string; type: string }
  | { fault: 'subdomain'; value: Json }
  | { fault: 'key'; value: string | null }
  | { fault: 'headers'; headers: Record<string, string> }
  | { fault: 'unknown'; name: string; value: Json };

const texts = (value: Json): string[] => (Array.isArray(value) ? value : [value]).map(asText);
export const asText = (value: Json) => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** Every way that clients have been seen to write a parameter, and some that nobody would. Pairs of name and value. */
const SPELLINGS = {
  brackets: (name: string, value: Json) => texts(value).map((text) => [`${name}[]`, text]),
  plain: (name: string, value: Json) => texts(value).map((text) => [name, text]),
  commas: (name: string, value: Json) => [[name, texts(value).join(',')]],
  json: (name: string, value: Json) => [[name, JSON.stringify(value) ?? '']],
  indexed: (name: string, value: Json) => texts(value).map((text, at) => [`${name}[${at}]`, text]),
  gapped: (name: string, value: Json) => texts(value).map((text, at) => [`${name}[${at * 99_999}]`, text]),
  keyed: (name: string, value: Json) => texts(value).map((text) => [`${name}[a]`, text]),
  doubled: (name: string, value: Json) => texts(value).map((text) => [`${name}[][]`, text]),
  deep: (name: string, value: Json) => texts(value).map((text) => [`${name}${'[a]'.repeat(40)}`, text]),
  open: (name: string, value: Json) => texts(value).map((text) => [`${name}[`, text]),
  proto: (name: string, value: Json) => texts(value).map((text) => [`${name}[__proto__][x]`, text]),
} satisfies Record<string, (name: string, value: Json) => string[][]>;

/** Bytes of a query. Half a surrogate pair becomes the three bytes that encode it, as no well-behaved client would. */
const encode = (text: string) =>
  [...text].map((one) => (one.isWellFormed() ? encodeURIComponent(one) : '%ED%A0%80')).join('');

export function writeQuery(entries: readonly QueryEntry[]): string {
  return entries
    .flatMap(({ name, spelling, value }) => SPELLINGS[spelling](name, value))
    .map(([name, value]) => `${encode(name as string)}=${encode(value as string)}`)
    .join('&');
}

/** Around the Monday on which the world's appointment stands. */
const DATES = ['2099-01-05', '2099-01-06', '2099-01-12', '2020-02-29', '1900-01-01', '2299-12-31'];
const INSTANTS = [
  '2099-01-05T14:00:00Z',
  '2099-01-05T14:30:00.000+00:00',
  '2099-01-05T09:00:00-05:00',
  '2099-01-05T16:00:00',
  '2099-01-05',
  '2099-01-06T23:59:59Z',
  '1900-01-01T00:00:00Z',
];

/** Values that a schema of plain text does not tell, by the name of the parameter. */
const SENSIBLE: Record<string, readonly Json[]> = {
  include: ['patient', 'descriptors', 'availabilities', 'locations', 'upcoming_appts', 'appointment_types', 'provider'],
  sort: ['id', '-updated_at', 'start_time', 'updated_at,id', 'name', '-created_at'],
  email: ['pia@example.com', 'noa@example.com'],
  phone_number: ['2125550134', '(212) 555-0177'],
  cell_phone_number: ['2125550134'],
  timezone: ['America/Denver', 'UTC'],
  begin_time: ['9:00', '00:00'],
  end_time: ['17:00', '23:59'],
  days: [1, 7, 92],
  target_url: ['https://receiver.example/hook'],
  resource_type: ['Appointment', 'Patient', 'SyncStatus'],
  event: ['appointment_insertion', 'appointment_updated', 'patient_created', 'sync_status_read_change'],
  subdomain: ['oak'],
  name: ['Pia', 'Whitening', 'Cleaning 2'],
  token: ['0d9d5b0e-3f1a-4a55-9d0c-8a54d0a5a001'],
};

/** Wrong for most parameters. */
const HOSTILE: readonly Json[] = [
  '',
  ' ',
  '0',
  '-1',
  '1.5',
  '1e9',
  '0x10',
  '１２',
  'abc',
  'null',
  'undefined',
  '1000000000',
  '9007199254740993',
  '9223372036854775808',
  '-9223372036854775809',
  '2026-02-30',
  '0000-01-01',
  '-000001-01-01',
  '+010000-01-01',
  '99999-12-31T23:59:59Z',
  '2099-01-05T25:00:00Z',
  '2026-03-08T02:30:00',
  'infinity',
  '%',
  "'; drop table patient; --",
  '\0',
  'a\0b',
  '\ud800',
  'x\udfff',
  '\u202e\u0000',
  '👩🏽‍⚕️',
  'x'.repeat(3_000),
  null,
  true,
  0,
  -1,
  1.5,
  1e9,
  1e308,
  2 ** 53,
  -(2 ** 63),
  [],
  {},
  [[]],
  [null],
  [{}],
  [1, 2, 3],
  { $many: 1_200 },
  { a: { b: [1] } },
  { length: 5 },
  { toString: 1 },
  JSON.parse('{"__proto__": {"admin": true}}'),
  JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`),
];

const BODIES: readonly [string, string][] = [
  ['application/json', ''],
  ['application/json', '{"appt":'],
  ['application/json', '[]'],
  ['application/json', 'null'],
  ['application/json', '{"a":'.repeat(50_000)],
  ['application/json', `{"a":"${'x'.repeat(1_000_001)}"}`],
  ['application/json', '{"appt":{"start_time":"\\ud800"}}'],
  ['application/vnd.Nexhealth+json;version=2', '{}'],
  ['application/x-www-form-urlencoded', 'appt[start_time]=x&appt=1&appt[]=2'],
  ['application/x-www-form-urlencoded', 'a=1&'.repeat(2_000)],
  ['application/x-www-form-urlencoded', `${'a'.concat('[b]'.repeat(200))}=1`],
  ['text/plain', 'hello'],
  ['multipart/form-data; boundary=x', '--x--'],
  ['nonsense', '{}'],
];

const HEADERS: readonly Record<string, string>[] = [
  { 'nex-api-version': 'v2', accept: 'application/vnd.Nexhealth+json;version=20240412' },
  { 'nex-api-version': 'v3.0.0', accept: 'application/vnd.Nexhealth+json; version=2' },
  { 'nex-api-version': '', accept: 'application/vnd.nexhealth+json;version=2' },
  { 'nex-api-version': 'v99' },
  { 'nex-api-version': 'v2, v3.0.0' },
  { 'nex-api-version': 'x'.repeat(2_000) },
  { accept: 'text/html' },
  { accept: 'application/xml;q=0.9, application/vnd.nexhealth+json;a=b;version="v2"' },
  { 'idempotency-key': '' },
  { 'idempotency-key': 'same' },
  { 'idempotency-key': 'x'.repeat(300) },
  { 'content-encoding': 'gzip' },
  { 'x-http-method-override': 'DELETE' },
  { 'if-none-match': '*', range: 'bytes=0-1' },
];

const KEYS = [null, '', 'oc_unknown', 'Bearer', 'Bearer  a.b.c', 'Basic eDp5', 'x'.repeat(5_000)];

const one = <T>(values: readonly T[]) => fc.constantFrom(...values);

/** Which of the world's ids a parameter means, by its name: `provider_ids` the provider's, `lids` the location's. */
function idNameOf(name: string, template: string, ids: readonly string[]): string | undefined {
  const collection = template.split('/').findLast((part) => part !== '' && !part.startsWith('{')) ?? '';
  // A path's own id is that of its first collection: /locations/{id}/appointment_descriptors.
  const about = name === 'id' ? (template.split('/')[1] ?? collection) : name;
  const words = about
    .replace(/^l(?=ids?$)/, 'location_')
    .replace(/^p(?=ids?$)/, 'provider_')
    .replace(/^parent_id$/, 'location_id')
    .replace('working_hour_label', 'label')
    .replace('working_hour', 'availability')
    .replace('categor', 'type')
    .replace('deliveries', 'delivery')
    .replace('availabilities', 'availability')
    .replace('operatories', 'operatory')
    .toLowerCase();
  return ids
    .filter((id) => words.includes(id.toLowerCase()))
    .sort((a, b) => words.lastIndexOf(b) - words.lastIndexOf(a))[0];
}

type ValuesOf = (name: string, schema: Json) => fc.Arbitrary<Json>;

/** Values that a schema allows, with ids that are there. */
function valuesIn(document: Json, template: string, ids: readonly string[]): ValuesOf {
  const valuesOf: ValuesOf = (name, schema) => {
    if (schema.$ref) return valuesOf(name, resolve(document, schema.$ref));
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return one(schema.enum);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) return fc.oneof(...choices.map((choice: Json) => valuesOf(name, choice)));
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    if (type === 'array') {
      return fc.array(valuesOf(name, schema.items ?? {}), {
        minLength: Math.max(schema.minItems ?? 0, 1),
        maxLength: 3,
      });
    }
    if (type === 'object') return objectOf(valuesOf, schema);
    if (type === 'boolean') return one([true, false, 'True', 'false', '1']);
    if (type === 'null') return fc.constant(null);
    const known = SENSIBLE[name];
    if (type === 'integer' && schema.format === 'int64') {
      const own = idNameOf(name, template, ids);
      const any = one(ids).map(($id): Named => ({ $id, of: 'ours' }));
      return own
        ? fc.oneof({ weight: 20, arbitrary: fc.constant({ $id: own, of: 'ours' }) }, { weight: 1, arbitrary: any })
        : any;
    }
    if (name.endsWith('_cursor')) return fc.constant({ $cursor: 'ours' });
    if (known) return one(known);
    if (type === 'integer' || type === 'number') {
      const min = schema.minimum ?? 0;
      return fc.integer({ min, max: Math.min(schema.maximum ?? min + 1_000, min + 1_000) });
    }
    if (schema.format === 'date') return one(DATES);
    if (schema.format === 'date-time') return one(INSTANTS);
    const max = Math.min(schema.maxLength ?? 20, 20);
    return fc.oneof(
      fc.string({ minLength: 1, maxLength: max }),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(max, 8) }),
    );
  };
  return valuesOf;
}

function objectOf(valuesOf: ValuesOf, schema: Json): fc.Arbitrary<Json> {
  const entries = Object.entries<Json>(schema.properties ?? {});
  return fc.record(Object.fromEntries(entries.map(([key, inner]) => [key, valuesOf(key, inner)])), {
    requiredKeys: schema.required ?? [],
  });
}

function resolve(document: Json, $ref: string): Json {
  return $ref
    .slice(2)
    .split('/')
    .reduce((node, key) => node[key], document);
}

/** Good requests for every operation of a document. */
export function requestsOf(
  document: Json,
  version: 'v2' | 'v3.0.0',
  idNames: readonly (keyof Ids)[],
): fc.Arbitrary<ContractRequest>[] {
  return Object.entries<Json>(document.paths).flatMap(([template, operations]) =>
    Object.entries<Json>(operations).map(([method, operation]) => {
      const valuesOf = valuesIn(document, template, idNames);
      const parameters = operation.parameters.map((parameter: Json) =>
        parameter.$ref ? resolve(document, parameter.$ref) : parameter,
      );
      const path = parameters.filter((parameter: Json) => parameter.in === 'path');
      const query = parameters.filter((parameter: Json) => parameter.in === 'query' && parameter.name !== 'subdomain');
      const body = operation.requestBody?.content['application/json'].schema;
      return fc.record({
        method: fc.constant(method.toUpperCase()),
        template: fc.constant(template),
        version: fc.constant(version),
        isAdmin: fc.constant('403' in operation.responses),
        isPaged: fc.constant(query.some(({ name }: Json) => name === 'end_cursor')),
        path: fc.record(Object.fromEntries(path.map(({ name, schema }: Json) => [name, valuesOf(name, schema)]))),
        query: fc
          .tuple(...query.map((parameter: Json) => queryEntry(parameter, valuesOf)))
          .map((all) => all.filter((entry) => entry !== null)),
        ...(body && { body: valuesOf('body', body) }),
        asForm: fc.boolean(),
        subdomain: fc.constant(parameters.some(({ name }: Json) => name === 'subdomain')),
      }) as fc.Arbitrary<ContractRequest>;
    }),
  );
}

/** Absent as often as not, unless it is required. */
function queryEntry(parameter: Json, valuesOf: ValuesOf): fc.Arbitrary<QueryEntry | null> {
  const name = parameter.name.replace(/\[\]$/, '');
  const spelling = parameter.schema.type === 'array' ? 'brackets' : 'plain';
  const entry = valuesOf(name, parameter.schema).map((value): QueryEntry => ({ name, spelling, value }));
  if (parameter.required) return entry;
  return fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: entry });
}

const spellings = one(Object.keys(SPELLINGS) as (keyof typeof SPELLINGS)[]);
const hostile: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: one(HOSTILE) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  {
    weight: 2,
    arbitrary: one(['location', 'provider', 'patient', 'appointment', 'institution', 'type']).map(($id) => ({
      $id,
      of: 'strangers',
    })),
  },
  { weight: 2, arbitrary: one(['edited', 'strangers']).map(($cursor) => ({ $cursor })) },
);
const at = fc.nat(40);

export const faults: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ fault: fc.constant('query' as const), at, spelling: spellings, value: hostile }),
  },
  { weight: 2, arbitrary: fc.record({ fault: fc.constant('repeated' as const), at, value: hostile }) },
  { weight: 1, arbitrary: fc.record({ fault: fc.constant('missing' as const), at }) },
  { weight: 3, arbitrary: fc.record({ fault: fc.constant('path' as const), value: hostile }) },
  { weight: 8, arbitrary: fc.record({ fault: fc.constant('body' as const), at, value: hostile }) },
  { weight: 1, arbitrary: one(BODIES).map(([type, text]) => ({ fault: 'body text' as const, type, text })) },
  { weight: 1, arbitrary: hostile.map((value) => ({ fault: 'subdomain' as const, value })) },
  { weight: 1, arbitrary: one(KEYS).map((value) => ({ fault: 'key' as const, value })) },
  { weight: 2, arbitrary: one(HEADERS).map((headers) => ({ fault: 'headers' as const, headers })) },
  {
    weight: 1,
    arbitrary: fc.record({
      fault: fc.constant('unknown' as const),
      name: one(['search', '__proto__', 'constructor', 'a[b]', '\0', 'x'.repeat(500)]),
      value: hostile,
    }),
  },
);
