/**
 * The API against its own documents: whatever is sent, the status is documented, the body has the documented shape,
 * nothing is a 5xx and nothing is another institution's. CONTRACT_RUNS and CONTRACT_SEED ask for more, or for other
 * requests.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { sql } from 'kysely';
import qs from 'qs';
import { z } from 'zod';
import { openApiDocument } from '../../src/api/openapi.ts';
import { routes } from '../../src/api/routes.ts';
import type { Connector, ConnectorKind } from '../../src/connectors/connector.ts';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { contentsOf } from '../harness/contents.ts';
import { createKey, createPractice } from '../harness/practice.ts';
import { createWorld, type Ids, type World } from '../harness/world.ts';
import {
  asText,
  type ContractRequest,
  type Fault,
  faults,
  type QueryEntry,
  requestsOf,
  writeQuery,
} from './contract-requests.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document is JSON.
type Json = any;

const RUNS = Number(process.env.CONTRACT_RUNS ?? 1_000);
const SEED = Number(process.env.CONTRACT_SEED ?? 20_260_301);

const documents: Record<'v2' | 'v3.0.0', Json> = {
  v2: openApiDocument(routes, 'v2'),
  'v3.0.0': openApiDocument(routes, 'v3.0.0'),
};

test('both documents are valid OpenAPI', async () => {
  for (const document of Object.values(documents)) {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors));
  }
  const broken = { ...structuredClone(documents.v2), paths: { '/x': { get: { responses: 'none' } } } };
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test('every parameter is described, in bodies too', () => {
  const silent = new Set<string>();
  const look = (name: string, schema: Json) => {
    if (!schema.description) silent.add(name);
    for (const [key, inner] of Object.entries<Json>(schema.properties ?? {})) look(`${name}[${key}]`, inner);
  };
  for (const document of Object.values(documents)) {
    for (const [path, operations] of Object.entries<Json>(document.paths)) {
      for (const { parameters } of Object.values<Json>(operations)) {
        for (const { $ref, name, description } of parameters) if (!$ref && !description) silent.add(`${path} ${name}`);
      }
    }
    for (const [name, schema] of Object.entries<Json>(document.components.schemas)) {
      if (name.endsWith('Body')) look(name, { ...schema, description: 'a body' });
    }
  }
  assert.deepEqual([...silent], [], 'describe them in their route, or in src/api/parameter-texts.ts');
});

/** An HRS that is always off. No request but an administrator's check ever asks for it. */
const OFF: ConnectorKind = {
  kind: 'sandbox',
  displayName: 'Sandbox',
  type: 'onprem',
  configSchema: z.unknown(),
  identityOf: (config) => JSON.stringify(config),
  connect: () =>
    ({ check: async () => ({ ok: false, message: 'it is off' }), close: async () => {} }) as unknown as Connector,
};

/** Stands in every text of the other institution. */
const MARK = 'zzstranger';

suite('the contract', () => {
  let api: Api;
  let adminKey: string;
  let stranger: World;
  let strangersKey: string;
  /** What requests are about; used until one of them has changed it. */
  let world: (World & { key: string }) | null = null;
  let worldCount = 0;

  before(async () => {
    api = await startApi({ services: { connectorKinds: new Map([[OFF.kind, OFF]]) } });
    const practice = await createPractice(api.db, MARK);
    const other = await createKey(api.db, [practice.institution.id]);
    strangersKey = other.key;
    stranger = await createWorld(api.db, practice, other.apiUserId);
    await mark(practice.institution.id);
    adminKey = (await createKey(api.db, [], { isAdmin: true })).key;
  });
  after(() => api.close());

  /** Every name of the other institution says whose it is. */
  async function mark(institutionId: number): Promise<void> {
    const columns = await api.db.pool.query(`
      select c.table_name, c.column_name from information_schema.columns c
      join information_schema.columns owner on owner.table_schema = c.table_schema and owner.table_name = c.table_name
        and owner.column_name = 'institution_id'
      where c.table_schema = current_schema() and c.data_type = 'text'
        and c.column_name in ('name', 'first_name', 'last_name', 'note')`);
    await forAll(api.db, async (tx) => {
      for (const { table_name, column_name } of columns.rows) {
        await sql`update ${sql.table(table_name)} set ${sql.ref(column_name)} = ${`${MARK} `} || ${sql.ref(column_name)}
          where institution_id = ${institutionId}`.execute(tx);
      }
    });
  }

  async function getWorld(): Promise<World & { key: string }> {
    if (world) return world;
    worldCount += 1;
    const practice = await createPractice(api.db, `oak-${worldCount}`);
    const { key, apiUserId } = await createKey(api.db, [practice.institution.id]);
    world = { ...(await createWorld(api.db, practice, apiUserId)), key };
    return world;
  }

  /** A cursor of the same list, of ours or of the other institution. */
  async function cursorOf(request: ContractRequest, here: World, key: string): Promise<string> {
    const query = [...request.query, { name: 'per_page', spelling: 'plain' as const, value: 1 }].filter(
      ({ name }) => !name.endsWith('_cursor') && name !== 'page',
    );
    const path = await pathOf({ ...request, query }, here.subdomain, (value) => fill(value, request, here, key));
    const { status, body } = await api.get(path, { version: 'v3.0.0', key });
    return (status === 200 && body.page_info.end_cursor) || 'bm8gY3Vyc29y';
  }

  /** Named ids and cursors become what they are here. */
  async function fill(value: Json, request: ContractRequest, here: World, key: string): Promise<Json> {
    if (Array.isArray(value)) return Promise.all(value.map((entry) => fill(entry, request, here, key)));
    if (typeof value !== 'object' || value === null) return value;
    if ('$id' in value) return (value.of === 'strangers' ? stranger : here).ids[value.$id as keyof Ids];
    if ('$many' in value) return Array.from({ length: value.$many as number }, () => 1);
    if ('$cursor' in value) {
      if (!request.isPaged) return 'bm8gY3Vyc29y';
      if (value.$cursor === 'strangers') return cursorOf(request, stranger, strangersKey);
      const cursor = await cursorOf(request, here, key);
      if (value.$cursor === 'ours') return cursor;
      const text = Buffer.from(cursor, 'base64url').toString();
      return Buffer.from(text.replace(/\d/, (digit) => String(9 - Number(digit)))).toString('base64url');
    }
    const filled: Record<string, Json> = {};
    for (const [name, inner] of Object.entries(value)) {
      Object.defineProperty(filled, name, { value: await fill(inner, request, here, key), enumerable: true });
    }
    return filled;
  }

  async function pathOf(
    request: ContractRequest,
    subdomain: Json,
    filled: (value: Json) => Promise<Json>,
  ): Promise<string> {
    let path = request.template;
    for (const [name, value] of Object.entries(request.path)) {
      const text = asText(await filled(value));
      path = path.replace(`{${name}}`, text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80');
    }
    const entries: QueryEntry[] = request.subdomain ? [{ name: 'subdomain', spelling: 'plain', value: subdomain }] : [];
    for (const entry of request.query) entries.push({ ...entry, value: await filled(entry.value) });
    const query = writeQuery(entries);
    return query === '' ? path : `${path}?${query}`;
  }

  async function send(good: ContractRequest, wrongs: readonly Fault[]) {
    const here = await getWorld();
    const { request, subdomain, bodyText, headers: wrongHeaders, key } = spoil(good, wrongs, here.subdomain);
    const ourKey = good.isAdmin ? adminKey : here.key;
    const filled = (value: Json) => fill(value, good, here, here.key);
    const path = await pathOf(request, await filled(subdomain), filled);
    const body =
      bodyText ?? (request.method === 'GET' ? undefined : write(await filled(request.body ?? {}), good.asForm));
    const answer = await api.request(request.method, path.slice(0, 12_000), {
      version: request.version,
      key: key === undefined ? ourKey : key,
      body,
      headers: { ...(good.asForm && { 'content-type': 'application/x-www-form-urlencoded' }), ...wrongHeaders },
    });
    if (request.method !== 'GET' && answer.status < 400) {
      world = null;
      // An administrator may well have deleted the key it came with.
      if (good.isAdmin) adminKey = (await createKey(api.db, [], { isAdmin: true })).key;
    }
    return { answer, path };
  }

  /** Without what administrators may change of any institution: connections and keys. */
  async function contentsOfStranger() {
    const { connection, api_user_institution, ...rest } = await contentsOf(api.db, stranger.ids.institution);
    return rest;
  }

  test('good requests and hostile ones are answered as documented, and with nothing of another institution', async () => {
    const theirs = await contentsOfStranger();
    const idNames = Object.keys(stranger.ids) as (keyof Ids)[];
    const requests = [
      ...requestsOf(documents.v2, 'v2', idNames),
      ...requestsOf(documents['v3.0.0'], 'v3.0.0', idNames),
    ];
    const succeeded = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(...requests), fc.array(faults, { maxLength: 3 }), async (request, wrongs) => {
        const { answer, path } = await send(request, wrongs);
        const about = `${request.method} ${path.slice(0, 500)}: ${answer.status} ${answer.text.slice(0, 1_000)}`;
        assert.ok(answer.status < 500, about);
        if (!request.isAdmin) assert.ok(!answer.text.toLowerCase().includes(MARK), about);
        if (answer.status < 300) succeeded.add(`${request.version} ${request.method} ${request.template}`);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    assert.deepEqual(await contentsOfStranger(), theirs, 'the other institution is as it was');
    const share = succeeded.size / requests.length;
    assert.ok(
      share > 0.6,
      `only ${Math.round(share * 100)} % of the operations were ever asked for something sensible`,
    );
  });
});

/** As a form it loses what only JSON has: numbers become text, null and empty lists are left out. */
const write = (body: Json, asForm: boolean): string =>
  asForm ? qs.stringify(body, { arrayFormat: 'brackets' }) : JSON.stringify(body);

/** A request with its faults in it. */
function spoil(good: ContractRequest, wrongs: readonly Fault[], ourSubdomain: string) {
  const request: ContractRequest = structuredClone(good);
  let subdomain: Json = ourSubdomain;
  let bodyText: string | undefined;
  let headers: Record<string, string> = {};
  let key: string | null | undefined;
  for (const wrong of wrongs) {
    const entry = 'at' in wrong ? request.query[wrong.at % request.query.length] : undefined;
    if (wrong.fault === 'query' && entry) Object.assign(entry, { value: wrong.value, spelling: wrong.spelling });
    else if (wrong.fault === 'repeated' && entry) request.query.push({ ...entry, value: wrong.value });
    else if (wrong.fault === 'missing' && entry) request.query.splice(request.query.indexOf(entry), 1);
    else if (wrong.fault === 'path') for (const name of Object.keys(request.path)) request.path[name] = wrong.value;
    else if (wrong.fault === 'body' && request.body) request.body = withValueAt(request.body, wrong.at, wrong.value);
    else if (wrong.fault === 'body text' && request.method !== 'GET') {
      bodyText = wrong.text;
      headers = { ...headers, 'content-type': wrong.type };
    } else if (wrong.fault === 'subdomain') subdomain = wrong.value;
    else if (wrong.fault === 'key') key = wrong.value;
    else if (wrong.fault === 'headers') headers = { ...headers, ...wrong.headers };
    else if (wrong.fault === 'unknown') request.query.push({ name: wrong.name, spelling: 'plain', value: wrong.value });
  }
  return { request, subdomain, bodyText, headers, key };
}

/** The body with one of its places, counted in order, holding something else. */
function withValueAt(body: Json, at: number, value: Json): Json {
  const places: { holder: Json; name: string }[] = [];
  const copy = structuredClone({ body });
  const walk = (holder: Json) => {
    for (const name of Object.keys(holder)) {
      places.push({ holder, name });
      const inner = holder[name];
      if (typeof inner === 'object' && inner !== null && !('$id' in inner)) walk(inner);
    }
  };
  walk(copy);
  const place = places[at % places.length];
  if (place) place.holder[place.name] = value;
  return copy.body;
}
