import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { ALL_CAPABILITIES, type Api, type RequestOptions, startApi } from '../harness/api.ts';
import { createAppointment, createPractice } from '../harness/practice.ts';
import { addHours, addLabel, addOperatory, addProvider, book, booked, insertRow, queryText } from './schedule.ts';

/** A Monday, 7:00 in New York. */
const NOW = '2026-03-02T12:00:00.000Z';
const TUESDAY = '2026-03-03';

interface Group {
  pid: number;
  slots: { time: string; end_time: string; operatory_id?: number; working_hour_label_id: number | null }[];
  next_available_date: string | null;
}

/** What is the same for both paths is tried in `appointment-slots.test.ts`. */
suite('available slots', () => {
  let api: Api;
  let north: number;
  let appointmentsPerTimeslot = 5;

  before(async () => {
    api = await startApi({
      clock: { nowMs: () => Date.parse(NOW) },
      services: { capabilitiesOf: () => ({ ...ALL_CAPABILITIES, appointmentsPerTimeslot }) },
    });
    ({ north } = api.practice.locations);
  });
  after(() => api.close());

  type Asked = Parameters<typeof queryText>[0];
  const ask = (asked: Asked, options: RequestOptions = { version: 'v3.0.0' }) =>
    api.get(
      `/available_slots?${queryText({ subdomain: 'oak', start_date: TUESDAY, days: 1, lids: [north], ...asked })}`,
      options,
    );
  const groupsOf = async (asked: Asked): Promise<Group[]> => {
    const { status, body, text } = await ask(asked);
    assert.equal(status, 200, text);
    return body.data;
  };
  const clock = async (asked: Asked) => (await groupsOf(asked))[0]?.slots.map(({ time }) => time.slice(11, 16));

  test('name their provider and the label of their hours', async () => {
    const room = await addOperatory(api);
    const label = await addLabel(api, 'New patients');
    const dee = await addProvider(api, { end_minute: 570 }, { begin_minute: 600, end_minute: 630, operatory_id: room });
    await addHours(api, dee, { begin_minute: 780, end_minute: 810, label_id: label });
    const at = (time: string, end: string) => ({
      time: `2026-03-03T${time}:00.000-05:00`,
      end_time: `2026-03-03T${end}:00.000-05:00`,
      provider_id: dee,
    });
    const data = [
      {
        lid: north,
        pid: dee,
        slots: [
          { ...at('09:00', '09:30'), working_hour_label_id: null },
          { ...at('10:00', '10:30'), operatory_id: room, working_hour_label_id: null },
          { ...at('13:00', '13:30'), working_hour_label_id: label },
        ],
        next_available_date: null,
        as_of: null,
      },
    ];
    const asked = { pids: [dee], slot_length: 30 };
    const page_info = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };
    const v2 = { code: true, description: null, error: [], data, count: 1 };
    assert.deepEqual((await ask(asked)).body, { ...v2, page_info });
    assert.deepEqual((await ask(asked, { version: 'v2' })).body, v2);
    // The older path keeps its shape over the same hours.
    const scope = { subdomain: 'oak', start_date: TUESDAY, days: 1, lids: [north] };
    const old = await api.get(`/appointment_slots?${queryText({ ...scope, ...asked })}`, { version: 'v3.0.0' });
    assert.deepEqual(
      old.body.data[0].slots,
      data[0]?.slots.map(({ provider_id: _, working_hour_label_id: __, ...slot }) => slot),
    );
  });

  test('need providers or a type, and say so beside all else that is missing', async () => {
    const refusal = async (query: string) => (await api.get(`/available_slots?${query}`, { version: null })).body.error;
    const MISSING = 'Missing parameter pids or appointment_type_id';
    assert.deepEqual(await refusal('subdomain=oak'), [
      'Missing parameter start_date',
      'Missing parameter days',
      'Missing parameter lids',
      MISSING,
    ]);
    assert.deepEqual((await ask({})).body.error, [MISSING]);
    assert.deepEqual((await ask({ pids: [''] })).body.error, [MISSING]);
    assert.deepEqual((await ask({ category_id: api.practice.types.exam })).body.error, [MISSING]);
    assert.deepEqual((await ask({ pids: '1,2' })).body.error, ['Invalid parameter pids[0]: must be an id']);
    assert.deepEqual((await ask({ pids: [1], days: 0 })).body.error, ['Invalid parameter days: must be at least 1']);
    const { ada } = api.practice.providers;
    assert.deepEqual((await ask({ pids: [ada], working_hour_source: 'imported' })).body.error, [
      'Invalid parameter working_hour_source: must be one of manual, synced',
    ]);
    for (const [appointments_per_timeslot, text] of [
      [0, 'must be at least 1'],
      [6, 'must be at most 5'],
    ] as const) {
      assert.deepEqual((await ask({ pids: [ada], appointments_per_timeslot })).body.error, [
        `Invalid parameter appointments_per_timeslot: ${text}`,
      ]);
    }
  });

  test('by type are those of every provider who has hours for it', async () => {
    const type = await insertRow(api, 'appointment_type', { name: 'Whitening', minutes: 90 });
    const [dee, eve, fay] = [await addProvider(api), await addProvider(api), await addProvider(api, {})];
    for (const providerId of [dee, eve]) await addHours(api, providerId, {}, [type]);
    const groups = await groupsOf({ appointment_type_id: type });
    assert.deepEqual(
      groups.map(({ pid, slots }) => [pid, slots.length]),
      [
        [dee, 2],
        [eve, 2],
      ],
    );
    assert.deepEqual(
      (await groupsOf({ appointment_type_id: type, pids: [fay, dee] })).map(({ pid, slots }) => [pid, slots.length]),
      [
        [fay, 0],
        [dee, 2],
      ],
    );
    const unused = await insertRow(api, 'appointment_type', { name: 'Nobody does it', minutes: 30 });
    assert.deepEqual(await groupsOf({ appointment_type_id: unused }), []);
  });

  test('come from hours of one label or one source', async () => {
    const [label, other] = [await addLabel(api, 'Surgery'), await addLabel(api, 'Hygiene')];
    const dee = await addProvider(
      api,
      { end_minute: 600 },
      { begin_minute: 600, end_minute: 660, label_id: label, source: 'synced', foreign_id: 'S1' },
      { begin_minute: 660, end_minute: 720, label_id: other, source: 'synced', foreign_id: 'S2' },
    );
    const asked = { pids: [dee], slot_length: 40 };
    assert.deepEqual(await clock(asked), ['09:00', '09:40', '10:20', '11:00']);
    const [group] = await groupsOf(asked);
    assert.deepEqual(
      group?.slots.map((slot) => slot.working_hour_label_id),
      [null, null, label, other],
      'from 9:40 to 10:20 lies under no label and under one',
    );
    assert.deepEqual(await clock({ ...asked, working_hour_label_id: other }), ['11:00']);
    assert.deepEqual(await clock({ ...asked, working_hour_source: 'manual' }), ['09:00']);
    assert.deepEqual(await clock({ ...asked, working_hour_source: 'synced' }), ['10:00', '10:40', '11:20']);
    assert.deepEqual(await clock({ ...asked, working_hour_source: 'manual', working_hour_label_id: label }), []);
    const elm = await createPractice(api.db, 'elm');
    const foreign = await addLabel(api, 'Not ours', {
      institution_id: elm.institution.id,
      connection_id: elm.connection.id,
      location_id: null,
    });
    assert.equal((await ask({ ...asked, working_hour_label_id: foreign })).status, 404);
  });

  test('leave out providers who cannot be booked when only active ones are asked for', async () => {
    const { ada, cy } = api.practice.providers;
    const pids = async (asked: Asked) => (await groupsOf(asked)).map(({ pid }) => pid);
    assert.deepEqual(await pids({ pids: [cy, ada] }), [cy, ada]);
    assert.deepEqual(await pids({ pids: [cy, ada], only_active_providers: 'true' }), [ada]);
  });

  test('stay open until so many appointments are there, and each of them can be booked', async () => {
    const dee = await addProvider(api, { end_minute: 570 });
    const asked = { pids: [dee], slot_length: 30, appointments_per_timeslot: 3 };
    await createAppointment(api.db, api.practice, '2026-03-03T14:00:00.000Z', { provider_id: dee });
    for (const _ of [2, 3]) {
      assert.deepEqual(await clock(asked), ['09:00']);
      assert.deepEqual(await clock({ ...asked, appointments_per_timeslot: 1 }), []);
      await booked(api, { provider_id: dee, end_time: '2026-03-03T14:30:00Z' }, { perTimeslot: 3 });
    }
    const [group] = await groupsOf(asked);
    assert.deepEqual([group?.slots, group?.next_available_date], [[], '2026-03-04']);
  });

  test('are refused for more appointments in one time than the health record system takes', async () => {
    const dee = await addProvider(api, {});
    appointmentsPerTimeslot = 2;
    try {
      const asked = { pids: [dee], appointments_per_timeslot: 3 };
      for (const version of ['v2', 'v3.0.0'] as const)
        for (const answer of [ask(asked, { version }), book(api, { provider_id: dee }, { version, perTimeslot: 3 })]) {
          const { status, headers, body } = await answer;
          assert.deepEqual(
            [status, headers.get('openchair-error-code'), body.error],
            [400, 'not_supported_by_hrs', ['This health record system takes at most 2 appointments per timeslot.']],
          );
        }
      assert.equal((await ask({ ...asked, appointments_per_timeslot: 2 })).status, 200);
    } finally {
      appointmentsPerTimeslot = 5;
    }
  });
});
