/** Signing in by SMART Backend Services, against a strict authorization server in front of the foreign FHIR server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, randomUUID, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Connector, Unavailable, type Write } from '../../src/connectors/connector.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { type AuthorizationServer, startAuthorizationServer } from '../peers/authorization-server.ts';
import { readAll } from './bench-actions.ts';
import {
  type ForeignServer,
  fhirConfig,
  PRACTITIONER,
  ROOM,
  SITE,
  seedPractice,
  startFhirServer,
} from './fhir-bench.ts';

const CLIENT = 'openchair-1';
const KEY_ID = 'key-1';
const TIMEOUT_MS = 400;
const PROGRAM = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const now = () => AbortSignal.timeout(10_000);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });

const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8') =>
  key.export({ type, format: 'pem' } as { type: 'pkcs8'; format: 'pem' }).toString();
const jwk = (key: KeyObject, more: object = {}) => JSON.stringify({ ...key.export({ format: 'jwk' }), ...more });

type Auth = Partial<{ clientId: string; privateKey: string; keyId: string; tokenUrl: string; scope: string }>;
const auth = (more: Auth = {}) => ({
  ...{ type: 'smart' as const, clientId: CLIENT, privateKey: pem(ec.privateKey), keyId: KEY_ID },
  ...more,
});

let server: ForeignServer;
let smart: AuthorizationServer;
before(async () => {
  server = await startFhirServer();
  await seedPractice(server, 32);
  await server.create({ resourceType: 'Patient', id: 'patient-1', name: [{ family: 'Ordinary' }] });
  smart = await startAuthorizationServer(server.url);
});
after(async () => {
  await smart?.close();
  await server?.close();
});
beforeEach(() => {
  Object.assign(smart, { instead: null, lifetimeS: 300, clockAheadMs: 0, statements: [], passed: 0, stopped: 0 });
  smart.discovery = { token_endpoint: smart.tokenUrl };
  register(ec.publicKey);
});

function register(publicKey: KeyObject, more: object = { kid: KEY_ID }): void {
  const keys = [{ ...publicKey.export({ format: 'jwk' }), ...more }] as [never];
  smart.clients.set(CLIENT, { jwks: { keys }, scopes: /^system\/\w+\.(read|write)$/ });
}

const connect = (more: Auth = {}, requestTimeoutMs = TIMEOUT_MS): Connector =>
  fhir.connect(fhirConfig(smart.url, { auth: auth(more), requestTimeoutMs }));
const look = (connector: Connector, signal = now()) =>
  connector.find({ kind: 'patient', foreignId: 'patient-1' }, signal);

function booking(startAt: string): Write {
  const endAt = new Date(Date.parse(startAt) + 1_800_000).toISOString();
  return {
    kind: 'create_appointment',
    marker: randomUUID(),
    appointment: {
      ...{ locationForeignId: SITE, patientForeignId: 'patient-1', providerForeignId: PRACTITIONER },
      ...{ operatoryForeignId: ROOM, descriptorForeignIds: [], startAt, endAt },
      ...{ unavailable: false, note: null, appointmentsPerTimeslot: 1 },
    },
  };
}

describe('fhir with SMART, what is signed', () => {
  for (const [algorithm, { privateKey, publicKey }, texts] of [
    ['RS384', rsa, { 'PKCS #8': pem(rsa.privateKey), 'PKCS #1': pem(rsa.privateKey, 'pkcs1') }],
    ['ES384', ec, { 'PKCS #8': pem(ec.privateKey), 'SEC 1': pem(ec.privateKey, 'sec1') }],
  ] as const) {
    for (const [form, text] of Object.entries({
      ...texts,
      'PEM on one line': pem(privateKey).replace(/\n/g, ''),
      'PEM with Windows line ends, after another block': `-----BEGIN EC PARAMETERS-----\r\nBgUrgQQAIg==\r\n-----END EC PARAMETERS-----\r\n${pem(privateKey).replace(/\n/g, '\r\n')}`,
      JWK: jwk(privateKey),
    })) {
      it(`${algorithm} with a key as ${form}`, async () => {
        register(publicKey);
        const { ok, message } = await connect({ privateKey: text }).check(now());
        assert.ok(ok, message);
        const [statement = ''] = smart.statements;
        const [header = '', payload = '', signature = ''] = statement.split('.');
        const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
        assert.deepEqual(read(header), { alg: algorithm, kid: KEY_ID, typ: 'JWT' });
        const { iat, exp, jti, ...rest } = read(payload);
        assert.deepEqual(rest, { iss: CLIENT, sub: CLIENT, aud: smart.tokenUrl });
        assert.ok(exp - iat <= 300 && Math.abs(iat - Date.now() / 1_000) < 10 && jti.length >= 16);
        // Not by the library that signed it.
        const signed = Buffer.from(`${header}.${payload}`);
        const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
        assert.ok(verify('sha384', signed, key, Buffer.from(signature, 'base64url')));
        signed[3] = (signed[3] as number) ^ 1;
        assert.ok(!verify('sha384', signed, key, Buffer.from(signature, 'base64url')));
      });
    }
  }

  it('carries the key id of the settings, else of the JWK, else the thumbprint', async () => {
    const kidOf = async (more: Auth) => {
      const { keyId: _, ...without } = auth();
      await fhir.connect(fhirConfig(smart.url, { auth: { ...without, ...more } })).check(now());
      const header = smart.statements.at(-1)?.split('.')[0] ?? '';
      return JSON.parse(Buffer.from(header, 'base64url').toString()).kid;
    };
    const withOwn = jwk(ec.privateKey, { kid: 'own' });
    assert.equal(await kidOf({ privateKey: withOwn, keyId: 'ours' }), 'ours');
    assert.equal(await kidOf({ privateKey: withOwn }), 'own');
    assert.match(await kidOf({}), /^[\w-]{43}$/);
  });

  it('fits what `openchair public-key` prints', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'openchair-key-'));
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, [PROGRAM, 'public-key', ...args]).then(({ stdout }) => JSON.parse(stdout));
    try {
      const [good, bad] = [join(folder, 'key.pem'), join(folder, 'other.pem')];
      await Promise.all([writeFile(good, pem(rsa.privateKey)), writeFile(bad, 'nothing')]);
      const [{ keys }, named] = await Promise.all([
        run(good),
        run(good, '--key-id', 'k9'),
        assert.rejects(run(bad), /other\.pem must be a private key/),
      ]);
      assert.deepEqual(Object.keys(keys[0]).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
      assert.equal(named.keys[0].kid, 'k9');
      smart.clients.set(CLIENT, { jwks: { keys }, scopes: /./ });
      const { keyId: _, ...settings } = auth({ privateKey: pem(rsa.privateKey) });
      const { ok, message } = await fhir.connect(fhirConfig(smart.url, { auth: settings })).check(now());
      assert.ok(ok, message);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('fhir with SMART, its tokens', () => {
  it('reads the practice and books with one token, however many ask at once', async () => {
    const connector = connect();
    await Promise.all(Array.from({ length: 20 }, () => look(connector)));
    const { records } = await readAll(connector, null);
    assert.ok(records.some((record) => record.kind === 'appointment' || record.kind === 'availability'));
    const result = await connector.execute(booking('2040-01-02T14:00:00.000Z'), now());
    assert.equal(result.outcome, 'done');
    assert.deepEqual([smart.statements.length, smart.stopped], [1, 0]);
  });

  it('gets the next one before the server refuses the last', async () => {
    smart.lifetimeS = 1;
    const connector = connect();
    const startedMs = performance.now();
    while (smart.statements.length < 3 && performance.now() - startedMs < 5_000)
      assert.equal((await look(connector)).length, 1);
    assert.deepEqual([smart.statements.length, smart.stopped], [3, 0]);
    assert.ok(performance.now() - startedMs < 2_000, 'two tokens were used to their last moment');
    assert.equal(new Set(smart.statements).size, 3);
  });

  it('bears a token that is over before it is used', async () => {
    smart.lifetimeS = 0;
    const connector = connect();
    await assert.rejects(look(connector), Unavailable);
    smart.lifetimeS = 300;
    smart.statements = [];
    await look(connector);
    await look(connector);
    assert.equal(smart.statements.length, 1);
  });

  it('replaces a token that was revoked, once, and sends even a write again', async () => {
    const connector = connect();
    await look(connector);
    smart.revokeTokens();
    const result = await connector.execute(booking('2040-01-02T15:00:00.000Z'), now());
    assert.equal(result.outcome, 'done');
    assert.deepEqual([smart.statements.length, smart.stopped], [2, 1]);
    const { total } = await server.get(
      'Appointment?date=ge2040-01-02T15:00:00Z&date=lt2040-01-02T15:01:00Z&_total=accurate',
    );
    assert.equal(total, 1);
  });

  it('asks once for all whose token was revoked', async () => {
    const connector = connect();
    await look(connector);
    smart.revokeTokens();
    await Promise.all(Array.from({ length: 8 }, () => look(connector)));
    assert.equal(smart.statements.length, 2);
  });

  it('gives up when the server refuses a new token too', async () => {
    const connector = connect();
    smart.instead = (response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ access_token: 'not-ours', token_type: 'Bearer', expires_in: 300 }));
    await assert.rejects(connector.execute(booking('2040-01-02T16:00:00.000Z'), now()), (error: Error) => {
      assert.ok(error instanceof Unavailable);
      assert.equal(error.message, 'the HRS refuses our credentials (401)');
      return true;
    });
    assert.deepEqual([smart.passed, smart.stopped], [0, 2]);
  });

  it('lets a caller go at once, and the others have the token', async () => {
    let held: ServerResponse | null = null;
    const asked = Promise.withResolvers<void>();
    smart.instead = (response) => {
      held = response;
      asked.resolve();
    };
    const connector = connect({}, 5_000);
    const controller = new AbortController();
    const [impatient, patient] = [look(connector, controller.signal), look(connector)];
    await asked.promise;
    controller.abort();
    await assert.rejects(impatient, { name: 'Unavailable', message: /given up/ });
    await assert.rejects(look(connector, AbortSignal.abort()), { name: 'Unavailable' });
    smart.instead = null;
    (held as ServerResponse | null)?.writeHead(503, { 'retry-after': '7' }).end();
    await assert.rejects(patient, { name: 'Unavailable', retryAfterMs: 7_000 });
    assert.equal((await look(connector)).length, 1);
  });

  for (const minutes of [15, -15]) {
    it(`signs in where the clock is ${minutes} minutes away`, async () => {
      smart.clockAheadMs = minutes * 60_000;
      const connector = connect();
      assert.equal((await look(connector)).length, 1);
      assert.equal(smart.statements.length, 2);
      smart.revokeTokens();
      assert.equal((await look(connector)).length, 1);
      assert.equal(smart.statements.length, 3, 'the difference is remembered');
      smart.clockAheadMs = 0;
      smart.revokeTokens();
      assert.equal((await look(connector)).length, 1, 'and forgotten when it is gone');
    });
  }
});

describe('fhir with SMART, when there is no token', () => {
  /** The message of a look-up, a write and a check that all fail in the same way, with nothing sent to the HRS. */
  async function failureOf(connector: Connector): Promise<string> {
    const looked = await look(connector).catch((error: Error) => error);
    const written = await connector.execute(booking('2040-01-02T17:00:00.000Z'), now()).catch((error: Error) => error);
    assert.ok(looked instanceof Unavailable, `${looked}`);
    assert.ok(written instanceof Unavailable, `${written}`);
    const { ok, message } = await connector.check(now());
    assert.equal(ok, false);
    assert.equal(message, `Cannot read from this FHIR server: ${looked.message}.`);
    assert.equal(smart.passed + smart.stopped, 0);
    for (const secret of [...smart.statements, pem(ec.privateKey).split('\n')[1] as string, 'eyJ']) {
      assert.ok(!message.includes(secret) && !written.message.includes(secret), message);
    }
    return message;
  }

  it('says that the client or its key is not known', async () => {
    smart.clients.clear();
    assert.match(
      await failureOf(connect()),
      /^Cannot read .* does not know this client id, or not the public half of our key \(400, invalid_client\); it says: unknown client: …\.$/,
    );
    register(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey);
    assert.match(await failureOf(connect()), /public half of our key .*signature verification failed/);
    register(ec.publicKey, { kid: 'another' });
    assert.match(await failureOf(connect()), /public half of our key .*no applicable key/);
    register(ec.publicKey);
    assert.ok((await connect().check(now())).ok);
  });

  it('says that the client was revoked, when its token has ended', async () => {
    const connector = connect();
    await look(connector);
    smart.clients.clear();
    smart.revokeTokens();
    Object.assign(smart, { passed: 0, stopped: -1 });
    assert.match(await failureOf(connector), /does not know this client id/);
  });

  it('says that the scope is not granted, and asks for the one of the settings', async () => {
    assert.match(await failureOf(connect({ scope: 'launch/patient' })), /does not grant the scope/);
    assert.ok((await connect({ scope: 'system/Patient.read' }).check(now())).ok);
  });

  const json =
    (status: number, body: unknown, headers: Record<string, string> = {}) =>
    (response: ServerResponse) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  const good = { access_token: 'a-token', token_type: 'bearer', expires_in: 300 };
  for (const [what, instead, said] of [
    ['a server error', json(500, { error: 'server_error' }), /server error 500/],
    ['a redirect', json(302, {}, { location: 'http://127.0.0.1:9/token' }), /redirect \(302\)/],
    ['HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hi'), /not JSON/],
    ['a page that is not there', (response) => response.writeHead(404).end('no'), /refuses to give us one \(404\)/],
    [
      'half a body',
      (response) => response.writeHead(200, { 'content-length': '99' }).end('{').destroy(),
      /cut off|closed|SOCKET|RESET/,
    ],
    ['nothing ever', () => undefined, /no complete answer within 400 ms/],
    ['a token a byte at a time', (response) => response.writeHead(200).write('{'), /no complete answer/],
    ['a huge token', json(200, { ...good, access_token: 'x'.repeat(1_000_000) }), /larger than 65536 bytes/],
    ['a long token', json(200, { ...good, access_token: 'x'.repeat(9_000) }), /without a bearer token/],
    ['a token that breaks the line', json(200, { ...good, access_token: 'a\r\nX-Evil: 1' }), /without a bearer token/],
    ['a token of another type', json(200, { ...good, token_type: 'DPoP' }), /without a bearer token/],
    ['no token', json(200, {}), /without a bearer token/],
    ['a list', json(200, [good]), /without a bearer token/],
    ['null', json(200, null), /without a bearer token/],
    ['an unknown refusal', json(403, { error: 'x y\n', error_description: 'é\u202e\n' }), /one \(403\)\.$/],
  ] as [string, (response: ServerResponse) => void, RegExp][]) {
    it(`bears ${what}`, async () => {
      smart.instead = instead;
      assert.match(await failureOf(connect()), said);
    });
  }

  it('waits as long as it is asked to', async () => {
    smart.instead = json(429, {}, { 'retry-after': '9' });
    await assert.rejects(look(connect()), { name: 'Unavailable', retryAfterMs: 9_000 });
  });

  it('goes only where the FHIR server itself says, or the settings', async () => {
    smart.discovery = {};
    assert.match(await failureOf(connect()), /does not say where .*set tokenUrl/);
    assert.ok((await connect({ tokenUrl: smart.tokenUrl }).check(now())).ok);
    smart.passed = 0;
    const elsewhere = await startAuthorizationServer(server.url);
    try {
      elsewhere.clients.set(CLIENT, smart.clients.get(CLIENT) as never);
      smart.discovery = { token_endpoint: elsewhere.tokenUrl };
      assert.match(await failureOf(connect()), new RegExp(`on ${elsewhere.url}; if that is right, set tokenUrl`));
      assert.equal(elsewhere.statements.length, 0);
    } finally {
      await elsewhere.close();
    }
    for (const wrong of ['ftp://127.0.0.1/', 'http://203.0.113.9/token', '/token', 7, 'https://u:p@e.org/']) {
      smart.discovery = { token_endpoint: wrong };
      assert.match(await failureOf(connect()), /token endpoint that is no https URL|does not say where/);
    }
  });
});

describe('fhir with SMART, its settings', () => {
  const problemsOf = (more: object) => {
    const parsed = fhir.configSchema.safeParse({
      ...{ baseUrl: 'https://e.org/r4', timeZone: 'UTC' },
      auth: { ...auth(), ...more },
    });
    return parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? [];
  };

  it('takes the keys that can sign', () => {
    assert.deepEqual(problemsOf({}), []);
    const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey;
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const locked = (type: 'pkcs8' | 'sec1') =>
      ec.privateKey.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as never).toString();
    for (const [privateKey, wanted] of [
      ['', /must be a private key as PEM/],
      ['hunter2', /must be a private key as PEM/],
      ['{}', /this JWK has none/],
      ['{"kty":', /this JWK has none/],
      [pem(ec.privateKey).replace(/[A-Z]{2}/g, 'zz'), /must be a private key/],
      [ec.publicKey.export({ type: 'spki', format: 'pem' }).toString(), /must be a private key as PEM/],
      [JSON.stringify(ec.publicKey.export({ format: 'jwk' })), /this JWK has none|private/],
      [pem(weak), /at least 2048 bits/],
      [pem(p256), /the curve P-384/],
      [pem(generateKeyPairSync('ed25519').privateKey), /the curve P-384/],
      [locked('pkcs8'), /without a passphrase/],
      [locked('sec1'), /without a passphrase/],
      ['x'.repeat(8_193), /8192/],
    ] as [string, RegExp][]) {
      const problems = problemsOf({ privateKey });
      assert.equal(problems.length, 1, privateKey);
      assert.match(problems[0] as string, wanted);
      assert.ok(privateKey === '' || !problems[0]?.includes(privateKey));
    }
  });

  it('takes the token URLs that can be trusted', () => {
    for (const tokenUrl of [
      ...['https://auth.example.org/token', 'https://auth.example.org:8443/oauth2?realm=a', 'http://localhost:9/t'],
      ...['http://127.0.0.1/t', 'http://[::1]/t', 'http://10.1.2.3/t', 'http://172.31.0.1/t', 'http://192.168.1.1/t'],
      ...['http://keycloak:8080/t', 'http://auth.clinic.local/t', 'http://[fd00::1]/t', 'http://a.home.arpa/t'],
    ]) {
      assert.deepEqual(problemsOf({ tokenUrl }), [], tokenUrl);
    }
    for (const tokenUrl of [
      ...['', 'token', 'ftp://e.org/t', 'http://auth.example.org/t', 'http://8.8.8.8/t', 'http://172.32.0.1/t'],
      ...['http://134744072/t', 'http://[2001:db8::1]/t', 'http://local.example.org/t', 'https://u:p@e.org/t'],
      ...['https://e.org/t#x', 'https://e.org/a b', 'javascript:1', `https://e.org/${'x'.repeat(2_048)}`],
    ]) {
      assert.ok(problemsOf({ tokenUrl }).length > 0, tokenUrl);
    }
  });

  it('takes nothing that could not be sent', () => {
    for (const wrong of [
      ...[{ clientId: '' }, { clientId: 'a b' }, { clientId: undefined }, { keyId: '' }, { scope: '' }],
      ...[{ scope: 'a  b' }, { scope: 'a"b' }, { scope: ' a' }, { unknown: 1 }, { privateKey: undefined }],
    ]) {
      assert.ok(problemsOf(wrong).length > 0, JSON.stringify(wrong));
    }
    assert.deepEqual(problemsOf({ scope: 'system/Patient.read system/Slot.write' }), []);
  });
});
