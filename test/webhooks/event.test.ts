import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { forAll, forInstitution } from '../../src/store/database.ts';
import type { Version } from '../../src/views/version.ts';
import { findEvents, MAX_BODY_BYTES, type NewEvent, recordEvents } from '../../src/webhooks/event.ts';
import { subscribe } from '../../src/webhooks/subscription.ts';
import { appointmentUpdated, createPractice, type Practice } from './practice.ts';

let practice: Practice;
before(async () => {
  practice = await createPractice();
});
after(() => practice.close());

const log = (after = 0, limit = 1_000, version: Version = 'v2') =>
  forInstitution(practice.db, practice.institutionId, (tx) =>
    findEvents(tx, practice.institutionId, after, limit, version),
  );

test('an event without a subscription is logged and owed to nobody', async () => {
  assert.equal(await practice.record(appointmentUpdated(1, 1)), 0);
  assert.equal(await practice.record(), 0);
  const [event] = await log();
  assert.ok(event);
  assert.equal(event.position, 1);
  assert.equal(event.event_name, 'appointment_updated');
  assert.deepEqual(JSON.parse(event.data), appointmentUpdated(1, 1).data);
  assert.match(event.event_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('each subscription to an event gets its own delivery, whose body tells what NexHealth tells and no more than two keys beyond', async () => {
  const one = await practice.addEndpoint('http://127.0.0.1:1/one', ['appointment_insertion', 'appointment_updated']);
  const two = await practice.addEndpoint('http://127.0.0.1:1/two', ['appointment_updated']);
  const insertion: NewEvent = { ...appointmentUpdated(7, 1), event: 'appointment_insertion', outcome: 'timed_out' };
  const made = await practice.record(insertion, appointmentUpdated(7, 2), {
    ...appointmentUpdated(7, 3),
    event: 'appointment_created',
  });
  assert.equal(made, 3);
  const deliveries = await practice.deliveries();
  assert.deepEqual(
    deliveries.map(({ endpoint_id, event_name }) => [endpoint_id, event_name]),
    [
      [one.id, 'appointment_insertion.timed_out'],
      [one.id, 'appointment_updated'],
      [two.id, 'appointment_updated'],
    ],
  );
  const [event] = (await log()).filter(({ event_name }) => event_name === 'appointment_insertion.timed_out');
  const [delivery] = deliveries;
  assert.ok(event && delivery);
  const body = JSON.parse(delivery.body);
  assert.deepEqual(Object.keys(body), [
    ...['id', 'resource_type', 'event_name', 'event_time', 'institution_id', 'subdomain', 'subscription_id'],
    ...['sequence', 'delivery_errors', 'data'],
  ]);
  assert.deepEqual(body, {
    id: event.id,
    resource_type: 'Appointment',
    event_name: 'appointment_insertion.timed_out',
    event_time: event.event_time,
    institution_id: practice.institutionId,
    subdomain: practice.subdomain,
    subscription_id: delivery.subscription_id,
    sequence: 1,
    delivery_errors: [],
    data: insertion.data,
  });
});

test('an endpoint or a subscription that is off, and a user who has lost the institution, are owed nothing', async () => {
  const endpoint = await practice.addEndpoint('http://127.0.0.1:1/off', ['appointment_created']);
  const created = { ...appointmentUpdated(8, 1), event: 'appointment_created' };
  assert.equal(await practice.record(created), 1);
  const set = (table: 'webhook_endpoint' | 'webhook_subscription', active: boolean) =>
    forAll(practice.db, (tx) =>
      tx
        .updateTable(table)
        .set({ active })
        .where(table === 'webhook_endpoint' ? 'id' : ('endpoint_id' as 'id'), '=', endpoint.id)
        .execute(),
    );
  await set('webhook_endpoint', false);
  assert.equal(await practice.record(created), 0);
  await set('webhook_endpoint', true);
  await set('webhook_subscription', false);
  assert.equal(await practice.record(created), 0);
  await set('webhook_subscription', true);
  assert.equal(await practice.record(created), 1);
  const reach = { api_user_id: practice.apiUserId, institution_id: practice.institutionId };
  await forAll(practice.db, (tx) => tx.deleteFrom('api_user_institution').execute());
  assert.equal(await practice.record(created), 0);
  await forAll(practice.db, (tx) => tx.insertInto('api_user_institution').values(reach).execute());
});

test('another institution has a log and positions of its own, and its events reach no subscription here', async () => {
  const other = await practice.addInstitution();
  const made = await forInstitution(practice.db, other.id, (tx) =>
    recordEvents(tx, other.id, [appointmentUpdated(1, 1)]),
  );
  assert.equal(made, 0);
  const events = await forInstitution(practice.db, other.id, (tx) => findEvents(tx, other.id, 0, 10, 'v2'));
  assert.deepEqual(
    events.map(({ position }) => position),
    [1],
  );
  assert.deepEqual(
    await forInstitution(practice.db, other.id, (tx) => findEvents(tx, practice.institutionId, 0, 10, 'v2')),
    [],
  );
});

test('data that does not fit is left out of the body, which says so, and stays in the log', async () => {
  const limit = 'x'.repeat(MAX_BODY_BYTES - 2_048 - '{"note":""}'.length);
  await practice.record(
    appointmentUpdated(9, 1, { data: { note: limit } }),
    appointmentUpdated(9, 2, { data: { note: `${limit}y` } }),
  );
  const [fits, tooLarge] = (await practice.deliveries())
    .filter(({ resource_id }) => resource_id === 9)
    .map(({ body }) => body)
    .filter((_body, index) => index % 2 === 0);
  assert.ok(fits && tooLarge);
  assert.ok(Buffer.byteLength(fits) <= MAX_BODY_BYTES);
  assert.equal(JSON.parse(fits).data.note.length, limit.length);
  assert.deepEqual(JSON.parse(tooLarge).data, {});
  assert.match(JSON.parse(tooLarge).delivery_errors[0], /left out/);
  const logged = (await log()).find(({ resource_id, sequence }) => resource_id === 9 && sequence === 2);
  assert.equal(JSON.parse(logged?.data ?? '{}').note.length, limit.length + 1);
});

test('each subscription gets the shape of its own version, and so does each reader of the log', async () => {
  const endpoint = await practice.addEndpoint('http://127.0.0.1:1/both', ['patient_updated']);
  const other = await practice.addEndpoint('http://127.0.0.1:1/new', []);
  const values = { institutionId: practice.institutionId, resourceType: 'Patient', event: 'patient_updated' };
  await forAll(practice.db, (tx) =>
    subscribe(tx, { ...values, endpointId: other.id, active: true, version: 'v3.0.0' }, Date.now()),
  );
  const start = (await log()).at(-1)?.position ?? 0;
  const patient: NewEvent = { resourceType: 'Patient', resourceId: 5, sequence: 1, event: 'patient_updated', data: {} };
  await practice.record(
    { ...patient, data: { patients: [{ id: 5, location_ids: [1] }] }, dataV3: { patients: [{ id: 5 }] } },
    {
      ...patient,
      sequence: 2,
      data: { patients: [{ id: 5, name: 'same' }] },
      dataV3: { patients: [{ id: 5, name: 'same' }] },
    },
    { ...patient, sequence: 3, data: { patients: [{ id: 5, name: 'only' }] } },
  );
  const sent = (await practice.deliveries())
    .filter(({ resource_type }) => resource_type === 'Patient')
    .map(({ endpoint_id, body }) => [endpoint_id, JSON.parse(body).data.patients[0]]);
  const same = [
    { id: 5, name: 'same' },
    { id: 5, name: 'only' },
  ];
  assert.deepEqual(
    sent.filter(([id]) => id === endpoint.id).map(([, data]) => data),
    [{ id: 5, location_ids: [1] }, ...same],
  );
  assert.deepEqual(
    sent.filter(([id]) => id === other.id).map(([, data]) => data),
    [{ id: 5 }, ...same],
  );
  const read = async (version: Version) =>
    (await log(start, 10, version)).map(({ data }) => JSON.parse(data).patients[0]);
  assert.deepEqual(await read('v2'), [{ id: 5, location_ids: [1] }, ...same]);
  assert.deepEqual(await read('v3.0.0'), [{ id: 5 }, ...same]);
  const stored = await forAll(practice.db, (tx) =>
    tx.selectFrom('event').select('data_v3').where('resource_type', '=', 'Patient').orderBy('position').execute(),
  );
  assert.deepEqual(
    stored.map(({ data_v3 }) => data_v3 === null),
    [false, true, true],
    'what is the same is not stored twice',
  );
});

test('positions are gap-free in the order of the commits, whoever writes and whatever is rolled back', async () => {
  const start = (await log()).at(-1)?.position ?? 0;
  const writers = Array.from({ length: 40 }, (_, index) =>
    forInstitution(practice.db, practice.institutionId, async (tx) => {
      await recordEvents(tx, practice.institutionId, [appointmentUpdated(20, index), appointmentUpdated(21, index)]);
      if (index % 4 === 0) throw new Error('rolled back');
    }).catch((error: Error) => assert.equal(error.message, 'rolled back')),
  );
  // A reader that follows the log while they write: what it has passed never changes behind it.
  const seen: number[] = [];
  const follow = async () => {
    for (const { position } of await log(start + seen.length)) seen.push(position);
  };
  const following = (async () => {
    while (seen.length < 60) await follow();
  })();
  await Promise.all(writers);
  await following;
  assert.deepEqual(
    seen,
    Array.from({ length: 60 }, (_, index) => start + 1 + index),
  );
  assert.deepEqual(
    (await log(start)).map(({ position }) => position),
    seen,
  );
});
