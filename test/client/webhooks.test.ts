import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SignatureError, verifyNexHealthSignature, verifyStandardWebhook } from 'openchair/client';
import { Webhook } from 'standardwebhooks';
import { signatureHeaders } from '../../src/webhooks/signature.ts';

const SECRET = 'a'.repeat(64);
const ID = '0d9d5b0e-3f1a-4a55-9d0c-8a54d0a5a001';
const NOW_MS = Date.parse('2026-12-01T14:00:00.789Z');
const body = Buffer.from('{"event_name":"appointment_created","name":"Zoë"}');
const headers = signatureHeaders(SECRET, ID, body, NOW_MS);
const nowMs = NOW_MS;
const verifiers = { verifyNexHealthSignature, verifyStandardWebhook };

test('both verifiers take what is sent, whatever the body', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ minLength: 1 }), (value, secret) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const signed = signatureHeaders(secret, ID, bytes, NOW_MS);
      for (const verify of Object.values(verifiers)) {
        assert.deepEqual(verify({ body: bytes, headers: signed }, secret, { nowMs }), JSON.parse(bytes.toString()));
      }
    }),
    { numRuns: 100 },
  );
});

test('body and headers may come in any of their usual types', () => {
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  for (const verify of Object.values(verifiers)) {
    for (const one of [body, body.toString(), new Uint8Array(body)]) {
      for (const two of [headers, upper, new Headers(headers)]) {
        assert.deepEqual(verify({ body: one, headers: two }, SECRET, { nowMs }), JSON.parse(body.toString()));
      }
    }
  }
});

test('what the library of Standard Webhooks signs is taken, among other signatures too', () => {
  const library = new Webhook(`whsec_${Buffer.from(SECRET).toString('base64')}`);
  const signature = library.sign(ID, new Date(NOW_MS), body.toString());
  const sent = {
    'webhook-id': ID,
    'webhook-timestamp': String(Math.floor(NOW_MS / 1000)),
    'webhook-signature': `v1a,AAAA v1,${Buffer.alloc(32).toString('base64')} ${signature}`,
  };
  verifyStandardWebhook({ body, headers: sent }, SECRET, { nowMs });
});

test('nothing else is taken, and the error says why', () => {
  const refuses = (
    about: RegExp,
    changed: Record<string, string | undefined>,
    changedBody: Buffer = body,
    secret = SECRET,
  ) => {
    for (const [name, verify] of Object.entries(verifiers)) {
      const delivery = { body: changedBody, headers: { ...headers, ...changed } };
      assert.throws(
        () => verify(delivery, secret, { nowMs }),
        (error) => error instanceof SignatureError && about.test(error.message),
        `${name} ${about}`,
      );
    }
  };
  const differs = /signature is not that of this/;
  refuses(differs, {}, Buffer.from('{"event_name": "appointment_created","name":"Zoë"}'));
  refuses(differs, {}, body, 'b'.repeat(64));
  refuses(differs, { timestamp: '2026-12-01T14:00:01.789Z', 'webhook-timestamp': '1796133601' });
  refuses(differs, { signature: 'f'.repeat(64), 'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}` });
  refuses(differs, { signature: 'zz', 'webhook-signature': 'v1,zz' });
  refuses(differs, {
    signature: `${headers.signature}00`,
    'webhook-signature': `v2,${headers['webhook-signature']?.slice(3)}`,
  });
  refuses(/the header (webhook-)?signature is missing/, { signature: undefined, 'webhook-signature': undefined });
  refuses(/the header (webhook-)?timestamp is missing/, { timestamp: '', 'webhook-timestamp': '' });
  assert.throws(
    () => verifyStandardWebhook({ body, headers: { ...headers, 'webhook-id': 'another' } }, SECRET, { nowMs }),
    differs,
  );
});

test('a delivery is only good for a while', () => {
  for (const verify of Object.values(verifiers)) {
    const at = (shiftMs: number, toleranceSeconds?: number) => () =>
      verify({ body, headers }, SECRET, { nowMs: NOW_MS + shiftMs, toleranceSeconds });
    at(299_000)();
    at(-299_000)();
    assert.throws(at(302_000), /timestamp is 30[23] s old/);
    assert.throws(at(-302_000), /timestamp is 30[123] s ahead/);
    assert.throws(at(12_000, 10), /s old/);
    at(3_600_000, 7_200)();
  }
  const signed = signatureHeaders(SECRET, ID, body, NOW_MS);
  assert.throws(
    () => verifyNexHealthSignature({ body, headers: signed }, SECRET),
    /old|ahead/,
    'the clock is looked at',
  );
});

test('what is signed and yet no JSON or no time is refused', () => {
  const text = Buffer.from('no json');
  for (const verify of Object.values(verifiers)) {
    const delivery = { body: text, headers: signatureHeaders(SECRET, ID, text, NOW_MS) };
    assert.throws(() => verify(delivery, SECRET, { nowMs }), {
      name: 'SignatureError',
      message: 'the body is not JSON',
    });
  }
});
