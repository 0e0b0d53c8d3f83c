import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { Capabilities } from '../../src/connectors/connector.ts';
import { forAll } from '../../src/store/database.ts';
import { ALL_CAPABILITIES, type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { createAppointment, createPractice, type Practice } from '../harness/practice.ts';
import { addOperatory, addProvider, book, booked, insertRow } from './schedule.ts';

/** A Monday, 7:00 in New York and 5:00 in Denver. */
const NOW = '2026-03-02T12:00:00.000Z';

suite('bookings are refused', () => {
  let api: Api;
  let elm: Practice;
  let capabilities: Capabilities = ALL_CAPABILITIES;

  before(async () => {
    api = await startApi({
      clock: { nowMs: () => Date.parse(NOW) },
      services: { capabilitiesOf: () => capabilities },
    });
    elm = await createPractice(api.db, 'elm');
  });
  after(() => api.close());

  /** What is asked, the code and the text of the refusal. Names stand for ids: those of elm's belong to another. */
  const refused: [string, object, string, string][] = [
    [
      'a start in the past',
      { start_time: '2026-03-02T11:59:59.999Z' },
      'in_the_past',
      'start_time must be in the future',
    ],
    ['a start at this very moment', { start_time: NOW }, 'in_the_past', 'start_time must be in the future'],
    [
      'an end at the start',
      { end_time: '2026-03-03T14:00:00Z' },
      'invalid_parameter',
      'Invalid parameter appt[end_time]: must be after start_time',
    ],
    [
      'an end before the start',
      { end_time: '2026-03-03T13:00:00Z' },
      'invalid_parameter',
      'Invalid parameter appt[end_time]: must be after start_time',
    ],
    [
      'more than a day',
      { end_time: '2026-03-04T14:00:00.001Z' },
      'invalid_parameter',
      'Invalid parameter appt[end_time]: must be at most 24 hours after start_time',
    ],
    [
      'a block of more than a month',
      { unavailable: true, end_time: '2026-04-03T14:00:00.001Z' },
      'invalid_parameter',
      'Invalid parameter appt[end_time]: must be at most 31 days after start_time',
    ],
    ['another practice’s patient', { patient_id: 'elm.pia' }, 'invalid_parameter', 'patient_id was not found'],
    ['another practice’s provider', { provider_id: 'elm.ada' }, 'invalid_parameter', 'provider_id was not found'],
    ['another practice’s operatory', { operatory_id: 'elm.room' }, 'invalid_parameter', 'operatory_id was not found'],
    [
      'another practice’s type',
      { appointment_type_id: 'elm.cleaning' },
      'invalid_parameter',
      'appointment_type_id was not found',
    ],
    [
      'another practice’s descriptor',
      { descriptor_ids: ['elm.code'] },
      'invalid_parameter',
      'descriptor_ids was not found',
    ],
    [
      'an operatory of another location',
      { operatory_id: 'roomSouth' },
      'invalid_parameter',
      'operatory_id was not found',
    ],
    ['a patient nobody has', { patient_id: 999_999 }, 'invalid_parameter', 'patient_id was not found'],
    ['an inactive patient', { patient_id: 'gone' }, 'inactive', 'patient_id is inactive'],
    ['an inactive provider', { provider_id: 'cy' }, 'inactive', 'provider_id is inactive'],
    [
      'a provider of another location',
      { provider_id: 'ben' },
      'outside_hours',
      'Time slot is not during working hours',
    ],
    [
      'a time before hours, as of a client that sends local time with a Z',
      { start_time: '2026-03-03T09:00:00Z' },
      'outside_hours',
      'Time slot is not during working hours',
    ],
    [
      'an end after hours',
      { start_time: '2026-03-03T21:45:00Z', end_time: '2026-03-03T22:00:01Z' },
      'outside_hours',
      'Time slot is not during working hours',
    ],
    [
      'a type that the hours do not carry',
      { appointment_type_id: 'exam' },
      'type_not_configured',
      'appointment_type_id was not found to be configured for the requested slot',
    ],
    [
      'a type of another location',
      { category_id: 'southOnly' },
      'type_not_configured',
      'appointment_type_id was not found to be configured for the requested slot',
    ],
    [
      'a note of 129 characters',
      { note: 'n'.repeat(129) },
      'invalid_parameter',
      'Invalid parameter appt[note]: must have at most 128 characters',
    ],
    ['no patient', { patient_id: undefined }, 'missing_parameter', 'Missing parameter appt[patient_id]'],
    ['no provider', { provider_id: null }, 'missing_parameter', 'Missing parameter appt[provider_id]'],
    ['no start', { start_time: '' }, 'missing_parameter', 'Missing parameter appt[start_time]'],
    ['a guardian without a child', { is_guardian: true }, 'missing_parameter', 'Missing parameter appt[patient]'],
    [
      'a block of nothing',
      { unavailable: true, provider_id: undefined },
      'missing_parameter',
      'Missing parameter appt[provider_id]',
    ],
    [
      'a start that is no time',
      { start_time: 'tomorrow' },
      'invalid_parameter',
      'Invalid parameter appt[start_time]: is not an ISO 8601 date or time such as 2026-12-01T09:00:00-05:00',
    ],
    [
      'a start in a year that cannot be',
      { start_time: '99999-01-01T00:00:00Z' },
      'invalid_parameter',
      'Invalid parameter appt[start_time]: has a year outside 1900 to 2199',
    ],
  ];
  const idOf = (name: unknown) => {
    const { patients, providers, operatories, types } = api.practice;
    const names: Record<string, number> = {
      'elm.pia': elm.patients.pia,
      'elm.ada': elm.providers.ada,
      'elm.room': elm.operatories.roomNorth,
      'elm.cleaning': elm.types.cleaning,
      'elm.code': elm.descriptors.examCode,
      ...patients,
      ...providers,
      ...operatories,
      ...types,
    };
    return names[String(name)] ?? name;
  };
  for (const [what, appt, code, text] of refused) {
    test(`with ${what}`, async () => {
      const contents = await watchContents(api.db);
      const values = Object.entries(appt).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.map(idOf) : idOf(value),
      ]);
      const { status, headers, body } = await book(api, Object.fromEntries(values));
      assert.deepEqual([status, headers.get('openchair-error-code'), body.error], [400, code, [text]]);
      assert.equal(await contents.hasChanged(), false);
    });
  }

  test('with the name of every parameter that is missing', async () => {
    const answer = await api.post('/appointments?subdomain=oak', { body: { appt: {} } });
    assert.deepEqual(answer.body.error, [
      'Missing parameter location_id',
      'Missing parameter appt[start_time]',
      'Missing parameter appt[patient_id]',
      'Missing parameter appt[provider_id]',
    ]);
    assert.deepEqual(
      (await api.post(`/appointments?subdomain=oak&location_id=${api.practice.locations.north}`, { body: {} })).body
        .error,
      ['Missing parameter appt'],
    );
    const bare = await api.post(`/appointments?subdomain=oak&location_id=${api.practice.locations.north}`, {
      body: { appt: { start_time: '2026-03-03T14:00:00Z', is_guardian: true } },
    });
    assert.deepEqual(bare.body.error, [
      'Missing parameter appt[patient_id]',
      'Missing parameter appt[provider_id]',
      'Missing parameter appt[patient]',
    ]);
  });

  test('with a provider who works elsewhere', async () => {
    // Ada has hours at North alone.
    const { status, body } = await book(
      api,
      { operatory_id: idOf('roomSouth') },
      { query: { location_id: api.practice.locations.south } },
    );
    assert.deepEqual([status, body.error], [400, ['provider_id at this location was not found']]);
  });

  test('at a location that is not the caller’s, inactive or not connected', async () => {
    const foreign = await book(api, {}, { query: { location_id: elm.locations.north } });
    assert.deepEqual([foreign.status, foreign.body.error], [404, ['Resource not found']]);
    const location = (fields: object) =>
      insertRow(api, 'location', { name: 'West', tz: 'America/New_York', ...fields });
    const closed = await location({ connection_id: api.practice.connection.id, inactive: true });
    const inactive = await book(api, {}, { query: { location_id: closed } });
    assert.deepEqual([inactive.status, inactive.body.error], [400, ['location_id is inactive']]);
    const alone = await book(api, {}, { query: { location_id: await location({}) } });
    assert.deepEqual(
      [alone.headers.get('openchair-error-code'), alone.body.error],
      ['not_supported_by_hrs', ['This location is not connected to a health record system.']],
    );
  });

  test('where an operatory must be named and is not, is inactive or does not fit the hours', async () => {
    const { ben } = api.practice.providers;
    const { roomSouth, roomClosed } = api.practice.operatories;
    const query = { location_id: api.practice.locations.south };
    const refusal = async (appt: object) => {
      const { status, headers, body } = await book(
        api,
        { provider_id: ben, start_time: '2026-03-04T16:00:00Z', ...appt },
        { query },
      );
      return [status, headers.get('openchair-error-code'), ...(body.error ?? [])];
    };
    assert.deepEqual(await refusal({}), [400, 'operatory_required', 'Missing parameter appt[operatory_id]']);
    assert.deepEqual(await refusal({ operatory_id: roomClosed }), [400, 'inactive', 'operatory_id is inactive']);
    const other = await addOperatory(api, { location_id: query.location_id });
    assert.deepEqual(await refusal({ operatory_id: other }), [
      400,
      'outside_hours',
      'Time slot is not during working hours',
    ]);
    assert.deepEqual(await refusal({ operatory_id: roomSouth }), [201, null]);
    // A block of a provider takes no chair.
    assert.deepEqual(await refusal({ unavailable: true, start_time: '2026-03-04T18:00:00Z' }), [201, null]);
  });

  const TAKEN = 'The slot is taken: this time is no longer available';
  const takers: [string, (dee: number, room: number) => Promise<unknown>][] = [
    ['an appointment of the provider', (dee) => synced({ provider_id: dee })],
    ['an appointment in the operatory', (_dee, room) => synced({ operatory_id: room })],
    ['a block of the provider', (dee) => synced({ provider_id: dee, unavailable: true, patient_id: null })],
    [
      'a block of the operatory',
      (_dee, room) => synced({ provider_id: null, operatory_id: room, unavailable: true, patient_id: null }),
    ],
    ['a block of days', (dee) => synced({ provider_id: dee, unavailable: true, end_at: '2026-03-08T00:00:00.000Z' })],
    ['a booking under way', (dee) => booked(api, { provider_id: dee, end_time: '2026-03-03T14:30:00Z' })],
    [
      'a block of ours',
      (dee) =>
        booked(api, { provider_id: dee, unavailable: true, patient_id: undefined, end_time: '2026-03-03T14:30:00Z' }),
    ],
    [
      'a claim',
      async (dee) =>
        insertRow(api, 'claim', {
          appointment_id: await createAppointment(api.db, api.practice, '2026-05-05T14:00:00.000Z'),
          resource: 'provider',
          resource_id: dee,
          start_at: '2026-03-03T14:00:00Z',
          end_at: '2026-03-03T14:30:00Z',
        }),
    ],
  ];
  const synced = (fields: object) => createAppointment(api.db, api.practice, '2026-03-03T14:00:00.000Z', fields);
  for (const [what, take] of takers) {
    test(`where ${what} is`, async () => {
      const room = await addOperatory(api);
      const dee = await addProvider(api, {});
      await take(dee, room);
      const contents = await watchContents(api.db);
      for (const [start, end] of [
        ['14:00', '14:30'],
        ['14:29', '14:59'],
        ['14:10', '14:20'],
      ]) {
        const appt = { start_time: `2026-03-03T${start}:00Z`, end_time: `2026-03-03T${end}:00Z` };
        const { status, headers, body } = await book(api, { provider_id: dee, operatory_id: room, ...appt });
        assert.deepEqual([status, headers.get('openchair-error-code'), body.error], [400, 'slot_taken', [TAKEN]]);
      }
      assert.equal(await contents.hasChanged(), false);
      if (what !== 'a block of days')
        await booked(api, { provider_id: dee, operatory_id: room, start_time: '2026-03-03T14:30:00Z' });
    });
  }

  test('where as many appointments are as may be, and never where a block is', async () => {
    const from = '2026-03-03T14:00:00.000Z';
    const pending = { end_time: '2026-03-03T14:30:00Z' };
    const longAgo = (dee: number, fields: object = {}) =>
      createAppointment(api.db, api.practice, '2026-03-01T14:00:00.000Z', {
        ...{ provider_id: dee, end_at: '2026-03-05T14:00:00.000Z' },
        ...fields,
      });
    const block = { unavailable: true, patient_id: null };
    // Each row: what is there, and with how many per timeslot one more is the first to be taken.
    const rows: [string, number | null, (dee: number, room: number) => Promise<unknown>[]][] = [
      ['nothing', 1, () => []],
      ['one of the HRS', 2, (dee) => [synced({ provider_id: dee })]],
      ['two of the HRS', 3, (dee) => [synced({ provider_id: dee }), synced({ provider_id: dee })]],
      ['one of days', 2, (dee) => [longAgo(dee)]],
      ['one of days and one of ours', 3, (dee) => [longAgo(dee), booked(api, { provider_id: dee, ...pending }, two)]],
      ['one of ours', 2, (dee) => [booked(api, { provider_id: dee, ...pending })]],
      ['one elsewhere in the operatory', null, (_dee, room) => [synced({ provider_id: null, operatory_id: room })]],
      ['a block of the HRS', null, (dee) => [synced({ provider_id: dee, ...block })]],
      ['a block of days', null, (dee) => [longAgo(dee, block)]],
      ['a block of ours', null, (dee) => [booked(api, { provider_id: dee, ...pending, ...block })]],
      ['a block that is being cancelled', null, (dee) => [cancelling(dee, block)]],
      ['one that is being cancelled', 2, (dee) => [cancelling(dee, {})]],
      ['that and one of the HRS', 3, (dee) => [cancelling(dee, {}), synced({ provider_id: dee })]],
    ];
    const two = { perTimeslot: 2 };
    const cancelling = async (dee: number, fields: object) =>
      insertRow(api, 'claim', {
        appointment_id: await createAppointment(api.db, api.practice, from, { ...fields, cancelled: true }),
        ...{ resource: 'provider', resource_id: dee, start_at: from, end_at: '2026-03-03T14:30:00Z' },
      });
    for (const [what, enough, there] of rows) {
      const room = await addOperatory(api);
      const dee = await addProvider(api, {});
      for (const one of there(dee, room)) await one;
      const appt = { provider_id: dee, operatory_id: room, ...pending };
      for (let perTimeslot = 1; perTimeslot < (enough ?? 6); perTimeslot += 1) {
        const { status, headers } = await book(api, appt, { perTimeslot });
        assert.deepEqual([what, perTimeslot, status], [what, perTimeslot, 400]);
        assert.equal(headers.get('openchair-error-code'), 'slot_taken');
      }
      if (enough !== null) await booked(api, appt, { perTimeslot: enough });
    }
  });

  test('for fewer than one, or more than five, in one time', async () => {
    for (const perTimeslot of [0, 6]) {
      const { status, body } = await book(api, {}, { perTimeslot });
      assert.equal(status, 400);
      assert.match(body.error[0], /^Invalid parameter appointments_per_timeslot: must be at (?:least 1|most 5)$/);
    }
  });

  test('days into a block, whatever it takes', async () => {
    const room = await addOperatory(api);
    const dee = await addProvider(api, {});
    const blocks = [{ provider_id: dee }, { provider_id: null, operatory_id: room }, { provider_id: null }];
    for (const [at, fields] of blocks.entries()) {
      const start = `2026-04-0${at + 1}T00:00:00.000Z`;
      const id = await createAppointment(api.db, api.practice, start, {
        ...fields,
        unavailable: true,
        patient_id: null,
        end_at: '2026-04-10T00:00:00.000Z',
      });
      const appt = { provider_id: dee, operatory_id: room, start_time: '2026-04-09T14:00:00Z' };
      assert.deepEqual((await book(api, appt)).body.error, [TAKEN]);
      await forAll(api.db, (tx) => tx.deleteFrom('appointment').where('id', '=', id).execute());
    }
    await booked(api, { provider_id: dee, operatory_id: room, start_time: '2026-04-09T14:00:00Z' });
  });

  test('not where something was cancelled, deleted or is another’s', async () => {
    const dee = await addProvider(api, {});
    await synced({ provider_id: dee, cancelled: true });
    await synced({ provider_id: dee, deleted_at: NOW });
    await synced({ provider_id: await addProvider(api, {}) });
    await booked(api, { provider_id: dee });
  });

  test('before anything is stored where the HRS cannot take them', async () => {
    const placeholder = await insertRow(api, 'patient', {
      connection_id: api.practice.connection.id,
      first_name: 'New',
      last_name: 'Comer',
      marker: randomUUID(),
    });
    const cases: [Partial<Capabilities>, object, string][] = [
      [{ createAppointment: false }, {}, 'appointments'],
      [{ createBlock: false }, { unavailable: true }, 'blocks'],
      [{ createPatient: false }, { patient_id: placeholder }, 'new patients'],
    ];
    const dee = await addProvider(api, {});
    try {
      for (const [lacks, appt, what] of cases) {
        capabilities = { ...ALL_CAPABILITIES, ...lacks };
        const contents = await watchContents(api.db);
        const { status, headers, body } = await book(api, { provider_id: dee, ...appt });
        assert.deepEqual(
          [status, headers.get('openchair-error-code'), body.error],
          [400, 'not_supported_by_hrs', [`This health record system takes no ${what}.`]],
        );
        assert.equal(await contents.hasChanged(), false);
      }
      capabilities = { ...ALL_CAPABILITIES, createBlock: false, createPatient: false };
      await booked(api, { provider_id: dee });
    } finally {
      capabilities = ALL_CAPABILITIES;
    }
  });
});
