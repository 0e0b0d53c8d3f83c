import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type CommandServices, runCommand } from '../../src/commands/run.ts';
import type { Connector } from '../../src/connectors/connector.ts';
import { createMetrics } from '../../src/metrics.ts';
import { forAll } from '../../src/store/database.ts';
import { ALL_CAPABILITIES, type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { createAppointment, createPractice } from '../harness/practice.ts';
import { addProvider, book, booked } from './schedule.ts';

/** A Monday, 7:00 in New York. */
const NOW = '2026-03-02T12:00:00.000Z';
const START = '2026-03-03T14:00:00.000Z';
const NOT_SYNCED = 'Cannot update appointment because it is not synced with the PMS and/or a live client';

suite('changes of an appointment', () => {
  let api: Api;
  let capabilities = ALL_CAPABILITIES;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse(NOW) }, services: { capabilitiesOf: () => capabilities } });
  });
  after(() => api.close());

  const patch = (id: number, appt: object, headers: Record<string, string> = {}) =>
    api.patch(`/appointments/${id}?subdomain=oak`, { body: { appt }, headers });
  const changed = async (id: number, appt: object) => {
    const { status, body, text } = await patch(id, appt);
    assert.equal(status, 200, text);
    return body.data.appt;
  };
  const synced = (fields: object = {}) => createAppointment(api.db, api.practice, START, fields);
  const writesOf = async (id: number) => (await api.get(`/appointments/${id}/writes?subdomain=oak`)).body.data;
  const kindsOf = async (id: number) => (await writesOf(id)).map((write: { kind: string }) => write.kind);
  const commandsOf = (id: number) =>
    forAll(api.db, (tx) =>
      tx.selectFrom('command').selectAll().where('appointment_id', '=', id).orderBy('sequence').execute(),
    );
  const claimsOf = async (id: number) =>
    (await forAll(api.db, (tx) => tx.selectFrom('claim').selectAll().where('appointment_id', '=', id).execute()))
      .length;
  const eventsOf = async (id: number) =>
    (
      await forAll(api.db, (tx) =>
        tx.selectFrom('event').selectAll().where('resource_id', '=', id).orderBy('position').execute(),
      )
    ).map(({ event_name, sequence, data }) => ({ event_name, sequence, ...JSON.parse(data) }));
  /** Refused, with nothing written. */
  const refusal = async (id: number, appt: object) => {
    const contents = await watchContents(api.db);
    const { status, headers, body } = await patch(id, appt);
    assert.equal(await contents.hasChanged(), false);
    return [status, headers.get('openchair-error-code'), ...body.error];
  };

  test('confirm what the HRS has, as office and as patient', async () => {
    const id = await synced();
    const appt = await changed(id, { confirmed: true });
    assert.deepEqual(
      [appt.confirmed, appt.confirmed_at, appt.patient_confirmed, appt.patient_confirmed_at, appt.updated_at],
      [true, NOW, true, NOW, NOW],
    );
    const [command] = await commandsOf(id);
    assert.deepEqual(
      [command?.kind, command?.state, command?.expires_at, command?.previous],
      [
        'confirm',
        'queued',
        START,
        { confirmed: false, confirmed_at: null, patient_confirmed: false, patient_confirmed_at: null },
      ],
    );
  });

  test('confirm once: what is confirmed already costs nothing', async () => {
    const id = await synced();
    await changed(id, { confirmed: true });
    const contents = await watchContents(api.db);
    assert.equal((await changed(id, { confirmed: 'True' })).confirmed, true);
    assert.equal(await contents.hasChanged(), false);
    assert.deepEqual(await kindsOf(id), ['confirm']);
    const office = await synced({ confirmed: true });
    assert.equal((await changed(office, { confirmed: true })).patient_confirmed, false, 'the office had done it');
    assert.deepEqual(await kindsOf(office), []);
  });

  test('do not confirm or check in what the HRS does not have yet', async () => {
    const { id } = await booked(api, { provider_id: await addProvider(api, {}) });
    assert.deepEqual(await refusal(id, { confirmed: true }), [400, 'not_synced', NOT_SYNCED]);
    assert.deepEqual(await refusal(id, { checkin_at: START }), [400, 'not_synced', NOT_SYNCED]);
  });

  test('cannot be taken back, and say so', async () => {
    const id = await synced({ confirmed: true });
    for (const field of ['confirmed', 'cancelled']) {
      assert.deepEqual(await refusal(id, { [field]: false }), [
        400,
        'invalid_parameter',
        `Invalid parameter appt[${field}]: can only be set to true`,
      ]);
    }
    assert.deepEqual(await refusal(id, { confirmed: 'perhaps' }), [
      400,
      'invalid_parameter',
      'Invalid parameter appt[confirmed]: must be true or false',
    ]);
  });

  test('check in once, at any instant', async () => {
    const id = await synced();
    const appt = await changed(id, { checkin_at: '2026-03-03T08:55:00-05:00' });
    assert.equal(appt.checkin_at, '2026-03-03T13:55:00.000Z');
    assert.deepEqual(await kindsOf(id), ['check_in']);
    assert.deepEqual(await refusal(id, { checkin_at: START }), [
      400,
      'invalid_parameter',
      'Invalid parameter appt[checkin_at]: is set already and cannot be changed',
    ]);
    const utc = await changed(await synced(), { checkin_at: '2026-03-03T13:55:00' });
    assert.equal(utc.checkin_at, '2026-03-03T13:55:00.000Z', 'UTC without an offset');
    assert.match(
      String((await refusal(await synced(), { checkin_at: 'soon' }))[2]),
      /^Invalid parameter appt\[checkin_at\]: is not an ISO 8601/,
    );
  });

  test('cancel what the HRS has, and keep its time until it has let go', async () => {
    const dee = await addProvider(api, {});
    const id = await synced({ provider_id: dee });
    const appt = await changed(id, { cancelled: true });
    assert.deepEqual([appt.cancelled, appt.cancelled_at, appt.deleted], [true, NOW, false]);
    assert.deepEqual(await kindsOf(id), ['cancel']);
    assert.equal(await claimsOf(id), 1);
    const again = await book(api, { provider_id: dee });
    assert.deepEqual(again.body.error, ['The slot is taken: this time is no longer available']);
    for (const field of [{ cancelled: true }, { confirmed: true }, { checkin_at: START }]) {
      assert.deepEqual(await refusal(id, field), [400, 'not_synced', NOT_SYNCED]);
    }
  });

  test('cancel what has not left yet: the booking ends at once, its time is free, and each write has its event', async () => {
    const dee = await addProvider(api, {});
    const { id } = await booked(api, { provider_id: dee });
    const appt = await changed(id, { cancelled: true });
    assert.deepEqual([appt.cancelled, appt.cancelled_at, appt.deleted, appt.foreign_id], [true, NOW, true, null]);
    assert.deepEqual(
      (await writesOf(id)).map(({ kind, state, reason_code }: Record<string, string>) => [kind, state, reason_code]),
      [
        ['create', 'failed', 'cancelled_before_sent'],
        ['cancel', 'queued', null],
      ],
    );
    assert.equal(await claimsOf(id), 0);
    const [insertion, ...others] = await eventsOf(id);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [insertion?.event_name, insertion?.reason_code, insertion?.retryable, insertion?.message, insertion?.hrs_said],
      [
        'appointment_insertion.failed',
        'cancelled_before_sent',
        false,
        'It was cancelled before it was sent to the HRS.',
        null,
      ],
    );
    assert.equal(insertion?.appointment.cancelled, true);
    assert.deepEqual(await refusal(id, { cancelled: true }), [400, 'not_synced', NOT_SYNCED]);
    await booked(api, { provider_id: dee });

    // The cancellation finds nothing to do: it ends without a word to the HRS.
    const [, cancel] = await commandsOf(id);
    assert.ok(cancel);
    await runCommand(deafWorker(), cancel, new AbortController().signal);
    assert.deepEqual((await writesOf(id)).at(-1).state, 'complete');
    const [, update, ...more] = await eventsOf(id);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [update?.event_name, update?.appointment.id, update?.appointment.cancelled, update?.appointment.deleted],
      ['appointment_updated', id, true, true],
    );
    assert.ok((update?.sequence ?? 0) > (insertion?.sequence ?? 0));
  });

  /** A worker whose HRS must not be spoken to. */
  function deafWorker(): CommandServices {
    const silence = () => {
      throw new Error('nothing of this may reach the HRS');
    };
    const connector = { capabilities: ALL_CAPABILITIES, execute: silence, find: silence } as unknown as Connector;
    const { db, clock, log, wakeups, connectorKinds } = api.services;
    return { db, clock, log, wakeups, kinds: connectorKinds, connectorOf: () => connector, metrics: createMetrics() };
  }

  test('leave a booking that a worker holds, or has sent, to that worker', async () => {
    const held = { state: 'queued', lease_until: '2999-01-01T00:00:00.000Z' } as const;
    for (const command of [held, { state: 'sent', attempts: 1 }, { state: 'searched', attempts: 1 }] as const) {
      const dee = await addProvider(api, {});
      const { id } = await booked(api, { provider_id: dee });
      await forAll(api.db, (tx) => tx.updateTable('command').set(command).where('appointment_id', '=', id).execute());
      const appt = await changed(id, { cancelled: true });
      assert.deepEqual([appt.cancelled, appt.deleted], [true, false]);
      assert.deepEqual(
        (await writesOf(id)).map(({ kind, state }: Record<string, string>) => [kind, state]),
        [
          ['create', command.state],
          ['cancel', 'queued'],
        ],
      );
      assert.equal(await claimsOf(id), 1, 'it may reach the HRS yet');
      assert.deepEqual(await eventsOf(id), []);
    }
  });

  test('come several at once, a write for each', async () => {
    const id = await synced();
    const appt = await changed(id, { confirmed: true, checkin_at: START, cancelled: true });
    assert.deepEqual([appt.confirmed, appt.checkin_at, appt.cancelled], [true, START, true]);
    assert.deepEqual(await kindsOf(id), ['confirm', 'check_in', 'cancel']);
    assert.deepEqual(
      (await commandsOf(id)).map(({ sequence }) => sequence),
      [1, 2, 3],
    );
  });

  test('of what is past have an hour, and a check-in a day', async () => {
    const past = { start_at: '2026-03-02T09:00:00.000Z', end_at: '2026-03-02T09:30:00.000Z' };
    const id = await synced(past);
    await changed(id, { checkin_at: past.start_at });
    await changed(id, { cancelled: true });
    assert.deepEqual(
      (await commandsOf(id)).map(({ expires_at }) => expires_at),
      ['2026-03-03T12:00:00.000Z', '2026-03-02T13:00:00.000Z'],
    );
  });

  test('pass over fields that cannot be changed, beside one that can', async () => {
    const id = await synced({ note: 'as it was' });
    const appt = await changed(id, { cancelled: true, note: 'x', start_time: '2027-01-01T00:00:00Z', provider_id: 1 });
    assert.deepEqual([appt.note, appt.start_time, appt.provider_id], ['as it was', START, api.practice.providers.ada]);
  });

  test('need something to change', async () => {
    const id = await synced();
    const text = 'Missing parameter appt[confirmed], appt[cancelled] or appt[checkin_at]';
    for (const appt of [{}, { note: 'x' }, { confirmed: null, cancelled: '' }]) {
      assert.deepEqual(await refusal(id, appt), [400, 'missing_parameter', text]);
    }
    const bare = await api.patch(`/appointments/${id}?subdomain=oak`, { body: {} });
    assert.deepEqual(bare.body.error, ['Missing parameter appt']);
    const none = await api.patch(`/appointments/${id}?subdomain=oak`);
    assert.deepEqual([none.status, none.body.error], [400, ['Missing parameter appt']]);
  });

  test('of another practice’s appointment are not found, as of none', async () => {
    const elm = await createPractice(api.db, 'elm');
    const theirs = await createAppointment(api.db, elm, START);
    for (const id of [theirs, 999_999]) {
      assert.deepEqual(await refusal(id, { cancelled: true }), [404, 'not_found', 'Resource not found']);
    }
    const none = await api.patch(`/appointments/${theirs}?subdomain=elm`, { body: { appt: { cancelled: true } } });
    assert.equal(none.status, 404);
    assert.equal((await api.delete(`/appointments/${await synced()}?subdomain=oak`)).status, 404, 'there is no DELETE');
  });

  test('that the HRS cannot take are refused, each for itself', async () => {
    const fields = { confirm: { confirmed: true }, checkIn: { checkin_at: START }, cancel: { cancelled: true } };
    try {
      for (const [ability, appt] of Object.entries(fields)) {
        capabilities = { ...ALL_CAPABILITIES, [ability]: false };
        const text = `EMR does not support appointment update of ${Object.keys(appt)[0]}.`;
        assert.deepEqual(await refusal(await synced(), appt), [400, 'not_supported_by_hrs', text]);
        // What it can take beside it is not done either.
        assert.equal(
          (await refusal(await synced(), { ...fields.confirm, ...fields.checkIn, ...fields.cancel }))[0],
          400,
        );
      }
    } finally {
      capabilities = ALL_CAPABILITIES;
    }
  });

  test('at the same time cancel once', async () => {
    const id = await synced();
    const answers = await Promise.all(Array.from({ length: 8 }, () => patch(id, { cancelled: true })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, body } of answers) if (status !== 200) assert.deepEqual(body.error, [NOT_SYNCED]);
    assert.deepEqual(await kindsOf(id), ['cancel']);
  });

  test('are taken from a form too', async () => {
    const id = await synced();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = 'subdomain=oak&appt[cancelled]=True';
    const answer = await api.patch(`/appointments/${id}`, { body, headers });
    assert.deepEqual([answer.status, answer.body.data.appt.cancelled], [200, true]);
  });
});
