/** People for a practice of which only the skeleton is known, as the sandbox keeps them. Nobody in it is real. */
import { DAY_MS, dateOfDayNumber } from '../domain/zone.ts';
import type { SeedInstitution, SeedLocation } from './format.ts';
import { pick, type Random } from './random.ts';

const FIRST_NAMES =
  'Ada Bela Cora Dario Edda Farid Gwen Hugo Inez Jonas Kira Leon Mina Nils Olga Pavel Quinn Rosa Selim Tara Ugo Vera'.split(
    ' ',
  );
const LAST_NAMES =
  'Ashford Bellamy Castell Dunmore Eastlake Fairbank Glenister Harrow Isley Jessop Kingsbury Lorimer Marsden Norwell Oakes'.split(
    ' ',
  );
const STREETS = ['Alder Street', 'Beech Lane', 'Chestnut Road'];

/** The sandbox begins its own numbers here as well. */
const FIRST_PATIENT_ID = 1_001;

const PLANS = [
  { id: 1, name: 'Larkspur Dental PPO', payer_code: '90001', group_number: '4400', employer: 'Larkspur Mills' },
  { id: 2, name: 'Northgate Family Plan', payer_code: '90002', group_number: '5120', employer: 'Northgate Schools' },
  { id: 3, name: 'Quayside Basic', payer_code: '90003', group_number: null, employer: null },
];
const RECALL_TYPE = { id: 1, name: 'Check-up', description: 'Every six months', every: 6, unit: 'month' };
const ALERT_NOTES = ['Allergic to latex.', 'Needs help with the stairs.', 'Call before any change.'];
/** Recalls fall due from so long ago to so far ahead. */
const RECALL_SPAN_DAYS = 120;

/** Everybody of an institution: those of the file under their own ids, and after them the invented ones. */
export function inventPeople(institution: SeedInstitution, nowMs: number, random: Random) {
  const lastGiven = institution.patients.reduce((most, { id }) => Math.max(most, id), FIRST_PATIENT_ID - 1);
  const patients: Patient[] = institution.patients.map(givenPatient);
  let firstId = lastGiven + 1;
  const coverages: object[] = [];
  const recalls: object[] = [];
  const alerts: object[] = [];
  const today = Math.floor(nowMs / DAY_MS);
  for (const location of institution.locations) {
    const invented = inventPatients(location, firstId, nowMs, random);
    patients.push(...invented);
    firstId += invented.length;
    const { with_coverage, with_two_coverages, with_recall, with_alert } = location.patients;
    const insured = spread(invented, with_coverage);
    const twice = new Set(spread(insured, with_two_coverages));
    for (const patient of insured) {
      coverages.push(coverageOf(patient, 1));
      if (twice.has(patient)) coverages.push(coverageOf(patient, 2));
    }
    for (const { id } of spread(invented, with_recall)) {
      const due = dateOfDayNumber(today + Math.floor((random() * 2 - 1) * RECALL_SPAN_DAYS));
      recalls.push({ patient_id: id, recall_type_id: RECALL_TYPE.id, site_id: location.id, due });
    }
    for (const { id } of spread(invented, with_alert)) alerts.push({ patient_id: id, note: pick(random, ALERT_NOTES) });
  }
  return {
    patients,
    plans: coverages.length > 0 ? PLANS : [],
    coverages,
    recall_types: recalls.length > 0 ? [RECALL_TYPE] : [],
    recalls,
    alerts,
  };
}

type Patient = ReturnType<typeof inventPatients>[number] | ReturnType<typeof givenPatient>;

/** Exactly `wanted` of the list, so that every page of it has some. */
function spread<T>(list: readonly T[], wanted: number): T[] {
  const isIn = (_one: T, at: number) =>
    Math.floor(((at + 1) * wanted) / list.length) !== Math.floor((at * wanted) / list.length);
  return list.filter(isIn);
}

function coverageOf({ id }: Patient, rank: 1 | 2) {
  return {
    patient_id: id,
    plan_id: ((id + rank) % PLANS.length) + 1,
    subscriber_id: id,
    relation: 'self',
    rank,
    member_number: `M${id}-${rank}`,
    starts: '2020-01-01',
    covers: 'dental',
  };
}

const SEXES = { Female: 'F', Male: 'M', Other: 'X' } as const;

function givenPatient({ id, first_name, last_name, location_id, email, unsubscribe_sms, bio }: GivenPatient) {
  return {
    id,
    first_name,
    last_name,
    birth_date: bio.date_of_birth,
    sex: bio.gender === null ? null : SEXES[bio.gender],
    phone_cell: bio.phone_number,
    email,
    sms_ok: !unsubscribe_sms,
    home_site_id: location_id,
  };
}

type GivenPatient = SeedInstitution['patients'][number];

/** With ids from `firstId` on. */
function inventPatients(location: SeedLocation, firstId: number, nowMs: number, random: Random) {
  const { count, without_sms_consent: without } = location.patients;
  return Array.from({ length: count }, (_, at) => {
    const first = FIRST_NAMES[at % FIRST_NAMES.length] as string;
    const last = LAST_NAMES[Math.floor(at / FIRST_NAMES.length + at) % LAST_NAMES.length] as string;
    const number = String(Math.floor(random() * 100)).padStart(2, '0');
    return {
      id: firstId + at,
      first_name: first,
      last_name: last,
      birth_date: dateOfDayNumber(Math.floor(nowMs / DAY_MS - 366 * (18 + random() * 70))),
      sex: pick(random, ['F', 'M']),
      // The numbers that are kept free for stories.
      phone_cell: `212555${String(100 + (at % 100)).padStart(4, '0')}`,
      email: `${first}.${last}.${firstId + at}@example.com`.toLowerCase(),
      street: `${number} ${pick(random, STREETS)}`,
      city: location.city,
      state: location.state,
      zip: location.zip_code,
      // Spread evenly, so that every page of a list has some.
      sms_ok: Math.floor(((at + 1) * without) / count) === Math.floor((at * without) / count),
      home_site_id: location.id,
    };
  });
}
