import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SeedInstitution } from '../../src/seed/format.ts';
import { createRemarks } from '../../src/seed/remarks.ts';
import { type FoundInstitution, skeletonOf } from '../../src/seed/skeleton.ts';
import { seedText } from '../../src/seed/text.ts';

const NOW_MS = Date.parse('2026-12-01T14:00:00.000Z');
/** Few ids, so that things belong together as often as not. */
const id = fc.integer({ min: 1, max: 2 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const text = maybe(
  fc.oneof(fc.constantFrom('Exam', 'exam ', 'a\u0000b\nc', ''), fc.string({ maxLength: 300, unit: 'binary' })),
);
const flag = maybe(fc.boolean());
const time = maybe(fc.constantFrom('08:00', '9:30', '12:00', '16:00', '17:30', '24:00', '00:00', '8 AM'));
const list = <T extends { id: number }>(one: fc.Arbitrary<T>) =>
  fc.uniqueArray(one, { selector: (row) => row.id, maxLength: 4 });
const ids = fc.array(id, { maxLength: 4 });
const count = fc.integer({ min: 0, max: 12_000 });

const practice: fc.Arbitrary<FoundInstitution> = fc.record({
  id,
  name: text,
  subdomain: fc.oneof(fc.constantFrom('live-oak', 'Live_Oak', '---', 'x'.repeat(90)), fc.string({ minLength: 1 })),
  phone_number: text,
  country_code: maybe(fc.constantFrom('US', 'USA', '')),
  appointment_types_location_scoped: flag,
  notify_insert_fails: flag,
  locations: list(
    fc.record({
      id,
      name: text,
      tz: maybe(fc.constantFrom('America/Chicago', 'UTC', 'CST', '')),
      street_address: text,
      city: text,
      state: text,
      zip_code: text,
      phone_number: text,
      map_by_operatory: flag,
      inactive: fc.constantFrom(false, false, false, true),
      patients: maybe(
        fc.record({
          count,
          without_sms_consent: count,
          with_coverage: count,
          with_two_coverages: count,
          with_recall: count,
          with_alert: count,
        }),
      ),
      appointments: maybe(fc.record({ past: fc.nat(50), future: fc.nat(50) })),
    }),
  ),
  providers: list(fc.record({ id, first_name: text, last_name: text, inactive: flag, location_ids: ids })),
  operatories: list(fc.record({ id, location_id: maybe(id), name: text, active: flag })),
  descriptors: list(
    fc.record({ id, descriptor_type: text, name: text, code: text, active: flag, minutes: maybe(fc.double()) }),
  ),
  appointment_types: list(
    fc.record({
      id,
      name: text,
      minutes: maybe(fc.oneof(fc.integer({ min: -5, max: 2_000 }), fc.double())),
      bookable_online: flag,
      location_id: maybe(id),
      emr_appt_descriptor_ids: ids,
    }),
  ),
  working_hour_labels: list(fc.record({ id, name: text, location_id: maybe(id), active: flag })),
  availabilities: list(
    fc.record({
      id,
      location_id: maybe(id),
      provider_id: maybe(id),
      operatory_id: maybe(id),
      days: fc.array(fc.constantFrom('Monday', 'Tuesday', 'Friday', 'Someday'), { maxLength: 3 }),
      specific_date: maybe(fc.constantFrom('2030-01-31', '2020-01-31', '2030-02-31', 'soon')),
      custom_recurrence: maybe(
        fc.record({
          num: fc.constantFrom(1, 2),
          unit: fc.constantFrom('day', 'week', 'month'),
          ref: fc.constantFrom('2026-01-05'),
        }),
      ) as fc.Arbitrary<SeedInstitution['availabilities'][number]['custom_recurrence']>,
      begin_time: time,
      end_time: time,
      active: flag,
      appointment_type_ids: ids,
      synced: flag,
      label_id: maybe(id),
    }),
  ),
});

/** What a reader would find in an installation that was started from this seed. */
function foundIn(seed: SeedInstitution): FoundInstitution {
  return {
    ...seed,
    locations: seed.locations.map((location) => ({ ...location, inactive: false })),
    descriptors: seed.descriptors.map(({ data, ...descriptor }) => ({ ...descriptor, minutes: data.minutes })),
    appointment_types: seed.appointment_types.map((type) => ({
      ...type,
      emr_appt_descriptor_ids: type.emr_appt_descriptor_ids ?? [],
    })),
  };
}

test('whatever a practice is like, its skeleton is a seed that starts', () => {
  fc.assert(
    fc.property(practice, (found) => {
      fc.pre(found.locations.some(({ inactive }) => !inactive));
      const seed = skeletonOf(found, NOW_MS, createRemarks());
      assert.doesNotThrow(() => seedText({ institutions: [seed], api_keys: [] }));
    }),
    { numRuns: 600 },
  );
});

test('the skeleton of a skeleton is itself, and nothing is remarked', () => {
  fc.assert(
    fc.property(practice, (found) => {
      fc.pre(found.locations.some(({ inactive }) => !inactive));
      const seed = skeletonOf(found, NOW_MS, createRemarks());
      const remarks = createRemarks();
      assert.deepEqual(skeletonOf(foundIn(seed), NOW_MS, remarks), seed);
      assert.deepEqual(remarks.lines(), []);
    }),
    { numRuns: 600 },
  );
});

test('a practice without an active location is none', () => {
  const [found] = fc.sample(practice, 1) as [FoundInstitution];
  assert.throws(() => skeletonOf({ ...found, locations: [] }, NOW_MS, createRemarks()), /has no active location/);
});
