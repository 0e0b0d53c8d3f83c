import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { sql } from 'kysely';
import { holdTime } from '../../src/commands/update.ts';
import { forAll, type Tx } from '../../src/store/database.ts';
import type { AppointmentRow } from '../../src/store/schema.ts';
import { addHours, addOperatory, addProvider } from '../api/schedule.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';
import { until } from '../harness/program.ts';
import { createScriptedHrs, putVisit, type ScriptedHrs, work } from './scripted-hrs.ts';

/** A Monday, 7:00 in New York. */
const NOW_MS = Date.parse('2026-03-02T12:00:00.000Z');
const OLD = { start_at: '2026-03-03T15:00:00.000Z', end_at: '2026-03-03T15:30:00.000Z' };
const NEW = { start_at: '2026-03-03T16:00:00.000Z', end_at: '2026-03-03T16:30:00.000Z' };
const LATER = { start_at: '2026-03-03T16:30:00.000Z', end_at: '2026-03-03T17:00:00.000Z' };

const inWire = ({ start_at, end_at }: typeof NEW) => ({ start_time: start_at, end_time: end_at });

/** Does a transaction wait for what another has not committed yet? */
const isAnybodyWaiting = async (tx: Tx) =>
  (
    await sql`select from pg_locks where not granted and pid in
      (select pid from pg_stat_activity where datname = current_database())`.execute(tx)
  ).rows.length > 0;

suite('a move', () => {
  let api: Api;
  let hrs: ScriptedHrs;
  const clock = { ms: NOW_MS, nowMs: () => clock.ms };

  before(async () => {
    api = await startApi({ clock });
  });
  beforeEach(() => {
    clock.ms = NOW_MS;
    hrs = createScriptedHrs();
  });
  after(() => api.close());

  const read = (id: number): Promise<AppointmentRow> =>
    forAll(api.db, (tx) => tx.selectFrom('appointment').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
  const timesOf = async (id: number) => {
    const { start_at, end_at } = await read(id);
    return { start_at, end_at };
  };
  const claimsOf = async (id: number) =>
    (
      await forAll(api.db, (tx) =>
        tx.selectFrom('claim').selectAll().where('appointment_id', '=', id).orderBy('start_at').execute(),
      )
    ).map(({ resource, start_at, end_at }) => `${resource} ${start_at.slice(11, 16)}-${end_at.slice(11, 16)}`);
  const eventsOf = async (id: number) =>
    (
      await forAll(api.db, (tx) =>
        tx.selectFrom('event').selectAll().where('resource_id', '=', id).orderBy('position').execute(),
      )
    ).map(({ event_name, data }) => ({ event_name, ...JSON.parse(data) }));
  const writesOf = async (id: number) =>
    (await api.get(`/appointments/${id}/writes?subdomain=oak`)).body.data.map(
      ({ kind, state, reason_code }: Record<string, string>) => [kind, state, reason_code ?? ''].join(' ').trim(),
    );
  /** An appointment of a provider of its own, in the HRS. */
  const standing = async (fields: object = {}) => {
    const provider_id = await addProvider(api);
    await addHours(api, provider_id, { begin_minute: 0, end_minute: 1440 });
    const id = await createAppointment(api.db, api.practice, OLD.start_at, { provider_id, ...fields });
    putVisit(hrs, await read(id));
    return id;
  };
  const patch = async (id: number, appt: object) => {
    const { status, body, text } = await api.patch(`/appointments/${id}?subdomain=oak`, {
      version: 'v3.0.0',
      body: { appt },
    });
    assert.equal(status, 200, text);
    return body.data.appt;
  };
  const visitOf = (row: AppointmentRow) => hrs.visits.get(row.foreign_id as string);
  const visitTimes = async (id: number) => {
    const visit = visitOf(await read(id));
    return { start_at: visit?.startAt, end_at: visit?.endAt };
  };

  test('is shown at once, carried out, and told by the names of the wire', async () => {
    const room = await addOperatory(api, { foreign_id: 'R9' });
    const id = await standing({ note: 'as it was' });
    const shown = await patch(id, { ...inWire(NEW), operatory_id: room, note: 'bring x-rays' });
    assert.deepEqual([shown.start_time, shown.operatory_id, shown.note], [NEW.start_at, room, 'bring x-rays']);
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30', 'operatory 16:00-16:30']);
    await work(api, hrs, clock);
    assert.equal(hrs.sent.length, 1, 'one write carries all three');
    const row = await read(id);
    assert.deepEqual(
      [row.start_at, row.end_at, row.operatory_id, row.note],
      [NEW.start_at, NEW.end_at, room, 'bring x-rays'],
    );
    assert.equal(visitOf(row)?.operatoryForeignId, 'R9');
    assert.deepEqual(await claimsOf(id), []);
    const [event, ...others] = await eventsOf(id);
    assert.deepEqual(others, []);
    assert.equal(event.event_name, 'appointment_updated');
    assert.deepEqual(event.previous_attributes, { ...inWire(OLD), operatory_id: null, note: 'as it was' });
    assert.equal(event.appointment.start_time, NEW.start_at);
  });

  test('whose answer is lost is looked up, not sent again', async () => {
    const id = await standing();
    await patch(id, inWire(NEW));
    hrs.script.push('lose');
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['update complete']);
    assert.equal(hrs.sent.length, 1);
    assert.deepEqual(await timesOf(id), NEW);
  });

  test('of which nothing arrived is sent again', async () => {
    for (const reply of ['drop', 'lie', 'off'] as const) {
      hrs = createScriptedHrs();
      const id = await standing();
      await patch(id, inWire(NEW));
      hrs.script.push(reply);
      await work(api, hrs, clock);
      assert.deepEqual([await writesOf(id), hrs.sent.length], [['update complete'], 2], reply);
      assert.deepEqual(await visitTimes(id), NEW);
      assert.deepEqual(await claimsOf(id), []);
    }
  });

  test('that is refused is taken back, with all that came with it', async () => {
    const id = await standing({ note: 'as it was' });
    await patch(id, { ...inWire(NEW), note: 'x' });
    hrs.script.push('refuse');
    await work(api, hrs, clock);
    const row = await read(id);
    assert.deepEqual([row.start_at, row.end_at, row.note], [OLD.start_at, OLD.end_at, 'as it was']);
    assert.deepEqual(await claimsOf(id), []);
    const [event] = await eventsOf(id);
    assert.deepEqual(
      [event.event_name, event.reason_code, event.appointment.start_time, event.previous_attributes.start_time],
      ['appointment_updated.failed', 'refused_by_hrs', OLD.start_at, OLD.start_at],
    );
  });

  test('cannot be made any more at the earlier of its two starts', async () => {
    for (const [from, to] of [
      [OLD, NEW],
      [NEW, OLD],
    ] as const) {
      hrs = createScriptedHrs();
      clock.ms = NOW_MS;
      const id = await standing({ ...from });
      await patch(id, inWire(to));
      hrs.script.push(...Array<'off'>(50).fill('off'));
      clock.ms = Date.parse(OLD.start_at) - 60_000;
      await work(api, hrs, clock);
      assert.deepEqual(await writesOf(id), ['update timed_out hrs_unreachable']);
      assert.equal(hrs.sent.length, 1, 'nothing leaves afterwards');
      assert.deepEqual(await timesOf(id), { start_at: from.start_at, end_at: from.end_at });
      assert.deepEqual(await claimsOf(id), []);
    }
  });

  test('of what has begun already has an hour', async () => {
    const id = await standing();
    clock.ms = Date.parse(OLD.end_at) - 60_000;
    await patch(id, inWire({ start_at: '2026-03-04T16:00:00.000Z', end_at: '2026-03-04T16:30:00.000Z' }));
    const command = await forAll(api.db, (tx) =>
      tx.selectFrom('command').selectAll().where('appointment_id', '=', id).executeTakeFirstOrThrow(),
    );
    assert.equal(command.expires_at, '2026-03-03T16:29:00.000Z');
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['update complete']);
  });

  test('in doubt keeps both times', async () => {
    const id = await standing();
    await patch(id, inWire(NEW));
    hrs.script.push('drop');
    hrs.canBeRead = false;
    clock.ms = Date.parse(OLD.start_at) - 60_000;
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['update incomplete outcome_unknown']);
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30']);
  });

  test('yields to staff who moved it elsewhere while its answer was lost', async () => {
    for (const reply of ['do', 'lose', 'drop'] as const) {
      hrs = createScriptedHrs();
      const id = await standing();
      await patch(id, inWire(NEW));
      hrs.script.push(reply);
      const visit = visitOf(await read(id));
      hrs.meanwhile = () => Object.assign(visit as object, { startAt: LATER.start_at, endAt: LATER.end_at });
      await work(api, hrs, clock);
      assert.deepEqual([await writesOf(id), hrs.sent.length], [['update failed overtaken'], 1], reply);
      assert.deepEqual([await timesOf(id), await visitTimes(id)], [LATER, LATER]);
      assert.deepEqual(await claimsOf(id), []);
    }
  });

  test('waits for the one before it, and goes back to what that one left', async () => {
    const id = await standing();
    await patch(id, inWire(NEW));
    await patch(id, inWire(LATER));
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30', 'provider 16:30-17:00']);
    hrs.script.push('refuse', 'refuse');
    await work(api, hrs, clock, { rounds: 1 });
    assert.deepEqual(await timesOf(id), LATER, 'what is still asked for');
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30', 'provider 16:30-17:00']);
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['update failed refused_by_hrs', 'update failed refused_by_hrs']);
    assert.deepEqual(await timesOf(id), OLD, 'and not the time of the first move, which was never had');
    assert.deepEqual(await claimsOf(id), []);

    // Even when the HRS cannot be asked what it has.
    const other = await standing();
    await patch(other, inWire(NEW));
    await patch(other, inWire(LATER));
    hrs.script.push('refuse', ...Array<'off'>(50).fill('off'));
    clock.ms = Date.parse(OLD.start_at) - 120_000;
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(other), ['update failed refused_by_hrs', 'update timed_out hrs_unreachable']);
    assert.deepEqual(await timesOf(other), OLD);
    hrs.script.length = 0;
    clock.ms = NOW_MS;

    await patch(id, inWire(NEW));
    await patch(id, inWire(LATER));
    hrs.script.push('do', 'off');
    await work(api, hrs, clock);
    assert.deepEqual([await timesOf(id), await visitTimes(id)], [LATER, LATER]);
  });

  test('holds its old time in another seat when somebody takes the one that looked free', async () => {
    const [id, neighbour] = [await standing(), await createAppointment(api.db, api.practice, OLD.start_at)];
    const { provider_id, institution_id } = await read(id);
    const holding = await forAll(api.db, async (tx) => {
      await tx
        .insertInto('claim')
        .values({
          institution_id,
          appointment_id: neighbour,
          resource: 'provider',
          resource_id: provider_id,
          ...OLD,
        } as never)
        .execute();
      const held = forAll(api.db, (other) => holdTime(other, id));
      await until('it to wait', () => isAnybodyWaiting(tx));
      return { held };
    });
    await holding.held;
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30']);
  });

  test('with others in its new time takes a seat beside theirs', async () => {
    const id = await standing({ appointments_per_timeslot: 2 });
    const { provider_id } = await read(id);
    const neighbour = await createAppointment(api.db, api.practice, OLD.start_at, {
      ...{ provider_id, appointments_per_timeslot: 2 },
    });
    await patch(neighbour, inWire(NEW));
    await patch(id, inWire(NEW));
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30']);
    assert.deepEqual(await claimsOf(neighbour), ['provider 15:00-15:30', 'provider 16:00-16:30']);
    await work(api, hrs, clock);
  });

  test('is made before the confirmation and the cancellation that come with it', async () => {
    const id = await standing();
    await patch(id, { confirmed: true, cancelled: true, ...inWire(NEW) });
    assert.deepEqual(await claimsOf(id), ['provider 15:00-15:30', 'provider 16:00-16:30']);
    await work(api, hrs, clock);
    assert.deepEqual(await writesOf(id), ['update complete', 'confirm complete', 'cancel complete']);
    assert.deepEqual(
      hrs.sent.map(({ kind }) => kind),
      ['update', 'confirm', 'cancel'],
    );
    assert.deepEqual(await claimsOf(id), []);
  });

  test('frees its old time only when the HRS has let go of it', async () => {
    const id = await standing();
    const { provider_id } = await read(id);
    await patch(id, inWire(NEW));
    const book = (start_time: string) =>
      api.post(`/appointments?subdomain=oak&location_id=${api.practice.locations.north}`, {
        body: { appt: { patient_id: api.practice.patients.pia, provider_id, start_time } },
      });
    assert.equal((await book(OLD.start_at)).status, 400);
    assert.equal((await book(NEW.start_at)).status, 400);
    await work(api, hrs, clock);
    assert.equal((await book(NEW.start_at)).status, 400);
    assert.equal((await book(OLD.start_at)).status, 201);
  });
});
