import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { Capabilities, Write } from '../../src/connectors/connector.ts';
import type { AppointmentRecord, PatientRecord } from '../../src/domain/records.ts';
import { type Actions, assertRefused, getDone, pick, readAll } from './bench-actions.ts';

/** What a change of its status leaves as it was. */
const KEPT = [
  'startAt',
  'endAt',
  'patientForeignId',
  'providerForeignId',
  'operatoryForeignId',
  'note',
  'marker',
] as const;

/** Records made, found and refused, while nothing goes wrong. */
export function writingTests(actions: Actions): void {
  const { bench, capabilities, now, bookingAt, execute, createAt, updateOf, stepOn, alertWrite, patientWrite } =
    actions;
  const { book, getPatient, getAppointment, getAlert, findByMarker, liveAt, able, faulty } = actions;
  const connector = () => bench().connector;
  const desk = () => bench().desk;
  const hasMarker = () => capabilities().marker !== 'none';

  it('declares what it can do without contradiction', () => {
    const declared = capabilities();
    assert.ok(Number.isInteger(declared.appointmentsPerTimeslot));
    assert.ok(declared.appointmentsPerTimeslot >= 1 && declared.appointmentsPerTimeslot <= 5);
    // It may work on as long as we would have waited for it.
    assert.ok(Number.isInteger(declared.settleMs) && declared.settleMs >= bench().timeoutMs);
    if (declared.changeOperatory) assert.notEqual(desk().otherOperatoryForeignId, null);
    assert.equal(new Set(declared.readsCompletely).size, declared.readsCompletely.length);
  });

  able(['createPatient'], 'creates a patient that can be found and is synced', async () => {
    const write = await patientWrite();
    const { cursor } = await readAll(connector(), null);
    const { foreignId } = getDone(await execute(write));
    const found = (await getPatient(foreignId)) as PatientRecord;
    assert.deepEqual(pick(found, 'firstName', 'lastName', 'dateOfBirth', 'gender', 'email', 'phoneNumber'), {
      firstName: 'Ada',
      lastName: 'Written',
      dateOfBirth: '1990-02-28',
      gender: 'Female',
      email: 'ada@example.org',
      phoneNumber: '2125550123',
    });
    const { records } = await readAll(connector(), cursor);
    assert.deepEqual(
      records.findLast((record) => record.kind === 'patient' && record.foreignId === foreignId),
      found,
    );
    if (hasMarker()) assert.deepEqual(await findByMarker('patient', write.marker), [found]);
  });

  able(['createAppointment'], 'books, confirms and cancels, and the time is free again', async () => {
    const time = await desk().takeFreeTime();
    const write = createAt(time);
    const { foreignId } = getDone(await execute(write));
    const booked = await getAppointment(foreignId);
    assert.deepEqual(
      pick(booked, 'startAt', 'endAt', 'providerForeignId', 'operatoryForeignId', 'locationForeignId'),
      time,
    );
    assert.deepEqual(pick(booked, 'patientForeignId', 'unavailable', 'cancelled', 'note'), {
      patientForeignId: bench().patientId,
      unavailable: false,
      cancelled: false,
      note: 'first visit',
    });
    if (hasMarker()) {
      assert.equal(booked.marker, write.marker);
      assert.deepEqual(await findByMarker('appointment', write.marker), [booked]);
    }
    if (capabilities().confirm) {
      assert.equal(booked.confirmed, false);
      getDone(await execute(stepOn('confirm', foreignId)));
      const confirmed = await getAppointment(foreignId);
      assert.equal(confirmed.confirmed, true);
      assert.deepEqual(pick(confirmed, ...KEPT), pick(booked, ...KEPT));
      getDone(await execute(stepOn('confirm', foreignId)));
    }
    if (!capabilities().cancel) return;
    getDone(await execute(stepOn('cancel', foreignId)));
    const cancelled = await getAppointment(foreignId);
    assert.equal(cancelled.cancelled, true);
    assert.deepEqual(pick(cancelled, ...KEPT), pick(booked, ...KEPT));
    getDone(await execute(stepOn('cancel', foreignId)));
    getDone(await execute(createAt(time)));
    assert.equal((await liveAt(time)).length, 1);
  });

  able(['createAppointment', 'checkIn'], 'writes down when a patient arrived', async () => {
    const time = await desk().takeFreeTime();
    const foreignId = await book(time);
    const checkIn: Write = { kind: 'check_in', marker: randomUUID(), foreignId, checkinAt: time.startAt };
    getDone(await execute(checkIn));
    assert.notEqual((await getAppointment(foreignId)).checkinAt, null);
    getDone(await execute(checkIn));
  });

  it('refuses to change what is not there', async () => {
    const nobody = '999999999';
    const writes: [keyof Capabilities, Write][] = [
      ['confirm', stepOn('confirm', nobody)],
      ['cancel', stepOn('cancel', nobody)],
      ['changeNote', updateOf(nobody, { note: 'Nobody' })],
      ['changeAlert', { kind: 'change_alert', marker: randomUUID(), foreignId: nobody, disabled: true }],
    ];
    for (const [capability, write] of writes) {
      if (capabilities()[capability]) assertRefused(await execute(write), 'not_found_in_hrs', write.kind);
    }
    for (const kind of ['appointment', 'patient', 'patient_alert'] as const) {
      assert.deepEqual(await connector().find({ kind, foreignId: nobody }, now()), []);
      if (hasMarker()) assert.deepEqual(await findByMarker(kind, randomUUID()), []);
    }
  });

  it('refuses what it says it cannot do, before a byte of it is sent', async () => {
    const time = await desk().takeFreeTime();
    const foreignId = await desk().addAppointment(time, bench().patientId);
    const marker = randomUUID();
    const block = { ...bookingAt(time), patientForeignId: null, unavailable: true };
    const seats = capabilities().appointmentsPerTimeslot + 1;
    const each: Partial<Record<keyof Capabilities, Write>> = {
      createAppointment: createAt(time),
      createPatient: await patientWrite(),
      createBlock: { kind: 'create_appointment', marker, appointment: block },
      confirm: stepOn('confirm', foreignId),
      cancel: stepOn('cancel', foreignId),
      checkIn: { kind: 'check_in', marker, foreignId, checkinAt: time.startAt },
      reschedule: updateOf(foreignId, pick(time, 'startAt', 'endAt')),
      changeOperatory: updateOf(foreignId, { operatoryForeignId: desk().otherOperatoryForeignId }),
      changeNote: updateOf(foreignId, { note: 'another' }),
      createAlert: alertWrite(),
      changeAlert: { kind: 'change_alert', marker, foreignId: '1', disabled: true },
    };
    const unable = Object.entries(each).filter(([name]) => !capabilities()[name as keyof Capabilities]);
    const many = { ...bookingAt(time), appointmentsPerTimeslot: seats };
    unable.push(['appointmentsPerTimeslot', { kind: 'create_appointment', marker, appointment: many }]);
    bench().faults.takeSent();
    for (const [name, write] of unable) assertRefused(await execute(write), 'not_supported', name);
    assert.equal(bench().faults.takeSent(), 0);
  });

  able(['createBlock'], 'makes, finds and takes away a block', async () => {
    const time = await desk().takeFreeTime();
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
    if (!capabilities().cancel) return;
    getDone(await execute(stepOn('cancel', foreignId)));
    assert.deepEqual(await liveAt(time), []);
    getDone(await execute(createAt(time)));
  });

  able(['createAlert'], 'makes an alert that can be found and is synced, and turns it off and on', async () => {
    const write = alertWrite();
    const { cursor } = await readAll(connector(), null);
    const { foreignId } = getDone(await execute(write));
    const alert = await getAlert(foreignId);
    assert.deepEqual(pick(alert, 'patientForeignId', 'note', 'disabledAt'), {
      patientForeignId: bench().patientId,
      note: 'Allergic to latex.',
      disabledAt: null,
    });
    if (hasMarker()) {
      assert.deepEqual(await findByMarker('patient_alert', write.marker), [alert]);
      assert.deepEqual(getDone(await execute(write)).foreignId, foreignId);
      assert.equal(await desk().countByMarker('patient_alert', write.marker), 1);
    }
    const synced = async () =>
      (await readAll(connector(), cursor)).records.findLast((record) => record.kind === 'patient_alert');
    assert.deepEqual(await synced(), alert);
    if (!capabilities().changeAlert) return;
    for (const disabled of [true, true, false, false]) {
      getDone(await execute({ kind: 'change_alert', marker: randomUUID(), foreignId, disabled }));
      assert.equal((await getAlert(foreignId)).disabledAt !== null, disabled);
    }
    assert.deepEqual(await synced(), alert);
  });

  able(['createAppointment'], 'refuses a time that somebody took', async () => {
    const time = await desk().takeFreeTime();
    await desk().addAppointment(time, bench().patientId);
    const write = createAt(time);
    assertRefused(await execute(write), 'slot_taken');
    assert.equal(await desk().countByMarker('appointment', write.marker), 0);
  });

  faulty(
    'race',
    'lets one of several bookings of the same time win',
    async () => {
      for (let round = 0; round < 5; round++) {
        const time = await desk().takeFreeTime();
        const results = await Promise.all([execute(createAt(time)), execute(createAt(time)), execute(createAt(time))]);
        const lost = results.filter((result) => result.outcome === 'refused');
        assert.deepEqual(
          lost.map((result) => result.reason),
          ['slot_taken', 'slot_taken'],
        );
        assert.equal((await liveAt(time)).length, 1);
      }
    },
    ['createAppointment'],
  );

  able(['createAppointment', 'marker'], 'makes one record of one marker', async () => {
    if (!hasMarker()) return;
    const write = createAt(await desk().takeFreeTime());
    const first = getDone(await execute(write));
    assert.deepEqual(await execute(write), first);
    assert.equal(await desk().countByMarker('appointment', write.marker), 1);
    if (capabilities().marker !== 'unique') return;
    const again = createAt(await desk().takeFreeTime());
    await Promise.allSettled([execute(again), execute(again), execute(again)]);
    assert.equal(await desk().countByMarker('appointment', again.marker), 1);
  });

  able(
    ['createAppointment', 'marker'],
    'finds its record by the marker even after people have changed it',
    async () => {
      if (!hasMarker() || !capabilities().cancel) return;
      const write = createAt(await desk().takeFreeTime());
      const { foreignId } = getDone(await execute(write));
      await desk().cancelAppointment(foreignId);
      const [found] = (await findByMarker('appointment', write.marker)) as AppointmentRecord[];
      assert.deepEqual([found?.foreignId, found?.cancelled], [foreignId, true]);
    },
  );
}
