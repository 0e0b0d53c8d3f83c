import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { addHours, addOperatory, addProvider, book, booked } from './schedule.ts';

/** A Monday, 7:00 in New York and 5:00 in Denver. */
const NOW = '2026-03-02T12:00:00.000Z';

suite('bookings', () => {
  let api: Api;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse(NOW) } });
  });
  after(() => api.close());

  const rowOf = (id: number) =>
    forAll(api.db, (tx) => tx.selectFrom('appointment').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
  const claimsOf = (id: number) =>
    forAll(api.db, (tx) =>
      tx
        .selectFrom('claim')
        .select(['resource', 'resource_id', 'start_at', 'end_at'])
        .where('appointment_id', '=', id)
        .orderBy('resource')
        .execute(),
    );
  const commandsOf = (id: number) =>
    forAll(api.db, (tx) =>
      tx.selectFrom('command').selectAll().where('appointment_id', '=', id).orderBy('sequence').execute(),
    );

  test('are answered with data.appt and stored with their claims and one command', async () => {
    const room = await addOperatory(api);
    const dee = await addProvider(api, {});
    await addHours(api, dee, {}, [api.practice.types.cleaning]);
    const appt = await booked(api, {
      provider_id: dee,
      operatory_id: room,
      appointment_type_id: api.practice.types.cleaning,
      note: 'first visit',
      referrer: 'a friend',
      is_new_clients_patient: true,
    });
    const { id, created_at, updated_at, ...fields } = appt;
    assert.ok(Number.isInteger(id) && created_at && updated_at);
    assert.deepEqual(fields, {
      patient_id: api.practice.patients.pia,
      provider_id: dee,
      provider_name: 'Dee Dogwood',
      start_time: '2026-03-03T14:00:00.000Z',
      end_time: '2026-03-03T14:30:00.000Z',
      confirmed: false,
      patient_missed: false,
      note: 'first visit',
      unavailable: false,
      cancelled: false,
      timezone: 'America/New_York',
      timezone_offset: '-5:00',
      institution_id: api.institution.id,
      appointment_type_id: api.practice.types.cleaning,
      checkin_at: null,
      location_id: api.practice.locations.north,
      foreign_id: null,
      foreign_id_type: 'nex',
      misc: { is_booked_on_nexhealth: true },
      last_sync_time: null,
      patient_confirmed: false,
      patient_confirmed_at: null,
      created_by_user_id: api.apiUserId,
      is_guardian: false,
      cancelled_at: null,
      is_new_clients_patient: true,
      confirmed_at: null,
      sooner_if_possible: false,
      operatory_id: room,
      deleted: false,
      checked_out: false,
      checked_out_at: null,
      referrer: 'a friend',
      is_past_patient: false,
    });
    const times = { start_at: fields.start_time, end_at: fields.end_time };
    assert.deepEqual(await claimsOf(id), [
      { resource: 'operatory', resource_id: room, ...times },
      { resource: 'provider', resource_id: dee, ...times },
    ]);
    const [command, ...others] = await commandsOf(id);
    const row = await rowOf(id);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [command?.kind, command?.state, command?.sequence, command?.expires_at, command?.marker, row.command_sequence],
      ['create', 'queued', 1, fields.start_time, row.marker, 1],
    );
    assert.deepEqual(command?.history, [{ state: 'queued', at: NOW }]);
    assert.deepEqual(row.descriptor_ids, [api.practice.descriptors.cleaningCode], 'those of the type');
  });

  test('end with the type, else after a quarter of an hour, and where the request says', async () => {
    const { cleaning } = api.practice.types;
    const dee = await addProvider(api);
    await addHours(api, dee, {}, [cleaning]);
    const end = async (start_time: string, appt: object) =>
      (await booked(api, { provider_id: dee, start_time, ...appt })).end_time;
    assert.equal(await end('2026-03-03T14:00:00Z', {}), '2026-03-03T14:15:00.000Z');
    assert.equal(await end('2026-03-03T14:15:00Z', { category_id: cleaning }), '2026-03-03T14:45:00.000Z');
    const until = { appointment_type_id: cleaning, end_time: '2026-03-03T15:00:00Z' };
    assert.equal(await end('2026-03-03T14:45:00Z', until), '2026-03-03T15:00:00.000Z');
  });

  test('of one instant are the same in every spelling', async () => {
    const spellings = [
      '2026-03-03T14:00:00Z',
      '2026-03-03T14:00:00.000Z',
      '2026-03-03T14:00:00+00:00',
      '2026-03-03T14:00:00+0000',
      '2026-03-03T08:00:00-06:00',
      '2026-03-03T08:00:00.000-0600',
      '2026-03-03T19:30:00+05:30',
      '2026-03-03T09:00:00',
      '2026-03-03T09:00',
      '2026-03-03 09:00:00',
    ];
    for (const start_time of spellings) {
      const appt = await booked(api, { provider_id: await addProvider(api, {}), start_time });
      assert.equal(appt.start_time, '2026-03-03T14:00:00.000Z', start_time);
    }
    const south = { location_id: api.practice.locations.south };
    const denver = await booked(
      api,
      {
        provider_id: api.practice.providers.ben,
        operatory_id: api.practice.operatories.roomSouth,
        start_time: '2026-03-03T09:00:00',
      },
      { query: south },
    );
    assert.deepEqual([denver.start_time, denver.timezone_offset], ['2026-03-03T16:00:00.000Z', '-7:00']);
  });

  test('on the night of a clock change mean the hour that exists', async () => {
    const dee = await addProvider(api, { begin_minute: 0, end_minute: 300 });
    const skipped = await book(api, { provider_id: dee, start_time: '2026-03-08T02:30:00' });
    assert.deepEqual(
      [skipped.status, skipped.body.error],
      [
        400,
        [
          'Invalid parameter appt[start_time]: names a local time that the clock skips that day; send it with an offset',
        ],
      ],
    );
    const after = await booked(api, { provider_id: dee, start_time: '2026-03-08T03:00:00' });
    assert.deepEqual([after.start_time, after.timezone_offset], ['2026-03-08T07:00:00.000Z', '-4:00']);
    const first = await booked(api, { provider_id: dee, start_time: '2026-11-01T01:30:00' });
    assert.equal(first.start_time, '2026-11-01T05:30:00.000Z', 'the earlier of the two');
    const second = await booked(api, { provider_id: dee, start_time: '2026-11-01T01:30:00-05:00' });
    assert.equal(second.start_time, '2026-11-01T06:30:00.000Z');
  });

  test('of a block need no patient, no hours, and only a provider or an operatory', async () => {
    const dee = await addProvider(api, {});
    const night = { start_time: '2026-03-03T03:00:00Z', end_time: '2026-03-04T09:00:00Z' };
    const block = await booked(api, { provider_id: dee, patient_id: undefined, unavailable: 'True', ...night });
    assert.deepEqual([block.unavailable, block.patient_id, block.appointment_type_id], [true, null, 0]);
    const room = await addOperatory(api);
    const named = await booked(api, { provider_id: null, operatory_id: room, unavailable: true, ...night });
    assert.deepEqual(
      [named.patient_id, named.provider_id, named.provider_name, named.operatory_id],
      [null, null, null, room],
    );
    assert.deepEqual(
      (await claimsOf(named.id)).map(({ resource, resource_id }) => [resource, resource_id]),
      [['operatory', room]],
    );
  });

  test('carry the descriptors asked for instead of those of the type', async () => {
    const { examCode, cleaningCode } = api.practice.descriptors;
    const dee = await addProvider(api);
    await addHours(api, dee, {}, [api.practice.types.cleaning]);
    const descriptors = async (start_time: string, appt: object) => {
      const { id } = await booked(api, {
        provider_id: dee,
        start_time,
        appointment_type_id: api.practice.types.cleaning,
        ...appt,
      });
      return (await rowOf(id)).descriptor_ids;
    };
    assert.deepEqual(await descriptors('2026-03-03T14:00:00Z', {}), [cleaningCode]);
    assert.deepEqual(await descriptors('2026-03-03T14:30:00Z', { descriptor_ids: [String(examCode)] }), [examCode]);
    assert.deepEqual(await descriptors('2026-03-03T15:00:00Z', { descriptor_ids: examCode }), [examCode]);
    assert.deepEqual(await descriptors('2026-03-03T15:30:00Z', { descriptor_ids: [] }), []);
  });

  test('keep a note of 128 characters, however many bytes they have', async () => {
    for (const note of ['n'.repeat(128), 'é'.repeat(128), '<script>', null]) {
      assert.equal((await booked(api, { provider_id: await addProvider(api, {}), note })).note, note);
    }
  });

  test('are taken as real clients send them', async () => {
    const dee = await addProvider(api, {});
    const form = new URLSearchParams({
      subdomain: 'oak',
      location_id: String(api.practice.locations.north),
      notify_patient: 'True',
      'appt[patient_id]': String(api.practice.patients.pia),
      'appt[provider_id]': String(dee),
      'appt[operatory_id]': '',
      'appt[start_time]': '2026-03-03T09:00:00-05:00',
      'appt[end_time]': '2026-03-03T09:30:00.000-05:00',
      'appt[is_new_clients_patient]': 'False',
      'appt[descriptor_ids][]': String(api.practice.descriptors.examCode),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = await api.post('/appointments', { body: form.toString(), headers });
    assert.equal(sent.status, 201, sent.text);
    const { id, start_time, end_time, operatory_id } = sent.body.data.appt;
    assert.deepEqual(
      [start_time, end_time, operatory_id, (await rowOf(id)).descriptor_ids],
      ['2026-03-03T14:00:00.000Z', '2026-03-03T14:30:00.000Z', null, [api.practice.descriptors.examCode]],
    );
    const json = await api.post('/appointments?notify_patient=True', {
      body: {
        subdomain: 'oak',
        location_id: String(api.practice.locations.north),
        appointments_per_timeslot: 1,
        appt: {
          patient_id: String(api.practice.patients.pia),
          provider_id: String(dee),
          operatory_id: null,
          end_time: '',
          start_time: '2026-03-03T14:30:00Z',
          unheard_of: { of: 'anything' },
        },
      },
    });
    assert.deepEqual([json.status, json.body.error], [201, []], json.text);
  });
});
