/** What real clients of NexHealth send, in all its spellings. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SignJWT } from 'jose';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment, createKey } from '../harness/practice.ts';

const NOW = '2026-03-02T12:00:00.000Z';
const ENVELOPE = ['code', 'description', 'error', 'data', 'count'];
const NOT_AUTHENTICATED = 'Authorization is missing, unknown or expired: send the API key or a token of it.';

suite('clients', () => {
  let api: Api;
  let nowMs = Date.parse(NOW);

  before(async () => {
    api = await startApi({ clock: { nowMs: () => nowMs } });
  });
  after(() => api.close());

  const TYPES = '/appointment_types?subdomain=oak';
  /** The version that answered, told by its envelope. */
  const versionOf = async (headers: Record<string, string>) => {
    const { status, body, text } = await api.get(TYPES, { version: null, headers });
    assert.equal(status, 200, text);
    return 'page_info' in body ? 'v3.0.0' : 'v2';
  };

  const V2 = 'application/vnd.Nexhealth+json;version=2';
  const asked: [Record<string, string>, 'v2' | 'v3.0.0'][] = [
    [{}, 'v3.0.0'],
    [{ 'nex-api-version': 'v2' }, 'v2'],
    [{ 'nex-api-version': 'V2' }, 'v2'],
    [{ 'nex-api-version': ' v2 ' }, 'v2'],
    [{ 'nex-api-version': '2' }, 'v2'],
    [{ 'nex-api-version': 'v2.2.2' }, 'v2'],
    [{ 'nex-api-version': 'v20240412' }, 'v3.0.0'],
    [{ 'nex-api-version': 'v3.0.0' }, 'v3.0.0'],
    [{ 'nex-api-version': 'v3.1.0' }, 'v3.0.0'],
    [{ 'nex-api-version': '999' }, 'v3.0.0'],
    [{ accept: V2 }, 'v2'],
    [{ accept: 'application/vnd.Nexhealth+json; version=2' }, 'v2'],
    [{ accept: 'application/vnd.nexhealth+json;version=2' }, 'v2'],
    [{ accept: 'application/vnd.NexHealth+json; Version="2"' }, 'v2'],
    [{ accept: `application/json, ${V2}` }, 'v2'],
    [{ accept: `${V2}, */*;q=0.1` }, 'v2'],
    [{ accept: 'application/vnd.Nexhealth+json; charset=utf-8; version=2' }, 'v2'],
    [{ accept: 'application/vnd.Nexhealth+json;version=20240412' }, 'v3.0.0'],
    [{ accept: 'application/vnd.Nexhealth+json;version=2.2.2' }, 'v2'],
    [{ accept: 'application/vnd.Nexhealth+json;version=22' }, 'v3.0.0'],
    [{ accept: 'application/vnd.Nexhealth+json' }, 'v3.0.0'],
    [{ accept: 'application/json; version=2' }, 'v3.0.0'],
    [{ accept: '*/*' }, 'v3.0.0'],
    [{ accept: V2, 'nex-api-version': 'v3.0.0' }, 'v3.0.0'],
    [{ accept: V2, 'nex-api-version': 'v20240412' }, 'v3.0.0'],
    [{ accept: 'application/vnd.Nexhealth+json;version=20240412', 'nex-api-version': 'v2' }, 'v2'],
    [{ accept: V2, 'nex-api-version': '' }, 'v2'],
  ];
  test('ask for a version in one of many ways', async () => {
    for (const [headers, version] of asked) assert.equal(await versionOf(headers), version, JSON.stringify(headers));
  });

  test('asking for a version by a name of JavaScript’s own get the default', async () => {
    const { body } = await api.post('/webhook_endpoints', { body: { target_url: 'https://receiver.example/' } });
    const path = `/webhook_endpoints/${body.data.id}/webhook_subscriptions?subdomain=oak`;
    for (const name of ['constructor', '__proto__']) {
      const spellings: Record<string, string>[] = [
        { 'nex-api-version': name },
        { accept: `application/vnd.Nexhealth+json;version=${name}` },
      ];
      for (const headers of spellings) {
        const subscription = { resource_type: 'Appointment', event: 'appointment_updated' };
        const answer = await api.post(path, { version: null, headers, body: subscription });
        assert.equal(answer.status, 201, answer.text);
      }
    }
  });

  test('send the key or a token of it, with or without Bearer', async () => {
    const { status, body } = await api.post('/authenticates');
    assert.deepEqual([status, body.description], [201, 'Authenticated']);
    for (const credential of [api.key, body.data.token]) {
      for (const prefix of ['', 'Bearer ', 'Bearer  ', 'bearer ', 'BEARER\t']) {
        assert.equal((await api.get(TYPES, { key: prefix + credential })).status, 200, prefix);
      }
    }
  });

  const unauthenticated = async (key: string | null, path = TYPES) => {
    const { status, headers, body } = await api.get(path, { key });
    assert.equal(status, 401, JSON.stringify(key));
    assert.deepEqual(body, {
      code: false,
      description: 'Send the API key, or a token from POST /authenticates, in Authorization.',
      error: [NOT_AUTHENTICATED],
      data: null,
      count: null,
    });
    assert.deepEqual(
      [headers.get('openchair-error-code'), headers.get('www-authenticate')],
      ['not_authenticated', 'Bearer'],
    );
  };

  test('without a key that is known are told so, the same whatever is wrong', async () => {
    const basic = `Basic ${Buffer.from(`${api.key}:`).toString('base64')}`;
    for (const key of [
      null,
      '',
      'Bearer',
      'Bearer ',
      'oc_unknown',
      `${api.key}x`,
      `${api.key} x`,
      basic,
      'x'.repeat(5_000),
    ]) {
      await unauthenticated(key);
    }
    const { body } = await api.get(TYPES, { key: null, version: 'v3.0.0' });
    assert.deepEqual(Object.keys(body), [...ENVELOPE, 'page_info']);
  });

  test('with the key anywhere but in the header are not let in', async () => {
    for (const name of ['api_key', 'key', 'token', 'access_token', 'Authorization']) {
      await unauthenticated(null, `${TYPES}&${name}=${api.key}`);
    }
    const body = { authorization: api.key, api_key: api.key, appt: {} };
    assert.equal((await api.post('/appointments?subdomain=oak', { key: null, body })).status, 401);
    assert.equal((await api.get(TYPES, { key: null, headers: { 'x-api-key': api.key } })).status, 401);
  });

  test('hold a token for an hour', async () => {
    const { token } = (await api.post('/authenticates')).body.data;
    try {
      nowMs += 3_599_000;
      assert.equal((await api.get(TYPES, { key: `Bearer ${token}` })).status, 200);
      nowMs += 1_000;
      await unauthenticated(`Bearer ${token}`);
      assert.equal((await api.get(TYPES)).status, 200, 'the key goes on');
    } finally {
      nowMs = Date.parse(NOW);
    }
  });

  test('with a token that is not ours, or not as we made it, are not let in', async () => {
    const { token } = (await api.post('/authenticates')).body.data;
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const secret = (text: string) => new TextEncoder().encode(text);
    const sign = (more: object, by = api.services.tokenSecret, alg = 'HS256') =>
      new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg }).sign(secret(by));
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    const { exp: _exp, ...endless } = claims;
    const { kid: _kid, ...nobodys } = claims;
    const forged: Record<string, string> = {
      'no algorithm': `${encode({ alg: 'none' })}.${payload}.`,
      'no algorithm, spelled otherwise': `${encode({ alg: 'nOnE' })}.${payload}.${signature}`,
      'no signature': `${header}.${payload}.`,
      'another signature': `${header}.${payload}.${flipped}`,
      'other claims': `${header}.${encode({ ...claims, kid: '2' })}.${signature}`,
      'another secret': await sign({}, 'another secret of at least thirty-two bytes'),
      'another algorithm': await sign({}, api.services.tokenSecret, 'HS512'),
      'a key that is no id': await sign({ kid: '../../dev/null' }),
      'a key nobody has': await sign({ kid: '999999' }),
      'an end that is past': await sign({ exp: Date.parse(NOW) / 1000 - 1 }),
      'a begin to come': await sign({ nbf: Date.parse(NOW) / 1000 + 60 }),
      'no end': await new SignJWT(endless).setProtectedHeader({ alg: 'HS256' }).sign(secret(api.services.tokenSecret)),
      'no key': await new SignJWT(nobodys).setProtectedHeader({ alg: 'HS256' }).sign(secret(api.services.tokenSecret)),
      'no content': '..',
    };
    for (const what of Object.keys(forged)) {
      const { status } = await api.get(TYPES, { key: `Bearer ${forged[what]}` });
      assert.equal(status, 401, what);
    }
    assert.equal((await api.get(TYPES, { key: await sign({}) })).status, 200, 'the forging itself works');
  });

  test('lose their tokens with their key', async () => {
    const { key, apiUserId } = await createKey(api.db, [api.institution.id]);
    const { token } = (await api.post('/authenticates', { key })).body.data;
    assert.equal((await api.get(TYPES, { key: token })).status, 200);
    await forAll(api.db, (tx) =>
      tx.updateTable('api_key').set({ revoked_at: NOW }).where('api_user_id', '=', apiUserId).execute(),
    );
    try {
      nowMs += 1_000;
      await unauthenticated(token);
      await unauthenticated(key);
    } finally {
      nowMs = Date.parse(NOW);
    }
  });

  test('sending parameters nobody knows are told, and served', async () => {
    const path = `${TYPES}&search=x&foo[]=1&foo[]=2&b%20r=3`;
    const note = 'Note that following parameters are ignored: search, foo, b?r.';
    const v2 = (await api.get(path)).body;
    assert.deepEqual([v2.code, v2.error, v2.description], [true, [note], null]);
    const v3 = (await api.get(path, { version: 'v3.0.0' })).body;
    assert.deepEqual([v3.code, v3.error, v3.description], [true, [], note]);
    assert.deepEqual(v2.data, v3.data);
  });

  test('write lists in several ways', async () => {
    const { ada, ben } = api.practice.providers;
    const { north } = api.practice.locations;
    const pids = async (query: string, lids = `lids[]=${north}`) => {
      const path = `/appointment_slots?subdomain=oak&start_date=2026-03-03&days=1&${lids}&${query}`;
      const { status, body, text } = await api.get(path);
      assert.equal(status, 200, text);
      return body.data.map((group: { pid: number }) => group.pid);
    };
    for (const query of [
      `pids[]=${ada}&pids[]=${ben}`,
      `pids%5B%5D=${ada}&pids%5B%5D=${ben}`,
      `pids[0]=${ada}&pids[1]=${ben}`,
      `pids%5B0%5D=${ada}&pids%5B1%5D=${ben}`,
      `pids[]=${ada}&pids[]=&pids[]=${ben}`,
    ]) {
      assert.deepEqual(await pids(query), [ada, ben], query);
    }
    for (const query of [`pids[]=${ada}`, `pids[0]=${ada}`, `pids=${ada}`, `pids=${ben}&pids=${ada}`]) {
      assert.deepEqual(await pids(query), [ada], query);
    }
    assert.deepEqual(await pids(`pids[]=${ada}`, `lids=${north}`), [ada]);
  });

  const gone = [
    ['GET', '/recalls'],
    ['GET', '/appointment_slots/1'],
    ['OPTIONS', '/appointments'],
    ['GET', '/appointments/1/2/3'],
    ['GET', '/APPOINTMENTS'],
    ['GET', '//appointments'],
    ['GET', '/appointments%00'],
  ];
  test('asking for what is not there get 404, with and without a key', async () => {
    for (const [method, path] of gone as [string, string][]) {
      for (const key of [api.key, null]) {
        const body = method === 'GET' || method === 'OPTIONS' ? undefined : {};
        const answer = await api.request(method, `${path}?subdomain=oak`, { key, body });
        assert.deepEqual([answer.status, answer.body.error], [404, ['Resource not found']], `${method} ${path}`);
        assert.deepEqual(Object.keys(answer.body), ENVELOPE);
      }
    }
    const head = await api.request('HEAD', TYPES);
    assert.deepEqual([head.status, head.text], [404, '']);
  });

  test('may end a path with a slash', async () => {
    const { data } = (await api.get(TYPES)).body;
    assert.deepEqual((await api.get('/appointment_types/?subdomain=oak')).body.data, data);
  });

  test('with an id that cannot be are refused', async () => {
    for (const id of ['0', '-1', '1.5', 'abc', '%00', '1%00', '%20', '9007199254740993', 'null', '1,2']) {
      const { status, body } = await api.get(`/appointments/${id}?subdomain=oak`);
      assert.equal(status, 400, id);
      assert.match(body.error[0], /^Invalid parameter id: must be /, id);
    }
    assert.equal((await api.get('/appointments/9007199254740991?subdomain=oak')).status, 404);
  });

  test('with a page that cannot be are told what can', async () => {
    const texts: [string, string][] = [
      ['per_page=0', 'per_page: must be at least 1'],
      ['per_page=-1', 'per_page: must be at least 1'],
      ['per_page=1001', 'per_page: must be at most 1000'],
      ['per_page=1000000000', 'per_page: must be at most 1000'],
      ['per_page=1e9', 'per_page: must be a whole number'],
      ['per_page=abc', 'per_page: must be a whole number'],
      ['page=0', 'page: must be at least 1'],
      ['page=100001', 'page: must be at most 100000'],
    ];
    for (const [query, text] of texts) {
      const { status, body } = await api.get(`/providers?subdomain=oak&${query}`);
      assert.deepEqual([status, body.error], [400, [`Invalid parameter ${text}`]], query);
    }
    for (const query of ['per_page=1', 'per_page=1000', 'per_page=', 'page=100000', 'start_cursor=&end_cursor=']) {
      assert.equal((await api.get(`/providers?subdomain=oak&${query}`)).status, 200, query);
    }
  });

  /** PATCH of an appointment with bytes and headers as they are. */
  const send = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) => {
    const id = await createAppointment(api.db, api.practice, '2026-03-03T14:00:00.000Z');
    const answer = await api.patch(`/appointments/${id}?subdomain=oak`, { body, headers });
    return [answer.status, answer.headers.get('openchair-error-code'), ...answer.body.error];
  };

  test('name the type of their body in many ways', async () => {
    const json = '{"appt":{"cancelled":true}}';
    const form = 'appt[cancelled]=true';
    const taken: [string, string][] = [
      ['application/json', json],
      ['application/json; charset=utf-8', json],
      ['Application/JSON', json],
      ['application/vnd.Nexhealth+json;version=2', json],
      ['application/json', `\ufeff${json}`],
      ['application/x-www-form-urlencoded', form],
      ['application/x-www-form-urlencoded; charset=UTF-8', 'appt%5Bcancelled%5D=True'],
    ];
    for (const [type, body] of taken) assert.deepEqual(await send(body, { 'content-type': type }), [200, null], type);
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data', 'text/html; charset=utf-8']) {
      assert.deepEqual(await send(json, { 'content-type': type }), [
        415,
        'unsupported_media_type',
        `content-type ${type.split(';')[0]} not supported`,
      ]);
    }
  });

  test('sending a body that cannot be read are told why', async () => {
    const headers = { 'content-type': 'application/json' };
    const malformed = 'The body is not well-formed JSON.';
    for (const body of ['{"appt":', "{'appt':{}}", '{"appt":{},}', 'appt[cancelled]=true', '{"appt":NaN}']) {
      assert.deepEqual(await send(body, headers), [400, 'malformed_body', malformed], body);
    }
    for (const body of ['[]', '"x"', '1', 'null']) {
      assert.deepEqual(await send(body, headers), [400, 'malformed_body', 'The body must be a JSON object.'], body);
    }
    for (const body of ['', '  ', '{}']) {
      assert.deepEqual(await send(body, headers), [400, 'missing_parameter', 'Missing parameter appt'], body);
    }
    const packed = gzipSync('{"appt":{"cancelled":true}}') as Uint8Array<ArrayBuffer>;
    assert.deepEqual(await send(packed, { ...headers, 'content-encoding': 'gzip' }), [
      415,
      'unsupported_media_type',
      'content-encoding gzip not supported',
    ]);
    const push = `/push/${api.practice.connection.push_token}`;
    const pushed = await api.post(push, { body: packed, headers: { 'content-encoding': 'gzip' }, key: null });
    assert.equal(pushed.status, 202, 'where the body is not looked at');
    assert.deepEqual(await send('{"appt":{"cancelled":true}}', { ...headers, 'content-encoding': 'identity' }), [
      200,
      null,
    ]);
  });

  test('naming a type for a body that is not there are served', async () => {
    const headers = { 'content-type': 'application/json' };
    assert.equal((await api.get(TYPES, { headers })).status, 200);
    assert.equal((await api.post('/authenticates', { headers })).status, 201);
    assert.equal((await api.post('/authenticates', { headers, body: 'null' })).status, 201, 'whatever it says');
    const { cleaning } = api.practice.types;
    assert.equal((await api.delete(`/appointment_types/${cleaning}?subdomain=oak`, { headers })).status, 200);
    // A body on a GET is what requests sends for `json={}`; fetch cannot.
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const get = request(
        `${api.url}${TYPES}`,
        { headers: { ...headers, 'content-length': 2, authorization: api.key } },
        (answer) => {
          answer.resume().once('end', () => resolve(answer.statusCode));
        },
      );
      get.once('error', reject).end('{}');
    });
    assert.equal(status, 200);
  });

  test('name the institution once, in the query or the body', async () => {
    for (const [path, status, error] of [
      ['/appointment_types', 400, 'Missing parameter subdomain'],
      ['/appointment_types?subdomain=', 400, 'Missing parameter subdomain'],
      ['/appointment_types?subdomain=nowhere', 404, 'Resource not found'],
      ['/appointment_types?subdomain=OAK', 404, 'Resource not found'],
      ['/appointment_types?subdomain[]=oak', 404, 'Resource not found'],
    ] as const) {
      const answer = await api.get(path);
      assert.deepEqual([answer.status, answer.body.error], [status, [error]], path);
    }
    const type = { name: 'Whitening', minutes: '45', parent_type: 'Institution' };
    const inBody = await api.post('/appointment_types', { body: { subdomain: 'oak', appointment_type: type } });
    assert.equal(inBody.status, 201, inBody.text);
    const both = await api.post('/appointment_types?subdomain=', {
      body: { subdomain: 'oak', appointment_type: { ...type, name: 'Bleaching' } },
    });
    assert.equal(both.status, 201, 'an empty value in the query is none');
  });
});
