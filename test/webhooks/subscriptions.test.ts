/** What sets subscriptions apart: the version they were made under, and whether they have an institution. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { forAll, forInstitution } from '../../src/store/database.ts';
import type { Version } from '../../src/views/version.ts';
import { recordEvents } from '../../src/webhooks/event.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey } from '../harness/practice.ts';

let api: Api;
before(async () => {
  api = await startApi();
});
after(() => api.close());

const register = async (): Promise<number> =>
  (await api.post('/webhook_endpoints', { body: { target_url: 'https://receiver.example/' } })).body.data.id;
const pathOf = (endpointId: number) => `/webhook_endpoints/${endpointId}/webhook_subscriptions`;

test('one endpoint hears of an event in the shape of each of its subscriptions, which they keep', async () => {
  const from = await register();
  const to = await register();
  const body = { resource_type: 'Patient', event: 'patient_updated' };
  const move = async (version: Version) => {
    const { data } = (await api.post(`${pathOf(from)}?subdomain=oak`, { body, version })).body;
    const url = `${pathOf(from)}/${data.id}?subdomain=oak`;
    const change = { active: true, new_endpoint_id: to };
    // Changed under the other version.
    const moved = await api.patch(url, { body: change, version: version === 'v2' ? 'v3.0.0' : 'v2' });
    assert.equal(moved.status, 200);
  };
  await move('v2');
  await move('v3.0.0');

  const patients = (fields: object) => ({ patients: [{ id: 5, ...fields }] });
  const event = { resourceType: 'Patient', resourceId: 5, sequence: 1, event: 'patient_updated' };
  await forInstitution(api.db, api.institution.id, (tx) =>
    recordEvents(tx, api.institution.id, [
      { ...event, data: patients({ location_ids: [1] }), dataV3: patients({ provider_id: null }) },
    ]),
  );
  const deliveries = await forAll(api.db, (tx) =>
    tx.selectFrom('delivery').select(['endpoint_id', 'body']).orderBy('id').execute(),
  );
  assert.deepEqual(
    deliveries.map((delivery) => [delivery.endpoint_id, JSON.parse(delivery.body).data]),
    [
      [to, patients({ location_ids: [1] })],
      [to, patients({ provider_id: null })],
    ],
  );
  const shown = async (version: Version) =>
    (await api.get('/events?subdomain=oak&per_page=1000', { version })).body.data.at(-1).data;
  assert.deepEqual(await shown('v2'), patients({ location_ids: [1] }));
  assert.deepEqual(await shown('v3.0.0'), patients({ provider_id: null }));
});

test('a subscription to onboardings is about no institution', async () => {
  const id = await register();
  const other = await register();
  const body = { resource_type: 'onboarding', event: 'onboarding_updated' };
  const made = await api.post(pathOf(id), { body });
  assert.deepEqual([made.status, made.body.data.institution_id], [201, null]);
  const again = await api.post(`${pathOf(id)}?subdomain=oak`, { body });
  assert.deepEqual([again.status, again.body.data.id], [201, made.body.data.id], 'a subdomain counts for nothing');
  const patients = { resource_type: 'Patient', event: 'patient_created' };
  const refused = await api.post(pathOf(id), { body: patients });
  assert.deepEqual([refused.status, refused.body.error], [400, ['Missing parameter subdomain']]);
  await api.post(`${pathOf(id)}?subdomain=oak`, { body: patients });

  const types = async (suffix: string) =>
    (await api.get(`${pathOf(id)}${suffix}`)).body.data.map((one: { resource_type: string }) => one.resource_type);
  assert.deepEqual(await types(''), ['Onboarding', 'Patient']);
  assert.deepEqual(await types('?subdomain=oak'), ['Patient']);

  const own = `${pathOf(id)}/${made.body.data.id}`;
  assert.equal((await api.patch(own, { body: { active: false } })).body.data.active, false);
  assert.equal((await api.patch(`${own}?subdomain=oak`, { body: { active: true } })).body.data.active, true);
  const twin = await api.post(pathOf(other), { body });
  assert.notEqual(twin.body.data.id, made.body.data.id);
  assert.equal((await api.patch(own, { body: { new_endpoint_id: other } })).status, 400, 'it has one already');
  const { key } = await createKey(api.db, [api.institution.id]);
  assert.equal((await api.patch(own, { key, body: { active: false } })).status, 404, 'changed by a colleague');
  assert.equal((await api.delete(own, { key })).status, 404, 'ended by a colleague');
  assert.equal((await api.delete(own)).status, 204);
});
