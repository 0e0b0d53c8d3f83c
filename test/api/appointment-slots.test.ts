import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { sql } from 'kysely';
import { forAll } from '../../src/store/database.ts';
import { type Api, type RequestOptions, startApi } from '../harness/api.ts';
import { createAppointment, createPractice } from '../harness/practice.ts';
import { addHours, addOperatory, addProvider, insertRow, queryText } from './schedule.ts';

/** A Monday, 7:00 in New York and 5:00 in Denver. */
const NOW = '2026-03-02T12:00:00.000Z';
const TUESDAY = '2026-03-03';

interface Group {
  lid: number;
  pid: number;
  slots: { time: string; end_time: string; operatory_id?: number }[];
  next_available_date: string | null;
  as_of: string | null;
  explained?: { from: string; to: string; reason: string }[];
}

suite('appointment slots', () => {
  let api: Api;
  let nowMs = Date.parse(NOW);
  let north: number;
  let south: number;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => nowMs } });
    ({ north, south } = api.practice.locations);
  });
  after(() => api.close());

  type Asked = Parameters<typeof queryText>[0];
  const ask = (asked: Asked, options?: RequestOptions) =>
    api.get(
      `/appointment_slots?${queryText({ subdomain: 'oak', start_date: TUESDAY, days: 1, lids: [north], ...asked })}`,
      options,
    );
  const groupsOf = async (asked: Asked): Promise<Group[]> => {
    const { status, body, text } = await ask(asked);
    assert.equal(status, 200, text);
    return body.data;
  };
  const groupOf = async (asked: Asked): Promise<Group> => {
    const [group, ...others] = await groupsOf(asked);
    assert.ok(group && others.length === 0);
    return group;
  };
  /** Wall times of the starts of one group. */
  const clockOf = ({ slots }: Group) => slots.map(({ time }) => time.slice(11, 16));
  const clock = async (asked: Asked) => clockOf(await groupOf(asked));

  test('stand in exactly five keys in v2, with page_info beside them otherwise', async () => {
    const dee = await addProvider(api, { end_minute: 570 });
    const data = [
      {
        lid: north,
        pid: dee,
        slots: [
          { time: '2026-03-03T09:00:00.000-05:00', end_time: '2026-03-03T09:15:00.000-05:00' },
          { time: '2026-03-03T09:15:00.000-05:00', end_time: '2026-03-03T09:30:00.000-05:00' },
        ],
        next_available_date: null,
        as_of: null,
      },
    ];
    const envelope = { code: true, description: null, error: [], data, count: 1 };
    assert.deepEqual((await ask({ pids: [dee] })).body, envelope);
    const page_info = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };
    for (const version of ['v3.0.0', null] as const) {
      assert.deepEqual((await ask({ pids: [dee] }, { version })).body, { ...envelope, page_info });
    }
  });

  test('name every parameter that is missing, and what is wrong with the others', async () => {
    const refusal = async (asked: Asked) => {
      const { status, body } = await ask(asked);
      assert.equal(status, 400);
      return body.error;
    };
    assert.deepEqual((await api.get('/appointment_slots?subdomain=oak')).body.error, [
      'Missing parameter start_date',
      'Missing parameter days',
      'Missing parameter lids',
    ]);
    assert.deepEqual(await refusal({ lids: undefined }), ['Missing parameter lids']);
    assert.deepEqual(await refusal({ lids: '' }), ['Missing parameter lids']);
    assert.deepEqual(await refusal({ lids: [''] }), ['Invalid parameter lids: must have at least one entry']);
    assert.deepEqual(await refusal({ lids: '1,2' }), ['Invalid parameter lids[0]: must be an id']);
    assert.deepEqual(await refusal({ pids: '1,2' }), ['Invalid parameter pids[0]: must be an id']);
    for (const [days, message] of [
      [0, 'must be at least 1'],
      [-1, 'must be at least 1'],
      [93, 'must be at most 92'],
      ['1.5', 'must be a whole number'],
      ['two', 'must be a whole number'],
    ] as const) {
      assert.deepEqual(await refusal({ days }), [`Invalid parameter days: ${message}`]);
    }
    for (const start_date of ['2026-02-30', '03/03/2026', '2026-03-03T09:00:00Z', 'tomorrow']) {
      assert.deepEqual(await refusal({ start_date }), [
        'Invalid parameter start_date: must be a date that exists, YYYY-MM-DD',
      ]);
    }
    for (const name of ['slot_length', 'slot_interval']) {
      assert.deepEqual(await refusal({ [name]: 0 }), [`Invalid parameter ${name}: must be at least 1`]);
      assert.deepEqual(await refusal({ [name]: 1441 }), [`Invalid parameter ${name}: must be at most 1440`]);
    }
    assert.deepEqual(await refusal({ overlapping_operatory_slots: 'maybe' }), [
      'Invalid parameter overlapping_operatory_slots: must be true or false',
    ]);
    const known = Array<number>(990).fill(api.practice.providers.ada);
    assert.equal((await ask({ pids: known })).body.data.length, 1);
    const many = Array<number>(1_001).fill(api.practice.providers.ada);
    assert.deepEqual(await refusal({ pids: many }), ['A query or form may have at most 1000 fields.']);
  });

  test('are computed for at most 20,000 days of providers at once', async () => {
    const lid = await insertRow(api, 'location', { name: 'Crowd', tz: 'America/New_York', foreign_id: 'L9' });
    await forAll(api.db, (tx) =>
      sql`with crowd as (
        insert into provider (institution_id, connection_id, first_name, last_name)
        select ${api.institution.id}, ${api.practice.connection.id}, 'Kit', 'Crowd' from generate_series(1, 218) returning id)
      insert into provider_location select ${api.institution.id}, id, ${lid} from crowd`.execute(tx),
    );
    assert.equal((await groupsOf({ lids: [lid], days: 91 })).length, 218);
    const { status, body } = await ask({ lids: [lid], days: 92 });
    assert.deepEqual(
      [status, body.error],
      [400, ['Invalid parameter pids: must ask for at most 20000 days of providers at once']],
    );
  });

  test('count the days from the start date', async () => {
    const { ada } = api.practice.providers;
    const days = async (start_date: string, days: number) => [
      ...new Set(
        (await groupOf({ pids: [ada], start_date, days, slot_length: 60 })).slots.map((s) => s.time.slice(0, 10)),
      ),
    ];
    assert.deepEqual(await days('2026-03-06', 1), ['2026-03-06']);
    assert.deepEqual(await days('2026-03-06', 3), ['2026-03-06'], 'the weekend is closed');
    assert.deepEqual(await days('2026-03-06', 4), ['2026-03-06', '2026-03-09']);
    assert.equal((await days('2026-03-09', 92)).length, 66);
  });

  test('come in the order of lids and then of pids, each once', async () => {
    const { ada, ben, cy } = api.practice.providers;
    const names = async (asked: Asked) => (await groupsOf(asked)).map(({ lid, pid }) => `${lid}:${pid}`);
    assert.deepEqual(await names({ lids: [south, north, south], pids: [ben, ada, ben] }), [
      `${south}:${ben}`,
      `${south}:${ada}`,
      `${north}:${ben}`,
      `${north}:${ada}`,
    ]);
    const everyone = await names({});
    assert.ok(everyone.includes(`${north}:${ada}`) && everyone.includes(`${north}:${ben}`));
    assert.ok(!everyone.includes(`${north}:${cy}`), 'who is inactive is offered only when asked for');
    assert.deepEqual(await clock({ pids: [cy] }), []);
  });

  test('of what is absent and of what is another’s are equally not found', async () => {
    const elm = await createPractice(api.db, 'elm');
    const { ada } = api.practice.providers;
    const asked: Asked[] = [
      { lids: [elm.locations.north] },
      { lids: [north, 999_999] },
      { pids: [elm.providers.ada] },
      { pids: [ada, 999_999] },
      { pids: [ada], operatory_ids: [elm.operatories.roomNorth] },
      { pids: [ada], operatory_ids: [api.practice.operatories.roomSouth] },
      { pids: [ada], appointment_type_id: elm.types.cleaning },
      { pids: [ada], category_id: 999_999 },
    ];
    for (const one of asked) {
      const { status, body } = await ask(one);
      assert.deepEqual([status, body.error], [404, ['Resource not found']], JSON.stringify(one));
    }
  });

  test('of a type take its length, from hours that carry it', async () => {
    const { cleaning, exam, southOnly } = api.practice.types;
    const dee = await addProvider(api);
    await addHours(api, dee, {}, [exam]);
    await addHours(api, dee, { begin_minute: 780, end_minute: 840 }, [exam, cleaning]);
    await addHours(api, dee, { begin_minute: 840, end_minute: 900 });
    assert.deepEqual(await clock({ pids: [dee], appointment_type_id: exam }), ['09:00', '10:00', '11:00', '13:00']);
    assert.deepEqual(await clock({ pids: [dee], appointment_type_id: cleaning }), ['13:00', '13:30']);
    assert.deepEqual(await clock({ pids: [dee], category_id: cleaning }), ['13:00', '13:30']);
    assert.deepEqual(
      await clock({ pids: [dee], appointment_type_id: cleaning, slot_length: 60 }),
      ['13:00', '13:30'],
      'the type says how long',
    );
    assert.deepEqual(await clock({ pids: [dee], appointment_type_id: southOnly }), [], 'configured nowhere here');
    assert.deepEqual(await clock({ pids: [dee], slot_length: 60 }), ['09:00', '10:00', '11:00', '13:00', '14:00']);
  });

  test('are as long and as far apart as asked', async () => {
    const dee = await addProvider(api, {});
    const { slots } = await groupOf({ pids: [dee], slot_length: 60, slot_interval: 45 });
    assert.deepEqual(
      slots.map(({ time, end_time }) => `${time.slice(11, 16)}-${end_time.slice(11, 16)}`),
      ['09:00-10:00', '09:45-10:45', '10:30-11:30'],
    );
    assert.equal((await clock({ pids: [dee] })).length, 12, 'a quarter of an hour by default');
    assert.equal((await clock({ pids: [dee], slot_length: 1 })).length, 180);
    assert.deepEqual(await clock({ pids: [dee], slot_length: 180 }), ['09:00']);
    assert.deepEqual(await clock({ pids: [dee], slot_length: 181 }), []);
  });

  test('at one time in several operatories are offered once, unless all are wanted', async () => {
    const [first, second] = [await addOperatory(api), await addOperatory(api)];
    const dee = await addProvider(
      api,
      { operatory_id: second, end_minute: 600 },
      { operatory_id: first, end_minute: 600 },
    );
    await createAppointment(api.db, api.practice, `${TUESDAY}T14:30:00.000Z`, {
      provider_id: null,
      operatory_id: first,
    });
    const rooms = async (asked: Asked) =>
      (await groupOf({ pids: [dee], slot_length: 30, ...asked })).slots.map((s) => [
        s.time.slice(11, 16),
        s.operatory_id,
      ]);
    assert.deepEqual(await rooms({}), [
      ['09:00', first],
      ['09:30', second],
    ]);
    const all = [
      ['09:00', first],
      ['09:00', second],
      ['09:30', second],
    ];
    assert.deepEqual(await rooms({ overlapping_operatory_slots: 'True' }), all);
    assert.deepEqual(await rooms({ operatory_ids: [second] }), [
      ['09:00', second],
      ['09:30', second],
    ]);
    assert.deepEqual(await rooms({ operatory_ids: [second, first], overlapping_operatory_slots: true }), all);
  });

  const busy: [string, object, boolean][] = [
    ['an appointment', {}, true],
    ['an appointment at another location', { location_id: 'south' }, true],
    ['an appointment of another provider in the operatory', { provider_id: 'ada', operatory_id: 'room' }, true],
    ['an appointment of another provider', { provider_id: 'ada' }, false],
    ['a booking that the HRS does not have yet', { foreign_id: null, marker: randomUUID() }, true],
    ['a block of the provider', { unavailable: true, patient_id: null }, true],
    [
      'a block of the operatory',
      { unavailable: true, patient_id: null, provider_id: null, operatory_id: 'room' },
      true,
    ],
    ['a block of the whole location', { unavailable: true, patient_id: null, provider_id: null }, true],
    [
      'a block of the whole of another location',
      { unavailable: true, patient_id: null, provider_id: null, location_id: 'south' },
      false,
    ],
    ['a patient who never came', { patient_missed: true }, true],
    ['a cancelled appointment', { cancelled: true, cancelled_at: NOW }, false],
    ['an appointment that is gone from the HRS', { deleted_at: NOW }, false],
    ['a booking that failed', { foreign_id: null, cancelled: true, deleted_at: NOW }, false],
  ];
  for (const [what, fields, takes] of busy) {
    test(`are ${takes ? '' : 'not '}taken by ${what}`, async () => {
      const room = await addOperatory(api);
      const dee = await addProvider(api, { operatory_id: room });
      const ids: Record<string, number> = { room, south, ada: api.practice.providers.ada };
      const values = Object.entries({ provider_id: dee, ...fields }).map(([key, value]) => [key, ids[value] ?? value]);
      // A Sunday, on which nobody else is asked about: a block of the location stays for the tests that follow.
      const start = '2026-03-15T14:00:00.000Z';
      const id = await createAppointment(api.db, api.practice, start, Object.fromEntries(values));
      const starts = await clock({ pids: [dee], start_date: '2026-03-15', slot_length: 30 });
      const open = ['09:00', '09:30', '10:00', '10:30', '11:00', '11:30'];
      assert.deepEqual(starts, takes ? open.filter((one) => one !== '10:00') : open);
      await forAll(api.db, (tx) => tx.deleteFrom('appointment').where('id', '=', id).execute());
    });
  }

  test('are taken by a claim alone, and by a block of many days', async () => {
    const dee = await addProvider(api, {});
    const appointment_id = await createAppointment(api.db, api.practice, `${TUESDAY}T23:00:00.000Z`);
    await insertRow(api, 'claim', {
      appointment_id,
      resource: 'provider',
      resource_id: dee,
      start_at: `${TUESDAY}T14:10:00Z`,
      end_at: `${TUESDAY}T14:20:00Z`,
    });
    assert.deepEqual(await clock({ pids: [dee], slot_length: 60 }), ['09:20', '10:20']);
    await createAppointment(api.db, api.practice, '2026-03-04T17:00:00.000Z', {
      provider_id: dee,
      unavailable: true,
      end_at: '2026-03-07T15:00:00.000Z',
    });
    const { slots } = await groupOf({ pids: [dee], start_date: '2026-03-04', days: 4, slot_length: 60 });
    assert.deepEqual(
      slots.map(({ time }) => time.slice(5, 16)),
      ['03-04T09:00', '03-04T10:00', '03-04T11:00', '03-07T10:00', '03-07T11:00'],
    );
  });

  test('say when the next one is, up to 180 days ahead', async () => {
    const next = async (specific_date: string, asked: Asked = {}) => {
      const dee = await addProvider(api, { specific_date });
      const group = await groupOf({ pids: [dee], ...asked });
      assert.deepEqual(group.slots, []);
      return group.next_available_date;
    };
    assert.equal(await next('2026-03-04'), '2026-03-04');
    assert.equal(await next('2026-08-30'), '2026-08-30', 'day 180');
    assert.equal(await next('2026-08-31'), null, 'day 181');
    assert.equal(await next('2026-08-30', { days: 92 }), '2026-08-30');
    assert.equal(await next(TUESDAY, { slot_length: 181 }), null, 'never long enough');
    const busy = await addProvider(
      api,
      { specific_date: TUESDAY },
      { specific_date: '2026-05-05' },
      { specific_date: '2026-05-06' },
    );
    for (const day of [TUESDAY, '2026-05-05']) {
      const fields = { provider_id: busy, end_at: `${day}T18:00:00.000Z` };
      await createAppointment(api.db, api.practice, `${day}T12:00:00.000Z`, fields);
    }
    assert.equal((await groupOf({ pids: [busy] })).next_available_date, '2026-05-06');
  });

  test('follow the clock on the wall over its changes', async () => {
    const dee = await addProvider(api, { begin_minute: 0, end_minute: 240 });
    await forAll(api.db, (tx) =>
      tx
        .insertInto('provider_location')
        .values({ institution_id: api.institution.id, provider_id: dee, location_id: south })
        .execute(),
    );
    await addHours(api, dee, { location_id: south, begin_minute: 0, end_minute: 240 });
    const times = async (lid: number, start_date: string) =>
      (await groupOf({ lids: [lid], pids: [dee], start_date, slot_length: 60 })).slots.map((s) =>
        s.time.replace(/:00:00\.000/, '').slice(11),
      );
    assert.deepEqual(await times(north, '2026-03-08'), ['00-05:00', '01-05:00', '03-04:00']);
    assert.deepEqual(await times(south, '2026-03-08'), ['00-07:00', '01-07:00', '03-06:00']);
    assert.deepEqual(await times(north, '2026-11-01'), ['00-04:00', '01-04:00', '01-05:00', '02-05:00', '03-05:00']);
    assert.deepEqual(await times(south, '2026-11-01'), ['00-06:00', '01-06:00', '01-07:00', '02-07:00', '03-07:00']);
    const { ada } = api.practice.providers;
    const opening = async (start_date: string) => (await groupOf({ pids: [ada], start_date })).slots[0]?.time;
    assert.equal(await opening('2026-03-06'), '2026-03-06T09:00:00.000-05:00');
    assert.equal(await opening('2026-03-09'), '2026-03-09T09:00:00.000-04:00');
  });

  test('in the past are never offered, nor the one that begins now', async () => {
    const dee = await addProvider(api, {});
    try {
      nowMs = Date.parse(`${TUESDAY}T15:00:00.000Z`);
      assert.deepEqual(await clock({ pids: [dee], slot_length: 30 }), ['10:30', '11:00', '11:30']);
      nowMs -= 1;
      assert.deepEqual(await clock({ pids: [dee], slot_length: 30 }), ['10:00', '10:30', '11:00', '11:30']);
      nowMs = Date.parse(`${TUESDAY}T16:30:00.000Z`);
      const late = await groupOf({ pids: [dee], slot_length: 30 });
      assert.deepEqual([late.slots, late.next_available_date], [[], '2026-03-04']);
      assert.deepEqual((await groupOf({ pids: [dee], start_date: '2026-03-01' })).slots, []);
    } finally {
      nowMs = Date.parse(NOW);
    }
  });

  test('tell with explain=true why the rest of the window is not offered', async () => {
    const { exam, cleaning } = api.practice.types;
    const dee = await addProvider(api);
    await addHours(api, dee, { end_minute: 780 }, [cleaning]);
    await addHours(api, dee, { begin_minute: 780, end_minute: 840 }, [exam]);
    const at = (time: string, fields: object) =>
      createAppointment(api.db, api.practice, `${TUESDAY}T${time}:00.000Z`, { provider_id: dee, ...fields });
    await at('14:30', {});
    await at('15:00', { unavailable: true, patient_id: null });
    await at('15:30', { foreign_id: null, marker: randomUUID() });
    await at('16:00', { end_at: `${TUESDAY}T16:10:00.000Z` });
    await at('17:00', { end_at: `${TUESDAY}T17:10:00.000Z` });
    const asked = { pids: [dee], appointment_type_id: cleaning };
    const { slots, explained } = await groupOf({ ...asked, explain: 'true' });
    assert.deepEqual(
      slots.map(({ time }) => time.slice(11, 16)),
      ['09:00', '11:10', '12:10'],
    );
    assert.deepEqual(
      explained?.map(({ from, to, reason }) => `${from.slice(11, 16)}-${to.slice(11, 16)} ${reason}`),
      [
        '00:00-09:00 outside_hours',
        '09:30-10:00 appointment',
        '10:00-10:30 block',
        '10:30-11:00 claim',
        '11:00-11:10 appointment',
        '11:40-12:00 shorter_than_length',
        '12:00-12:10 appointment',
        '12:40-13:00 shorter_than_length',
        '13:00-14:00 no_hours_for_type',
        '14:00-00:00 outside_hours',
      ],
    );
    assert.equal(explained?.[0]?.from, '2026-03-03T00:00:00.000-05:00');
    assert.equal(explained?.at(-1)?.to, '2026-03-04T00:00:00.000-05:00');
    assert.equal((await groupOf(asked)).explained, undefined);
    const { cy } = api.practice.providers;
    const inactive = await groupOf({ pids: [cy], explain: 'True' });
    assert.deepEqual(
      inactive.explained?.map(({ reason }) => reason),
      ['inactive_provider'],
    );
    const past = await groupOf({ pids: [dee], start_date: '2026-03-01', explain: true });
    assert.deepEqual(
      past.explained?.map(({ reason }) => reason),
      ['past'],
    );
  });

  test('say when their location was last read', async () => {
    const synced_at = '2026-03-02T11:59:00.000Z';
    const connection = () => forAll(api.db, (tx) => tx.updateTable('connection').set({ synced_at }).execute());
    await connection();
    assert.equal((await groupOf({ pids: [api.practice.providers.ada] })).as_of, synced_at);
  });
});
