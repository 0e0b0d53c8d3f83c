/** Calls of a FHIR server to our address: asked for, signed, kept, read. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ALONE, type Messages, type StoredMessage, type WireMessage } from '../../src/connectors/connector.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { noticeOf } from '../../src/connectors/fhir/notice.ts';
import { until } from '../harness/program.ts';
import { readAll } from './bench-actions.ts';
import type { Foreign } from './fhir-bench.ts';
import { configOf, connect, deletedVisits, idsIn, inDays, startPractice, visit } from './fhir-visits.ts';

const now = () => AbortSignal.timeout(20_000);

describe('fhir: notices', () => {
  const SECRET = 'a-secret-of-some-length';
  let server: Awaited<ReturnType<typeof startPractice>>;
  let calls: { headers: Record<string, string>; body: Buffer }[] = [];
  let url: string;
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    calls.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks) });
    response.writeHead(202).end();
  });
  before(async () => {
    server = await startPractice(['--subscriptions']);
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/push/token-1`;
  });
  after(async () => {
    receiver.close().closeAllConnections();
    await server?.close();
  });

  /** As the program keeps them, in memory. */
  function keeping(): { messages: Messages; keep(message: WireMessage): void } {
    const kept: StoredMessage[] = [];
    return {
      messages: {
        ...ALONE.messages,
        after: async (position, limit) => kept.filter((one) => one.position > position).slice(0, limit),
      },
      keep(message) {
        if (kept.some((one) => one.digest.equals(message.digest))) return;
        kept.push({ ...message, position: kept.length + 1, direction: 'in', storedAt: new Date().toISOString() });
      },
    };
  }

  it('are asked for once, and at the new address when it has changed', async () => {
    const connector = connect(server.url, { subscriptionSecret: SECRET });
    const endpoints = async () =>
      (await server.get('Subscription?_count=50')).entry.map(({ resource }: Foreign) => resource.channel.endpoint);
    await connector.subscribe?.('http://old.example.org/push/token-1', now());
    await connector.subscribe?.('http://old.example.org/push/token-1', now());
    await connector.subscribe?.('http://other.example.org/push/token-2', now());
    assert.equal((await endpoints()).length, 6);
    await connector.subscribe?.(url, now());
    const all: string[] = await endpoints();
    assert.deepEqual(all.filter((one) => one === url).length, 3);
    assert.deepEqual(all.filter((one) => one.endsWith('token-2')).length, 3);
    assert.equal(all.length, 6);
  });

  it('tell of a deletion, which is looked up', async () => {
    const { messages, keep } = keeping();
    const config = configOf(server.url, { subscriptionSecret: SECRET });
    const connector = fhir.connect(config, { ...ALONE, messages });
    await connector.subscribe?.(url, now());
    await server.create(visit('noticed', inDays(3)));
    await server.create(visit('kept', inDays(4)));
    const { cursor } = await readAll(connector, null);
    calls = [];
    await server.remove('Appointment/noticed');
    await server.edit('Appointment/kept', (one) => ({ ...one, comment: 'x' }));
    await until('two calls', async () => calls.length >= 2);
    for (const call of calls) {
      const message = noticeOf(config, call);
      assert.ok(message !== null && message !== 'refused');
      keep(message);
    }
    // Somebody tells of a deletion that never was.
    keep(
      noticeOf(configOf(server.url), {
        headers: { 'x-medplum-deleted-resource': 'Appointment/kept' },
        body: Buffer.from('{}'),
      }) as WireMessage,
    );
    const next = await readAll(connector, cursor);
    assert.deepEqual(deletedVisits(next.records), ['appointment noticed']);
    assert.ok(idsIn(next.records, 'appointment').includes('kept'));

    // Read once; and again when they are replayed.
    assert.deepEqual(deletedVisits((await readAll(connector, next.cursor)).records), []);
    const again = fhir.replayFrom?.(next.cursor, 1) ?? null;
    assert.deepEqual(deletedVisits((await readAll(connector, again)).records), ['appointment noticed']);
    // Who reads from the beginning needs none of them.
    const fresh = await readAll(connector, null);
    assert.deepEqual(deletedVisits((await readAll(connector, fresh.cursor)).records), []);
  });

  it('that name very many records are looked at a few at a time', async () => {
    const { messages, keep } = keeping();
    const connector = fhir.connect(configOf(server.url), { ...ALONE, messages });
    const { cursor } = await readAll(connector, null);
    for (const call of [0, 1, 2]) {
      const entry = Array.from({ length: 400 }, (_, n) => ({ request: { url: `Appointment/none-${call}-${n}` } }));
      const body = Buffer.from(JSON.stringify({ resourceType: 'Bundle', type: 'history', entry }));
      keep(noticeOf(configOf(server.url), { headers: {}, body }) as WireMessage);
    }
    const first = await readAll(connector, cursor);
    assert.equal(deletedVisits(first.records).length, 800);
    assert.equal(deletedVisits((await readAll(connector, first.cursor)).records).length, 400);
  });

  it('are refused without the right signature', () => {
    const config = configOf(server.url, { subscriptionSecret: SECRET });
    const [call] = calls;
    assert.ok(call);
    assert.notEqual(noticeOf(config, call), 'refused');
    const { 'x-signature': signature = '', ...unsigned } = call.headers;
    for (const headers of [
      unsigned,
      ...['', 'x', signature.slice(2), `${signature}00`, '0'.repeat(64)].map((one) => ({
        ...unsigned,
        'x-signature': one,
      })),
    ]) {
      assert.equal(noticeOf(config, { ...call, headers }), 'refused');
    }
    assert.equal(noticeOf(config, { ...call, body: Buffer.concat([call.body, Buffer.from(' ')]) }), 'refused');
  });

  it('are understood in every form, and never for more than names', () => {
    const config = configOf('https://ehr.example.org/r4/');
    const refOf = (body: unknown, headers: Record<string, string> = {}) => {
      const message = noticeOf(config, {
        headers,
        body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      });
      return message === null || message === 'refused'
        ? message
        : [message.type, message.appointmentRef, message.patientRef];
    };
    const focus = { reference: 'https://ehr.example.org/r4/Appointment/a1' };
    const status = { resourceType: 'SubscriptionStatus', notificationEvent: [{ eventNumber: '1', focus }] };
    const parameters = {
      resourceType: 'Parameters',
      parameter: [{ name: 'notification-event', part: [{ name: 'focus', valueReference: focus }] }],
    };
    assert.deepEqual(refOf(visit('a1', 0)), ['Appointment', 'a1', null]);
    assert.deepEqual(refOf({ resourceType: 'Patient', id: 'p1' }), ['Patient', null, 'p1']);
    assert.deepEqual(refOf({ resourceType: 'Slot', id: 's1' }), ['Slot', 'Slot/s1', null]);
    for (const resource of [status, parameters]) {
      assert.deepEqual(refOf({ resourceType: 'Bundle', type: 'subscription-notification', entry: [{ resource }] }), [
        'Appointment',
        'a1',
        null,
      ]);
    }
    const made = { fullUrl: focus.reference, request: { method: 'POST', url: 'Appointment' } };
    assert.deepEqual(refOf({ resourceType: 'Bundle', type: 'history', entry: [made] }), ['Appointment', 'a1', null]);
    assert.deepEqual(refOf({}, { 'x-medplum-deleted-resource': 'Appointment/a1' }), [
      'Appointment deleted',
      'a1',
      null,
    ]);
    const strange = [
      '',
      'null',
      '[]',
      '{',
      '5',
      '<Appointment/>',
      {},
      { resourceType: 'Appointment' },
      { resourceType: 'Appointment', id: '../x' },
      { resourceType: 'Observation', id: 'o' },
      { resourceType: 'Bundle', entry: [null, 5, {}, { resource: { resourceType: 'Bundle', id: 'b' } }] },
      '['.repeat(100_000),
    ];
    for (const body of strange) assert.equal(refOf(body), null, JSON.stringify(body).slice(0, 60));
    assert.equal(refOf({}, { 'x-medplum-deleted-resource': 'https://elsewhere.example.org/Appointment/a1' }), null);
    const versioned = { ...visit('a1', 0), meta: { versionId: '7' } };
    const digest = (body: object) =>
      (noticeOf(config, { headers: {}, body: Buffer.from(JSON.stringify(body)) }) as WireMessage).digest.toString(
        'hex',
      );
    assert.equal(digest(versioned), digest(versioned));
    assert.notEqual(digest(versioned), digest({ ...versioned, meta: { versionId: '8' } }));
  });

  it('are not asked for where the server does not call', async () => {
    const silent = await startPractice();
    const connector = connect(silent.proxy.url);
    await connector.subscribe?.(url, now());
    const seen = silent.proxy.takeSeen();
    await silent.close();
    assert.ok(seen.every(({ method }) => method === 'GET'));
  });
});
