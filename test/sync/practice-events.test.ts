/** What is told of providers and of hours, and what is kept silent because it is only new to us. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import {
  availabilityRecord,
  coverageRecord,
  createMemoryHrs,
  labelRecord,
  locationRecord,
  planRecord,
  providerRecord,
} from './memory-hrs.ts';
import { furnish, openPractice, openSharedDatabase, type Practice, type SharedDatabase } from './practice.ts';

let shared: SharedDatabase;
let practice: Practice;
before(async () => {
  shared = await openSharedDatabase();
});
after(() => shared.close());
afterEach(() => practice.close());

const only = (table: 'provider' | 'availability' | 'appointment_type') =>
  practice.query((tx) => tx.selectFrom(table).selectAll().orderBy('id').executeTakeFirstOrThrow());

describe('a provider', () => {
  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs()), shared);
    practice.hrs.put(locationRecord('L2'));
    practice.hrs.put(availabilityRecord('H1'));
    await practice.sync();
  });

  it('is told of when they are new, with where they work and where they can be booked', async () => {
    practice.hrs.put(providerRecord('D2', { npi: '1234567893', locationForeignIds: ['L1', 'L2'] }));
    practice.hrs.put(availabilityRecord('H2', { providerForeignId: 'D2', locationForeignId: 'L2' }));
    await practice.sync();
    const [event, hours, ...others] = await practice.events();
    assert.deepEqual(
      [event?.name, event?.sequence, hours?.name, others],
      ['provider_created', 1, 'working_hour_created', []],
    );
    const { provider } = event?.data ?? {};
    assert.equal(provider.id, event?.resourceId);
    assert.deepEqual([provider.npi, provider.inactive, provider.foreign_id], ['1234567893', false, 'D2']);
    assert.match(provider.foreign_id_type, /memory/);
    assert.deepEqual(
      provider.locations.map(({ name }: { name: string }) => name),
      ['Location L1', 'Location L2'],
    );
    assert.deepEqual(provider.provider_requestables, [{ location_id: provider.locations[1].id }]);
    assert.equal('availabilities' in provider, false);
  });

  it('is told of when they change, move and leave, and not when they are read again', async () => {
    const steps = [
      { lastName: 'Married' },
      { lastName: 'Married', locationForeignIds: ['L1', 'L2'] },
      { lastName: 'Married', locationForeignIds: ['L1', 'L2'], inactive: true },
    ];
    for (const step of steps) {
      practice.hrs.put(providerRecord('D1', step));
      await practice.sync();
    }
    practice.hrs.put(providerRecord('D1', steps[2]));
    await practice.sync({ full: true });
    assert.deepEqual(
      (await practice.events()).map(({ name, sequence, data: { provider } }) => [
        ...[name, sequence, provider.last_name, provider.locations.length, provider.inactive],
      ]),
      [
        ['provider_updated', 2, 'Married', 1, false],
        ['provider_updated', 3, 'Married', 2, false],
        ['provider_updated', 4, 'Married', 2, true],
      ],
    );
  });

  it('is inactive once they are gone from the HRS', async () => {
    practice.hrs.remove('provider', 'D1');
    await practice.sync();
    assert.deepEqual(
      (await practice.events()).map(({ name, data }) => [name, data.provider.inactive]),
      [['provider_updated', true]],
    );
  });
});

describe('hours', () => {
  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs({ pageSize: 2 })), shared);
    practice.hrs.put(labelRecord('B1'));
    await practice.sync();
    practice.hrs.put(availabilityRecord('H1', { labelForeignId: 'B1' }));
    await practice.sync();
  });

  it('are told of when they are new, in one shape for every version', async () => {
    const { id, location_id, provider_id, label_id } = (await only('availability')) as Record<string, unknown>;
    const [event, ...others] = await practice.events();
    assert.deepEqual(others, []);
    assert.deepEqual([event?.name, event?.resourceId, event?.sequence], ['working_hour_created', id, 1]);
    assert.deepEqual(event?.data, {
      working_hour: {
        ...{ id, provider_id, location_id, operatory_id: null, begin_time: '09:00', end_time: '17:00' },
        ...{ days: ['Monday'], specific_date: null, custom_recurrence: null, tz_offset: '-0400', active: true },
        ...{ appointment_types: [], source: 'synced' },
        label: { id: label_id, location_id: null, name: 'New patients' },
      },
    });
    const [row] = await practice.query((tx) => tx.selectFrom('event').select('data_v3').execute());
    assert.equal(row?.data_v3, null);
  });

  it('are told of when they change, and not when they are read again', async () => {
    await practice.events();
    practice.hrs.put(availabilityRecord('H1', { labelForeignId: 'B1', endLocal: '12:00' }));
    await practice.sync();
    practice.hrs.put(availabilityRecord('H1', { labelForeignId: 'B1', endLocal: '12:00', active: false }));
    await practice.sync();
    assert.equal((await practice.sync({ full: true })).changed, 0);
    assert.deepEqual(
      (await practice.events()).map(({ name, sequence, data: { working_hour } }) => [
        ...[name, sequence, working_hour.end_time, working_hour.active],
      ]),
      [
        ['working_hour_updated', 2, '12:00', true],
        ['working_hour_updated', 3, '12:00', false],
      ],
    );
  });

  for (const how of ['reported', 'missed twice'] as const) {
    it(`are told of once more, as not active, when the HRS has deleted them (${how})`, async () => {
      const { id, institution_id } = await only('availability');
      await practice.query(async (tx) => {
        const type = await tx
          .insertInto('appointment_type')
          .values({ institution_id, name: 'Exam', minutes: 30 })
          .returning('id')
          .executeTakeFirstOrThrow();
        const link = { institution_id, availability_id: id, appointment_type_id: type.id };
        await tx.insertInto('availability_appointment_type').values(link).execute();
      });
      practice.hrs.put(availabilityRecord('H2'));
      await practice.sync();
      await practice.events();

      if (how === 'reported') practice.hrs.remove('availability', 'H1');
      else practice.hrs.records.delete([...practice.hrs.records.keys()].find((name) => name.endsWith(':H1')) as string);
      await practice.sync({ full: true });
      await practice.sync({ full: true });
      await practice.sync({ full: true });
      assert.deepEqual(
        (await practice.events()).map(({ name, resourceId, sequence, data: { working_hour } }) => [
          ...[name, resourceId, sequence, working_hour.active, working_hour.appointment_types[0]?.name],
        ]),
        [['working_hour_updated', id, 2, false, 'Exam']],
      );
      const left = await practice.query((tx) => tx.selectFrom('availability').select('foreign_id').execute());
      assert.deepEqual(left, [{ foreign_id: 'H2' }]);
    });
  }
});

describe('a kind that a connection brings for the first time', () => {
  /** As the migration leaves a connection that an older program has read. */
  async function upgrade() {
    await practice.query((tx) =>
      tx
        .updateTable('connection')
        .set({ told_kinds: ['patient', 'appointment'] })
        .execute(),
    );
    practice.hrs.faults.hidden.clear();
    await practice.events();
  }
  const names = async () => (await practice.events()).map(({ name }) => name);
  const coverages = () => practice.query((tx) => tx.selectFrom('insurance_coverage').select('foreign_id').execute());

  beforeEach(async () => {
    const hrs = furnish(createMemoryHrs({ pageSize: 3 }));
    hrs.put(planRecord('I1'));
    for (let n = 0; n < 10; n += 1) hrs.put(coverageRecord(`C${n}`));
    hrs.put(labelRecord('B1'));
    hrs.put(availabilityRecord('H1'));
    practice = await openPractice(hrs, shared);
  });

  it('is not announced as if all of it had just happened', async () => {
    for (const kind of ['insurance_plan', 'insurance_coverage', 'availability_label'] as const)
      practice.hrs.faults.hidden.add(kind);
    await practice.sync();
    assert.deepEqual(await coverages(), []);
    await upgrade();
    // What one pass has brought in part is still only new to us.
    practice.hrs.put(coverageRecord('C0', { subscriberNum: 'S-2' }));
    await practice.sync();
    practice.hrs.put(availabilityRecord('H1', { labelForeignId: 'B1' }));
    practice.hrs.faults.stopAfter = 4;
    assert.equal((await practice.sync({ full: true })).outcome, 'partial');
    await practice.sync();
    assert.deepEqual(await names(), []);
    await practice.sync({ full: true });
    assert.equal((await coverages()).length, 10);
    assert.deepEqual(await names(), []);

    practice.hrs.put(coverageRecord('C0', { subscriberNum: 'S-3' }));
    practice.hrs.put(coverageRecord('C10'));
    practice.hrs.put(availabilityRecord('H1', { labelForeignId: 'B1', endLocal: '12:00' }));
    await practice.sync();
    assert.deepEqual((await names()).sort(), [
      'patient_insurance_created',
      'patient_insurance_updated',
      'working_hour_updated',
    ]);
  });

  it('is announced from the first one on where the HRS had none of it', async () => {
    for (let n = 0; n < 10; n += 1) practice.hrs.remove('insurance_coverage', `C${n}`);
    await practice.sync();
    practice.hrs.put(coverageRecord('C1'));
    await practice.sync({ full: true });
    assert.deepEqual(await names(), ['patient_insurance_created']);
  });

  it('keeps no other kind silent', async () => {
    await practice.sync();
    await upgrade();
    const [patient] = practice.hrs.list('patient');
    practice.hrs.put({ ...(patient as NonNullable<typeof patient>), firstName: 'Other' });
    await practice.sync();
    assert.deepEqual(await names(), ['patient_updated']);
  });
});
