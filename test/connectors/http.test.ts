import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { after, it } from 'node:test';
import { HrsNonsense, OutcomeUnknown, Unavailable } from '../../src/connectors/connector.ts';
import { type HrsRequest, hrsRequest, MAX_BODY_BYTES } from '../../src/connectors/http.ts';

const open: (() => void)[] = [];
after(() => {
  for (const close of open) close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  open.push(() => server.close().closeAllConnections());
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/patients?name=Secretname`;
}

/** A server that speaks no HTTP: `answer` does what it likes with each connection. */
async function serveRaw(answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    answer(socket);
  }).listen(0, '127.0.0.1');
  open.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function reply(status: number, headers: Record<string, string>, body: string | Buffer = ''): Promise<string> {
  return serve((_, response) => response.writeHead(status, headers).end(body));
}

const JSON_TYPE = { 'content-type': 'application/fhir+json; charset=utf-8' };

function request(url: string, isWrite: boolean, more: Partial<HrsRequest> = {}): HrsRequest {
  return {
    method: isWrite ? 'POST' : 'GET',
    url,
    isWrite,
    timeoutMs: 2_000,
    signal: new AbortController().signal,
    ...(isWrite ? { body: { lastName: 'Secretname' } } : {}),
    ...more,
  };
}

async function fails(url: string, read: object | null, write: object | null, more: Partial<HrsRequest> = {}) {
  for (const [isWrite, expected] of [
    [false, read],
    [true, write],
  ] as const) {
    if (expected === null) continue;
    const error = await hrsRequest(request(url, isWrite, more)).then(
      (response) => assert.fail(`answered ${response.status}`),
      (reason: Error) => reason,
    );
    assert.equal(error.constructor, expected, `${isWrite ? 'write' : 'read'}: ${error}`);
    assert.doesNotMatch(`${error.message} ${error.cause}`, /Secretname/);
  }
}

it('sends JSON and gives back status, headers and JSON', async () => {
  const url = await serve(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    response.writeHead(201, { ...JSON_TYPE, ETag: 'W/"1"' });
    response.end(
      JSON.stringify({ body: JSON.parse(Buffer.concat(chunks).toString()), type: incoming.headers['content-type'] }),
    );
  });
  const response = await hrsRequest(request(url, true, { headers: { 'content-type': 'application/fhir+json' } }));
  assert.equal(response.status, 201);
  assert.equal(response.headers.etag, 'W/"1"');
  assert.deepEqual(response.json, { body: { lastName: 'Secretname' }, type: 'application/fhir+json' });
});

it('leaves what 4xx means to the connector, with or without a body', async () => {
  const outcome = await hrsRequest(request(await reply(412, JSON_TYPE, '{"resourceType":"OperationOutcome"}'), true));
  assert.deepEqual([outcome.status, outcome.json], [412, { resourceType: 'OperationOutcome' }]);
  const page = await hrsRequest(request(await reply(404, { 'content-type': 'text/html' }, '<p>no'), false));
  assert.deepEqual([page.status, page.json], [404, null]);
});

it('knows that nothing was sent when nobody listens, or the name does not exist', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  await fails(`http://127.0.0.1:${port}/`, Unavailable, Unavailable);
  await fails('http://no-such-host.invalid/', Unavailable, Unavailable);
});

it('says in plain words what is wrong with an address', async () => {
  const said = (url: string) => hrsRequest(request(url, false)).catch((error: Error) => error.message);
  const plain = await serve((_, response) => response.end());
  assert.match(String(await said('http://127.0.0.1:9/')), /nothing listens at that address \(ECONNREFUSED\)/);
  assert.match(String(await said('http://no-such-host.invalid/')), /no host of that name|no complete answer/);
  assert.match(String(await said(plain.replace('http:', 'https:'))), /no https at that address/);
});

it('knows that nothing was sent when TLS fails', async () => {
  const plain = await serve((_, response) => response.end());
  await fails(plain.replace('http:', 'https:'), Unavailable, Unavailable);
});

it('knows that nothing was sent when it was told to stop before', async () => {
  await fails(await reply(200, JSON_TYPE, '{}'), Unavailable, Unavailable, { signal: AbortSignal.abort() });
});

it('doubts a write that got no answer in time, and one that was given up', async () => {
  const silent = await serve(() => undefined);
  await fails(silent, Unavailable, OutcomeUnknown, { timeoutMs: 50 });
  await fails(silent, Unavailable, null, { signal: AbortSignal.timeout(50) });
  await fails(silent, null, OutcomeUnknown, { signal: AbortSignal.timeout(50) });
});

it('counts a dripping answer against the whole time', async () => {
  const dripping = await serve((_, response) => {
    response.writeHead(200, JSON_TYPE);
    const timer = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(timer));
  });
  await fails(dripping, Unavailable, OutcomeUnknown, { timeoutMs: 100 });
});

it('doubts a write whose connection ends, before or inside the answer', async () => {
  await fails(await serveRaw((socket) => socket.once('data', () => socket.destroy())), Unavailable, OutcomeUnknown);
  const half = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":';
  await fails(await serveRaw((socket) => socket.once('data', () => socket.end(half))), HrsNonsense, OutcomeUnknown);
  await fails(
    await serveRaw((socket) => socket.once('data', () => socket.end('no HTTP'))),
    Unavailable,
    OutcomeUnknown,
  );
});

it('makes nothing of answers that are no JSON', async () => {
  const bodies: [Record<string, string>, string | Buffer][] = [
    [{ 'content-type': 'text/html' }, '<p>Maintenance'],
    [{ 'content-type': 'application/fhir+xml' }, '<Patient/>'],
    [{}, '{}'],
    [JSON_TYPE, '{"name":"Secretname"'],
    [JSON_TYPE, 'Secretname'],
    [JSON_TYPE, Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    [JSON_TYPE, '['.repeat(65) + ']'.repeat(65)],
    [{ ...JSON_TYPE, 'content-encoding': 'gzip' }, Buffer.from([0x1f, 0x8b, 8, 0])],
    [JSON_TYPE, ' '.repeat(MAX_BODY_BYTES + 1)],
  ];
  for (const [headers, body] of bodies) await fails(await reply(200, headers, body), HrsNonsense, OutcomeUnknown);
});

it('reads deep strings, escapes and a byte order mark', async () => {
  const value = { text: `\\"${'[{'.repeat(500)}`, é: [] };
  const url = await reply(200, JSON_TYPE, `\ufeff${JSON.stringify(value)}`);
  assert.deepEqual((await hrsRequest(request(url, false))).json, value);
});

it('follows no redirect and doubts the write it would have been', async () => {
  await fails(await reply(307, { location: 'http://127.0.0.1:9/' }), HrsNonsense, OutcomeUnknown);
});

it('takes a server error as an answer that never came', async () => {
  for (const status of [500, 502, 503, 504]) await fails(await reply(status, {}), Unavailable, OutcomeUnknown);
});

it('takes a request to wait as nothing done', async () => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  for (const [status, after, atLeastMs, atMostMs] of [
    [429, '7', 7_000, 7_000],
    [503, '7', 7_000, 7_000],
    [429, inAMinute, 50_000, 60_000],
    [429, '99999999', 3_600_000, 3_600_000],
    [429, '9'.repeat(30), 3_600_000, 3_600_000],
    [429, 'Fri, 31 Dec 9999 23:59:59 GMT', 3_600_000, 3_600_000],
    [429, '-5', 0, 0],
    [503, 'Thu, 01 Jan 1970 00:00:00 GMT', 0, 0],
  ] as const) {
    const url = await reply(status, { 'retry-after': after });
    const error = await hrsRequest(request(url, true)).catch((reason) => reason);
    assert.ok(error instanceof Unavailable);
    const { retryAfterMs } = error;
    assert.ok(retryAfterMs !== null && retryAfterMs >= atLeastMs && retryAfterMs <= atMostMs, String(retryAfterMs));
  }
  await fails(await reply(429, {}), Unavailable, Unavailable);
  const unclear = await hrsRequest(request(await reply(429, { 'retry-after': 'soon' }), true)).catch(
    (reason) => reason,
  );
  assert.deepEqual([unclear.name, unclear.retryAfterMs], ['Unavailable', null]);
});

it('gives every write a connection of its own', async () => {
  const ports = new Set<number | undefined>();
  const url = await serve((incoming, response) => {
    ports.add(incoming.socket.remotePort);
    response.writeHead(200, JSON_TYPE).end('{}');
  });
  for (let i = 0; i < 3; i++) await hrsRequest(request(url, true));
  assert.equal(ports.size, 3);
  for (let i = 0; i < 6; i++) await hrsRequest(request(url, false));
  assert.ok(ports.size < 9, 'reads share connections');
});
