/**
 * What every kind of connector promises (`src/connectors/connector.ts`), tried against a running HRS with faults in
 * between. Written against the contract only: a kind brings a `Bench`, and calls `conformance` in a test file of
 * its own.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  type AppointmentChanges,
  type Batch,
  type Connector,
  type Cursor,
  HrsNonsense,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  Unavailable,
  type Write,
  type WriteResult,
} from '../../src/connectors/connector.ts';
import type { AppointmentRecord, HrsRecord, PatientAlertRecord, PatientRecord } from '../../src/domain/records.ts';
import { type Fault, type FaultProxy, isWrite } from '../harness/fault-proxy.ts';

export interface Bench {
  /** Talks to the HRS through `proxy`, and gives up waiting after `timeoutMs`. */
  connector: Connector;
  /** Short: the faults that never answer take this long each. */
  timeoutMs: number;
  proxy: FaultProxy;
  desk: FrontDesk;
  /** Which requests write; by default everything but GET. */
  isWrite?: (request: { method: string; url: string }) => boolean;
  close(): Promise<void>;
}

/** People at work in the HRS itself: past the connector and past the proxy. */
export interface FrontDesk {
  /** Foreign ids, in order; all at the same moment, as nearly as the HRS can. */
  addPatients(lastNames: string[]): Promise<string[]>;
  renamePatient(foreignId: string, lastName: string): Promise<void>;
  /** A bookable half hour in the future that was never given out before. */
  takeFreeTime(): Promise<FreeTime>;
  addAppointment(time: FreeTime, patientForeignId: string): Promise<string>;
  cancelAppointment(foreignId: string): Promise<void>;
  /** How many records carry this marker, whatever became of them. */
  countByMarker(kind: Marked, marker: string): Promise<number>;
  /** Another operatory of the location of every free time. */
  otherOperatoryForeignId: string;
}

type Marked = 'patient' | 'appointment' | 'patient_alert';

export type FreeTime = Pick<
  NewAppointment,
  'locationForeignId' | 'providerForeignId' | 'operatoryForeignId' | 'startAt' | 'endAt'
>;

/** The contract's bounds. */
const MAX_BATCH_RECORDS = 1_000;
const MAX_CURSOR_BYTES = 4_096;

const REFERRED_TO = ['location', 'provider', 'operatory'];

/** What may answer a read in place of the HRS. None of it may pass for "that was everything". */
const BAD_READS: Record<string, Fault> = {
  'a cut connection': { kind: 'cut' },
  'HTML with 200': { kind: 'html' },
  'half a body': { kind: 'truncate', how: 'body' },
  'a body cut off': { kind: 'truncate', how: 'connection' },
  'a server error': { kind: 'answer', status: 500 },
  'a redirect': { kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1:9/' } },
  'a request to wait': { kind: 'answer', status: 429, headers: { 'retry-after': '7' } },
  'refused credentials': { kind: 'answer', status: 401 },
  'an empty list': { kind: 'answer', status: 200, body: '[]' },
  'an empty object': { kind: 'answer', status: 200, body: '{}' },
  null: { kind: 'answer', status: 200, body: 'null' },
  'an empty body': { kind: 'answer', status: 200 },
  'nesting without end': { kind: 'answer', status: 200, body: '['.repeat(100_000) },
};

/** What may become of a write after its first byte has left: all of it is doubt. */
const DOUBTFUL_WRITES: Record<string, Fault> = {
  'cut before the work': { kind: 'cut' },
  'cut after the work': { kind: 'lose_reply' },
  'an error after the work': { kind: 'error_after_work' },
  'a lie': { kind: 'lie' },
  'HTML with 200': { kind: 'html' },
  'half an answer': { kind: 'truncate', how: 'body' },
  'an answer cut off': { kind: 'truncate', how: 'connection' },
  'no answer ever': { kind: 'hang' },
  'work done later': { kind: 'late_work', delayMs: 50 },
};

export function conformance(name: string, setup: () => Promise<Bench>): void {
  describe(`${name}: conformance`, () => {
    let bench: Bench;
    let patientId: string;
    const now = () => AbortSignal.timeout(20_000);
    const writes = (request: { method: string; url: string }) => (bench.isWrite ?? isWrite)(request);

    before(async () => {
      bench = await setup();
      [patientId] = (await bench.desk.addPatients(['Ordinary'])) as [string];
    });
    after(() => bench?.close());
    afterEach(() => bench.proxy.clear());

    const execute = (write: Write) => bench.connector.execute(write, now());
    const bookingAt = (time: FreeTime): NewAppointment => ({
      ...time,
      patientForeignId: patientId,
      descriptorForeignIds: [],
      unavailable: false,
      note: 'first visit',
      appointmentsPerTimeslot: 1,
    });
    const createAt = (time: FreeTime, marker = randomUUID()): Write => ({
      kind: 'create_appointment',
      marker,
      appointment: bookingAt(time),
    });
    const updateOf = (foreignId: string, changes: AppointmentChanges, appointmentsPerTimeslot = 1): Write => {
      return { kind: 'update', marker: randomUUID(), foreignId, changes, appointmentsPerTimeslot };
    };
    const alertWrite = (marker = randomUUID()): Write => {
      return { kind: 'create_alert', marker, alert: { patientForeignId: patientId, note: 'Allergic to latex.' } };
    };
    const newPatient = (locationForeignId: string): NewPatient => ({
      firstName: 'Ada',
      middleName: null,
      lastName: 'Written',
      email: 'ada@example.org',
      dateOfBirth: '1990-02-28',
      gender: 'Female',
      phoneNumber: '2125550123',
      cellPhoneNumber: null,
      homePhoneNumber: null,
      workPhoneNumber: null,
      addressLine1: null,
      addressLine2: null,
      city: null,
      state: null,
      zipCode: null,
      guarantorForeignId: null,
      locationForeignId,
      providerForeignId: null,
    });
    const patientWrite = async (marker = randomUUID()): Promise<Write> => {
      const { locationForeignId } = await bench.desk.takeFreeTime();
      return { kind: 'create_patient', marker, patient: newPatient(locationForeignId) };
    };
    const getAppointment = async (foreignId: string): Promise<AppointmentRecord> => {
      const found = await bench.connector.find({ kind: 'appointment', foreignId }, now());
      assert.equal(found.length, 1);
      return found[0] as AppointmentRecord;
    };
    const findByMarker = (kind: Marked, marker: string) => bench.connector.find({ kind, marker }, now());
    const getAlert = async (foreignId: string): Promise<PatientAlertRecord> => {
      const found = await bench.connector.find({ kind: 'patient_alert', foreignId }, now());
      assert.equal(found.length, 1);
      return found[0] as PatientAlertRecord;
    };
    const liveAt = async (time: FreeTime): Promise<AppointmentRecord[]> => {
      const { records } = await readAll(bench.connector, null);
      return records
        .filter((record) => record.kind === 'appointment')
        .filter((one) => !one.cancelled && one.startAt === time.startAt)
        .filter((one) => one.providerForeignId === time.providerForeignId);
    };

    describe('reading', () => {
      it('checks a running HRS, and one that is off', async () => {
        assert.equal((await bench.connector.check(now())).ok, true);
        await bench.proxy.turnOff();
        const result = await bench.connector.check(now());
        await bench.proxy.turnOn();
        assert.equal(result.ok, false);
        assert.match(result.message, /\w/);
      });

      it('reads everything from the beginning, what is referred to first', async () => {
        const ids = await bench.desk.addPatients(Array.from({ length: 120 }, (_, i) => `Many${i}`));
        const { batches, records, cursor } = await readAll(bench.connector, null);
        const patients = new Set(records.filter((r) => r.kind === 'patient').map((r) => r.foreignId));
        assert.deepEqual(
          ids.filter((id) => !patients.has(id)),
          [],
        );
        assert.ok(cursor !== null);
        for (const batch of batches) assert.ok(batch.records.length <= MAX_BATCH_RECORDS);
        assert.deepEqual(
          batches.map((batch) => batch.complete),
          batches.map((_, i) => i === batches.length - 1),
        );
        const kinds = records.map((record) => record.kind);
        const firstOther = kinds.findIndex((kind) => !REFERRED_TO.includes(kind));
        const lastReferred = kinds.findLastIndex((kind) => REFERRED_TO.includes(kind));
        assert.ok(lastReferred < firstOther, `${kinds[lastReferred]} after ${kinds[firstOther]}`);
        for (const kind of REFERRED_TO.slice(0, 2)) assert.ok(kinds.includes(kind as HrsRecord['kind']), kind);
      });

      it('says the same when nothing has happened', async () => {
        const byId = async () => {
          const { records } = await readAll(bench.connector, null);
          return new Map(records.map((record) => [`${record.kind} ${record.foreignId}`, record]));
        };
        assert.deepEqual(await byId(), await byId());
      });

      it('makes cursors that survive storage', async () => {
        const { cursor } = await readAll(bench.connector, null);
        assert.ok(JSON.stringify(cursor).length <= MAX_CURSOR_BYTES);
        assert.deepEqual(JSON.parse(JSON.stringify(cursor)), cursor);
        assert.equal((await readAll(bench.connector, JSON.parse(JSON.stringify(cursor)))).complete, true);
      });

      it('sees what people changed since', async () => {
        const time = await bench.desk.takeFreeTime();
        const cancelledId = await bench.desk.addAppointment(await bench.desk.takeFreeTime(), patientId);
        const { cursor } = await readAll(bench.connector, null);
        await bench.desk.renamePatient(patientId, 'Renamed');
        const bookedId = await bench.desk.addAppointment(time, patientId);
        await bench.desk.cancelAppointment(cancelledId);

        const next = await readAll(bench.connector, cursor);
        const last = (foreignId: string) => next.records.findLast((record) => record.foreignId === foreignId);
        assert.equal((last(patientId) as PatientRecord).lastName, 'Renamed');
        assert.equal((last(cancelledId) as AppointmentRecord).cancelled, true);
        const booked = last(bookedId) as AppointmentRecord;
        assert.deepEqual(
          pick(booked, 'startAt', 'endAt', 'providerForeignId', 'locationForeignId', 'patientForeignId', 'unavailable'),
          {
            ...pick(time, 'startAt', 'endAt', 'providerForeignId', 'locationForeignId'),
            patientForeignId: patientId,
            unavailable: false,
          },
        );

        // The position is true: reading on from it once more still gives the same latest state.
        const again = await readAll(bench.connector, next.cursor);
        for (const record of again.records) if (record.foreignId === bookedId) assert.deepEqual(record, booked);
      });

      it('loses none of many rows of one moment', async () => {
        const { cursor } = await readAll(bench.connector, null);
        const names = Array.from({ length: 70 }, (_, i) => `Same${i}`);
        const first = bench.desk.addPatients(names);
        const between = await readAll(bench.connector, cursor);
        const ids = [...(await first), ...(await bench.desk.addPatients(names))];
        const next = await readAll(bench.connector, between.cursor);
        const seen = new Set([...between.records, ...next.records].map((record) => record.foreignId));
        assert.deepEqual(
          ids.filter((id) => !seen.has(id)),
          [],
        );
      });

      for (const [what, fault] of Object.entries(BAD_READS)) {
        it(`never takes ${what} for the whole`, async () => {
          bench.proxy.takeSeen();
          const { cursor } = await readAll(bench.connector, null);
          const requests = bench.proxy.takeSeen().length;
          for (const at of new Set([0, Math.floor(requests / 2), requests - 1])) {
            let position = 0;
            const armed = bench.proxy.arm(fault, { when: () => position++ === at });
            const batches: Batch[] = [];
            const failure = await collect(bench.connector, at === 0 ? cursor : null, batches).catch((error) => error);
            if (armed.hits() === 0) continue;
            assert.ok(failure instanceof Unavailable || failure instanceof HrsNonsense, `request ${at}: ${failure}`);
            assert.ok(batches.every((batch) => !batch.complete));
            bench.proxy.clear();
          }
        });
      }

      it('passes on how long the HRS asks to wait', async () => {
        bench.proxy.arm(BAD_READS['a request to wait'] as Fault);
        await assert.rejects(collect(bench.connector, null, []), { name: 'Unavailable', retryAfterMs: 7_000 });
      });

      it('gives up on an HRS that never answers, and at once when told to', async () => {
        bench.proxy.arm({ kind: 'hang' });
        await assert.rejects(collect(bench.connector, null, []), Unavailable);
        bench.proxy.arm({ kind: 'hang' });
        const startedMs = performance.now();
        const signal = AbortSignal.timeout(20);
        await assert.rejects(collect(bench.connector, null, [], signal), Unavailable);
        assert.ok(performance.now() - startedMs < bench.timeoutMs);
      });

      it('throws instead of not finding, when it cannot look', async () => {
        for (const fault of ['HTML with 200', 'an empty object', 'a server error', 'a cut connection']) {
          bench.proxy.arm(BAD_READS[fault] as Fault, { times: 20 });
          const look = bench.connector.find({ kind: 'appointment', marker: randomUUID() }, now());
          await assert.rejects(look, (error) => error instanceof Unavailable || error instanceof HrsNonsense);
          bench.proxy.clear();
        }
        bench.proxy.arm(
          { kind: 'answer', status: 404, headers: { 'content-type': 'text/html' }, body: 'Not here' },
          { times: 20 },
        );
        const look = bench.connector.find({ kind: 'appointment', foreignId: 'some-id' }, now());
        await assert.rejects(look, (error) => error instanceof Unavailable || error instanceof HrsNonsense);
      });
    });

    describe('writing', () => {
      it('creates a patient that can be found and is synced', async () => {
        const write = await patientWrite();
        const { cursor } = await readAll(bench.connector, null);
        const { foreignId } = getDone(await execute(write));
        const [found, ...others] = await bench.connector.find({ kind: 'patient', foreignId }, now());
        assert.deepEqual(others, []);
        const expected = { firstName: 'Ada', lastName: 'Written', dateOfBirth: '1990-02-28', gender: 'Female' };
        assert.deepEqual(pick(found as PatientRecord, 'firstName', 'lastName', 'dateOfBirth', 'gender'), expected);
        assert.equal((found as PatientRecord).email, 'ada@example.org');
        assert.equal((found as PatientRecord).phoneNumber, '2125550123');
        const { records } = await readAll(bench.connector, cursor);
        assert.deepEqual(
          records.findLast((record) => record.kind === 'patient' && record.foreignId === foreignId),
          found,
        );
        if (bench.connector.capabilities.marker === 'none') return;
        assert.deepEqual(await findByMarker('patient', write.marker), [found]);
      });

      it('books, confirms and cancels, and the time is free again', async () => {
        const time = await bench.desk.takeFreeTime();
        const write = createAt(time);
        const { foreignId } = getDone(await execute(write));
        const booked = await getAppointment(foreignId);
        assert.deepEqual(
          pick(booked, 'startAt', 'endAt', 'providerForeignId', 'operatoryForeignId', 'locationForeignId'),
          time,
        );
        assert.deepEqual(pick(booked, 'patientForeignId', 'unavailable', 'cancelled', 'note'), {
          patientForeignId: patientId,
          unavailable: false,
          cancelled: false,
          note: 'first visit',
        });
        if (bench.connector.capabilities.marker !== 'none') {
          assert.equal(booked.marker, write.marker);
          assert.deepEqual(await findByMarker('appointment', write.marker), [booked]);
        }
        if (bench.connector.capabilities.confirm) {
          assert.equal(booked.confirmed, false);
          getDone(await execute({ kind: 'confirm', marker: randomUUID(), foreignId }));
          assert.equal((await getAppointment(foreignId)).confirmed, true);
          getDone(await execute({ kind: 'confirm', marker: randomUUID(), foreignId }));
        }
        getDone(await execute({ kind: 'cancel', marker: randomUUID(), foreignId }));
        assert.equal((await getAppointment(foreignId)).cancelled, true);
        getDone(await execute({ kind: 'cancel', marker: randomUUID(), foreignId }));
        getDone(await execute(createAt(time)));
        assert.equal((await liveAt(time)).length, 1);
      });

      it('refuses to change what is not there', async () => {
        for (const kind of ['confirm', 'cancel'] as const) {
          const result = await execute({ kind, marker: randomUUID(), foreignId: '999999999' });
          assert.equal(result.outcome === 'refused' && result.reason, 'not_found_in_hrs');
        }
        assert.deepEqual(await bench.connector.find({ kind: 'appointment', foreignId: '999999999' }, now()), []);
        assert.deepEqual(await bench.connector.find({ kind: 'patient', foreignId: '999999999' }, now()), []);
        assert.deepEqual(await bench.connector.find({ kind: 'patient_alert', foreignId: '999999999' }, now()), []);
        const { capabilities } = bench.connector;
        const others: Write[] = [];
        if (capabilities.changeNote) others.push(updateOf('999999999', { note: 'Nobody' }));
        if (capabilities.changeAlert) {
          others.push({ kind: 'change_alert', marker: randomUUID(), foreignId: '999999999', disabled: true });
        }
        for (const write of others) {
          const result = await execute(write);
          assert.equal(result.outcome === 'refused' && result.reason, 'not_found_in_hrs');
        }
        if (bench.connector.capabilities.marker === 'none') return;
        assert.deepEqual(await findByMarker('appointment', randomUUID()), []);
        assert.deepEqual(await findByMarker('patient_alert', randomUUID()), []);
      });

      it('refuses what it says it cannot do', async () => {
        const { capabilities } = bench.connector;
        const time = await bench.desk.takeFreeTime();
        const foreignId = await bench.desk.addAppointment(time, patientId);
        const marker = randomUUID();
        const unable: Write[] = [];
        if (!capabilities.checkIn) unable.push({ kind: 'check_in', marker, foreignId, checkinAt: time.startAt });
        if (!capabilities.confirm) unable.push({ kind: 'confirm', marker, foreignId });
        if (!capabilities.cancel) unable.push({ kind: 'cancel', marker, foreignId });
        if (!capabilities.createPatient) unable.push(await patientWrite());
        if (!capabilities.reschedule) unable.push(updateOf(foreignId, pick(time, 'startAt', 'endAt')));
        if (!capabilities.changeOperatory) {
          unable.push(updateOf(foreignId, { operatoryForeignId: bench.desk.otherOperatoryForeignId }));
        }
        if (!capabilities.changeNote) unable.push(updateOf(foreignId, { note: 'another' }));
        if (!capabilities.createAlert) unable.push(alertWrite());
        if (!capabilities.changeAlert) unable.push({ kind: 'change_alert', marker, foreignId: '1', disabled: true });
        const many = { ...bookingAt(time), appointmentsPerTimeslot: capabilities.appointmentsPerTimeslot + 1 };
        unable.push({ kind: 'create_appointment', marker, appointment: many });
        bench.proxy.takeSeen();
        for (const write of unable) {
          const result = await execute(write);
          assert.equal(result.outcome === 'refused' && result.reason, 'not_supported', write.kind);
        }
        assert.deepEqual(bench.proxy.takeSeen(), []);
      });

      it('makes, finds and takes away a block', async () => {
        if (!bench.connector.capabilities.createBlock) return;
        const time = await bench.desk.takeFreeTime();
        const marker = randomUUID();
        const block = { ...bookingAt(time), patientForeignId: null, unavailable: true };
        const { foreignId } = getDone(await execute({ kind: 'create_appointment', marker, appointment: block }));
        const found = await getAppointment(foreignId);
        assert.deepEqual(pick(found, 'unavailable', 'patientForeignId', 'startAt', 'endAt', 'providerForeignId'), {
          unavailable: true,
          patientForeignId: null,
          ...pick(time, 'startAt', 'endAt', 'providerForeignId'),
        });
        assert.deepEqual(
          (await liveAt(time)).map((one) => one.foreignId),
          [foreignId],
        );
        if (!bench.connector.capabilities.cancel) return;
        getDone(await execute({ kind: 'cancel', marker: randomUUID(), foreignId }));
        assert.deepEqual(await liveAt(time), []);
        getDone(await execute(createAt(time)));
      });

      it('moves an appointment: its new time is taken, its old one free', async () => {
        if (!bench.connector.capabilities.reschedule) return;
        const [before, after] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
        const { foreignId } = getDone(await execute(createAt(before)));
        const booked = await getAppointment(foreignId);
        const { cursor } = await readAll(bench.connector, null);
        const move = updateOf(foreignId, pick(after, 'startAt', 'endAt'));
        getDone(await execute(move));
        getDone(await execute(move));
        const moved = await getAppointment(foreignId);
        assert.deepEqual(moved, { ...booked, ...pick(after, 'startAt', 'endAt') });
        const { records } = await readAll(bench.connector, cursor);
        assert.deepEqual(
          records.findLast((record) => record.kind === 'appointment' && record.foreignId === foreignId),
          moved,
        );
        getDone(await execute(createAt(before)));
        const late = await execute(createAt(after));
        assert.equal(late.outcome === 'refused' && late.reason, 'slot_taken');
      });

      it('moves no appointment onto another, and then nothing of it has changed', async () => {
        if (!bench.connector.capabilities.reschedule) return;
        const [before, taken] = [await bench.desk.takeFreeTime(), await bench.desk.takeFreeTime()];
        const { foreignId } = getDone(await execute(createAt(before)));
        getDone(await execute(createAt(taken)));
        const booked = await getAppointment(foreignId);
        const note = bench.connector.capabilities.changeNote ? { note: 'moved' } : {};
        const result = await execute(updateOf(foreignId, { ...pick(taken, 'startAt', 'endAt'), ...note }));
        assert.equal(result.outcome === 'refused' && result.reason, 'slot_taken');
        assert.deepEqual(await getAppointment(foreignId), booked);
      });

      it('changes operatory and note, and leaves the rest', async () => {
        const { capabilities } = bench.connector;
        const time = await bench.desk.takeFreeTime();
        const { foreignId } = getDone(await execute(createAt(time)));
        const booked = await getAppointment(foreignId);
        if (capabilities.changeOperatory) {
          const operatoryForeignId = bench.desk.otherOperatoryForeignId;
          getDone(await execute(updateOf(foreignId, { operatoryForeignId })));
          assert.deepEqual(await getAppointment(foreignId), { ...booked, operatoryForeignId });
          const back = updateOf(foreignId, { operatoryForeignId: time.operatoryForeignId });
          getDone(await execute(back));
        }
        if (!capabilities.changeNote) return;
        for (const note of ['second thoughts', null]) {
          getDone(await execute(updateOf(foreignId, { note })));
          assert.deepEqual(await getAppointment(foreignId), { ...booked, note });
        }
      });

      it('lets as many share a time of a provider as each of them allows', async () => {
        const { appointmentsPerTimeslot: most, reschedule } = bench.connector.capabilities;
        if (most === 1) return;
        const time = await bench.desk.takeFreeTime();
        const sharing = (seats: number): Write => {
          const appointment = { ...bookingAt(time), operatoryForeignId: null, appointmentsPerTimeslot: seats };
          return { kind: 'create_appointment', marker: randomUUID(), appointment };
        };
        for (let seat = 1; seat <= most; seat++) {
          const reason = seat === 1 ? null : await execute(sharing(seat - 1));
          if (reason) assert.equal(reason.outcome === 'refused' && reason.reason, 'slot_taken');
          getDone(await execute(sharing(seat)));
        }
        assert.equal((await liveAt(time)).length, most);
        const full = await execute(sharing(most));
        assert.equal(full.outcome === 'refused' && full.reason, 'slot_taken');
        if (!reschedule) return;
        const { foreignId } = getDone(await execute(createAt(await bench.desk.takeFreeTime())));
        const changes = { ...pick(time, 'startAt', 'endAt') };
        const refused = await execute(updateOf(foreignId, changes, most));
        assert.equal(refused.outcome === 'refused' && refused.reason, 'slot_taken');
        const [one] = await liveAt(time);
        getDone(await execute({ kind: 'cancel', marker: randomUUID(), foreignId: one?.foreignId as string }));
        getDone(await execute(updateOf(foreignId, changes, most)));
      });

      it('makes an alert that can be found and is synced, and turns it off and on', async () => {
        const { capabilities } = bench.connector;
        if (!capabilities.createAlert) return;
        const write = alertWrite();
        const { cursor } = await readAll(bench.connector, null);
        const { foreignId } = getDone(await execute(write));
        const alert = await getAlert(foreignId);
        assert.deepEqual(pick(alert, 'patientForeignId', 'note', 'disabledAt'), {
          patientForeignId: patientId,
          note: 'Allergic to latex.',
          disabledAt: null,
        });
        if (capabilities.marker !== 'none') {
          assert.deepEqual(await findByMarker('patient_alert', write.marker), [alert]);
          assert.deepEqual(getDone(await execute(write)).foreignId, foreignId);
          assert.equal(await bench.desk.countByMarker('patient_alert', write.marker), 1);
        }
        const synced = async () =>
          (await readAll(bench.connector, cursor)).records.findLast((record) => record.kind === 'patient_alert');
        assert.deepEqual(await synced(), alert);
        if (!capabilities.changeAlert) return;
        for (const disabled of [true, true, false, false]) {
          getDone(await execute({ kind: 'change_alert', marker: randomUUID(), foreignId, disabled }));
          assert.equal((await getAlert(foreignId)).disabledAt !== null, disabled);
        }
        assert.deepEqual(await synced(), alert);
      });

      it('refuses a time that somebody took', async () => {
        const time = await bench.desk.takeFreeTime();
        await bench.desk.addAppointment(time, patientId);
        const write = createAt(time);
        const result = await execute(write);
        assert.equal(result.outcome === 'refused' && result.reason, 'slot_taken');
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 0);
      });

      it('lets one of several bookings of the same time win', async () => {
        for (let round = 0; round < 5; round++) {
          const time = await bench.desk.takeFreeTime();
          const results = await Promise.all([
            execute(createAt(time)),
            execute(createAt(time)),
            execute(createAt(time)),
          ]);
          const lost = results.filter((result) => result.outcome === 'refused');
          assert.deepEqual(
            lost.map((result) => result.reason),
            ['slot_taken', 'slot_taken'],
          );
          assert.equal((await liveAt(time)).length, 1);
        }
      });

      it('makes one record of one marker', async () => {
        if (bench.connector.capabilities.marker === 'none') return;
        const write = createAt(await bench.desk.takeFreeTime());
        const first = getDone(await execute(write));
        assert.deepEqual(await execute(write), first);
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 1);
        if (bench.connector.capabilities.marker !== 'unique') return;
        const again = createAt(await bench.desk.takeFreeTime());
        await Promise.allSettled([execute(again), execute(again), execute(again)]);
        assert.equal(await bench.desk.countByMarker('appointment', again.marker), 1);
      });

      it('promises that nothing was done only when nothing was', async () => {
        const write = createAt(await bench.desk.takeFreeTime());
        await bench.proxy.turnOff();
        await assert.rejects(execute(write), Unavailable);
        await bench.proxy.turnOn();
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 0);

        const wait: Fault = { kind: 'answer', status: 429, headers: { 'retry-after': '7' } };
        bench.proxy.arm(wait, { when: writes });
        await assert.rejects(execute(write), { name: 'Unavailable', retryAfterMs: 7_000 });
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 0);
        getDone(await execute(write));
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 1);
      });

      it('has no doubt about what it was told to drop before it began', async () => {
        const write = createAt(await bench.desk.takeFreeTime());
        await assert.rejects(bench.connector.execute(write, AbortSignal.abort()), Unavailable);
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 0);
      });

      for (const [what, fault] of Object.entries(DOUBTFUL_WRITES)) {
        for (const kind of ['patient', 'appointment', 'patient_alert'] as const) {
          it(`never takes ${what} for a done ${kind}, and makes one in the end`, async () => {
            if (kind === 'patient_alert' && !bench.connector.capabilities.createAlert) return;
            // Each request that the write consists of, in turn.
            for (let at = 0; ; at++) {
              const time = await bench.desk.takeFreeTime();
              const writesOf = { patient: patientWrite, appointment: () => createAt(time), patient_alert: alertWrite };
              const write = await writesOf[kind]();
              let position = 0;
              const armed = bench.proxy.arm(fault, { when: (request) => writes(request) && position++ === at });
              const ended = await execute(write).catch((error) => error);
              bench.proxy.clear();
              if (armed.hits() === 0) {
                getDone(ended);
                assert.ok(at > 0, 'no request was hit');
                break;
              }
              await armed.done;
              const count = await bench.desk.countByMarker(kind, write.marker);
              // A connector may have looked for itself; then it has to be right.
              if (ended instanceof Error) assert.ok(ended instanceof OutcomeUnknown, `request ${at}: ${ended}`);
              else assert.equal(getDone(ended) && count, 1);
              if (bench.connector.capabilities.marker === 'none') continue;
              assert.equal((await findByMarker(kind, write.marker)).length, count);
              getDone(await execute(write));
              assert.equal(await bench.desk.countByMarker(kind, write.marker), 1);
              if (kind === 'appointment') assert.equal((await liveAt(time)).length, 1);
            }
          });
        }

        it(`calls ${what} unknown when confirming and cancelling, too`, async () => {
          const time = await bench.desk.takeFreeTime();
          const { foreignId } = getDone(await execute(createAt(time)));
          for (const kind of ['confirm', 'cancel'] as const) {
            if (!bench.connector.capabilities[kind]) continue;
            const armed = bench.proxy.arm(fault, { when: writes });
            await assert.rejects(execute({ kind, marker: randomUUID(), foreignId }), OutcomeUnknown);
            await armed.done;
            getDone(await execute({ kind, marker: randomUUID(), foreignId }));
            assert.equal((await getAppointment(foreignId))[kind === 'confirm' ? 'confirmed' : 'cancelled'], true);
          }
        });

        it(`calls ${what} unknown when changing an appointment or an alert`, async () => {
          const { capabilities } = bench.connector;
          const time = await bench.desk.takeFreeTime();
          const { foreignId } = getDone(await execute(createAt(time)));
          const changes: AppointmentChanges = {
            ...(capabilities.reschedule ? pick(await bench.desk.takeFreeTime(), 'startAt', 'endAt') : {}),
            ...(capabilities.changeOperatory ? { operatoryForeignId: bench.desk.otherOperatoryForeignId } : {}),
            ...(capabilities.changeNote ? { note: `after ${what}` } : {}),
          };
          if (Object.keys(changes).length > 0) {
            await inDoubt(updateOf(foreignId, changes));
            assert.deepEqual({ ...(await getAppointment(foreignId)), ...changes }, await getAppointment(foreignId));
            if (capabilities.reschedule) getDone(await execute(createAt(time)));
          }
          if (!capabilities.createAlert || !capabilities.changeAlert) return;
          const alertId = getDone(await execute(alertWrite())).foreignId;
          await inDoubt({ kind: 'change_alert', marker: randomUUID(), foreignId: alertId, disabled: true });
          assert.notEqual((await getAlert(alertId)).disabledAt, null);
        });

        /** Doubt at first, and what was wanted in the end. */
        async function inDoubt(write: Write): Promise<void> {
          const armed = bench.proxy.arm(fault, { when: writes });
          await assert.rejects(execute(write), OutcomeUnknown);
          await armed.done;
          getDone(await execute(write));
        }
      }

      it('finds every copy when the network repeats a write', async () => {
        const write = createAt(await bench.desk.takeFreeTime());
        bench.proxy.arm({ kind: 'repeat' }, { when: writes, times: 10 });
        const ended = await execute(write).catch((error) => error);
        const count = await bench.desk.countByMarker('appointment', write.marker);
        if (ended instanceof OutcomeUnknown || count !== 1)
          assert.notEqual(bench.connector.capabilities.marker, 'unique');
        else getDone(ended);
        if (bench.connector.capabilities.marker === 'none') return;
        assert.equal((await findByMarker('appointment', write.marker)).length, count);
      });

      it('makes one record even of a write that lands after its repetition, where markers are unique', async () => {
        if (bench.connector.capabilities.marker !== 'unique') return;
        const write = createAt(await bench.desk.takeFreeTime());
        const armed = bench.proxy.arm({ kind: 'late_work', delayMs: 200 }, { when: writes });
        await assert.rejects(execute(write), OutcomeUnknown);
        getDone(await execute(write));
        await armed.done;
        assert.equal(await bench.desk.countByMarker('appointment', write.marker), 1);
      });

      it('waits for a slow answer', async () => {
        bench.proxy.arm({ kind: 'slow', delayMs: bench.timeoutMs / 4 }, { when: writes });
        getDone(await execute(createAt(await bench.desk.takeFreeTime())));
      });
    });
  });
}

/** Reads on from `cursor` to the end of the pass; throws unless it was complete. */
export async function readAll(
  connector: Connector,
  cursor: Cursor | null,
): Promise<{ batches: Batch[]; records: Batch['records']; cursor: Cursor | null; complete: boolean }> {
  const batches: Batch[] = [];
  await collect(connector, cursor, batches);
  const last = batches.at(-1);
  assert.equal(last?.complete, true, 'the pass was not complete');
  return { batches, records: batches.flatMap((batch) => batch.records), cursor: last.cursor, complete: last.complete };
}

async function collect(
  connector: Connector,
  cursor: Cursor | null,
  batches: Batch[],
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<void> {
  for await (const batch of connector.changes(cursor, signal)) batches.push(batch);
}

function getDone(result: WriteResult): { outcome: 'done'; foreignId: string } {
  assert.equal(result.outcome, 'done', JSON.stringify(result));
  return result as { outcome: 'done'; foreignId: string };
}

function pick<Item extends object, Name extends keyof Item>(item: Item, ...names: Name[]): Pick<Item, Name> {
  return Object.fromEntries(names.map((name) => [name, item[name]])) as Pick<Item, Name>;
}
