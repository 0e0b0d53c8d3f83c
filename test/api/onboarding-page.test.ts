/** The page behind the link of an onboarding, from the form to the first booking that is possible. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { createAuthentication } from '../../src/api/authentication.ts';
import { addConnectPage } from '../../src/api/onboardings/connect.ts';
import { createServer } from '../../src/api/server.ts';
import type { Clock } from '../../src/clock.ts';
import { KINDS } from '../../src/connectors/registry.ts';
import type { Loop } from '../../src/jobs/loop.ts';
import { forAll } from '../../src/store/database.ts';
import { openConfig } from '../../src/store/secrets.ts';
import { openConnectors } from '../../src/sync/connectors.ts';
import { requestSync, startSync } from '../../src/sync/loop.ts';
import { startDeliveries } from '../../src/webhooks/deliver.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey } from '../harness/practice.ts';
import { until } from '../harness/program.ts';
import { startReceiver } from '../harness/receiver.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { SEAL } from '../harness/seal.ts';
import { SMALL_PRACTICE } from '../sandbox/practice.ts';
import { makeOnboarding, type Onboarding } from './onboarding.ts';

const FOUR_MONTHS_MS = 122 * 86_400_000;

let laterMs = 0;
const clock: Clock = { nowMs: () => Date.now() + laterMs };

let api: Api;
let sandbox: Sandbox;
let pages: FastifyInstance;
let pagesUrl: string;

before(async () => {
  [api, sandbox] = await Promise.all([startApi({ clock, services: { connectorKinds: KINDS } }), startSandbox()]);
  pages = createServer(api.services, createAuthentication(api.db, api.services.tokenSecret, clock), []);
  addConnectPage(pages, api.services);
  pagesUrl = await pages.listen({ port: 0, host: '127.0.0.1' });
});
after(async () => {
  await pages.close();
  await sandbox.stop();
  await api.close();
});

const pathOf = (onboarding: Onboarding) => new URL(onboarding.url).pathname;

async function open(path: string, form?: Record<string, string> | string) {
  const response = await fetch(pagesUrl + path, {
    redirect: 'manual',
    ...(form !== undefined && {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    }),
  });
  return { status: response.status, headers: response.headers, html: await response.text() };
}

const sandboxForm = (apiKey = 'sandbox', baseUrl = sandbox.url) => ({
  kind: 'sandbox',
  'sandbox[baseUrl]': baseUrl,
  'sandbox[apiKey]': apiKey,
});

suite('the page', () => {
  test('asks for what each kind needs, runs nothing, and is not known without its link', async () => {
    const made = await makeOnboarding(api, {
      institution_name: '<script>alert(1)</script> & "Sons"',
      emr_name: 'dentrix',
    });
    const page = await open(pathOf(made));
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(page.headers.get('cache-control'), 'no-store');
    assert.ok(!page.html.includes('<script'), 'names are text');
    assert.ok(page.html.includes('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Sons&quot;'));
    assert.match(page.html, /cannot connect\s+Dentrix by itself/);
    const inputs = [
      ...page.html.matchAll(
        /<input [^>]*?name="([^"]+)"[^>]*?type="(\w+)"|<input type="(radio)"[^>]*?name="([^"]+)" value="(\w+)"/g,
      ),
    ];
    assert.deepEqual(
      inputs.map(([, name, type, radio, radioName, value]) => (radio ? `${radioName}=${value}` : `${name} ${type}`)),
      [
        ...['kind=sandbox', 'sandbox[baseUrl] text', 'sandbox[apiKey] password'],
        ...['kind=fhir', 'fhir[baseUrl] text', 'fhir[auth][type]=none', 'fhir[auth][type]=bearer'],
        ...['fhir[auth][bearer][token] password', 'fhir[auth][type]=basic', 'fhir[auth][basic][username] text'],
        ...['fhir[auth][basic][password] password', 'fhir[auth][type]=smart', 'fhir[auth][smart][clientId] text'],
        ...['fhir[auth][smart][privateKey] password', 'fhir[auth][smart][keyId] text'],
        ...['fhir[auth][smart][tokenUrl] text', 'fhir[vendor] text', 'fhir[timeZone] text', 'fhir[locationId] text'],
        'fhir[subscriptionSecret] password',
        ...['kind=hl7v2', 'hl7v2[timeZone] text', 'hl7v2[sendingApplication] text', 'hl7v2[sendingFacility] text'],
        ...['hl7v2[receivingApplication] text', 'hl7v2[receivingFacility] text', 'hl7v2[processingId] text'],
        ...['kind=caldav', 'caldav[calendarUrl] text', 'caldav[addressBookUrl] text', 'caldav[username] text'],
        ...['caldav[password] password', 'caldav[timeZone] text', 'caldav[locationName] text'],
        ...['caldav[providerFirstName] text', 'caldav[providerLastName] text'],
      ],
    );
    assert.ok(!page.html.includes('" checked'), 'nothing is chosen for a system that we do not know');
    for (const path of ['/connect/guess', '/connect/%00', `/connect/${'x'.repeat(90)}`]) {
      assert.equal((await open(path)).status, 404, path);
      assert.equal((await open(path, sandboxForm())).status, 404, path);
    }
  });

  test('shows again what was wrong, in words, with what was typed and without secrets', async () => {
    const made = await makeOnboarding(api, { institution_name: 'Again', emr_name: 'fhir' });
    const path = pathOf(made);
    assert.match((await open(path)).html, /value="fhir" checked/);
    const wrong = async (form: Record<string, string> | string, status: number, ...texts: RegExp[]) => {
      const page = await open(path, form);
      assert.equal(page.status, status, page.html);
      for (const text of texts) assert.match(page.html, text);
      return page.html;
    };
    await wrong({}, 400, /Choose the system/);
    await wrong({ kind: 'abacus' }, 400, /Choose the system/);
    await wrong('kind[a]=1&kind[b]=2', 400, /Choose the system/);
    await wrong(
      { kind: 'fhir' },
      400,
      /Address of the FHIR server is needed/,
      /Credentials is needed/,
      /Time zone is needed/,
    );
    const form = {
      kind: 'fhir',
      'fhir[baseUrl]': 'ftp://"x"',
      'fhir[auth][type]': 'basic',
      'fhir[auth][basic][username]': 'ann',
      'fhir[auth][basic][password]': 'hunter2',
      'fhir[auth][bearer][token]': 'not asked for',
      'fhir[timeZone]': 'America/Gotham',
    };
    const again = await wrong(
      form,
      400,
      ...[/Address of the FHIR server must be an http\(s\) URL/, /Time zone must be an IANA time zone/],
      ...[/value="ftp:\/\/&quot;x&quot;"/, /value="ann"/, /value="basic" checked/],
    );
    assert.ok(!again.includes('hunter2') && !again.includes('not asked for'), 'secrets do not come back');
    await wrong({ ...form, 'fhir[auth][basic][username]': 'a\0b' }, 400, /cannot be stored/);
    await wrong(`kind=${'x'.repeat(40_000)}`, 413, /could not be read/);
    await wrong(sandboxForm('wrong'), 422, /could not be connected/);
    await wrong(sandboxForm('sandbox', 'http://127.0.0.1:9'), 422, /could not be connected/);
    assert.equal((await api.get(`/onboardings/${made.id}`)).body.data.status, 'in_progress');
  });

  test('checks once at a time', async (t) => {
    const slow = await startReceiver();
    t.after(() => slow.close());
    const { promise, resolve } = Promise.withResolvers<number>();
    slow.reply(promise);
    const made = await makeOnboarding(api, { institution_name: 'Hasty' });
    const first = open(pathOf(made), sandboxForm('sandbox', slow.url));
    await slow.waitFor(({ length }) => length === 1);
    assert.equal((await open(pathOf(made), sandboxForm())).status, 409);
    resolve(401);
    assert.equal((await first).status, 422);
    assert.equal((await open(pathOf(made), sandboxForm('wrong'))).status, 422, 'and then again');
  });

  test('is gone with the link', async () => {
    const made = await makeOnboarding(api, { institution_name: 'Too Late' });
    laterMs = FOUR_MONTHS_MS;
    try {
      const page = await open(pathOf(made));
      assert.equal(page.status, 410);
      assert.match(page.html, /has expired[\s\S]*Too Late/);
      assert.equal((await open(pathOf(made), sandboxForm())).status, 410);
    } finally {
      laterMs = 0;
    }
  });
});

suite('connecting', () => {
  let loops: Loop[];
  let connectors: ReturnType<typeof openConnectors>;
  before(() => {
    connectors = openConnectors(KINDS, SEAL);
    const worker = { db: api.db, clock, log: api.services.log, wakeups: api.services.wakeups };
    loops = [
      startSync({ ...worker, kinds: KINDS, connectors: connectors.get }),
      startDeliveries({ ...worker, seal: SEAL, addresses: 'any' }),
    ];
  });
  after(async () => {
    await Promise.all(loops.map((loop) => loop.stop(1_000)));
    await connectors.close();
  });

  test('reads the practice, tells whoever made the link and nobody else, and says how it goes', async (t) => {
    const receiver = await startReceiver();
    t.after(() => receiver.close());
    const subscribeAll = async (key: string, path: string) => {
      const endpoint = await api.post('/webhook_endpoints', { key, body: { target_url: receiver.url + path } });
      for (const event of ['onboarding_created', 'onboarding_updated', 'onboarding_availability_ready']) {
        const body = { resource_type: 'Onboarding', event };
        const url = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions`;
        assert.equal((await api.post(url, { key, body })).status, 201);
      }
    };
    const maker = await createKey(api.db, []);
    await subscribeAll(maker.key, '/maker');
    const made = await makeOnboarding(api, { institution_name: 'Fresh Start', emr_name: 'sandbox' }, maker.key);
    // A colleague who reaches the same institution, and listens as well.
    const institution = await forAll(api.db, (tx) =>
      tx.selectFrom('institution').select('id').where('subdomain', '=', made.subdomain).executeTakeFirstOrThrow(),
    );
    const colleague = await createKey(api.db, [institution.id]);
    await subscribeAll(colleague.key, '/colleague');

    const posts = await Promise.all([0, 1].map(() => open(pathOf(made), sandboxForm())));
    assert.ok(posts.some(({ status, headers }) => status === 303 && headers.get('location') === pathOf(made)));
    const connections = await forAll(api.db, (tx) =>
      tx
        .selectFrom('connection')
        .select(['id', 'kind', 'name', 'config'])
        .where('institution_id', '=', institution.id)
        .execute(),
    );
    const opened = connections.map(({ kind, name, ...row }) => ({ kind, name, config: openConfig(SEAL, row) }));
    assert.deepEqual(opened, [
      { kind: 'sandbox', name: 'Openchair Sandbox', config: { baseUrl: sandbox.url, apiKey: 'sandbox' } },
    ]);

    const page = await until('the reading is over', async () => {
      const now = await open(pathOf(made));
      assert.equal(now.status, 200);
      assert.ok(!now.html.includes('<form') && !now.html.includes('apiKey'), 'there is nothing left to fill in');
      return now.html.includes('is ready') && now;
    });
    assert.match(page.html, /[1-9]\d* patients/);
    assert.match(page.html, /Times can be booked/);
    assert.ok(!page.html.includes('http-equiv="refresh"'));

    const complete = (await api.get(`/onboardings/${made.id}`, { key: maker.key })).body.data;
    assert.equal(complete.status, 'complete');
    assert.ok(Date.parse(complete.availability_ready_at) > 0);
    const location = await until('the key reaches the institution', async () => {
      const answer = await api.get(`/locations?subdomain=${made.subdomain}`, { key: maker.key });
      return answer.status === 200 && answer.body.data[0].locations[0];
    });
    assert.deepEqual(complete.booking_params, { location_id: location.id, appointment_type_ids: [] });

    await receiver.waitFor((requests) => requests.length >= 3);
    const bodies = receiver.requests.map(({ path, body }) => ({ path, ...JSON.parse(body.toString()) }));
    assert.deepEqual(
      bodies.map(({ path, event_name, sequence }) => [path, event_name, sequence]),
      [
        ['/maker', 'onboarding_created', 1],
        ['/maker', 'onboarding_updated', 2],
        ['/maker', 'onboarding_availability_ready', 3],
      ],
    );
    assert.deepEqual(bodies[0].data.onboarding, made);
    assert.deepEqual(bodies[1].data.onboarding, { ...made, status: 'complete' });
    assert.deepEqual(bodies[2].data.onboarding, complete);
    const log = await api.get(`/events?subdomain=${made.subdomain}`, { key: maker.key });
    assert.deepEqual(
      log.body.data.map(({ event_name }: { event_name: string }) => event_name),
      ['onboarding_created', 'onboarding_updated', 'onboarding_availability_ready'],
      'the first sync says nothing else',
    );
  });

  test('refuses a system that is connected already, and does not tell whose it is', async () => {
    const made = await makeOnboarding(api, { institution_name: 'Second Comer' });
    const { status, html } = await open(pathOf(made), sandboxForm('sandbox', `${sandbox.url}/`));
    assert.equal(status, 409);
    assert.match(html, /connected already/);
    assert.ok(!html.includes('Fresh Start') && !html.includes('fresh-start'));
    assert.match(html, /<form/, 'another one can be named');
    assert.equal((await api.get(`/onboardings/${made.id}`)).body.data.status, 'in_progress');
  });

  test('is told of a practice without hours only once there are some', async () => {
    const empty = await startSandbox({ seed: { ...SMALL_PRACTICE, schedules: [] } });
    try {
      const { key } = await createKey(api.db, []);
      const made = await makeOnboarding(api, { institution_name: 'No Hours' }, key);
      assert.equal((await open(pathOf(made), sandboxForm('sandbox', empty.url))).status, 303);
      const page = await until('the reading is over', async () => {
        const now = await open(pathOf(made));
        return now.html.includes('is ready') && now;
      });
      assert.match(page.html, /told no hours/);
      const shown = (await api.get(`/onboardings/${made.id}`, { key })).body.data;
      assert.deepEqual([shown.status, shown.availability_ready_at, shown.booking_params], ['complete', null, null]);

      const locationId = await forAll(api.db, async (tx) => {
        const institution = tx.selectFrom('institution').select('id').where('subdomain', '=', made.subdomain);
        const location = await tx
          .selectFrom('location')
          .selectAll()
          .where('institution_id', '=', institution)
          .orderBy('id')
          .executeTakeFirstOrThrow();
        const provider = await tx
          .selectFrom('provider')
          .select('id')
          .where('institution_id', '=', institution)
          .executeTakeFirstOrThrow();
        const { id: location_id, institution_id } = location;
        await tx
          .insertInto('availability')
          .values({
            institution_id,
            location_id,
            provider_id: provider.id,
            begin_minute: 540,
            end_minute: 1020,
            days: 2,
          })
          .execute();
        await tx.insertInto('appointment_type').values({ institution_id, name: 'Exam', minutes: 30 }).execute();
        await requestSync(tx, location.connection_id as number);
        return location.id;
      });
      api.services.wakeups.wake('sync');
      const ready = await until('something can be booked', async () => {
        const answer = await api.get(`/onboardings/${made.id}`, { key });
        return answer.body.data.availability_ready_at !== null && answer.body.data;
      });
      assert.equal(ready.booking_params.location_id, locationId);
      assert.equal(ready.booking_params.appointment_type_ids.length, 1);
      assert.match((await open(pathOf(made))).html, /Times can be booked/);
    } finally {
      await empty.stop();
    }
  });
});
