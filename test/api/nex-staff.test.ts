import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey, createPractice } from '../harness/practice.ts';

let api: Api;
before(async () => {
  api = await startApi();
});
after(() => api.close());

test('the staff are the API users that may speak for the institution', async () => {
  const practice = await createPractice(api.db, 'staffed');
  const own = await createKey(api.db, [practice.institution.id]);
  const both = await createKey(api.db, [practice.institution.id, api.institution.id]);
  await createKey(api.db, [api.institution.id]);
  await forAll(api.db, (tx) =>
    tx
      .updateTable('api_key')
      .set({ revoked_at: '2026-01-01T00:00:00.000Z' })
      .where('api_user_id', '=', both.apiUserId)
      .execute(),
  );
  const list = async (query = '') =>
    (await api.get(`/nex_staff?subdomain=staffed${query}`, { key: own.key, version: 'v3.0.0' })).body;
  const { data, count } = await list();
  assert.equal(count, 2);
  const { north, south } = practice.locations;
  assert.deepEqual(data[0], {
    ...{ id: own.apiUserId, email: '', first_name: 'test', last_name: '' },
    ...{ created_at: data[0].created_at, updated_at: data[0].created_at, patientable: false },
    ...{ inst_ids: [practice.institution.id], unsubscribe_emails: true, inactive: false, unsubscribe_sms: true },
    location_ids: [north, south],
  });
  assert.deepEqual([data[1].id, data[1].inactive, data[1].inst_ids], [both.apiUserId, true, [practice.institution.id]]);
  const ids = async (query: string) => (await list(query)).data.map(({ id }: { id: number }) => id);
  assert.deepEqual(await ids('&inactive=True'), [both.apiUserId]);
  assert.deepEqual(await ids('&page=2&per_page=1'), [both.apiUserId]);
  assert.deepEqual(await ids(`&location_ids[]=${south}`), [own.apiUserId, both.apiUserId]);
  assert.deepEqual(await ids(`&location_ids[]=${api.practice.locations.north}`), []);
});
