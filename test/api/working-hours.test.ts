import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Api, type RequestOptions, startApi } from '../harness/api.ts';
import { createPractice } from '../harness/practice.ts';
import { addHours, addLabel, queryText } from './schedule.ts';

/** What is the same for both names of stored hours is tried in `availabilities.test.ts`. */
suite('working hours', () => {
  let api: Api;
  let north: string;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse('2026-07-01T12:00:00Z') } });
    north = `subdomain=oak&location_id=${api.practice.locations.north}`;
  });
  after(() => api.close());

  const v3 = { version: 'v3.0.0' } as const;
  const fields = (more: object = {}) => ({
    provider_id: api.practice.providers.ada,
    begin_time: '09:00',
    end_time: '12:00',
    days: ['Monday'],
    ...more,
  });
  const create = (more: object = {}, options: RequestOptions = v3) =>
    api.post(`/working_hours?${north}`, { ...options, body: { working_hour: fields(more) } });
  const ids = async (asked: Parameters<typeof queryText>[0]) => {
    const query = queryText({ subdomain: 'oak', location_id: api.practice.locations.north, per_page: 1000, ...asked });
    return (await api.get(`/working_hours?${query}`, v3)).body.data.map((one: { id: number }) => one.id);
  };

  test('are created, shown, changed and deleted in their own shape', async () => {
    const { status, body } = await create({ end_time: '24:00' });
    assert.equal(status, 201);
    const { id } = body.data;
    const path = `/working_hours/${id}?subdomain=oak`;
    assert.deepEqual(body.data, {
      id,
      provider_id: api.practice.providers.ada,
      location_id: api.practice.locations.north,
      operatory_id: null,
      begin_time: '09:00',
      end_time: '24:00',
      days: ['Monday'],
      specific_date: null,
      custom_recurrence: null,
      tz_offset: '-0400',
      active: true,
      source: 'manual',
      label: null,
    });
    assert.deepEqual((await api.get(path, v3)).body.data, body.data);
    const custom_recurrence = { num: 3, unit: 'day', ref: '2026-01-05' };
    const { exam } = api.practice.types;
    const changed = await api.patch(path, {
      ...v3,
      body: { working_hour: { custom_recurrence, appointment_type_ids: [exam] } },
    });
    assert.deepEqual(
      [changed.status, changed.body.data.days, changed.body.data.custom_recurrence],
      [200, [], custom_recurrence],
    );
    assert.deepEqual(
      changed.body.data.appointment_types.map((one: { id: number }) => one.id),
      [exam],
    );
    const cleared = await api.patch(path, { ...v3, body: { working_hour: { appointment_type_ids: [] } } });
    assert.deepEqual(cleared.body.data.appointment_types, []);
    const gone = await api.delete(path, v3);
    assert.deepEqual([gone.status, gone.text], [204, '']);
    assert.equal((await api.get(path, v3)).status, 404);
  });

  test('are told in the words of their own path', async () => {
    const bare = await api.post(`/working_hours?${north}`, { ...v3, body: {} });
    assert.deepEqual([bare.status, bare.body.error], [400, ['Missing parameter working_hour']]);
    const empty = await api.post(`/working_hours?${north}`, { ...v3, body: { working_hour: {} } });
    assert.deepEqual(empty.body.error, [
      'Missing parameter working_hour[provider_id]',
      'Missing parameter working_hour[begin_time]',
      'Missing parameter working_hour[end_time]',
    ]);
    const other = await api.post(`/working_hours?${north}`, { ...v3, body: { availability: fields() } });
    assert.deepEqual(other.body.error, ['Missing parameter working_hour']);
    const short = await create({ end_time: '09:00' });
    assert.deepEqual(short.body.error, ['Invalid parameter working_hour[end_time]: must differ from begin_time']);
    const both = await create({ specific_date: '2026-12-24' });
    assert.deepEqual(both.body.error, [
      'Invalid parameter working_hour: must have exactly one of days, specific_date and custom_recurrence',
    ]);
    const { locations, providers, availabilities } = api.practice;
    const noRoom = await api.post(`/working_hours?subdomain=oak&location_id=${locations.south}`, {
      ...v3,
      body: { working_hour: fields({ provider_id: providers.ben }) },
    });
    assert.deepEqual(noRoom.body.error, [
      'Missing parameter working_hour[operatory_id]: this location books by operatory',
    ]);
    const synced = await api.delete(`/working_hours/${availabilities.benHours}?subdomain=oak`, v3);
    assert.deepEqual(synced.body.error, [
      'Cannot change a synced working hour: it is kept in the health record system',
    ]);
  });

  test('are the same rows as availabilities: each path keeps its shape and wrapper in either version', async () => {
    for (const version of ['v2', 'v3.0.0'] as const) {
      const made = await create({}, { version });
      assert.equal(made.status, 201, made.text);
      const { id } = made.body.data;
      const hour = (await api.get(`/working_hours/${id}?subdomain=oak`, { version })).body.data;
      assert.deepEqual([hour.source, hour.label, 'synced' in hour], ['manual', null, false]);
      const path = `/availabilities/${id}?subdomain=oak`;
      const availability = (await api.get(path, { version })).body.data;
      assert.deepEqual([availability.synced, 'source' in availability, 'label' in availability], [false, false, false]);
      const { begin_time } = (await api.patch(path, { version, body: { availability: { begin_time: '08:00' } } })).body
        .data;
      assert.equal(begin_time, '08:00');
      const list = await api.get(`/availabilities?${north}&per_page=1000`, { version });
      assert.ok(list.body.data.some((one: { id: number }) => one.id === id));
      assert.equal((await api.delete(path, { version })).status, 204);
    }
  });

  test('are listed by source, label, date and activity', async () => {
    const { ada } = api.practice.providers;
    const label = await addLabel(api, 'Surgery');
    const labelled = await addHours(api, ada, { label_id: label });
    const synced = await addHours(api, ada, { source: 'synced', foreign_id: 'H7' });
    const past = await addHours(api, ada, { specific_date: '2026-06-30' });
    const off = await addHours(api, ada, { active: false });
    const all = await ids({});
    for (const id of [labelled, synced, past]) assert.ok(all.includes(id));
    assert.ok(!all.includes(off));
    assert.deepEqual(await ids({ active: false }), [off]);
    assert.deepEqual(await ids({ label_id: label }), [labelled]);
    assert.deepEqual(await ids({ source: 'synced' }), [synced]);
    assert.deepEqual(
      await ids({ source: 'manual' }),
      all.filter((id: number) => id !== synced),
    );
    assert.ok(!(await ids({ ignore_past_dates: 'True' })).includes(past));
    const { body } = await api.get(`/working_hours/${labelled}?subdomain=oak`, v3);
    assert.deepEqual(body.data.label, { id: label, location_id: api.practice.locations.north, name: 'Surgery' });
    const refused = await api.get(`/working_hours?${north}&source=imported`, v3);
    assert.deepEqual(refused.body.error, ['Invalid parameter source: must be one of manual, synced']);
  });

  test('are read to the end by cursor', async () => {
    const all = await ids({});
    const found: number[] = [];
    let cursor = '';
    do {
      const { body } = await api.get(`/working_hours?${north}&per_page=2${cursor}`, v3);
      found.push(...body.data.map((one: { id: number }) => one.id));
      cursor = body.page_info.has_next_page ? `&end_cursor=${body.page_info.end_cursor}` : '';
    } while (cursor !== '');
    assert.deepEqual(found, all);
  });

  test('have labels of their location and labels that count everywhere', async () => {
    const { south } = api.practice.locations;
    const name = 'Percent 100%';
    const here = await addLabel(api, `${name} here`);
    const there = await addLabel(api, `${name} there`, { location_id: south });
    const everywhere = await addLabel(api, `${name} everywhere`, { location_id: null, active: false });
    const other = await createPractice(api.db, 'elm');
    await addLabel(api, `${name} elsewhere`, {
      institution_id: other.institution.id,
      connection_id: other.connection.id,
      location_id: null,
    });
    const labels = async (asked: Parameters<typeof queryText>[0]) => {
      const query = queryText({ subdomain: 'oak', per_page: 100, search_name: '100% ', ...asked });
      const { status, body, text } = await api.get(`/working_hour_labels?${query}`, v3);
      assert.equal(status, 200, text);
      return body.data;
    };
    assert.deepEqual(await labels({ search_name: '100% HERE' }), [
      { id: here, location_id: api.practice.locations.north, name: `${name} here` },
    ]);
    const idsOf = async (asked: Parameters<typeof queryText>[0]) =>
      (await labels(asked)).map((one: { id: number }) => one.id);
    assert.deepEqual(await idsOf({}), [here, there, everywhere]);
    assert.deepEqual(await idsOf({ location_id: south }), [there, everywhere]);
    assert.deepEqual(await idsOf({ active: true }), [here, there]);
    assert.deepEqual(await idsOf({ active: 'False' }), [everywhere]);
    const page = await api.get('/working_hour_labels?subdomain=oak&search_name=percent&per_page=1', v3);
    const next = `end_cursor=${page.body.page_info.end_cursor}`;
    const second = await api.get(`/working_hour_labels?subdomain=oak&search_name=percent&per_page=1&${next}`, v3);
    assert.deepEqual([page.body.data[0].id, second.body.data[0].id], [here, there]);
    const foreign = await api.get(`/working_hour_labels?subdomain=oak&location_id=${other.locations.north}`, v3);
    assert.deepEqual([foreign.status, foreign.body.error], [404, ['Resource not found']]);
  });
});
