import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import type { Loop } from '../../src/jobs/loop.ts';
import { openWakeups, type Wakeups } from '../../src/jobs/wakeups.ts';
import { forAll } from '../../src/store/database.ts';
import { OVERTAKE_AFTER_MS, startDeliveries } from '../../src/webhooks/deliver.ts';
import { redeliver } from '../../src/webhooks/delivery.ts';
import { deleteEndpoint, findEndpointForUpdate, updateEndpoint } from '../../src/webhooks/endpoint.ts';
import { type Receiver, startReceiver } from '../harness/receiver.ts';
import { SEAL } from '../harness/seal.ts';
import {
  appointmentUpdated,
  createPractice,
  createTestClock,
  type Practice,
  type TestClock,
  until,
} from './practice.ts';
import { nexHealthAccepts } from './verify.ts';

const log = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;

let practice: Practice;
let wakeups: Wakeups;
let clock: TestClock;
let receiver: Receiver;
const loops: Loop[] = [];

function start(): Loop {
  const loop = startDeliveries({ db: practice.db, clock, log, wakeups, seal: SEAL, addresses: 'loopback' });
  loops.push(loop);
  return loop;
}

before(async () => {
  practice = await createPractice();
  wakeups = await openWakeups(practice.database.connection, log);
});
beforeEach(async () => {
  clock = createTestClock();
  receiver = await startReceiver();
});
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop(0)));
  await receiver.close();
  await forAll(practice.db, (tx) => tx.deleteFrom('webhook_endpoint').execute());
});
after(async () => {
  await wakeups.close();
  await practice.close();
});

const only = async () => {
  const [delivery] = await practice.deliveries();
  assert.ok(delivery);
  return delivery;
};
const untilAttempts = (count: number) =>
  until(`${count} attempts`, async () => (await practice.attempts()).length === count);

/** To when the delivery is due, and a moment more. */
async function skipToDue(): Promise<void> {
  const { due_at } = await only();
  clock.advance(Date.parse(due_at) - clock.nowMs() + 1);
  wakeups.wake('deliveries');
}

const sequencesOf = (resourceId: number) =>
  receiver.requests
    .map(({ body }) => JSON.parse(body.toString()))
    .filter(({ data }) => data.appointment.id === resourceId)
    .map(({ sequence }) => sequence as number);

test('an event reaches its receiver once, as stored, signed both ways', async () => {
  const endpoint = await practice.addEndpoint(`${receiver.url}/hook`);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  const delivery = await only();
  assert.equal(delivery.state, 'delivered');
  assert.equal(delivery.lease_until, null);
  assert.notEqual(delivery.finished_at, null);
  const [got] = receiver.requests;
  assert.ok(got);
  assert.deepEqual(got.body, Buffer.from(delivery.body));
  assert.equal(got.headers['webhook-id'], delivery.event_id);
  assert.ok(nexHealthAccepts(endpoint.secret_key, got.headers, got.body));
  const library = new Webhook(`whsec_${Buffer.from(endpoint.secret_key).toString('base64')}`);
  library.verify(got.body.toString(), got.headers as Record<string, string>);
  assert.deepEqual(await practice.attempts(), [{ delivery_id: delivery.id, status_code: 200, error_code: null }]);
});

test('nine failures, then a success: the same id and bytes each time, signed anew', async () => {
  const endpoint = await practice.addEndpoint(receiver.url);
  receiver.reply(...Array(9).fill(500), 200);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  for (let tries = 1; tries < 10; tries += 1) {
    await untilAttempts(tries);
    assert.equal((await only()).state, 'pending');
    assert.notEqual((await practice.endpoint(endpoint.id)).failing_since, null);
    await skipToDue();
  }
  await untilAttempts(10);
  assert.equal((await only()).state, 'delivered');
  const { requests } = receiver;
  assert.equal(requests.length, 10);
  assert.equal(new Set(requests.map(({ headers }) => headers['webhook-id'])).size, 1);
  assert.equal(new Set(requests.map(({ body }) => body.toString('hex'))).size, 1);
  assert.equal(new Set(requests.map(({ headers }) => headers.timestamp)).size, 10);
  assert.ok(requests.every(({ headers, body }) => nexHealthAccepts(endpoint.secret_key, headers, body)));
  const after = await practice.endpoint(endpoint.id);
  assert.deepEqual([after.active, after.failing_since], [true, null]);
});

test('eleven failures end a delivery, and 48 hours of them the endpoint', async () => {
  const endpoint = await practice.addEndpoint(receiver.url);
  receiver.reply(503);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  for (let tries = 1; tries < 11; tries += 1) {
    await untilAttempts(tries);
    await skipToDue();
  }
  await untilAttempts(11);
  assert.equal((await only()).state, 'failed');
  const failingSince = Date.parse((await practice.endpoint(endpoint.id)).failing_since ?? '');

  clock.advance(failingSince + 48 * HOUR_MS - clock.nowMs() + 1);
  await practice.record(appointmentUpdated(2, 1));
  wakeups.wake('deliveries');
  await until('the endpoint is off', async () => !(await practice.endpoint(endpoint.id)).active);
  assert.equal(await practice.record(appointmentUpdated(3, 1)), 0);
});

test('a redirect is a failure: it is retried where it came from and never followed', async (t) => {
  const inside = await startReceiver();
  t.after(() => inside.close());
  await practice.addEndpoint(receiver.url);
  receiver.reply({ status: 307, headers: { location: inside.url } }, 200);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  assert.equal((await only()).state, 'pending');
  await skipToDue();
  await untilAttempts(2);
  assert.equal((await only()).state, 'delivered');
  assert.equal(inside.requests.length, 0);
});

test('an internal address is not called, even when it was saved before that was forbidden', async () => {
  await practice.addEndpoint('http://169.254.169.254/latest/meta-data');
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  assert.deepEqual((await practice.attempts())[0]?.error_code, 'blocked_address');
});

test('a receiver that asks to be left alone is left alone', async () => {
  await practice.addEndpoint(receiver.url);
  receiver.reply({ status: 429, headers: { 'retry-after': '3600' } });
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  const waitMs = Date.parse((await only()).due_at) - clock.nowMs();
  assert.ok(waitMs > HOUR_MS - 10_000 && waitMs <= HOUR_MS, String(waitMs));
});

test('410 switches the endpoint off at once; switched on again, it gets what it was owed', async () => {
  const endpoint = await practice.addEndpoint(receiver.url);
  receiver.reply(410, 200);
  await practice.record(appointmentUpdated(1, 1));
  await practice.record(appointmentUpdated(1, 2));
  start();
  await until('the endpoint is off', async () => !(await practice.endpoint(endpoint.id)).active);
  const states = async () => (await practice.deliveries()).map(({ state }) => state);
  assert.deepEqual(await states(), ['pending', 'pending']);

  await forAll(practice.db, async (tx) => {
    const found = await findEndpointForUpdate(tx, practice.apiUserId, endpoint.id);
    assert.ok(found);
    await updateEndpoint(tx, found, { active: true }, clock.nowMs());
  });
  wakeups.wake('deliveries');
  await until('all are closed', async () => !(await states()).includes('pending'));
  assert.deepEqual(await states(), ['delivered', 'delivered']);
  assert.deepEqual(sequencesOf(1), [1, 1, 2]);
});

test('what an endpoint that goes off had been owed too long is given up', async () => {
  const endpoint = await practice.addEndpoint(receiver.url);
  receiver.reply(410);
  await practice.record(appointmentUpdated(1, 1), appointmentUpdated(2, 1));
  const [first, second] = await practice.deliveries();
  assert.ok(first && second);
  await forAll(practice.db, (tx) =>
    tx
      .updateTable('delivery')
      .set({
        first_attempt_at: new Date(clock.nowMs() - 49 * HOUR_MS).toISOString(),
        due_at: new Date(clock.nowMs() + HOUR_MS).toISOString(),
      })
      .where('id', '=', second.id)
      .execute(),
  );
  start();
  await until('the endpoint is off', async () => !(await practice.endpoint(endpoint.id)).active);
  assert.deepEqual(
    (await practice.deliveries()).map(({ state }) => state),
    ['pending', 'failed'],
  );
});

test('a later event of a resource waits for the first try of the earlier one, then up to a minute for its success', async () => {
  await practice.addEndpoint(receiver.url);
  receiver.reply(500, 500, 200);
  start();
  await practice.record(appointmentUpdated(1, 1), appointmentUpdated(1, 2), appointmentUpdated(1, 3));
  await practice.record(appointmentUpdated(2, 1));
  wakeups.wake('deliveries');
  await untilAttempts(2);
  const [, , , other] = await practice.deliveries();
  // One fails, and what belongs to another resource is not held up by it, save by the pace of a failing endpoint.
  assert.deepEqual([sequencesOf(1), sequencesOf(2)], [[1], [1]]);
  assert.equal(other?.attempts, 1);

  clock.advance(OVERTAKE_AFTER_MS - 5_000);
  await forAll(practice.db, (tx) =>
    tx
      .updateTable('delivery')
      .set({ due_at: new Date(clock.nowMs() + HOUR_MS).toISOString() })
      .where('attempts', '=', 1)
      .execute(),
  );
  wakeups.wake('deliveries');
  await practice.record(appointmentUpdated(3, 1));
  wakeups.wake('deliveries');
  await receiver.waitFor(() => sequencesOf(3).length === 1);
  assert.deepEqual(sequencesOf(1), [1], 'still waiting');

  clock.advance(6_000);
  wakeups.wake('deliveries');
  await receiver.waitFor(() => sequencesOf(1).length === 3);
  assert.deepEqual(sequencesOf(1), [1, 2, 3]);
  assert.equal((await practice.deliveries())[0]?.state, 'pending', 'the first is still owed');
});

test('no version is sent while one before it has not been tried, or was first tried less than a minute ago and has failed', async () => {
  await practice.addEndpoint(receiver.url);
  start();
  const resources = [1, 2, 3];
  const answers = fc.array(fc.constantFrom(200, 200, 204, 500, 503, 404, 302), { minLength: 8, maxLength: 24 });
  await fc.assert(
    fc.asyncProperty(answers, async (statuses) => {
      receiver.requests.splice(0);
      receiver.reply(...statuses, 200);
      for (const sequence of [1, 2, 3, 4]) {
        await practice.record(...resources.map((id) => appointmentUpdated(id, sequence)));
        wakeups.wake('deliveries');
      }
      await until('everything is delivered', async () => {
        const pending = (await practice.deliveries()).filter(({ state }) => state === 'pending');
        clock.advance(20_000);
        wakeups.wake('deliveries');
        return pending.length === 0;
      });

      const firstTriedMs = new Map<string, number>();
      const delivered = new Set<string>();
      for (const [index, { headers, body }] of receiver.requests.entries()) {
        const { data, sequence } = JSON.parse(body.toString());
        const name = (version: number) => `version ${version} of ${data.appointment.id}`;
        const sentAtMs = Date.parse(String(headers.timestamp));
        for (let earlier = 1; earlier < sequence; earlier += 1) {
          const triedAtMs = firstTriedMs.get(name(earlier));
          assert.ok(triedAtMs !== undefined, `${name(sequence)} before ${name(earlier)} was tried`);
          const waited = delivered.has(name(earlier)) || sentAtMs - triedAtMs >= OVERTAKE_AFTER_MS;
          assert.ok(waited, `${name(sequence)} only ${sentAtMs - triedAtMs} ms after ${name(earlier)}`);
        }
        if (!firstTriedMs.has(name(sequence))) firstTriedMs.set(name(sequence), sentAtMs);
        if ((statuses[index] ?? 200) < 300) delivered.add(name(sequence));
      }
      assert.equal(delivered.size, 12);
      await forAll(practice.db, (tx) => tx.deleteFrom('delivery').execute());
    }),
    { numRuns: 8 },
  );
});

test('a worker that slept through its lease records nothing', async () => {
  await practice.addEndpoint(receiver.url);
  let wakeUp: (status: number) => void = () => {};
  const asleep = new Promise<number>((resolve) => {
    wakeUp = resolve;
  });
  receiver.reply(asleep, 500);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await receiver.waitFor((requests) => requests.length === 1);

  clock.advance(29_000);
  wakeups.wake('deliveries');
  clock.advance(2_000);
  start();
  await untilAttempts(1);
  assert.deepEqual([(await only()).state, (await only()).attempts, (await only()).fence], ['pending', 1, 2]);

  wakeUp(200);
  // The late result is worth something for the endpoint: that shows it has been dealt with.
  await until('the late answer was seen', async () => {
    const [endpoint] = await forAll(practice.db, (tx) => tx.selectFrom('webhook_endpoint').selectAll().execute());
    return endpoint?.failing_since === null;
  });
  assert.deepEqual([(await only()).state, (await only()).attempts], ['pending', 1]);
  assert.equal((await practice.attempts()).length, 1);
});

test('an endpoint that hangs takes four places and no more; others go on', async (t) => {
  const hanging = await startReceiver();
  t.after(() => hanging.close());
  hanging.reply('hang');
  await practice.addEndpoint(hanging.url);
  await practice.addEndpoint(receiver.url);
  start();
  await practice.record(...Array.from({ length: 50 }, (_, index) => appointmentUpdated(index + 1, 1)));
  wakeups.wake('deliveries');
  await receiver.waitFor((requests) => requests.length === 50);
  assert.equal(hanging.requests.length, 4);
});

test('two workers share the work and do nothing twice', async () => {
  await practice.addEndpoint(receiver.url);
  start();
  start();
  await practice.record(...Array.from({ length: 100 }, (_, index) => appointmentUpdated(index + 1, 1)));
  wakeups.wake('deliveries');
  await untilAttempts(100);
  assert.equal(receiver.requests.length, 100);
  assert.equal(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size, 100);
});

test('an endpoint that is deleted while it is being called leaves nothing behind', async () => {
  const endpoint = await practice.addEndpoint(receiver.url);
  let answer: (status: number) => void = () => {};
  receiver.reply(
    new Promise<number>((resolve) => {
      answer = resolve;
    }),
    200,
  );
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await receiver.waitFor((requests) => requests.length === 1);
  assert.ok(await forAll(practice.db, (tx) => deleteEndpoint(tx, practice.apiUserId, endpoint.id)));
  answer(200);
  await practice.addEndpoint(receiver.url);
  await practice.record(appointmentUpdated(2, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  assert.deepEqual(
    (await practice.deliveries()).map(({ resource_id, state }) => [resource_id, state]),
    [[2, 'delivered']],
  );
});

test('sent again, a delivery keeps its id and bytes and is signed anew', async () => {
  await practice.addEndpoint(receiver.url);
  start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await untilAttempts(1);
  clock.advance(HOUR_MS);
  const { id } = await only();
  await forAll(practice.db, (tx) => redeliver(tx, id, clock.nowMs()));
  wakeups.wake('deliveries');
  await untilAttempts(2);
  const [first, second] = receiver.requests;
  assert.ok(first && second);
  assert.deepEqual(second.body, first.body);
  assert.equal(second.headers['webhook-id'], first.headers['webhook-id']);
  assert.notEqual(second.headers.signature, first.headers.signature);
  assert.equal((await only()).state, 'delivered');
});

test('stopped while a receiver hangs, the loop ends at once and the delivery is taken up after the lease', async () => {
  await practice.addEndpoint(receiver.url);
  receiver.reply('hang', 200);
  const loop = start();
  await practice.record(appointmentUpdated(1, 1));
  wakeups.wake('deliveries');
  await receiver.waitFor((requests) => requests.length === 1);
  const startedMs = Date.now();
  await loop.stop(20);
  assert.ok(Date.now() - startedMs < 1_000);
  assert.deepEqual(await practice.attempts(), []);
  clock.advance(31_000);
  start();
  await untilAttempts(1);
  assert.equal((await only()).state, 'delivered');
});
