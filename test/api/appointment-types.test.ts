import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';

const scope = 'subdomain=oak';

suite('appointment types', () => {
  let api: Api;

  before(async () => {
    api = await startApi();
  });
  after(() => api.close());

  const create = (fields: object, query = scope) =>
    api.post(`/appointment_types?${query}`, { body: { appointment_type: { minutes: 30, ...fields } } });
  const names = async (query: string) =>
    (await api.get(`/appointment_types?${query}`)).body.data.map((one: { name: string }) => one.name);

  test('are listed whole, or as one location has them', async () => {
    const { north, south } = api.practice.locations;
    assert.deepEqual(await names(scope), ['Cleaning', 'Exam', 'Surgery']);
    assert.deepEqual(await names(`${scope}&location_id=${north}`), ['Cleaning', 'Exam']);
    assert.deepEqual(await names(`${scope}&location_id=${south}`), ['Cleaning', 'Exam', 'Surgery']);
    const { body } = await api.get(`/appointment_types?${scope}`, { version: null });
    assert.deepEqual(Object.keys(body.data[2]), [
      'id',
      'name',
      'parent_type',
      'parent_id',
      'minutes',
      'bookable_online',
    ]);
    assert.deepEqual([body.data[2].parent_type, body.data[2].parent_id], ['Location', south]);
    assert.deepEqual([body.data[0].parent_type, body.data[0].parent_id], ['Institution', api.institution.id]);
    assert.equal(body.count, 3);
  });

  test('carry descriptors and providers on request', async () => {
    const { body } = await api.get(`/appointment_types?${scope}&include[]=descriptors&include[]=providers`);
    const [cleaning, exam] = body.data;
    assert.deepEqual(
      cleaning.descriptors.map((one: { code: string }) => one.code),
      ['D1110'],
    );
    assert.deepEqual(
      cleaning.providers.map((one: { name: string }) => one.name),
      ['Ada Alder'],
    );
    assert.deepEqual([exam.descriptors, exam.providers], [[], []]);
  });

  test('are created, changed and deleted', async () => {
    const { examCode, cleaningCode } = api.practice.descriptors;
    const { south } = api.practice.locations;
    const created = await create({ name: ' Filling ', emr_appt_descriptor_ids: [examCode, examCode] });
    assert.equal(created.status, 201);
    const { id } = created.body.data;
    assert.deepEqual(created.body.data, {
      id,
      name: 'Filling',
      parent_type: 'Institution',
      parent_id: api.institution.id,
      minutes: 30,
      bookable_online: true,
    });
    const path = `/appointment_types/${id}?${scope}`;
    const descriptors = async () =>
      (await api.get(`/appointment_types/${id}/appointment_descriptors?${scope}`)).body.data.map(
        (one: { id: number }) => one.id,
      );
    assert.deepEqual(await descriptors(), [examCode]);

    const patch = (fields: object) => api.patch(path, { body: { appointment_type: fields } });
    assert.equal((await patch({ minutes: '45', bookable_online: 'False' })).body.data.minutes, 45);
    assert.deepEqual(await descriptors(), [examCode], 'a change that says nothing of descriptors leaves them');
    await patch({ emr_appt_descriptor_ids: [cleaningCode] });
    assert.deepEqual(await descriptors(), [cleaningCode], 'a list replaces the one before');
    await patch({ emr_appt_descriptor_ids: [] });
    assert.deepEqual(await descriptors(), []);
    const moved = await patch({ parent_type: 'Location', parent_id: south });
    assert.deepEqual([moved.body.data.parent_type, moved.body.data.parent_id], ['Location', south]);
    assert.equal((await api.get(`${path}&location_id=${api.practice.locations.north}`)).status, 404);

    const deleted = await api.delete(path);
    assert.deepEqual(
      [deleted.status, deleted.body.data.name, deleted.body.data.bookable_online],
      [200, 'Filling', false],
    );
    assert.equal((await api.get(path)).status, 404);
    assert.equal((await api.delete(path)).status, 404);
  });

  test('have names of their own within the institution or location, in any case', async () => {
    const { south } = api.practice.locations;
    const taken = ['Name has already been taken'];
    assert.deepEqual((await create({ name: 'cleaning' })).body.error, taken);
    const inSouth = { name: 'cleaning', parent_type: 'Location', parent_id: south };
    const first = await create(inSouth);
    assert.equal(first.status, 201);
    assert.deepEqual((await create(inSouth)).body.error, taken);
    const renamed = await api.patch(`/appointment_types/${first.body.data.id}?${scope}`, {
      body: { appointment_type: { name: 'SURGERY' } },
    });
    assert.deepEqual([renamed.status, renamed.body.error], [400, taken]);
    const race = await Promise.all(Array.from({ length: 6 }, () => create({ name: 'Raced' })));
    assert.deepEqual(race.map((one) => one.status).sort(), [201, 400, 400, 400, 400, 400]);
  });

  test('say what is missing or out of bounds', async () => {
    const bare = await api.post(`/appointment_types?${scope}`, { body: {} });
    assert.deepEqual(bare.body.error, ['Missing parameter appointment_type']);
    const location = await create({ name: 'X', parent_type: 'Location' });
    assert.deepEqual(location.body.error, ['Missing parameter appointment_type[parent_id]']);
    for (const minutes of [0, 1441, 7.5, '1e2']) assert.equal((await create({ name: 'X', minutes })).status, 400);
  });

  test('ask for a location where they belong to locations', async () => {
    const scoped = (on: boolean) =>
      forAll(api.db, (tx) =>
        tx
          .updateTable('institution')
          .set({ appointment_types_location_scoped: on })
          .where('id', '=', api.institution.id)
          .execute(),
      );
    await scoped(true);
    const { north } = api.practice.locations;
    assert.deepEqual((await api.get(`/appointment_types?${scope}`)).body.error, ['Missing parameter location_id']);
    assert.deepEqual((await create({ name: 'Scoped' })).body.error, ['Missing parameter location_id']);
    const { data } = (await create({ name: 'Scoped' }, `${scope}&location_id=${north}`)).body;
    assert.deepEqual([data.parent_type, data.parent_id], ['Location', north]);
    await scoped(false);
  });

  test('answer under their old name too', async () => {
    const created = await api.post(`/appointment_categories?${scope}`, {
      body: { appointment_category: { name: 'Old', minutes: 20 } },
    });
    assert.equal(created.status, 201);
    const { id } = created.body.data;
    assert.deepEqual((await api.get(`/appointment_categories/${id}?${scope}`)).body, {
      ...(await api.get(`/appointment_types/${id}?${scope}`)).body,
    });
    assert.ok((await names(scope)).includes('Old'));
    const bare = await api.post(`/appointment_categories?${scope}`, { body: {} });
    assert.deepEqual(bare.body.error, ['Missing parameter appointment_category']);
    assert.equal((await api.delete(`/appointment_categories/${id}?${scope}`)).status, 200);
    assert.equal((await names(scope)).includes('Old'), false);
  });
});
