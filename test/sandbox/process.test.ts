import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Visit } from '../../sandbox/records.ts';
import { startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

test('what was answered survives kill -9 in the middle of writing', async () => {
  const sandbox = await startSandbox({ seed: SMALL_PRACTICE });
  try {
    const acknowledged: Visit[] = [];
    const writer = (lane: number) => async () => {
      for (let index = 0; ; index += 1) {
        const { body } = await sandbox.call('POST', '/v1/visits', booking((index * 4 + lane) * 60));
        acknowledged.push(body);
        if (acknowledged.length === 60) void sandbox.kill();
      }
    };
    const ends = await Promise.allSettled([0, 1, 2, 3].map((lane) => writer(lane)()));
    assert.ok(ends.every(({ status }) => status === 'rejected') && acknowledged.length >= 60);
    await sandbox.restart();
    const { body } = await sandbox.call('GET', '/v1/visits?limit=1000');
    const kept = new Map(body.items.map((visit: Visit) => [visit.id, visit]));
    for (const visit of acknowledged) assert.deepEqual(kept.get(visit.id), visit);
    assert.ok(body.total <= acknowledged.length + 4);
    const { body: health } = await sandbox.call('GET', '/health');
    const { body: next } = await sandbox.call('POST', '/desk/patients', { first_name: 'After', last_name: 'Wards' });
    assert.equal(next.revision, health.revision + 1);
  } finally {
    await sandbox.stop();
  }
});

test('it ends cleanly when told to, even with a request hanging, and when its parent is gone', async () => {
  const first = await startSandbox({ seed: 'none' });
  await first.fault({ fault: 'hang' });
  const hanging = assert.rejects(first.call('GET', '/v1/sites'));
  while ((await first.call('GET', '/faults')).body.faults[0].times !== null);
  assert.equal(await first.stop(), 0);
  await hanging;

  const second = await startSandbox({ seed: 'none' });
  const closed = once(second.process, 'close');
  second.process.stdin?.end();
  assert.deepEqual(await closed, [0, null]);
  await second.stop();
});

test('the demo is the same every time, and nobody is in two places', async () => {
  const args = ['--seed-now', '2030-03-06T15:00:00Z'];
  const [one, two] = await Promise.all([startSandbox({ args }), startSandbox({ args })]);
  try {
    const read = async (sandbox: typeof one) => {
      const { body } = await sandbox.call('GET', '/v1/visits?limit=1000');
      return body.items.map(({ created_at, updated_at, ...visit }: Visit) => visit) as Visit[];
    };
    const visits = await read(one);
    assert.deepEqual(await read(two), visits);
    assert.equal(visits.length, 350);
    assert.equal((await one.call('GET', '/v1/patients')).body.total, 104);
    for (const resource of ['practitioner_id', 'room_id'] as const) {
      const inOrder = visits.filter((visit) => visit[resource]).sort((a, b) => a.start.localeCompare(b.start));
      const busyUntil = new Map<number | null, string>();
      for (const visit of inOrder) {
        assert.ok(visit.start >= (busyUntil.get(visit[resource]) ?? ''), `${resource} of visit ${visit.id}`);
        busyUntil.set(visit[resource], visit.end);
      }
    }
    const now = '2030-03-06T15:00:00.000Z';
    const states = (from: string, to: string) =>
      new Set(visits.filter(({ start }) => start >= from && start < to).map(({ state }) => state));
    assert.deepEqual([...states('', now)].sort(), ['arrived', 'broken', 'done', 'noshow']);
    assert.deepEqual([...states(now, '9')].sort(), ['broken', 'scheduled']);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
  }
});

test('a seed file can ask for ten thousand visits, and an impossible one says what is wrong', async () => {
  const week = (['mon', 'tue', 'wed', 'thu', 'fri'] as const).flatMap((weekday) =>
    [11, 12].map((practitionerId) => ({
      site_id: 1,
      practitioner_id: practitionerId,
      weekday,
      opens: '08:00',
      closes: '17:00',
    })),
  );
  const generate = [{ site_id: 1, patients: 2_000, visits: 10_000 }];
  const big = await startSandbox({ seed: { ...SMALL_PRACTICE, schedules: week, generate } });
  try {
    const { body } = await big.call('GET', '/v1/visits?limit=1');
    assert.equal(body.total, 10_000);
  } finally {
    await big.stop();
  }
  const broken = startSandbox({ seed: { ...SMALL_PRACTICE, generate: [{ site_id: 9, patients: 1, visits: 0 }] } });
  await assert.rejects(broken, /There is no site 9/);
  const misspelt = startSandbox({ seed: { rooms: [{ id: 1, colour: 'red' } as object] } });
  await assert.rejects(misspelt, /rooms\[0\] of the seed: rooms have no field "colour"/);
});
