import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { minuteOfDayText, parseMinuteOfDay } from '../../src/domain/minute-of-day.ts';
import { type Api, startApi } from '../harness/api.ts';

suite('availabilities', () => {
  let api: Api;
  let north: string;
  let south: string;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse('2026-07-01T12:00:00Z') } });
    north = `subdomain=oak&location_id=${api.practice.locations.north}`;
    south = `subdomain=oak&location_id=${api.practice.locations.south}`;
  });
  after(() => api.close());

  const hours = (fields: object = {}) => ({
    availability: {
      provider_id: api.practice.providers.ada,
      begin_time: '09:00',
      end_time: '12:00',
      days: ['Monday'],
      ...fields,
    },
  });
  const create = (fields: object = {}, scope = north) => api.post(`/availabilities?${scope}`, { body: hours(fields) });
  const patch = (id: number, fields: object) =>
    api.patch(`/availabilities/${id}?subdomain=oak`, { body: { availability: fields } });
  const ids = async (query: string) =>
    (await api.get(`/availabilities?${query}&per_page=1000`)).body.data.map((one: { id: number }) => one.id);

  test('need a subdomain, a location and their wrapper', async () => {
    assert.deepEqual((await api.get('/availabilities')).body.error, [
      'Missing parameter subdomain',
      'Missing parameter location_id',
    ]);
    assert.deepEqual((await api.get(`/availabilities?${north.split('&')[1]}`)).body.error, [
      'Missing parameter subdomain',
    ]);
    const bare = await api.post('/availabilities?subdomain=oak', { body: {} });
    assert.deepEqual(bare.body.error, ['Missing parameter location_id', 'Missing parameter availability']);
  });

  test('are created by weekday, with every field', async () => {
    const { status, body } = await create({ begin_time: '9:00', days: ['monday', 'Sunday'] });
    assert.equal(status, 201);
    const { id } = body.data;
    assert.deepEqual(body.data, {
      id,
      provider_id: api.practice.providers.ada,
      location_id: api.practice.locations.north,
      operatory_id: null,
      begin_time: '09:00',
      end_time: '12:00',
      days: ['Sunday', 'Monday'],
      specific_date: null,
      custom_recurrence: null,
      tz_offset: '-0400',
      active: true,
      synced: false,
    });
    assert.deepEqual((await api.get(`/availabilities/${id}?subdomain=oak`)).body.data, body.data);
  });

  test('are created for a date, or by a recurrence, up to the end of the day', async () => {
    const date = (await create({ days: undefined, specific_date: '2026-12-24', end_time: '24:00' })).body.data;
    assert.deepEqual([date.specific_date, date.days, date.end_time], ['2026-12-24', [], '24:00']);
    const custom_recurrence = { num: 2, unit: 'week', ref: '2026-01-05' };
    const recurring = (await create({ days: null, custom_recurrence })).body.data;
    assert.deepEqual([recurring.custom_recurrence, recurring.days], [custom_recurrence, []]);
    const night = (await create({ begin_time: '22:00', end_time: '06:00' })).body.data;
    assert.deepEqual([night.begin_time, night.end_time], ['22:00', '06:00']);
  });

  test('occur by exactly one rule', async () => {
    const message =
      'Invalid parameter availability: must have exactly one of days, specific_date and custom_recurrence';
    const both = { specific_date: '2026-12-24' };
    for (const fields of [both, { days: undefined }, { days: [] }]) {
      const { status, body } = await create(fields);
      assert.deepEqual([status, body.error], [400, [message]]);
    }
    const { id } = (await create()).body.data;
    const changed = await patch(id, { days: ['Friday'], specific_date: '2026-12-24' });
    assert.match(changed.body.error[0], /must have at most one of/);
    const dated = (await patch(id, { specific_date: '2026-12-24' })).body.data;
    assert.deepEqual([dated.specific_date, dated.days], ['2026-12-24', []]);
    const weekly = (await patch(id, { days: ['Friday'] })).body.data;
    assert.deepEqual([weekly.specific_date, weekly.days], [null, ['Friday']]);
    const moved = (await patch(id, { begin_time: '10:00' })).body.data;
    assert.deepEqual([moved.begin_time, moved.end_time, moved.days], ['10:00', '12:00', ['Friday']]);
  });

  const refused: [string, object, RegExp][] = [
    ['a begin at 24:00', { begin_time: '24:00' }, /availability\[begin_time\]: must be a time from 00:00 to 23:59/],
    ['an end at 00:00', { end_time: '00:00' }, /availability\[end_time\]: must be a time from 00:01 to 24:00/],
    ['no length', { end_time: '09:00' }, /availability\[end_time\]: must differ from begin_time/],
    ['a half minute', { begin_time: '09:00:30' }, /begin_time/],
    ['a day nobody knows', { days: ['Caturday'] }, /availability\[days\]\[0\]: must be one of Sunday, Monday/],
    ['30 February', { days: null, specific_date: '2026-02-30' }, /must be a date that exists/],
    ['every 0 weeks', { days: null, custom_recurrence: { num: 0, unit: 'week', ref: '2026-01-05' } }, /at least 1/],
    ['every year', { days: null, custom_recurrence: { num: 1, unit: 'year', ref: '2026-01-05' } }, /day, week, month/],
  ];
  for (const [what, fields, message] of refused) {
    test(`are refused with ${what}`, async () => {
      const { status, body } = await create(fields);
      assert.equal(status, 400);
      assert.match(body.error[0], message);
    });
  }

  test('fit their location: its providers, its operatories, its types', async () => {
    const { ada, ben } = api.practice.providers;
    const { roomSouth, roomNorth } = api.practice.operatories;
    const elsewhere = await create({ provider_id: ada, operatory_id: roomSouth }, south);
    assert.match(elsewhere.body.error[0], /provider_id\]: must be a provider of this location/);
    const wrongRoom = await create({ provider_id: ben, operatory_id: roomNorth }, south);
    assert.match(wrongRoom.body.error[0], /operatory_id\]: must be an operatory of this location/);
    const noRoom = await create({ provider_id: ben }, south);
    assert.deepEqual(
      [noRoom.status, noRoom.headers.get('openchair-error-code'), noRoom.body.error[0]],
      [400, 'operatory_required', 'Missing parameter availability[operatory_id]: this location books by operatory'],
    );
    const wrongType = await create({ appointment_type_ids: [api.practice.types.southOnly] });
    assert.match(wrongType.body.error[0], /appointment_type_ids\]: must be appointment types of this location/);
    const fits = await create({ provider_id: ben, operatory_id: roomSouth }, south);
    assert.equal(fits.status, 201);
    const cleared = await patch(fits.body.data.id, { operatory_id: null });
    assert.equal(cleared.headers.get('openchair-error-code'), 'operatory_required');
  });

  test('carry their types where types were spoken of', async () => {
    const { cleaning, exam } = api.practice.types;
    const typesOf = (data: { appointment_types?: { id: number }[] }) => data.appointment_types?.map((one) => one.id);
    const created = (await create({ appointment_type_ids: [exam, cleaning, exam] })).body.data;
    assert.deepEqual(typesOf(created), [cleaning, exam]);
    const path = `/availabilities/${created.id}?subdomain=oak`;
    assert.equal(typesOf((await api.get(path)).body.data), undefined);
    assert.deepEqual(typesOf((await api.get(`${path}&include[]=appointment_types`)).body.data), [cleaning, exam]);
    assert.equal(typesOf((await patch(created.id, { active: true })).body.data), undefined);
    assert.deepEqual(typesOf((await patch(created.id, { appointment_category_ids: [exam] })).body.data), [exam]);
    assert.deepEqual(typesOf((await patch(created.id, { appointment_type_ids: [] })).body.data), []);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    await patch(created.id, { appointment_type_ids: [exam] });
    const form = await api.patch(path, { body: 'availability[appointment_type_ids][]=', headers });
    assert.deepEqual(typesOf(form.body.data), [], 'the empty list of a form');
  });

  test('are listed by provider, operatory, activity and date', async () => {
    const { ada, ben } = api.practice.providers;
    const { roomSouth } = api.practice.operatories;
    const past = (await create({ days: null, specific_date: '2026-06-30' })).body.data.id;
    const today = (await create({ days: null, specific_date: '2026-07-01' })).body.data.id;
    const off = (await create({ active: false })).body.data.id;
    const all = await ids(north);
    assert.ok(all.includes(past) && all.includes(today) && !all.includes(off));
    assert.deepEqual(await ids(`${north}&active=false`), [off]);
    const upcoming = await ids(`${north}&ignore_past_dates=true`);
    assert.ok(!upcoming.includes(past) && upcoming.includes(today));
    assert.deepEqual(await ids(`${north}&provider_id=${ben}`), []);
    assert.equal((await ids(`${north}&provider_id=${ada}`)).length, all.length);
    assert.ok((await ids(`${south}&operatory_id=${roomSouth}`)).includes(api.practice.availabilities.benHours));
    const page = await api.get(`/availabilities?${north}&per_page=2&page=2`);
    assert.deepEqual([page.body.data[0].id, page.body.count], [all[2], all.length]);
  });

  test('read from the HRS are not changed here', async () => {
    const { benHours } = api.practice.availabilities;
    const path = `/availabilities/${benHours}?subdomain=oak`;
    const before = (await api.get(path)).body.data;
    assert.deepEqual([before.synced, before.end_time], [true, '24:00']);
    for (const answer of [await patch(benHours, { active: false }), await api.delete(path)]) {
      assert.deepEqual([answer.status, answer.headers.get('openchair-error-code')], [400, 'not_editable']);
    }
    assert.deepEqual((await api.get(path)).body.data, before);
    // Which types they serve is not the HRS's to say.
    const { exam } = api.practice.types;
    const typed = await patch(benHours, { appointment_type_ids: [exam] });
    assert.deepEqual(
      [typed.status, typed.body.data.appointment_types.map((one: { id: number }) => one.id)],
      [200, [exam]],
    );
    assert.equal((await patch(benHours, { appointment_type_ids: [] })).status, 200);
  });

  test('are deleted with 204 and nothing else', async () => {
    const { id } = (await create()).body.data;
    const path = `/availabilities/${id}?subdomain=oak`;
    const { status, text } = await api.delete(path);
    assert.deepEqual([status, text], [204, '']);
    assert.equal((await api.delete(path)).status, 404);
  });

  test('keep every minute of the day as it was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1440 }), (minute) => {
        const text = minuteOfDayText(minute);
        assert.match(text, /^\d\d:\d\d$/);
        assert.equal(parseMinuteOfDay(text), minute);
      }),
    );
    for (const text of ['24:01', '9', '9:5', '-1:00', '12:60', '']) assert.equal(parseMinuteOfDay(text), null);
  });
});
