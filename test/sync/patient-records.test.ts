/** What the HRS keeps of patients beside their appointments: insurance, recalls, alerts; and labels of hours. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { HrsRecord } from '../../src/domain/records.ts';
import type { CommandTable, Schema } from '../../src/store/schema.ts';
import {
  alertRecord,
  appointmentRecord,
  availabilityRecord,
  coverageRecord,
  createMemoryHrs,
  labelRecord,
  patientRecord,
  planRecord,
  providerRecord,
  recallRecord,
  recallTypeRecord,
} from './memory-hrs.ts';
import { furnish, openPractice, openSharedDatabase, type Practice, type SharedDatabase } from './practice.ts';

const EVERYTHING: HrsRecord[] = [
  recallRecord('R1', { appointmentForeignId: 'A1' }),
  appointmentRecord('A1'),
  recallTypeRecord('T1', { description: 'Twice a year' }),
  coverageRecord('C1', { patientForeignId: 'P2', subscriptionRelation: 'spouse' }),
  planRecord('I1'),
  alertRecord('N1'),
  availabilityRecord('H1', { labelForeignId: 'B1' }),
  labelRecord('B1'),
];

describe('what is kept of patients', () => {
  let shared: SharedDatabase;
  let practice: Practice;
  before(async () => {
    shared = await openSharedDatabase();
  });
  after(() => shared.close());
  beforeEach(async () => {
    // One record a batch, in an order in which each comes before what it refers to.
    practice = await openPractice(furnish(createMemoryHrs({ pageSize: 1 })), shared);
    await practice.sync();
    for (const record of EVERYTHING) practice.hrs.put(record);
    await practice.sync();
  });
  afterEach(() => practice.close());

  // biome-ignore lint/suspicious/noExplicitAny: rows of any table.
  const rows = (table: keyof Schema): Promise<any[]> =>
    practice.query((tx) => tx.selectFrom(table).selectAll().orderBy('id').execute());
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const only = async (table: keyof Schema): Promise<any> => {
    const [row, ...others] = await rows(table);
    assert.deepEqual(others, []);
    return row;
  };
  const told = async () => (await practice.events()).filter(({ name }) => name.startsWith('patient_insurance'));

  it('becomes rows that refer to each other, whatever came first', async () => {
    const [p1, p2, a1] = [await practice.patient('P1'), await practice.patient('P2'), await practice.appointment('A1')];
    const plan = await only('insurance_plan');
    const coverage = await only('insurance_coverage');
    assert.deepEqual([plan.name, plan.payer_id, plan.group_num], ['Plan I1', '87726', '12345']);
    assert.deepEqual(
      [coverage.patient_id, coverage.plan_id, coverage.subscriber_id, coverage.effective_date, coverage.priority],
      [p2.id, plan.id, p1.id, '2026-01-01', 1],
    );
    const type = await only('recall_type');
    const recall = await only('patient_recall');
    assert.deepEqual([type.interval_num, type.interval_unit, type.description], [6, 'M', 'Twice a year']);
    assert.deepEqual(
      [recall.patient_id, recall.recall_type_id, recall.location_id, recall.appointment_id, recall.date_due],
      [p1.id, type.id, a1.location_id, a1.id, '2027-01-15'],
    );
    const alert = await only('patient_alert');
    assert.deepEqual([alert.patient_id, alert.note, alert.disabled_at], [p1.id, 'Allergic to latex', null]);
    assert.equal((await only('availability')).label_id, (await only('availability_label')).id);
    assert.deepEqual((await practice.connection()).held_deletions, 0);
  });

  it('is left alone when it is read again unchanged', async () => {
    const tables = ['insurance_plan', 'insurance_coverage', 'recall_type', 'patient_recall', 'patient_alert'] as const;
    const before = await Promise.all(tables.map(rows));
    await practice.events();
    assert.equal((await practice.sync({ full: true })).changed, 0);
    assert.deepEqual(await Promise.all(tables.map(rows)), before);
    assert.deepEqual(await practice.events(), []);
  });

  it('tells of coverages that are new, changed, gone and back', async () => {
    const plan = await only('insurance_plan');
    assert.deepEqual(
      (await told()).map(({ name, data }) => [name, data.patient_insurance_coverage.plan_id]),
      [
        ['patient_insurance_created', null],
        ['patient_insurance_updated', plan.id],
      ],
    );

    const coverage = coverageRecord('C1', { patientForeignId: 'P2', subscriptionRelation: 'spouse' });
    practice.hrs.put({ ...coverage, subscriberNum: 'S-2' });
    await practice.sync();
    practice.hrs.remove('insurance_coverage', 'C1');
    await practice.sync();
    assert.equal((await only('insurance_coverage')).deleted_at, '2026-11-01T00:00:00.000Z');
    practice.hrs.put(coverage);
    await practice.sync();
    assert.equal((await only('insurance_coverage')).deleted_at, null);
    assert.deepEqual(
      (await told()).map(({ name, sequence, data }) => [
        name,
        sequence,
        data.patient_insurance_coverage.subscriber_num,
        data.patient_insurance_coverage.active,
      ]),
      [
        ['patient_insurance_updated', 3, 'S-2', true],
        ['patient_insurance_updated', 4, 'S-2', false],
        ['patient_insurance_updated', 5, 'S-1', true],
      ],
    );
  });

  it('never shows one patient’s coverage as another’s because the HRS used its id twice', async () => {
    practice.hrs.remove('insurance_coverage', 'C1');
    await practice.sync();
    practice.hrs.put(coverageRecord('C1', { patientForeignId: 'P1' }));
    await practice.sync();
    const [p1, p2] = [await practice.patient('P1'), await practice.patient('P2')];
    assert.deepEqual(
      (await rows('insurance_coverage')).map(({ foreign_id, patient_id, active }) => [foreign_id, patient_id, active]),
      [
        [null, p2.id, false],
        ['C1', p1.id, true],
      ],
    );
  });

  it('goes when the HRS has it no more', async () => {
    practice.hrs.remove('insurance_plan', 'I1');
    practice.hrs.remove('recall_type', 'T1');
    practice.hrs.remove('patient_recall', 'R1');
    practice.hrs.remove('patient_alert', 'N1');
    practice.hrs.remove('availability_label', 'B1');
    await practice.sync();
    assert.equal((await only('insurance_plan')).deleted_at, '2026-11-01T00:00:00.000Z');
    assert.equal((await only('recall_type')).active, false);
    assert.deepEqual(await rows('patient_recall'), []);
    assert.equal((await only('patient_alert')).deleted_at, '2026-11-01T00:00:00.000Z');
    assert.equal((await only('availability_label')).active, false);
  });

  it('is refused, kind by kind, where it cannot be a row', async () => {
    practice.hrs.put(coverageRecord('C2', { priority: 0 }));
    practice.hrs.put(coverageRecord('C3', { effectiveDate: '2026-02-30' }));
    practice.hrs.put(recallTypeRecord('T2', { intervalNum: 0.5 }));
    await practice.sync();
    assert.equal((await rows('insurance_coverage')).length, 1);
    assert.equal((await rows('recall_type')).length, 1);
    assert.match(practice.log.join(''), /its priority is not 1 to 9/);
    assert.match(practice.log.join(''), /its effective_date is not a date/);
    assert.match(practice.log.join(''), /its interval is not a whole number/);
  });

  it('keeps whom a patient sees where the HRS does not say', async () => {
    const d1 = (await practice.query((tx) => tx.selectFrom('provider').select('id').executeTakeFirstOrThrow())).id;
    await practice.query((tx) =>
      tx.updateTable('patient').set({ provider_id: d1 }).where('foreign_id', '=', 'P1').execute(),
    );
    await practice.events();
    assert.equal((await practice.sync({ full: true })).changed, 0);
    practice.hrs.put(patientRecord('P1', { firstName: 'Ann' }));
    practice.hrs.put(providerRecord('D2'));
    practice.hrs.put(patientRecord('P2', { providerForeignId: 'D2' }));
    await practice.sync();
    const [p1, p2] = [await practice.patient('P1'), await practice.patient('P2')];
    assert.deepEqual([p1.first_name, p1.provider_id], ['Ann', d1]);
    assert.ok(p2.provider_id !== null && p2.provider_id !== d1);
    practice.hrs.put(patientRecord('P1', { firstName: 'Ann', providerForeignId: 'D2' }));
    await practice.sync();
    assert.equal((await practice.patient('P1')).provider_id, p2.provider_id);
  });

  it('keeps what a record says nothing of, and takes what it says is none', async () => {
    practice.hrs.put(patientRecord('P1', { email: 'ann@example.org', phoneNumber: '2125550101', city: 'Portland' }));
    await practice.sync();
    await practice.events();
    const mention = { email: null, phoneNumber: null, city: null, unsaid: ['email', 'phoneNumber'] as const };
    practice.hrs.put(patientRecord('P1', mention));
    practice.hrs.put(patientRecord('P9', { email: null, unsaid: ['email', 'inactive'] }));
    await practice.sync();
    const [p1, p9] = [await practice.patient('P1'), await practice.patient('P9')];
    assert.deepEqual([p1.email, p1.phone_number, p1.city], ['ann@example.org', '2125550101', null]);
    assert.deepEqual([p9.email, p9.inactive], [null, false]);
    assert.deepEqual(
      (await practice.events()).map(({ name }) => name),
      ['patient_updated', 'patient_created'],
    );
    assert.equal((await practice.sync({ full: true })).changed, 0);
  });

  describe('an alert of ours', () => {
    async function writeAlert(patientId: number): Promise<{ id: number; marker: string }> {
      const marker = randomUUID();
      const { institutionId, connectionId } = practice;
      const { id } = await practice.query((tx) =>
        tx
          .insertInto('patient_alert')
          .values({
            institution_id: institutionId,
            connection_id: connectionId,
            patient_id: patientId,
            note: 'Needs a wheelchair',
            marker,
          })
          .returning('id')
          .executeTakeFirstOrThrow(),
      );
      return { id, marker };
    }

    async function command(alertId: number, kind: CommandTable['kind'], changes: object = {}): Promise<number> {
      const { id } = await practice.query((tx) =>
        tx
          .insertInto('command')
          .values({
            institution_id: practice.institutionId,
            connection_id: practice.connectionId,
            patient_alert_id: alertId,
            sequence: 1,
            kind,
            marker: randomUUID(),
            changes: JSON.stringify(changes),
            expires_at: '2026-12-02T14:00:00.000Z',
          })
          .returning('id')
          .executeTakeFirstOrThrow(),
      );
      return id;
    }

    const finish = (commandId: number) =>
      practice.query((tx) =>
        tx
          .updateTable('command')
          .set({ state: 'incomplete', finished_at: '2026-10-01T00:00:00.000Z' })
          .where('id', '=', commandId)
          .execute(),
      );

    it('adopts its record, but not while its command is open', async () => {
      const { id, marker } = await writeAlert((await practice.patient('P1')).id);
      const commandId = await command(id, 'create_alert');
      practice.hrs.put(alertRecord('N2', { marker, note: 'Needs a wheelchair' }));
      await practice.sync();
      const foreignIds = async () => (await rows('patient_alert')).map(({ foreign_id }) => foreign_id);
      assert.deepEqual(await foreignIds(), ['N1', null]);
      await finish(commandId);
      await practice.sync({ full: true });
      assert.deepEqual(await foreignIds(), ['N1', 'N2']);
      assert.equal((await rows('patient_alert'))[1].id, id);
    });

    it('keeps what an open command changes, and takes the rest', async () => {
      const { id } = await only('patient_alert');
      const disabledAt = '2026-11-01T00:00:00.000Z';
      await practice.query((tx) => tx.updateTable('patient_alert').set({ disabled_at: disabledAt }).execute());
      const commandId = await command(id, 'change_alert', { disabled_at: disabledAt });
      practice.hrs.put(alertRecord('N1', { note: 'Allergic to penicillin' }));
      await practice.sync();
      const row = await only('patient_alert');
      assert.deepEqual([row.note, row.disabled_at], ['Allergic to penicillin', disabledAt]);
      await finish(commandId);
      await practice.sync({ full: true });
      assert.equal((await only('patient_alert')).disabled_at, null);
    });

    it('goes on under the patient that is left of two, until the HRS has it', async () => {
      const { id } = await writeAlert((await practice.patient('P2')).id);
      practice.hrs.put(patientRecord('P2', { mergedIntoForeignId: 'P1' }));
      await practice.sync();
      const alert = (await rows('patient_alert')).find((row) => row.id === id);
      assert.equal(alert.patient_id, (await practice.patient('P1')).id);
    });
  });
});

describe('the first sync', () => {
  it('is silent about coverages too', async () => {
    const practice = await openPractice(furnish(createMemoryHrs()));
    try {
      for (const record of EVERYTHING) practice.hrs.put(record);
      await practice.sync();
      assert.deepEqual(await practice.events(), []);
      const rows = await practice.query((tx) => tx.selectFrom('insurance_coverage').select('sequence').execute());
      assert.deepEqual(rows, [{ sequence: 1 }]);
    } finally {
      await practice.close();
    }
  });
});
