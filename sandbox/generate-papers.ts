import { type Generate, pick, randomFrom } from './generate.ts';
import type { Coverage, Patient, Plan, RecallType } from './records.ts';
import type { Store } from './store.ts';
import { addDays, wallClock } from './zone.ts';

const ALERT_NOTES = [
  'Penicillin allergy.',
  'Takes blood thinners.',
  'Needs the ramp at the back door.',
  'Please talk to the office about the balance.',
];
const DAY_MS = 86_400_000;
/** Every so many insured patients, one has a second coverage, one lets it expire, one is on the contract of a stranger. */
const SECOND_EVERY = 4;
const EXPIRED_EVERY = 9;
const STRANGER_EVERY = 11;
/** Every so many recalls, one is answered by a visit if the patient has one to come. */
const ANSWERED_EVERY = 3;
/** Recalls are due from so long ago to so far ahead. */
const DUE_PAST_DAYS = 120;
const DUE_FUTURE_DAYS = 200;
/** Every so many alerts, one is off. */
const OFF_EVERY = 4;

/**
 * Invents coverages, recalls and alerts for the patients of a site: the same ones for the same order, practice and `now`.
 * Children are on the contract of their guarantor, and the last plan is nobody's.
 * Throws when there are no patients, plans or recall types for it.
 */
export function generatePapers(store: Store, order: Generate, now: Date): void {
  const { site_id: siteId, coverages = 0, recalls = 0, alerts = 0 } = order;
  if (coverages + recalls + alerts === 0) return;
  const site = store.get('site', siteId);
  const today = wallClock(now, site.zone).toISOString().slice(0, 10);
  const random = randomFrom(siteId * 104_729);
  const all = <T>(table: string, filters = {}) => store.page<T>(table, filters, 0, Number.MAX_SAFE_INTEGER - 1).items;
  const patients = all<Patient>('patients', { home_site_id: siteId }).filter((patient) => patient.active);
  const plans = all<Plan>('plans');
  const types = all<RecallType>('recall_types').filter((type) => (type.site_id ?? siteId) === siteId);
  if (patients.length === 0) throw new Error(`site ${siteId}: coverages, recalls and alerts need active patients`);
  if (coverages > 0 && plans.length === 0) throw new Error(`site ${siteId}: coverages need plans`);
  if (recalls > 0 && types.length === 0) throw new Error(`site ${siteId}: recalls need recall types`);

  const first = new Map<number, Coverage>();
  const usedPlans = plans.length > 1 ? plans.slice(0, -1) : plans;
  function cover(patient: Patient, index: number): void {
    const family = patient.guarantor_id === null ? undefined : first.get(patient.guarantor_id);
    const isExpired = index % EXPIRED_EVERY === 5;
    const isOfStranger = !family && index % STRANGER_EVERY === 6;
    const number = `M${String(Math.floor(random() * 1e7)).padStart(7, '0')}`;
    const coverage = store.insert('coverage', {
      patient_id: patient.id,
      plan_id: family?.plan_id ?? pick(random, usedPlans).id,
      subscriber_id: family ? family.patient_id : isOfStranger ? null : patient.id,
      relation: family ? 'child' : isOfStranger ? 'spouse' : 'self',
      rank: 1,
      member_number: family?.member_number ?? number,
      starts: addDays(today, -200 - Math.floor(random() * 800)),
      ends: isExpired ? addDays(today, -30) : null,
      covers: 'dental',
      active: !isExpired,
    });
    first.set(patient.id, coverage);
  }
  function coverAgain(patient: Patient): void {
    store.insert('coverage', {
      patient_id: patient.id,
      plan_id: pick(random, usedPlans).id,
      subscriber_id: patient.id,
      relation: 'self',
      rank: 2,
      member_number: `S${String(Math.floor(random() * 1e7)).padStart(7, '0')}`,
      starts: addDays(today, -Math.floor(random() * 200)),
      ends: addDays(today, 165),
      covers: 'medical',
      active: true,
    });
  }
  let made = 0;
  for (const [index, patient] of patients.entries()) {
    if (made < coverages) cover(patient, index);
    if (made + 1 < coverages && index % SECOND_EVERY === 1 && patient.guarantor_id === null) {
      coverAgain(patient);
      made += 1;
    }
    made += 1;
  }
  if (made < coverages) throw new Error(`site ${siteId}: its patients take only ${made} coverages`);

  for (let index = 0; index < recalls; index += 1) {
    const patient = patients[(index * 2) % patients.length] as Patient;
    const comingVisit =
      index % ANSWERED_EVERY === 0
        ? store.rows(
            `SELECT id FROM visits WHERE patient_id = ? AND state = 'scheduled' AND start > ? ORDER BY start LIMIT 1`,
            patient.id,
            now.toISOString(),
          )[0]
        : undefined;
    store.insert('recall', {
      patient_id: patient.id,
      recall_type_id: pick(random, types).id,
      site_id: siteId,
      due: addDays(today, Math.floor(random() * (DUE_PAST_DAYS + DUE_FUTURE_DAYS)) - DUE_PAST_DAYS),
      visit_id: comingVisit ? Number(comingVisit.id) : null,
    });
  }

  for (let index = 0; index < alerts; index += 1) {
    store.insert('alert', {
      patient_id: (patients[(index * 7 + 2) % patients.length] as Patient).id,
      note: ALERT_NOTES[index % ALERT_NOTES.length] as string,
      off_since: index % OFF_EVERY === 3 ? new Date(now.getTime() - 10 * DAY_MS).toISOString() : null,
    });
  }
}
