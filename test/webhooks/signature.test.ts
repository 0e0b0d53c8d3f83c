import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { signatureHeaders } from '../../src/webhooks/signature.ts';
import { nexHealthAccepts } from './verify.ts';

const hex64 = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 });
const ID = '0d9d5b0e-3f1a-4a55-9d0c-8a54d0a5a001';

test('NexHealth’s and Standard Webhooks’ verifiers both accept any body under one secret', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), hex64, (text, secret) => {
      const body = Buffer.from(JSON.stringify({ text }));
      const headers = signatureHeaders(secret, ID, body, Date.now());
      assert.ok(nexHealthAccepts(secret, headers, body));
      const library = new Webhook(`whsec_${Buffer.from(secret).toString('base64')}`);
      assert.deepEqual(library.verify(body.toString(), headers), { text });
    }),
    { numRuns: 50 },
  );
});

test('a changed body, id, time or secret is not accepted', () => {
  const body = Buffer.from('{"id": 1}');
  const headers = signatureHeaders('a'.repeat(64), ID, body, Date.now());
  const key = (secret: string) => `whsec_${Buffer.from(secret).toString('base64')}`;
  const library = new Webhook(key('a'.repeat(64)));
  // The same JSON in other bytes is another body.
  const reserialised = Buffer.from(JSON.stringify(JSON.parse(body.toString())));
  assert.equal(nexHealthAccepts('a'.repeat(64), headers, reserialised), false);
  assert.throws(() => library.verify(reserialised.toString(), headers));
  assert.throws(() => library.verify(body.toString(), { ...headers, 'webhook-id': 'other' }));
  assert.throws(() => new Webhook(key('b'.repeat(64))).verify(body.toString(), headers));
  assert.equal(nexHealthAccepts('b'.repeat(64), headers, body), false);
  assert.equal(nexHealthAccepts('a'.repeat(64), { ...headers, timestamp: new Date(0).toISOString() }, body), false);
  const old = signatureHeaders('a'.repeat(64), ID, body, Date.now() - 600_000);
  assert.throws(() => library.verify(body.toString(), old), 'ten minutes old');
});

test('the timestamps are the same moment in ISO 8601 and in seconds', () => {
  const headers = signatureHeaders('k', ID, Buffer.from('x'), Date.parse('2026-12-01T14:00:00.789Z'));
  assert.equal(headers.timestamp, '2026-12-01T14:00:00.789Z');
  assert.equal(headers['webhook-timestamp'], '1796133600');
  assert.equal(headers['webhook-id'], ID);
  assert.match(headers.signature ?? '', /^[0-9a-f]{64}$/);
  assert.equal(
    headers.signature,
    crypto.createHmac('sha256', 'k').update('2026-12-01T14:00:00.789Z.eA==').digest('hex'),
  );
  assert.equal(headers['x-nexhealth-signature'], crypto.createHmac('sha256', 'k').update('x').digest('hex'));
});
