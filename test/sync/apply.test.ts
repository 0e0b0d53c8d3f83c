import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { forInstitution } from '../../src/store/database.ts';
import type { NewAppointmentRow } from '../../src/store/schema.ts';
import type { Duplicate } from '../../src/sync/apply.ts';
import { appointmentRecord, createMemoryHrs, locationRecord, patientRecord, providerRecord } from './memory-hrs.ts';
import { furnish, openPractice, type Practice } from './practice.ts';

describe('records become rows', () => {
  let practice: Practice;
  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs()));
    practice.hrs.put(appointmentRecord('A1', { note: 'first' }));
    await practice.sync();
  });
  afterEach(() => practice.close());

  /** A booking of ours that the HRS has not got, as the API leaves it. */
  async function book(values: Partial<NewAppointmentRow> = {}): Promise<{ id: number; marker: string }> {
    const a1 = await practice.appointment('A1');
    const marker = randomUUID();
    const { id } = await practice.query((tx) =>
      tx
        .insertInto('appointment')
        .values({
          institution_id: practice.institutionId,
          connection_id: practice.connectionId,
          location_id: a1.location_id,
          patient_id: a1.patient_id,
          provider_id: a1.provider_id,
          marker,
          start_at: '2026-12-02T14:00:00.000Z',
          end_at: '2026-12-02T14:30:00.000Z',
          ...values,
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    return { id, marker };
  }

  async function command(appointmentId: number, kind: 'create' | 'confirm', more: object = {}): Promise<number> {
    const { id } = await practice.query((tx) =>
      tx
        .insertInto('command')
        .values({
          institution_id: practice.institutionId,
          connection_id: practice.connectionId,
          appointment_id: appointmentId,
          sequence: 1,
          kind,
          marker: randomUUID(),
          expires_at: '2026-12-02T14:00:00.000Z',
          ...more,
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    return id;
  }

  it('makes rows of everything and no events at the first sync', async () => {
    const row = await practice.appointment('A1');
    assert.equal(row.start_at, '2026-12-01T14:00:00.000Z');
    assert.equal(row.patient_id, (await practice.patient('P1')).id);
    assert.deepEqual(await practice.events(), []);
    assert.equal((await practice.connection()).read_status, 'green');
  });

  it('says nothing of what is read again unchanged', async () => {
    const before = await practice.appointment('A1');
    const result = await practice.sync({ full: true });
    assert.equal(result.kind, 'full');
    assert.equal(result.changed, 0);
    assert.deepEqual(await practice.events(), []);
    assert.deepEqual(await practice.appointment('A1'), before);
  });

  it('tells of a change, with what it was before', async () => {
    practice.hrs.put(appointmentRecord('A1', { note: 'second', confirmed: true }));
    assert.equal((await practice.sync()).changed, 1);
    const [event, ...others] = await practice.events();
    assert.deepEqual(others, []);
    assert.equal(event?.name, 'appointment_updated');
    assert.equal(event?.data.appointment.note, 'second');
    assert.equal(event?.data.appointment.provider_name, 'Pat Provider D1');
    assert.deepEqual(event?.data.previous_attributes, { note: 'first', confirmed: false, confirmed_at: null });
    assert.equal((await practice.appointment('A1')).confirmed_at, '2026-11-01T00:00:00.000Z');
  });

  it('tells of what is new', async () => {
    practice.hrs.put(patientRecord('P3', { guarantorForeignId: 'P4' }));
    practice.hrs.put(patientRecord('P4'));
    practice.hrs.put(appointmentRecord('A2', { patientForeignId: 'P3' }));
    await practice.sync();
    const events = await practice.events();
    assert.deepEqual(
      events.map(({ name }) => name),
      ['patient_created', 'patient_created', 'appointment_created'],
    );
    assert.equal(events[2]?.data.appointments[0].patient_id, (await practice.patient('P3')).id);
    assert.equal((await practice.patient('P3')).guarantor_id, (await practice.patient('P4')).id);
  });

  it('undoes an edit that was made only here', async () => {
    const { id } = await practice.appointment('A1');
    await practice.query((tx) => tx.updateTable('appointment').set({ note: 'ours' }).where('id', '=', id).execute());
    await practice.sync({ full: true });
    assert.equal((await practice.appointment('A1')).note, 'first');
    assert.equal((await practice.events()).length, 1);
  });

  it('leaves the fields of an open command alone, and takes the others', async () => {
    const { id } = await practice.appointment('A1');
    const changes = { confirmed: true, confirmed_at: '2026-11-01T00:00:00.000Z' };
    await practice.query((tx) => tx.updateTable('appointment').set(changes).where('id', '=', id).execute());
    const commandId = await command(id, 'confirm', { changes: JSON.stringify(changes), state: 'unknown' });
    practice.hrs.put(appointmentRecord('A1', { note: 'moved', startAt: '2026-12-01T13:00:00.000Z' }));
    await practice.sync();
    const row = await practice.appointment('A1');
    assert.deepEqual([row.confirmed, row.note, row.start_at], [true, 'moved', '2026-12-01T13:00:00.000Z']);

    // It ended while the HRS was being read: what was read is older than its outcome.
    const finish = (at: string) =>
      practice.query((tx) =>
        tx.updateTable('command').set({ state: 'complete', finished_at: at }).where('id', '=', commandId).execute(),
      );
    await finish('2026-11-01T00:00:00.000Z');
    await practice.sync({ full: true });
    assert.equal((await practice.appointment('A1')).confirmed, true);
    await finish('2026-10-31T23:59:59.999Z');
    await practice.sync({ full: true });
    assert.equal((await practice.appointment('A1')).confirmed, false);
  });

  it('lets a booking of ours adopt its record, but not while its command is open', async () => {
    const { id, marker } = await book();
    const commandId = await command(id, 'create', { state: 'settling' });
    practice.hrs.put(
      appointmentRecord('A2', { marker, startAt: '2026-12-02T14:00:00.000Z', endAt: '2026-12-02T14:30:00.000Z' }),
    );
    await practice.sync();
    const all = () => practice.query((tx) => tx.selectFrom('appointment').selectAll().orderBy('id').execute());
    assert.deepEqual(
      (await all()).map(({ foreign_id }) => foreign_id),
      ['A1', null],
    );
    await practice.query((tx) =>
      tx
        .updateTable('command')
        .set({ state: 'incomplete', finished_at: '2026-10-01T00:00:00.000Z' })
        .where('id', '=', commandId)
        .execute(),
    );
    await practice.sync({ full: true });
    assert.deepEqual(
      (await all()).map(({ foreign_id }) => foreign_id),
      ['A1', 'A2'],
    );
    assert.equal((await practice.appointment('A2')).id, id);
    const events = await practice.events();
    assert.deepEqual(
      events.map(({ name, data }) => [name, data.previous_attributes.foreign_id]),
      [['appointment_updated', null]],
    );
  });

  it('takes a second record with the marker of a booking for a duplicate', async () => {
    const { id, marker } = await book({ foreign_id: 'A2' });
    const found: Duplicate[] = [];
    practice.services.onDuplicate = async (_, duplicate) => void found.push(duplicate);
    const times = { startAt: '2026-12-02T14:00:00.000Z', endAt: '2026-12-02T14:30:00.000Z' };
    practice.hrs.put(appointmentRecord('A2', { marker, ...times }));
    practice.hrs.put(appointmentRecord('A3', { marker, ...times }));
    await practice.sync();
    const copy = await practice.appointment('A3');
    assert.equal(copy.marker, null);
    assert.deepEqual(found, [{ appointmentId: id, duplicateId: copy.id }]);
    await practice.sync({ full: true });
    assert.equal(found.length, 1);
  });

  it('lets a patient of ours adopt its record', async () => {
    const marker = randomUUID();
    const { id } = await practice.query((tx) =>
      tx
        .insertInto('patient')
        .values({
          institution_id: practice.institutionId,
          connection_id: practice.connectionId,
          marker,
          first_name: 'New',
          last_name: 'Person',
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    practice.hrs.put(patientRecord('P9', { marker, firstName: 'New', lastName: 'Person' }));
    await practice.sync();
    assert.equal((await practice.patient('P9')).id, id);
  });

  it('keeps a deleted appointment as cancelled, and takes it back when it returns', async () => {
    const { id } = await practice.appointment('A1');
    practice.hrs.remove('appointment', 'A1');
    assert.equal((await practice.sync()).deleted, 1);
    const gone = await practice.appointment('A1');
    assert.equal(gone.deleted_at, '2026-11-01T00:00:00.000Z');
    assert.equal(gone.cancelled, true);
    const [event] = await practice.events();
    assert.equal(event?.name, 'appointment_updated');
    assert.equal(event?.data.appointment.cancelled, true);
    assert.equal(event?.data.appointment.deleted, true);
    assert.equal(event?.data.previous_attributes.cancelled, false);

    practice.hrs.put(appointmentRecord('A1', { note: 'first' }));
    await practice.sync();
    const back = await practice.appointment('A1');
    assert.deepEqual([back.id, back.deleted_at, back.cancelled, back.missing_passes], [id, null, false, 0]);
  });

  for (const between of ['one pass', 'two passes']) {
    it(`gives an id that is used again for another patient a row of its own (${between})`, async () => {
      const { id } = await practice.appointment('A1');
      const p1 = await practice.patient('P1');
      practice.hrs.remove('appointment', 'A1');
      practice.hrs.remove('patient', 'P1');
      if (between === 'two passes') await practice.sync();
      practice.hrs.put(patientRecord('P1', { firstName: 'Somebody', lastName: 'Else', dateOfBirth: '1999-09-09' }));
      practice.hrs.put(appointmentRecord('A1', { patientForeignId: 'P2', note: 'of P2' }));
      await practice.sync();
      const patient = await practice.patient('P1');
      assert.notEqual(patient.id, p1.id);
      assert.equal(patient.first_name, 'Somebody');
      const old = await practice.query((tx) =>
        tx.selectFrom('patient').selectAll().where('id', '=', p1.id).executeTakeFirstOrThrow(),
      );
      assert.deepEqual([old.foreign_id, old.first_name, old.inactive], [null, 'FirstP1', true]);
      assert.notEqual(old.deleted_at, null);
      if (between === 'two passes') assert.notEqual((await practice.appointment('A1')).id, id);
      assert.equal((await practice.appointment('A1')).note, 'of P2');
    });
  }

  it('moves everything to the patient that is left after a merge, whatever the HRS goes on to call them', async () => {
    const { id } = await book();
    practice.hrs.put(appointmentRecord('A9', { patientForeignId: 'P1' }));
    await practice.sync();
    await practice.events();
    practice.hrs.put(patientRecord('P1', { mergedIntoForeignId: 'P2', inactive: true }));
    await practice.sync();
    const [p1, p2] = [await practice.patient('P1'), await practice.patient('P2')];
    assert.deepEqual([p1.merged_into_id, p1.inactive], [p2.id, true]);
    const row = await practice.query((tx) =>
      tx.selectFrom('appointment').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
    );
    assert.equal(row.patient_id, p2.id, 'what the HRS does not have yet');
    assert.equal((await practice.appointment('A9')).patient_id, p2.id, 'what it has');
    const told = (await practice.events()).filter(({ name }) => name.startsWith('appointment'));
    assert.ok(told.length >= 2 && told.every(({ data }) => data.appointment.patient_id === p2.id));

    practice.hrs.put(appointmentRecord('A9', { patientForeignId: 'P1', note: 'said again' }));
    await practice.sync();
    const again = await practice.appointment('A9');
    assert.deepEqual([again.note, again.patient_id], ['said again', p2.id]);
    assert.equal((await practice.sync({ full: true })).changed, 0);
  });

  it('waits, to the end of the pass, for what a record refers to', async () => {
    // The snapshot is paged one record at a time, and appointments of L0 sort before nothing they need.
    const hrs = createMemoryHrs({ pageSize: 1 });
    const other = await openPractice(hrs);
    try {
      hrs.put(patientRecord('P1', { guarantorForeignId: 'P2' }));
      hrs.put(patientRecord('P2'));
      hrs.put(locationRecord('L1'));
      hrs.put(providerRecord('D1'));
      await other.sync();
      assert.equal((await other.patient('P1')).guarantor_id, (await other.patient('P2')).id);
      // In the feed the appointment comes first.
      hrs.put(appointmentRecord('A1', { locationForeignId: 'L2', providerForeignId: 'D2' }));
      hrs.put(providerRecord('D2', { locationForeignIds: ['L2'] }));
      hrs.put(locationRecord('L2'));
      await other.sync();
      const row = await other.appointment('A1');
      assert.notEqual(row.provider_id, null);
      assert.deepEqual(
        (await other.events()).map(({ name }) => name),
        ['provider_created', 'provider_updated', 'appointment_created'],
      );
      hrs.put(appointmentRecord('A9', { locationForeignId: 'nowhere' }));
      assert.equal((await other.sync()).outcome, 'complete');
    } finally {
      await other.close();
    }
  });

  it('passes over what cannot be stored, and stores the rest', async () => {
    practice.hrs.put(appointmentRecord('A2', { startAt: '2026-12-01T15:00:00.000Z' }));
    practice.hrs.put(appointmentRecord('A3', { confirmedAt: '2026-02-30T00:00:00.000Z' }));
    practice.hrs.put(appointmentRecord('x'.repeat(256)));
    practice.hrs.put(locationRecord('L7', { timeZone: 'Mars/Olympus' }));
    practice.hrs.put(patientRecord('P5', { dateOfBirth: '0000-00-00' }));
    practice.hrs.put(appointmentRecord('A4', { note: 'a\0b\ud800c' }));
    assert.equal((await practice.sync()).outcome, 'complete');
    assert.equal((await practice.appointment('A4')).note, 'a\ufffdb\ufffdc');
    assert.equal((await practice.events()).length, 1);
    assert.equal(practice.log.length, 1);
    const { count, problems } = JSON.parse(practice.log[0] as string);
    assert.equal(count, 5);
    assert.ok(problems.includes('patient: its date_of_birth is not a date'));
  });

  it('serves one institution only', async () => {
    await assert.rejects(
      forInstitution(practice.db, practice.institutionId + 1, (tx) =>
        tx.selectFrom('appointment').selectAll().executeTakeFirstOrThrow(),
      ),
    );
  });
});
