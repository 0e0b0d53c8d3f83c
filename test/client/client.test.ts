/** The client that the package exports, as it is committed, against the real API. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { type Client, createClient, OpenchairError } from 'openchair/client';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';

suite('the client', () => {
  let api: Api;
  let client: Client;

  before(async () => {
    api = await startApi();
    client = createClient({ baseUrl: `${api.url}/`, key: api.key, subdomain: 'oak' });
  });
  after(() => api.close());

  const refusal = async (promise: Promise<unknown>): Promise<OpenchairError> => {
    const error = await promise.then(
      () => assert.fail('it was taken'),
      (thrown) => thrown,
    );
    assert.ok(error instanceof OpenchairError, String(error));
    return error;
  };

  test('reads, with lists and optional parameters', async () => {
    const { ada, ben } = api.practice.providers;
    const { data } = await client.get('/providers', { ids: [ada, ben], inactive: false, location_id: undefined });
    assert.deepEqual(data.map((provider) => provider.id).sort(), [ada, ben].sort());
    const { data: one } = await client.get('/providers/{id}', { id: ada });
    assert.equal(one.last_name, 'Alder');
    assert.equal((await client.get('/institutions')).data[0]?.subdomain, 'oak');
  });

  test('walks a list page by page', async () => {
    const ids: number[] = [];
    for (const day of ['04', '05', '06', '07', '08']) {
      ids.push(await createAppointment(api.db, api.practice, `2099-05-${day}T14:00:00.000Z`));
    }
    const seen: number[] = [];
    const window = { location_id: api.practice.locations.north, start: '2099-05-01', end: '2099-06-01', per_page: 2 };
    for await (const appointment of client.each('/appointments', window)) seen.push(appointment.id);
    assert.deepEqual(seen, ids);
    for await (const appointment of client.each('/appointments', window)) {
      assert.equal(appointment.id, ids[0]);
      break;
    }
  });

  test('writes, and repeats a write without doing it twice', async () => {
    const request = {
      location_id: api.practice.locations.north,
      appt: {
        patient_id: api.practice.patients.pia,
        provider_id: api.practice.providers.ada,
        start_time: '2099-01-05T14:00:00Z',
        end_time: '2099-01-05T14:30:00Z',
      },
    };
    const first = await client.post('/appointments', request, { idempotencyKey: 'once' });
    const again = await client.post('/appointments', request, { idempotencyKey: 'once' });
    assert.deepEqual(again, first);
    const { id } = first.data.appt;
    const { data } = await client.get('/appointments/{id}/writes', { id });
    assert.equal(data[0]?.kind, 'create');
    const cancelled = await client.patch('/appointments/{id}', { id, appt: { cancelled: true } });
    assert.equal(cancelled.data.appt.cancelled, true);
    const hours = await client.post('/availabilities', {
      location_id: api.practice.locations.north,
      availability: {
        provider_id: api.practice.providers.ben,
        begin_time: '9:00',
        end_time: '10:00',
        days: ['Monday'],
      },
    });
    assert.equal((await client.delete('/availabilities/{id}', { id: hours.data.id })).code, true);
  });

  test('throws a refusal with its texts, its code and its status', async () => {
    const missing = await refusal(client.get('/appointments', {} as never));
    assert.deepEqual(
      [missing.status, missing.code, missing.messages, missing.message, missing.retryAfterSeconds],
      [
        400,
        'missing_parameter',
        ['Missing parameter start', 'Missing parameter end'],
        'Missing parameter start; Missing parameter end',
        null,
      ],
    );
    const stranger = createClient({ baseUrl: api.url, key: 'oc_unknown', subdomain: 'oak' });
    assert.equal((await refusal(stranger.get('/providers'))).code, 'not_authenticated');
    assert.equal((await refusal(client.get('/patients/{id}', { id: 987_654_321 }))).status, 404);
    assert.equal(
      (await refusal(client.get('/providers', { subdomain: 'elsewhere' }))).status,
      404,
      'another subdomain wins',
    );
    for (const params of [{}, { id: '' }, { id: null }, { id: '.' }, { id: '..' }]) {
      await assert.rejects(client.get('/patients/{id}', params as never), {
        name: 'TypeError',
        message: 'GET /patients/{id} needs id',
      });
    }
  });

  test('says what answered when it was not Openchair', async () => {
    const answers: [number, Record<string, string>, string][] = [
      [502, { 'content-type': 'text/html' }, '<h1>Bad gateway</h1>'],
      [429, { 'retry-after': '7' }, '{"code":false,"error":["Too many"]}'],
      [200, {}, 'null'],
    ];
    const server = createServer((_request, response) => {
      const [status, headers, body] = answers.shift() as [number, Record<string, string>, string];
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const other = createClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key: 'k' });
      const gateway = await refusal(other.get('/institutions'));
      assert.deepEqual([gateway.status, gateway.code, gateway.message], [502, null, 'answered with status 502']);
      const limited = await refusal(other.get('/institutions'));
      assert.deepEqual([limited.retryAfterSeconds, limited.message], [7, 'Too many']);
      assert.equal((await refusal(other.get('/institutions'))).status, 200);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    await assert.rejects(client.get('/institutions', {}, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});
