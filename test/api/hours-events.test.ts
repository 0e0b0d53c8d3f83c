/** What the log and the subscriptions hear of hours that are stored, changed and deleted by the API. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import type { Version } from '../../src/views/version.ts';
import { type Api, startApi } from '../harness/api.ts';

suite('events of hours', () => {
  let api: Api;
  let scope: string;
  let position = 0;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse('2026-07-01T12:00:00Z') } });
    scope = `subdomain=oak&location_id=${api.practice.locations.north}`;
  });
  after(() => api.close());
  beforeEach(() => news());

  const fields = (more: object = {}) => ({
    provider_id: api.practice.providers.ada,
    begin_time: '09:00',
    end_time: '12:00',
    days: ['Monday'],
    ...more,
  });
  /** Events since the last call. */
  // biome-ignore lint/suspicious/noExplicitAny: the data of an event has the shape the test asserts.
  const news = async (version: Version = 'v2'): Promise<any[]> => {
    const { body } = await api.get(`/events?subdomain=oak&after=${position}`, { version });
    position = body.data.at(-1)?.position ?? position;
    return body.data;
  };
  const create = async (more: object = {}) =>
    (await api.post(`/working_hours?${scope}`, { body: { working_hour: fields(more) } })).body.data;

  for (const [path, wrapper] of [
    ['/working_hours', 'working_hour'],
    ['/availabilities', 'availability'],
  ] as const) {
    for (const version of ['v2', 'v3.0.0'] as const) {
      test(`${path} under ${version}: one shape, whatever was asked`, async () => {
        const { exam } = api.practice.types;
        const body = { [wrapper]: fields({ appointment_type_ids: [exam] }) };
        const { id } = (await api.post(`${path}?${scope}`, { version, body })).body.data;
        const one = `${path}/${id}?subdomain=oak`;
        const shown = (await api.get(`/working_hours/${id}?subdomain=oak&include[]=appointment_types`)).body.data;
        await api.patch(one, { version, body: { [wrapper]: { end_time: '13:00' } } });
        assert.equal((await api.delete(one, { version })).status, 204);
        const events = await news(version);
        assert.deepEqual(
          events.map(({ event_name, resource_type, sequence, data }) => [event_name, resource_type, sequence, data]),
          [
            ['working_hour_created', 'WorkingHour', 1, { working_hour: shown }],
            ['working_hour_updated', 'WorkingHour', 2, { working_hour: { ...shown, end_time: '13:00' } }],
            [
              'working_hour_updated',
              'WorkingHour',
              3,
              { working_hour: { ...shown, end_time: '13:00', active: false } },
            ],
          ],
        );
      });
    }
  }

  test('a change of nothing is none, and what is refused never happened', async () => {
    const { id } = await create();
    const path = `/working_hours/${id}?subdomain=oak`;
    await news();
    for (const same of [{}, { end_time: '12:00' }, { days: ['Monday'], active: true }, { appointment_type_ids: [] }]) {
      assert.equal((await api.patch(path, { body: { working_hour: same } })).status, 200);
    }
    assert.equal((await api.patch(path, { body: { working_hour: { end_time: '09:00' } } })).status, 400);
    const unknown = { end_time: '13:00', appointment_type_ids: [999_999] };
    assert.equal((await api.patch(path, { body: { working_hour: unknown } })).status, 404);
    assert.equal((await api.post(`/working_hours?${scope}`, { body: { working_hour: {} } })).status, 400);
    const { benHours } = api.practice.availabilities;
    assert.equal((await api.delete(`/working_hours/${benHours}?subdomain=oak`)).status, 400);
    assert.deepEqual(await news(), []);
    await api.patch(path, { body: { working_hour: { active: false } } });
    const [event, ...others] = await news();
    assert.deepEqual([event.event_name, event.data.working_hour.active, others], ['working_hour_updated', false, []]);
  });

  test('the types that hours of the HRS carry are ours to change, and to tell of', async () => {
    const { benHours } = api.practice.availabilities;
    const body = { working_hour: { appointment_type_ids: [api.practice.types.exam] } };
    assert.equal((await api.patch(`/working_hours/${benHours}?subdomain=oak`, { body })).status, 200);
    const [event] = await news();
    assert.deepEqual(
      [event.resource_id, event.data.working_hour.source, event.data.working_hour.appointment_types[0].name],
      [benHours, 'synced', 'Exam'],
    );
  });

  test('each subscription gets the same, under either version, and at once', async () => {
    const endpoint = await api.post('/webhook_endpoints', { body: { target_url: 'https://receiver.example/' } });
    const subscriptions = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?subdomain=oak`;
    const body = { resource_type: 'WorkingHour', event: 'working_hour_created' };
    for (const version of ['v2', 'v3.0.0'] as const) {
      assert.equal((await api.post(subscriptions, { version, body })).status, 201);
    }
    let woken = 0;
    const stop = api.services.wakeups.on('deliveries', () => {
      woken += 1;
    });
    const { id } = await create();
    stop();
    assert.equal(woken, 1);
    const deliveries = await forAll(api.db, (tx) => tx.selectFrom('delivery').select('body').execute());
    const [one, two] = deliveries.map((delivery) => JSON.parse(delivery.body).data);
    assert.equal(one.working_hour.id, id);
    assert.deepEqual(one, two);
  });
});
