import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import type { ConnectorKind, WireMessage } from '../../src/connectors/connector.ts';
import { forAll } from '../../src/store/database.ts';
import { messagesOf } from '../../src/store/messages.ts';
import { type Api, startApi } from '../harness/api.ts';

const SIGNATURE = 'a signature';
const calls: { headers: Record<string, string>; body: Buffer }[] = [];

/** An HRS that signs what it sends, and sends nothing when it only wants to be read. */
const NOTICING: ConnectorKind = {
  kind: 'sandbox',
  displayName: 'Noticing',
  type: 'cloud',
  configSchema: z.unknown(),
  identityOf: () => 'noticing',
  connect() {
    throw new Error('the API connects to no HRS');
  },
  notice(_config, { headers, body }): WireMessage | null | 'refused' {
    calls.push({ headers, body });
    if (body.length === 0) return null;
    if (headers['x-signature'] !== SIGNATURE) return 'refused';
    const digest = createHash('sha256').update(body).digest();
    return { body, digest, controlId: null, type: 'Appointment', appointmentRef: 'A1', patientRef: null, sentAt: null };
  },
};

let api: Api;
let path: string;

before(async () => {
  api = await startApi({ services: { connectorKinds: new Map([[NOTICING.kind, NOTICING]]) } });
  path = `/push/${api.practice.connection.push_token}`;
});

after(() => api.close());

const push = async (body: string | Uint8Array<ArrayBuffer> | undefined, headers: Record<string, string> = {}) => {
  const given = body === undefined ? {} : { body };
  return (
    await api.post(path, { ...given, key: null, headers: { 'content-type': 'application/fhir+json', ...headers } })
  ).status;
};

const kept = async () =>
  (await messagesOf(api.db, api.services.seal, api.practice.connection.id).after(0, 100)).map(({ body }) => body);

/** Whether a pass has been asked for since the last look. */
async function becameDue(): Promise<boolean> {
  return forAll(api.db, async (tx) => {
    const of = tx.selectFrom('connection').select('sync_due_at').where('id', '=', api.practice.connection.id);
    const { sync_due_at } = await of.executeTakeFirstOrThrow();
    await tx.updateTable('connection').set({ sync_due_at: '2100-01-01T00:00:00.000Z' }).execute();
    return Date.parse(sync_due_at) <= Date.now();
  });
}

test('what the HRS says is kept as it came, once, before it is answered', async () => {
  const body = Buffer.from('{"resourceType":"Bundle",  "x":"\xe9\0"}', 'latin1') as Buffer<ArrayBuffer>;
  assert.equal(await push(body, { 'X-Signature': SIGNATURE, 'content-encoding': 'gzip' }), 202);
  assert.equal(await push(body, { 'x-signature': SIGNATURE, 'content-type': 'text/html' }), 202);
  assert.deepEqual(await kept(), [body]);
  assert.equal(calls[0]?.headers['content-type'], 'application/fhir+json');
  assert.ok(await becameDue());
});

test('a call that is not the HRS’s is answered as if nobody were there', async () => {
  const before = (await kept()).length;
  const forged = await api.post(path, { body: 'x', key: null, headers: { 'x-signature': 'no' } });
  const unknown = await api.post('/push/unknown', { body: 'x', key: null });
  assert.deepEqual([forged.status, forged.body], [404, unknown.body]);
  assert.equal((await kept()).length, before);
  assert.equal(await becameDue(), false);
});

test('a bare hint is enough, and what is too large is refused', async () => {
  const before = (await kept()).length;
  assert.equal(await push(undefined), 202);
  assert.ok(await becameDue());
  assert.equal(await push('x'.repeat(1_000_000), { 'x-signature': SIGNATURE }), 202);
  assert.equal(await push('x'.repeat(1_000_001), { 'x-signature': SIGNATURE }), 413);
  assert.equal((await kept()).length, before + 1);
});
