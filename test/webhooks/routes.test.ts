import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createAuthentication } from '../../src/api/authentication.ts';
import type { Services } from '../../src/api/context.ts';
import { routes as eventRoutes } from '../../src/api/events/routes.ts';
import type { Route } from '../../src/api/route.ts';
import { createServer } from '../../src/api/server.ts';
import { routes as webhookRoutes } from '../../src/api/webhooks/routes.ts';
import { systemClock } from '../../src/clock.ts';
import { openWakeups, type Wakeups } from '../../src/jobs/wakeups.ts';
import { forAll } from '../../src/store/database.ts';
import { hashKey, newApiKey } from '../../src/store/keys.ts';
import { startDeliveries } from '../../src/webhooks/deliver.ts';
import { MAX_ENDPOINTS } from '../../src/webhooks/endpoint.ts';
import { EVENTS, eventsOf, RESOURCE_TYPES } from '../../src/webhooks/event-names.ts';
import { ALL_CAPABILITIES } from '../harness/api.ts';
import { startReceiver } from '../harness/receiver.ts';
import { SEAL } from '../harness/seal.ts';
import { appointmentUpdated, createPractice, type Practice, until } from './practice.ts';

const log = pino({ level: 'silent' });
const routes: Route[] = [...webhookRoutes, ...eventRoutes];

let practice: Practice;
let wakeups: Wakeups;
let server: FastifyInstance;
let key: string;
let strangerKey: string;
let stranger: { id: number; subdomain: string };

async function addKey(apiUserId: number): Promise<string> {
  const key = newApiKey();
  await forAll(practice.db, (tx) =>
    tx
      .insertInto('api_key')
      .values({ api_user_id: apiUserId, key_hash: hashKey(key), key_prefix: key.slice(0, 8) })
      .execute(),
  );
  return key;
}

before(async () => {
  practice = await createPractice();
  wakeups = await openWakeups(practice.database.connection, log);
  const services: Services = {
    db: practice.db,
    clock: systemClock,
    log,
    tokenSecret: 't'.repeat(32),
    seal: SEAL,
    wakeups,
    connectorKinds: new Map(),
    capabilitiesOf: () => ALL_CAPABILITIES,
    webhookAddresses: 'loopback',
    baseUrl: () => 'https://openchair.example',
    rateLimiter: null,
  };
  server = createServer(services, createAuthentication(practice.db, services.tokenSecret, systemClock), routes);
  key = await addKey(practice.apiUserId);
  stranger = await practice.addInstitution();
  strangerKey = await addKey(await practice.addUser([stranger.id]));
});
beforeEach(() => forAll(practice.db, (tx) => tx.deleteFrom('webhook_endpoint').execute()));
after(async () => {
  await server.close();
  await wakeups.close();
  await practice.close();
});

interface Answer {
  status: number;
  body: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of every shape.
  json: any;
}

async function call(method: Route['method'], url: string, body?: object, as = key, version = 'v2'): Promise<Answer> {
  const response = await server.inject({
    method,
    url,
    headers: { authorization: as, 'nex-api-version': version },
    ...(body ? { payload: body } : {}),
  });
  return {
    status: response.statusCode,
    body: response.body,
    json: response.body === '' ? null : JSON.parse(response.body),
  };
}

const query = () => `?subdomain=${practice.subdomain}`;
const register = async (target_url = 'http://127.0.0.1:9/hook') =>
  (await call('POST', '/webhook_endpoints', { target_url })).json.data;
const subscribe = (id: number, resource_type: string, event: string, values: object = {}) =>
  call('POST', `/webhook_endpoints/${id}/webhook_subscriptions${query()}`, { resource_type, event, ...values });

test('an endpoint is made, listed, filtered, changed and deleted as at NexHealth', async () => {
  const made = await call('POST', '/webhook_endpoints', { target_url: 'https://example.com/hook' });
  assert.equal(made.status, 201);
  assert.deepEqual(Object.keys(made.json.data), [
    'id',
    'target_url',
    'secret_key',
    'active',
    'created_at',
    'updated_at',
  ]);
  assert.match(made.json.data.secret_key, /^[0-9a-f]{64}$/);
  assert.equal(made.json.data.active, true);
  const off = await call('POST', '/webhook_endpoints', { target_url: 'https://example.com/off', active: 'False' });
  assert.equal(off.json.data.active, false);

  const all = await call('GET', '/webhook_endpoints');
  assert.equal(all.status, 200);
  assert.equal(all.json.count, 2);
  assert.deepEqual(all.json.data[0], made.json.data, 'with its secret');
  assert.deepEqual((await call('GET', '/webhook_endpoints?active=false')).json.data, [off.json.data]);

  const { id } = made.json.data;
  const changed = await call('PATCH', `/webhook_endpoints/${id}`, { active: false });
  assert.equal(changed.status, 200);
  assert.deepEqual([changed.json.data.active, changed.json.data.target_url], [false, 'https://example.com/hook']);
  assert.equal(changed.json.data.secret_key, made.json.data.secret_key);
  assert.ok(changed.json.data.updated_at > made.json.data.updated_at);
  const moved = await call('PATCH', `/webhook_endpoints/${id}`, { target_url: 'https://example.org/' });
  assert.deepEqual([moved.json.data.active, moved.json.data.target_url], [false, 'https://example.org/']);

  const deleted = await call('DELETE', `/webhook_endpoints/${id}`);
  assert.deepEqual([deleted.status, deleted.body], [204, '']);
  assert.equal((await call('DELETE', `/webhook_endpoints/${id}`)).status, 404);
});

test('a URL that could never be called is refused, in POST and in PATCH', async () => {
  assert.deepEqual((await call('POST', '/webhook_endpoints', {})).json.error, ['Missing parameter target_url']);
  const { id } = await register();
  for (const target_url of ['http://example.com', 'https://169.254.169.254/', 'ftp://x', 'https://a:b@example.com']) {
    for (const [method, url] of [
      ['POST', '/webhook_endpoints'],
      ['PATCH', `/webhook_endpoints/${id}`],
    ] as const) {
      const refused = await call(method, url, { target_url });
      assert.equal(refused.status, 400, target_url);
      assert.match(refused.json.error[0], /^Invalid parameter target_url: must/);
    }
  }
});

test(`a user has at most ${MAX_ENDPOINTS} endpoints, even when asking for many at once`, async () => {
  await forAll(practice.db, (tx) =>
    tx
      .insertInto('webhook_endpoint')
      .values(
        Array.from({ length: MAX_ENDPOINTS - 2 }, () => ({
          ...{
            api_user_id: practice.apiUserId,
            target_url: 'https://example.com',
            secret_key: 'x',
            failing_since: null,
          },
        })),
      )
      .execute(),
  );
  const statuses = await Promise.all(
    Array.from(
      { length: 6 },
      async () => (await call('POST', '/webhook_endpoints', { target_url: 'https://e.com' })).status,
    ),
  );
  assert.deepEqual(statuses.sort(), [201, 201, 400, 400, 400, 400]);
});

test('a subscription is made, listed, paused and ended as at NexHealth', async () => {
  const { id } = await register();
  const made = await subscribe(id, 'appointment', 'appointment_insertion');
  assert.equal(made.status, 201);
  assert.deepEqual(
    { ...made.json.data, id: 0, created_at: '', updated_at: '' },
    {
      id: 0,
      webhook_endpoint_id: id,
      institution_id: practice.institutionId,
      resource_type: 'Appointment',
      event: 'appointment_insertion',
      active: true,
      created_at: '',
      updated_at: '',
    },
  );
  const paused = await subscribe(id, 'Patient', 'patient_created', { active: false });
  assert.equal(paused.json.data.active, false);

  const path = `/webhook_endpoints/${id}/webhook_subscriptions`;
  for (const [suffix, expected] of [
    ['', 2],
    [query(), 2],
    ['?resource_type=PATIENT', 1],
    ['?event=appointment_insertion', 1],
    ['?event=appointment_insertion&resource_type=Patient', 0],
  ] as const) {
    assert.equal((await call('GET', `${path}${suffix}`)).json.count, expected, suffix);
  }
  const own = `${path}/${made.json.data.id}`;
  assert.equal((await call('PATCH', `${own}${query()}`, { active: false })).json.data.active, false);
  assert.equal((await call('PATCH', own, { active: true })).json.error[0], 'Missing parameter subdomain');
  const ended = await call('DELETE', own);
  assert.deepEqual([ended.status, ended.body], [204, '']);
  assert.equal((await call('DELETE', own)).status, 404);
});

test('every event of every version can be subscribed to, under its own resource type in any case', async () => {
  const { id } = await register();
  for (const resourceType of RESOURCE_TYPES) {
    for (const event of eventsOf(resourceType)) {
      assert.equal((await subscribe(id, resourceType.toUpperCase(), event)).status, 201, event);
    }
  }
  const listed = await call('GET', `/webhook_endpoints/${id}/webhook_subscriptions`);
  assert.equal(listed.json.count, EVENTS.length);
  assert.deepEqual([...new Set(listed.json.data.map((one: { resource_type: string }) => one.resource_type))].sort(), [
    ...RESOURCE_TYPES,
  ]);
  assert.equal((await subscribe(id, 'Recall', 'appointment_created')).status, 400);
  assert.equal((await subscribe(id, 'Appointment', 'appointment_deleted')).status, 400);
  assert.match(
    (await subscribe(id, 'Patient', 'appointment_created')).json.error[0],
    /patient_created, patient_updated/,
  );
  const nothing = await call('POST', `/webhook_endpoints/${id}/webhook_subscriptions${query()}`, {});
  assert.deepEqual(nothing.json.error, ['Missing parameter resource_type', 'Missing parameter event']);
});

test('subscribing twice is subscribing once, under each version', async () => {
  const { id } = await register();
  const first = await subscribe(id, 'Appointment', 'appointment_created', { active: false });
  const url = `/webhook_endpoints/${id}/webhook_subscriptions${query()}`;
  const body = { resource_type: 'Appointment', event: 'appointment_created' };
  const again = await call('POST', url, body, key, 'v2');
  assert.equal(again.status, 201);
  assert.deepEqual([again.json.data.id, again.json.data.active], [first.json.data.id, true]);
  const other = await call('POST', url, body, key, 'v20240412');
  assert.deepEqual((await call('POST', url, body, key, 'v3.0.0')).json.data.id, other.json.data.id);
  const rows = await forAll(practice.db, (tx) =>
    tx.selectFrom('webhook_subscription').select(['id', 'version']).orderBy('id').execute(),
  );
  assert.deepEqual(rows, [
    { id: first.json.data.id, version: 'v2' },
    { id: other.json.data.id, version: 'v3.0.0' },
  ]);
});

test('a subscription moves to another endpoint with what it is owed, and ends with it', async () => {
  const from = await register();
  const to = await register('http://127.0.0.1:9/to');
  const { data } = (await subscribe(from.id, 'Appointment', 'appointment_updated')).json;
  await practice.record(appointmentUpdated(1, 1));
  const path = (endpointId: number) => `/webhook_endpoints/${endpointId}/webhook_subscriptions/${data.id}`;
  const moved = await call('PATCH', `${path(from.id)}${query()}`, { new_endpoint_id: to.id });
  assert.equal(moved.json.data.webhook_endpoint_id, to.id);
  assert.equal((await call('PATCH', `${path(from.id)}${query()}`, { active: true })).status, 404, 'the old path');
  assert.deepEqual(
    (await practice.deliveries()).map(({ endpoint_id, state }) => [endpoint_id, state]),
    [[to.id, 'pending']],
  );
  await subscribe(from.id, 'Appointment', 'appointment_updated');
  const taken = await call('PATCH', `${path(to.id)}${query()}`, { new_endpoint_id: from.id });
  assert.deepEqual([taken.status, taken.json.code], [400, false]);
  assert.equal((await call('DELETE', path(to.id))).status, 204);
  assert.deepEqual(
    (await practice.deliveries()).map(({ state }) => state),
    ['cancelled'],
  );
});

test('what belongs to others is absent', async () => {
  const { id } = await register();
  const { data } = (await subscribe(id, 'Appointment', 'appointment_updated')).json;
  await practice.record(appointmentUpdated(1, 1));
  const [delivery] = await practice.deliveries();
  const theirs = (await call('POST', '/webhook_endpoints', { target_url: 'https://e.com' }, strangerKey)).json.data;
  const asStranger = `?subdomain=${stranger.subdomain}`;
  const subscriptions = `/webhook_endpoints/${id}/webhook_subscriptions`;
  const body = { resource_type: 'Appointment', event: 'appointment_created' };
  for (const [method, url, payload] of [
    ['PATCH', `/webhook_endpoints/${id}`, { active: false }],
    ['DELETE', `/webhook_endpoints/${id}`, undefined],
    ['GET', subscriptions, undefined],
    ['POST', `${subscriptions}${asStranger}`, body],
    ['POST', `/webhook_endpoints/${theirs.id}/webhook_subscriptions${query()}`, body],
    ['PATCH', `${subscriptions}/${data.id}${asStranger}`, { active: false }],
    ['PATCH', `/webhook_endpoints/${theirs.id}/webhook_subscriptions/${data.id}${asStranger}`, { active: false }],
    ['DELETE', `${subscriptions}/${data.id}`, undefined],
    ['GET', `/webhook_deliveries/${delivery?.id}`, undefined],
    ['POST', `/webhook_deliveries/${delivery?.id}/redeliver`, undefined],
    ['GET', `/webhook_deliveries${query()}`, undefined],
    ['GET', `/events${query()}`, undefined],
  ] as const) {
    const answer = await call(method, url, payload, strangerKey);
    assert.deepEqual([answer.status, answer.json.error], [404, ['Resource not found']], `${method} ${url}`);
  }
  const moved = await call('PATCH', `${subscriptions}/${data.id}${query()}`, { new_endpoint_id: theirs.id });
  assert.equal(moved.status, 404, 'not to a stranger’s endpoint');
  assert.deepEqual((await call('GET', '/webhook_endpoints', undefined, strangerKey)).json.data, [theirs]);
  assert.deepEqual((await call('GET', `/webhook_deliveries${asStranger}`, undefined, strangerKey)).json.data, []);
  assert.equal((await practice.endpoint(id)).active, true);
});

test('a user of the same institution sees its events and none of another user’s deliveries', async () => {
  const colleagueKey = await addKey(await practice.addUser([practice.institutionId]));
  const { id } = await register();
  await subscribe(id, 'Appointment', 'appointment_updated');
  await practice.record(appointmentUpdated(1, 1));
  const [delivery] = await practice.deliveries();
  assert.deepEqual((await call('GET', `/webhook_deliveries${query()}`, undefined, colleagueKey)).json.data, []);
  assert.equal((await call('GET', `/webhook_deliveries/${delivery?.id}`, undefined, colleagueKey)).status, 404);
  assert.ok((await call('GET', `/events${query()}`, undefined, colleagueKey)).json.data.length > 0);
});

const startWorker = () =>
  startDeliveries({ db: practice.db, clock: systemClock, log, wakeups, seal: SEAL, addresses: 'loopback' });

test('an endpoint that is switched on again gets what it is owed at once', async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver.close());
  const { id } = await register(receiver.url);
  await subscribe(id, 'Appointment', 'appointment_updated');
  receiver.reply(410, 200);
  const loop = startWorker();
  t.after(() => loop.stop(1_000));
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await until('it is off', async () => !(await practice.endpoint(id)).active);
  const on = await call('PATCH', `/webhook_endpoints/${id}`, { active: true });
  assert.equal(on.json.data.active, true);
  await until('it is delivered', async () => (await practice.deliveries())[0]?.state === 'delivered');
});

test('the delivery log tells each attempt and nothing of what was sent, and sends again when asked', async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver.close());
  const { id } = await register(receiver.url);
  const subscription = (await subscribe(id, 'Appointment', 'appointment_updated')).json.data;
  receiver.reply(500, 200);
  const loop = startWorker();
  t.after(() => loop.stop(1_000));
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await until('one attempt', async () => (await practice.attempts()).length === 1);

  const listed = await call('GET', `/webhook_deliveries${query()}&endpoint_id=${id}&state=pending`);
  assert.deepEqual([listed.status, listed.json.count], [200, 1]);
  const [delivery] = listed.json.data;
  assert.deepEqual(Object.keys(delivery), [
    ...['id', 'webhook_endpoint_id', 'webhook_subscription_id', 'event_id', 'event_name', 'resource_type'],
    ...['resource_id', 'state', 'next_attempt_at', 'created_at', 'finished_at', 'attempts'],
  ]);
  assert.deepEqual([delivery.webhook_endpoint_id, delivery.webhook_subscription_id], [id, subscription.id]);
  assert.deepEqual([delivery.attempts[0].status_code, delivery.attempts[0].error_code], [500, null]);
  assert.ok(Date.parse(delivery.next_attempt_at) > Date.now());
  assert.ok(!listed.body.includes('Zoë'));

  const again = await call('POST', `/webhook_deliveries/${delivery.id}/redeliver`);
  assert.equal(again.status, 200);
  await until('two attempts', async () => (await practice.attempts()).length === 2);
  const shown = (await call('GET', `/webhook_deliveries/${delivery.id}`)).json.data;
  assert.deepEqual([shown.state, shown.attempts.length, shown.next_attempt_at], ['delivered', 2, null]);
  assert.equal(receiver.requests[0]?.headers['webhook-id'], receiver.requests[1]?.headers['webhook-id']);
  assert.equal((await call('GET', `/webhook_deliveries${query()}&state=failed`)).json.count, 0);
  assert.equal((await call('GET', `/webhook_deliveries${query()}&state=lost`)).status, 400);
});

test('deliveries are listed newest first, by page and by cursor', async () => {
  const { id } = await register();
  await subscribe(id, 'Appointment', 'appointment_updated');
  await practice.record(...[1, 2, 3, 4, 5].map((resourceId) => appointmentUpdated(resourceId, 1)));
  const ids = (answer: Answer) => answer.json.data.map((one: { resource_id: number }) => one.resource_id);
  const list = (suffix: string, version: string) =>
    call('GET', `/webhook_deliveries${query()}&per_page=2${suffix}`, undefined, key, version);
  assert.deepEqual(ids(await list('&page=2', 'v2')), [3, 2]);
  const first = await list('', 'v3.0.0');
  assert.deepEqual([ids(first), first.json.count], [[5, 4], 5]);
  assert.deepEqual(ids(await list(`&end_cursor=${first.json.page_info.end_cursor}`, 'v3.0.0')), [3, 2]);
});

test('the event log is read from any position, page by page, to its end and on from there', async () => {
  const start = (await call('GET', `/events${query()}&per_page=1000`)).json.data.length;
  await practice.record(...[1, 2, 3, 4, 5].map((resourceId) => appointmentUpdated(resourceId, resourceId)));
  const seen: number[] = [];
  let cursor = String(start);
  for (let pages = 0; pages < 3; pages += 1) {
    const page = await call('GET', `/events${query()}&per_page=2&end_cursor=${cursor}`, undefined, key, 'v3.0.0');
    seen.push(...page.json.data.map((event: { position: number }) => event.position));
    cursor = page.json.page_info.end_cursor;
    assert.equal(page.json.page_info.has_next_page, pages < 2);
  }
  assert.deepEqual(
    seen,
    [1, 2, 3, 4, 5].map((offset) => start + offset),
  );
  const empty = await call('GET', `/events${query()}&after=${cursor}`, undefined, key, 'v3.0.0');
  assert.deepEqual([empty.json.data, empty.json.page_info.end_cursor], [[], cursor]);
  const [event] = (await call('GET', `/events${query()}&after=${start}`)).json.data;
  assert.deepEqual(Object.keys(event), [
    ...['id', 'position', 'event_name', 'resource_type', 'resource_id', 'sequence', 'event_time', 'data'],
  ]);
  assert.deepEqual(event.data, appointmentUpdated(1, 1).data);
  for (const wrong of ['after=-1', 'after=x', 'per_page=0', 'per_page=1001', 'after=9223372036854775808']) {
    assert.equal((await call('GET', `/events${query()}&${wrong}`)).status, 400, wrong);
  }
  // What housekeeping has taken is told to whoever still counts on it.
  await forAll(practice.db, (tx) =>
    tx
      .deleteFrom('event')
      .where('position', '<=', start + 3)
      .execute(),
  );
  const late = await call('GET', `/events${query()}&after=${start + 1}`);
  assert.equal(late.status, 400);
  assert.match(late.json.error[0], new RegExp(`up to ${start + 3} are no longer kept`));
  assert.equal((await call('GET', `/events${query()}&after=${start + 3}`)).json.data.length, 2);
  assert.equal((await call('GET', `/events${query()}`)).status, 200);
});

test('every route answers in the shape it declares', async () => {
  const { id } = await register();
  await subscribe(id, 'Appointment', 'appointment_updated');
  await practice.record(appointmentUpdated(1, 1));
  const [delivery] = await practice.deliveries();
  const shapes: [string, string][] = [
    ['/webhook_endpoints', '/webhook_endpoints'],
    ['/webhook_endpoints/:id/webhook_subscriptions', `/webhook_endpoints/${id}/webhook_subscriptions`],
    ['/webhook_deliveries', `/webhook_deliveries${query()}`],
    ['/webhook_deliveries/:id', `/webhook_deliveries/${delivery?.id}`],
    ['/events', `/events${query()}`],
  ];
  for (const [path, url] of shapes) {
    const route = routes.find((one) => one.method === 'GET' && one.path === path);
    const answer = route?.answer;
    assert.ok(answer && typeof answer !== 'function');
    const { data } = (await call('GET', url)).json;
    assert.deepEqual(answer.parse(data), data, path);
  }
});
