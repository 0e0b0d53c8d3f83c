import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createSender, type Sender } from '../../src/webhooks/sender.ts';
import { type Receiver, type Reply, startReceiver } from '../harness/receiver.ts';
import { SELF_SIGNED } from './self-signed.ts';
import { nexHealthAccepts } from './verify.ts';

/** Stands for the 15 seconds that a receiver has. */
const TOTAL_TIMEOUT_MS = 400;

let receiver: Receiver;
let sender: Sender;
before(async () => {
  receiver = await startReceiver();
  sender = createSender('loopback', systemClock, TOTAL_TIMEOUT_MS);
});
afterEach(() => receiver.requests.splice(0));
after(async () => {
  await sender.close();
  await receiver.close();
});

const never = new AbortController().signal;
const secretKey = 's'.repeat(64);
const webhookId = 'b1a0f7a4-44b5-4b0c-9ac0-3a3f7f1e5a11';
const body = Buffer.from('{"name":"Zoë", "spaces" : 1}');
const send = (targetUrl: string, signal = never) => sender.send({ targetUrl, secretKey, webhookId, body }, signal);

test('sends the bytes as they are, with the headers of both signatures', async () => {
  receiver.reply({ status: 503, headers: { 'retry-after': '120' } });
  const attempt = await send(`${receiver.url}/hook?a=1`);
  assert.deepEqual(
    { ...attempt, attemptedAtMs: 0, durationMs: 0 },
    {
      attemptedAtMs: 0,
      durationMs: 0,
      statusCode: 503,
      errorCode: null,
      retryAfterMs: 120_000,
    },
  );
  const [got] = receiver.requests;
  assert.ok(got);
  assert.equal(got.method, 'POST');
  assert.equal(got.path, '/hook?a=1');
  assert.deepEqual(got.body, body);
  assert.equal(got.headers['content-type'], 'application/json');
  assert.equal(got.headers['webhook-id'], webhookId);
  assert.ok(nexHealthAccepts(secretKey, got.headers, got.body));
  assert.equal(got.headers.timestamp, new Date(attempt.attemptedAtMs).toISOString());
});

/** What a receiver does, and what is written down about it. */
const MISBEHAVIOUR: [Reply, number | null, string | null][] = [
  [204, 204, null],
  [404, 404, null],
  ['hang', null, 'timeout'],
  ['drip', null, 'timeout'],
  ['reset', null, 'ECONNRESET'],
  ['nonsense', null, 'invalid_response'],
  ['reset-body', 200, null],
  ['drip-body', 200, null],
  ['endless', 200, null],
];

for (const [reply, statusCode, errorCode] of MISBEHAVIOUR) {
  test(`a receiver that answers ${JSON.stringify(reply)}: ${statusCode ?? errorCode}, and soon`, async () => {
    receiver.reply(reply);
    const attempt = await send(receiver.url);
    assert.deepEqual([attempt.statusCode, attempt.errorCode], [statusCode, errorCode]);
    assert.ok(attempt.durationMs < TOTAL_TIMEOUT_MS + 1_500, `took ${attempt.durationMs} ms`);
    assert.equal(receiver.requests.length, 1, 'tried once');
  });
}

test('of an endless body next to nothing is read', async () => {
  const before = receiver.endlessBytes();
  receiver.reply('endless');
  await send(receiver.url);
  // What the receiver could push into the buffers of two sockets before the connection was destroyed.
  assert.ok(receiver.endlessBytes() - before < 16 * 1024 * 1024);
});

test('headers without end, and informational answers without end, are cut off', async () => {
  const floods = [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n`, 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)];
  for (const flood of floods) {
    const server = createServer((socket) => {
      socket.on('error', () => {}).on('data', () => socket.write(flood));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const attempt = await send(`http://127.0.0.1:${port}/`);
    assert.equal(attempt.statusCode, null);
    assert.match(attempt.errorCode ?? '', /^(timeout|UND_ERR_HEADERS_OVERFLOW|connection_closed|invalid_response)$/);
    await new Promise((resolve) => server.close(resolve));
  }
});

test('no redirect is followed', async (t) => {
  const inside = await startReceiver();
  t.after(() => inside.close());
  for (const status of [301, 302, 303, 307, 308]) {
    receiver.reply({ status, headers: { location: `${inside.url}/admin` } });
    assert.equal((await send(receiver.url)).statusCode, status);
  }
  assert.equal(inside.requests.length, 0);
});

test('a receiver whose certificate nobody vouches for gets nothing', async (t) => {
  const tls = await startReceiver(SELF_SIGNED);
  t.after(() => tls.close());
  const attempt = await send(tls.url);
  assert.deepEqual([attempt.statusCode, attempt.errorCode], [null, 'DEPTH_ZERO_SELF_SIGNED_CERT']);
  assert.equal(tls.requests.length, 0);
});

test('nobody listens, the name does not exist, the address is internal: each has its word', async () => {
  const gone = await startReceiver();
  await gone.close();
  assert.equal((await send(gone.url)).errorCode, 'ECONNREFUSED');
  assert.match((await send('https://no-such-host.invalid/')).errorCode ?? '', /ENOTFOUND|EAI_AGAIN|timeout/);
  assert.equal((await send('http://169.254.169.254/latest')).errorCode, 'blocked_address');
});

test('cut off from outside, an attempt rejects: nothing is known about it', async () => {
  receiver.reply('hang');
  const stopping = new AbortController();
  const attempt = send(receiver.url, stopping.signal);
  await receiver.waitFor((requests) => requests.length === 1);
  stopping.abort();
  await assert.rejects(attempt, { name: 'AbortError' });
});
