import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { ALL_CAPABILITIES, type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { createAppointment, createPractice } from '../harness/practice.ts';
import { addHours, addOperatory, addProvider, book, booked, insertRow } from './schedule.ts';

/** A Monday, 7:00 in New York. */
const NOW = '2026-03-02T12:00:00.000Z';
/** Tuesday 9:00 in New York; hours are 9:00 to 12:00. */
const NINE = '2026-03-03T14:00:00.000Z';
const at = (time: string) => `2026-03-03T${time}:00.000Z`;
const span = (start: string, end: string) => ({ start_time: at(start), end_time: at(end) });
const NOT_SYNCED = 'Cannot update appointment because it is not synced with the PMS and/or a live client';
const TAKEN = [400, 'slot_taken', 'The slot is taken: this time is no longer available'];
const UNABLE = [400, 'not_supported_by_hrs', 'EMR does not support appointment update.'];

suite('moving an appointment', () => {
  let api: Api;
  let capabilities = ALL_CAPABILITIES;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse(NOW) }, services: { capabilitiesOf: () => capabilities } });
  });
  after(() => api.close());

  const patch = (id: number, appt: object, headers: Record<string, string> = {}) =>
    api.patch(`/appointments/${id}?subdomain=oak`, { version: 'v3.0.0', body: { appt }, headers });
  const moved = async (id: number, appt: object) => {
    const { status, body, text } = await patch(id, appt);
    assert.equal(status, 200, text);
    return body.data.appt;
  };
  const refusal = async (id: number, appt: object) => {
    const contents = await watchContents(api.db);
    const { status, headers, body } = await patch(id, appt);
    assert.equal(await contents.hasChanged(), false);
    return [status, headers.get('openchair-error-code'), ...body.error];
  };
  /** At 9:00 with a provider of its own, in the HRS. */
  const standing = async (fields: object = {}) => {
    const provider_id = await addProvider(api, {});
    const id = await createAppointment(api.db, api.practice, NINE, { provider_id, ...fields });
    return { id, provider_id };
  };
  const commandsOf = (id: number) =>
    forAll(api.db, (tx) =>
      tx.selectFrom('command').selectAll().where('appointment_id', '=', id).orderBy('sequence').execute(),
    );
  const claimsOf = async (id: number) =>
    (
      await forAll(api.db, (tx) =>
        tx.selectFrom('claim').selectAll().where('appointment_id', '=', id).orderBy('start_at').execute(),
      )
    ).map(({ resource, start_at, end_at }) => `${resource} ${start_at.slice(11, 16)}-${end_at.slice(11, 16)}`);

  test('is one write of all that changes, and of nothing else', async () => {
    const { id } = await standing({ note: 'as it was' });
    const operatory_id = await addOperatory(api);
    await moved(id, { ...span('15:00', '15:30'), operatory_id: String(operatory_id), note: 'as it was' });
    const [command, ...others] = await commandsOf(id);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [command?.kind, command?.expires_at, command?.changes, command?.previous],
      [
        'update',
        NINE,
        { start_at: at('15:00'), end_at: at('15:30'), operatory_id },
        { start_at: NINE, end_at: at('14:30'), operatory_id: null },
      ],
    );
    const writes = (await api.get(`/appointments/${id}/writes?subdomain=oak`)).body.data;
    assert.deepEqual(
      writes.map(({ kind, state }: Record<string, string>) => [kind, state]),
      [['update', 'queued']],
    );
  });

  test('to where it is costs nothing', async () => {
    const { id } = await standing({ note: 'as it was' });
    const contents = await watchContents(api.db);
    await moved(id, { start_time: '2026-03-03T09:00:00', end_time: '2026-03-03T09:30:00-05:00', note: 'as it was' });
    assert.equal(await contents.hasChanged(), false);
  });

  test('by a quarter of an hour does not meet itself', async () => {
    const operatory_id = await addOperatory(api);
    const { id } = await standing({ operatory_id });
    await moved(id, span('14:15', '14:45'));
    assert.deepEqual((await claimsOf(id)).sort(), [
      'operatory 14:00-14:30',
      'operatory 14:30-14:45',
      'provider 14:00-14:30',
      'provider 14:30-14:45',
    ]);
    await moved(id, span('14:00', '14:30'));
    await moved(id, span('14:00', '15:00'));
    assert.equal((await claimsOf(id)).filter((claim) => claim.startsWith('provider')).length, 3);
  });

  test('can wait five times, not more', async () => {
    const { id } = await standing();
    for (const minute of ['15', '20', '25', '30', '35']) await moved(id, span(`14:${minute}`, `15:${minute}`));
    assert.deepEqual(await refusal(id, span('14:40', '15:40')), [400, 'not_synced', NOT_SYNCED]);
  });

  test('to a time that is taken is refused, whoever has it', async () => {
    const { id, provider_id } = await standing();
    const room = await addOperatory(api);
    await createAppointment(api.db, api.practice, at('15:00'), { provider_id });
    await createAppointment(api.db, api.practice, at('15:30'), { provider_id, unavailable: true, patient_id: null });
    await booked(api, { provider_id, start_time: at('16:00'), end_time: at('16:30') });
    await createAppointment(api.db, api.practice, at('16:30'), { provider_id: null, operatory_id: room });
    for (const [start, end] of [
      ['14:45', '15:15'],
      ['15:30', '15:45'],
      ['16:15', '16:30'],
    ] as const) {
      assert.deepEqual(await refusal(id, span(start, end)), TAKEN);
    }
    assert.deepEqual(await refusal(id, { ...span('16:30', '17:00'), operatory_id: room }), TAKEN);
    await moved(id, span('16:30', '17:00'));
    assert.deepEqual(await refusal(id, { operatory_id: room }), TAKEN);
  });

  test('leaves the old time taken, and takes the new one from the slots', async () => {
    const { id, provider_id } = await standing();
    await moved(id, span('15:00', '15:30'));
    for (const start_time of [NINE, at('15:00')]) {
      assert.deepEqual((await book(api, { provider_id, start_time })).body.error, [TAKEN[2]]);
    }
    const query = `subdomain=oak&start_date=2026-03-03&days=1&lids[]=${api.practice.locations.north}&pids[]=${provider_id}`;
    const slots = (await api.get(`/appointment_slots?${query}&slot_length=30`)).body.data[0].slots;
    const times = slots.map(({ time }: { time: string }) => time.slice(11, 16));
    assert.ok(!times.includes('09:00') && !times.includes('10:00') && times.includes('10:30'), times.join());
  });

  test('into another’s time is decided once, however many try', async () => {
    const provider_id = await addProvider(api, {});
    const starts = ['14:00', '14:30', '15:00', '15:30'];
    const ids = [];
    for (const start of starts) ids.push(await createAppointment(api.db, api.practice, at(start), { provider_id }));
    const answers = await Promise.all([
      ...ids.map((id) => patch(id, span('16:00', '16:30'))),
      ...starts.map(() => book(api, { provider_id, start_time: at('16:00'), end_time: at('16:30') })),
    ]);
    const done = answers.filter(({ status }) => status < 300);
    assert.equal(done.length, 1, answers.map(({ text }) => text).join('\n'));
    for (const { status, body } of answers)
      if (status >= 300) assert.deepEqual([status, body.error], [400, [TAKEN[2]]]);
  });

  test('is held to the hours and to the type, and to the future', async () => {
    const typed = await insertRow(api, 'appointment_type', { name: 'Crown', minutes: 30 });
    const other = await insertRow(api, 'appointment_type', { name: 'Bridge', minutes: 30 });
    const provider_id = await addProvider(api);
    await addHours(api, provider_id, {}, [typed]);
    const id = await createAppointment(api.db, api.practice, NINE, { provider_id, appointment_type_id: typed });
    const untyped = await createAppointment(api.db, api.practice, at('16:00'), {
      provider_id,
      appointment_type_id: other,
    });
    assert.deepEqual(await refusal(id, span('17:00', '17:30')), [
      400,
      'outside_hours',
      'Time slot is not during working hours',
    ]);
    assert.deepEqual((await refusal(untyped, span('15:30', '16:00')))[1], 'type_not_configured');
    assert.deepEqual(await refusal(id, { start_time: '2026-03-01T15:00:00Z', end_time: '2026-03-01T15:30:00Z' }), [
      400,
      'in_the_past',
      'start_time must be in the future',
    ]);
    for (const end of ['15:00', '14:45']) {
      assert.deepEqual(await refusal(id, span('15:00', end)), [
        400,
        'invalid_parameter',
        'Invalid parameter appt[end_time]: must be after start_time',
      ]);
    }
    await moved(id, span('15:00', '15:30'));
    // A room and a note are no time: what staff have put outside the hours may get them.
    const outside = await createAppointment(api.db, api.practice, at('22:00'), { provider_id });
    await moved(outside, { operatory_id: await addOperatory(api), note: 'x' });
  });

  test('needs both times, and names the one that is missing', async () => {
    const { id } = await standing();
    assert.deepEqual(await refusal(id, { start_time: at('15:00') }), [
      400,
      'missing_parameter',
      'Missing parameter appt[end_time]',
    ]);
    assert.deepEqual(await refusal(id, { end_time: at('15:00'), note: 'x' }), [
      400,
      'missing_parameter',
      'Missing parameter appt[start_time]',
    ]);
    assert.match(String((await refusal(id, {}))[2]), /^Missing parameter appt\[confirmed\], .* or appt\[note\]$/);
    assert.match(String((await refusal(id, { start_time: 'soon', end_time: 'later' }))[2]), /appt\[start_time\]/);
  });

  test('into an operatory needs one of the location that is open', async () => {
    const { id } = await standing();
    const south = await addOperatory(api, { location_id: api.practice.locations.south });
    const closed = await addOperatory(api, { active: false });
    const elm = await createPractice(api.db, `elm-${randomUUID()}`);
    for (const operatory_id of [south, elm.operatories.roomNorth, 987_654_321]) {
      assert.deepEqual(await refusal(id, { operatory_id }), [400, 'invalid_parameter', 'operatory_id was not found']);
    }
    assert.deepEqual(await refusal(id, { operatory_id: closed }), [400, 'inactive', 'operatory_id is inactive']);
  });

  test('takes a note away when it is sent an empty one, and leaves it when it is sent none', async () => {
    const { id } = await standing({ note: 'as it was' });
    assert.equal((await moved(id, { note: null, confirmed: true })).note, 'as it was');
    assert.equal((await moved(id, { note: '' })).note, null);
    assert.deepEqual(
      (await commandsOf(id)).map(({ kind, changes }) => [kind, changes.note]),
      [
        ['confirm', undefined],
        ['update', null],
      ],
    );
  });

  test('takes a note of 128 characters', async () => {
    const { id } = await standing();
    assert.equal((await moved(id, { note: 'n'.repeat(128) })).note.length, 128);
    assert.deepEqual((await refusal(id, { note: 'n'.repeat(129) })).slice(0, 2), [400, 'invalid_parameter']);
    assert.deepEqual(await claimsOf(id), [], 'a note takes no time');
    const echo = { body: { appt: { confirmed: true, note: 'n'.repeat(129) } } };
    assert.equal((await api.patch(`/appointments/${id}?subdomain=oak`, echo)).status, 200, 'v2 does not look at it');
  });

  test('that the HRS cannot take is refused, each for itself', async () => {
    const { id } = await standing();
    const fields = {
      reschedule: span('15:00', '15:30'),
      changeOperatory: { operatory_id: await addOperatory(api) },
      changeNote: { note: 'x' },
    };
    try {
      for (const [ability, appt] of Object.entries(fields)) {
        capabilities = { ...ALL_CAPABILITIES, [ability]: false };
        assert.deepEqual(await refusal(id, appt), UNABLE);
        assert.deepEqual(
          await refusal(id, { confirmed: true, ...Object.assign({}, ...Object.values(fields)) }),
          UNABLE,
        );
      }
    } finally {
      capabilities = ALL_CAPABILITIES;
    }
  });

  test('of what the HRS does not have, or has cancelled, is refused', async () => {
    const { id } = await booked(api, { provider_id: await addProvider(api, {}) });
    const cancelled = (await standing({ cancelled: true })).id;
    for (const appt of [span('15:00', '15:30'), { note: 'x' }]) {
      for (const one of [id, cancelled]) assert.deepEqual(await refusal(one, appt), [400, 'not_synced', NOT_SYNCED]);
    }
  });

  test('does not exist in v2: the fields are passed over, beside one that counts', async () => {
    const { id } = await standing({ note: 'as it was' });
    const path = `/appointments/${id}?subdomain=oak`;
    const appt = { confirmed: true, note: 'x', ...span('15:00', '15:30') };
    const { status, body } = await api.patch(path, { body: { appt } });
    assert.deepEqual(
      [status, body.data.appt.confirmed, body.data.appt.note, body.data.appt.start_time],
      [200, true, 'as it was', NINE],
    );
    assert.equal((await api.patch(path, { body: { appt: { note: 'x' } } })).status, 400);
    // Nor does a half of it fail there.
    const half = { checkin_at: NINE, start_time: at('15:00') };
    assert.equal((await api.patch(path, { body: { appt: half } })).status, 200);
  });

  test('is done once for one Idempotency-Key', async () => {
    const { id } = await standing();
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all([1, 2, 3].map(() => patch(id, span('15:00', '15:30'), headers)));
    assert.ok(answers.some(({ status }) => status === 200));
    assert.equal((await patch(id, span('15:00', '15:30'), headers)).status, 200);
    assert.equal((await patch(id, span('16:00', '16:30'), headers)).status, 422);
    assert.equal((await commandsOf(id)).length, 1);
  });

  test('of a block moves it anywhere', async () => {
    const { id, provider_id } = await standing({ unavailable: true, patient_id: null });
    await moved(id, span('21:00', '23:00'));
    assert.equal((await commandsOf(id))[0]?.kind, 'update');
    await createAppointment(api.db, api.practice, at('15:00'), { provider_id });
    assert.deepEqual(await refusal(id, span('15:00', '15:30')), TAKEN);
  });
});
