/** Providers and hours are told of as their lists show them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { forInstitution } from '../../src/store/database.ts';
import { eventOfProvider, readToldProviders } from '../../src/webhooks/provider.ts';
import { eventOfHours, readToldHours } from '../../src/webhooks/working-hour.ts';
import { type Api, startApi } from '../harness/api.ts';

const NOW_MS = Date.parse('2026-07-01T12:00:00Z');
const VERSIONS = ['v2', 'v3.0.0'] as const;

let api: Api;
before(async () => {
  api = await startApi({ clock: { nowMs: () => NOW_MS } });
});
after(() => api.close());

test('a provider, whatever the version', async () => {
  const { ada, ben, cy } = api.practice.providers;
  const told = await forInstitution(api.db, api.institution.id, (tx) => readToldProviders(tx, [ben, cy, ada]));
  assert.equal(told.size, 3);
  for (const [id, provider] of told) {
    for (const version of VERSIONS) {
      assert.deepEqual((await api.get(`/providers/${id}?subdomain=oak`, { version })).body.data, provider);
    }
    const event = eventOfProvider(provider, 7, 'updated');
    assert.deepEqual(event, {
      ...{ resourceType: 'Provider', resourceId: id, sequence: 7, event: 'provider_updated' },
      data: { provider },
    });
  }
});

test('hours, whatever the version', async () => {
  const { adaHours, benHours } = api.practice.availabilities;
  const told = await forInstitution(api.db, api.institution.id, (tx) =>
    readToldHours(tx, [benHours, adaHours], NOW_MS),
  );
  assert.equal(told.size, 2);
  for (const [id, hours] of told) {
    const path = `/working_hours/${id}?subdomain=oak&include[]=appointment_types`;
    for (const version of VERSIONS) assert.deepEqual((await api.get(path, { version })).body.data, hours);
    const { event, data } = eventOfHours(hours, 1, 'created');
    assert.deepEqual([event, data], ['working_hour_created', { working_hour: hours }]);
  }
});
