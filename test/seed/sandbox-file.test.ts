import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSeed } from '../../src/seed/read.ts';
import { sandboxFileOf } from '../../src/seed/sandbox-file.ts';

const NOW_MS = Date.parse('2026-12-01T14:00:00.000Z');
const PATIENTS = 10_000;
const PAST = 30_000;
const FUTURE = 20_000;

interface Visit {
  patient_id: number;
  practitioner_id: number;
  room_id: number | null;
  start: string;
  end: string;
  visit_code: string | null;
}

interface File {
  patients: { id: number; sms_ok: boolean; home_site_id: number }[];
  coverages: { patient_id: number; rank: number }[];
  recalls: { patient_id: number }[];
  alerts: { patient_id: number }[];
  visits: Visit[];
}

function fileOf(over: object): File {
  const hours = { location_id: 1, begin_time: '08:00', end_time: '18:00', appointment_type_ids: [1] };
  const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'];
  const institution = {
    id: 1,
    name: 'Large',
    subdomain: 'large',
    locations: [{ id: 1, name: 'Large', tz: 'America/Chicago', patients: { count: 1 } }],
    providers: [1, 2, 3, 4].map((id) => ({ id, first_name: 'P', last_name: String(id), location_ids: [1] })),
    operatories: [1, 2].map((id) => ({ id, location_id: 1, name: `Chair ${id}` })),
    descriptors: [{ id: 1, name: 'Exam', code: 'EXAM' }],
    appointment_types: [{ id: 1, name: 'Exam', minutes: 20, emr_appt_descriptor_ids: [1] }],
    availabilities: [
      { ...hours, id: 1, provider_id: 1, operatory_id: 1, days },
      { ...hours, id: 2, provider_id: 2, days },
      { ...hours, id: 3, provider_id: 3, days },
      { ...hours, id: 4, provider_id: 4, custom_recurrence: { num: 3, unit: 'day', ref: '2026-01-01' } },
    ],
    ...over,
  };
  const { seed, problems } = checkSeed({ institutions: [institution] });
  assert.deepEqual(problems, []);
  return sandboxFileOf((seed?.institutions ?? [])[0] as never, NOW_MS) as File;
}

test('a large practice is as large as it was asked to be, and overlaps nowhere', () => {
  const { patients, coverages, recalls, alerts, visits } = fileOf({
    locations: [
      {
        id: 1,
        name: 'Large',
        tz: 'America/Chicago',
        patients: {
          count: PATIENTS,
          without_sms_consent: 1_234,
          with_coverage: 7_001,
          with_two_coverages: 333,
          with_recall: 1,
          with_alert: PATIENTS,
        },
        appointments: { past: PAST, future: FUTURE },
      },
    ],
  });
  assert.equal(patients.length, PATIENTS);
  assert.equal(patients.filter(({ sms_ok }) => !sms_ok).length, 1_234);
  assert.equal(new Set(coverages.map(({ patient_id }) => patient_id)).size, 7_001);
  assert.equal(coverages.filter(({ rank }) => rank === 2).length, 333);
  assert.equal(recalls.length, 1);
  assert.equal(new Set(alerts.map(({ patient_id }) => patient_id)).size, PATIENTS);
  assert.equal(visits.filter(({ end }) => Date.parse(end) <= NOW_MS).length, PAST);
  assert.equal(visits.filter(({ start }) => Date.parse(start) > NOW_MS).length, FUTURE);
  assert.ok(visits.every(({ visit_code }) => visit_code === 'EXAM'));
  for (const resource of ['practitioner_id', 'room_id'] as const) {
    const ends = new Map<number, string>();
    for (const visit of visits.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
      const id = visit[resource];
      if (id === null) continue;
      assert.ok((ends.get(id) ?? '') <= visit.start, `${resource} ${id} at ${visit.start}`);
      ends.set(id, visit.end);
    }
  }
});

test('people with names of the file’s own come first, and are booked where nobody else is', () => {
  const named = { id: 5_000, first_name: 'Pia', last_name: 'Example', location_id: 1, unsubscribe_sms: true };
  const { patients, visits } = fileOf({
    locations: [{ id: 1, name: 'L', tz: 'America/Chicago', appointments: { future: 3 } }],
    patients: [named],
  });
  assert.deepEqual(
    patients.map(({ id, sms_ok, home_site_id }) => [id, sms_ok, home_site_id]),
    [[5_000, false, 1]],
  );
  assert.deepEqual(
    visits.map(({ patient_id }) => patient_id),
    [5_000, 5_000, 5_000],
  );
  const beside = fileOf({
    locations: [{ id: 1, name: 'L', tz: 'America/Chicago', patients: { count: 2 } }],
    patients: [named],
  });
  assert.deepEqual(
    beside.patients.map(({ id }) => id),
    [5_000, 5_001, 5_002],
  );
});
