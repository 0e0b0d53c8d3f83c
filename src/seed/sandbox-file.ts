import { minuteOfDayText, parseMinuteOfDay } from '../domain/minute-of-day.ts';
import type { SeedInstitution } from './format.ts';
import { codeOf, inventPatients, inventVisits, randomFrom, type Taken } from './invent.ts';

/** The sandbox begins its own numbers here as well. */
const FIRST_PATIENT_ID = 1_001;

/**
 * An institution as the seed file of its sandbox (sandbox/README.md). Every record has the id that our row has, so
 * that the first sync finds the rows which are there already.
 */
export function sandboxFileOf(institution: SeedInstitution, nowMs: number): object {
  const random = randomFrom(institution.id);
  const taken: Taken = new Map();
  const patients: ReturnType<typeof inventPatients> = [];
  const visits: ReturnType<typeof inventVisits> = [];
  for (const location of institution.locations) {
    const ownPatients = inventPatients(location, FIRST_PATIENT_ID + patients.length, nowMs, random);
    patients.push(...ownPatients);
    const ids = ownPatients.map(({ id }) => id);
    visits.push(...inventVisits(institution, location, ids, taken, nowMs, random));
  }
  return {
    sites: institution.locations.map((location) => ({
      id: location.id,
      name: location.name,
      zone: location.tz,
      schedules_by: location.map_by_operatory ? 'room' : 'practitioner',
      phone: location.phone_number,
      street: location.street_address,
      city: location.city,
      state: location.state,
      zip: location.zip_code,
    })),
    practitioners: institution.providers.map(({ id, first_name, last_name, inactive, location_ids }) => ({
      id,
      first_name,
      last_name,
      active: !inactive,
      site_ids: location_ids,
    })),
    rooms: institution.operatories.map(({ id, location_id, name, active }) => ({
      id,
      site_id: location_id,
      name,
      active,
    })),
    codes: institution.appointment_types.map(({ id, name, minutes }) => ({
      id,
      code: codeOf(id),
      kind: 'visit_type',
      description: name,
      minutes,
    })),
    schedules: institution.availabilities
      .filter(({ synced }) => synced)
      .map((hours) => ({
        id: hours.id,
        site_id: hours.location_id,
        practitioner_id: hours.provider_id,
        weekday: hours.days[0]?.slice(0, 3).toLowerCase() ?? null,
        date: hours.specific_date,
        opens: minuteOfDayText(parseMinuteOfDay(hours.begin_time) ?? 0),
        closes: minuteOfDayText(parseMinuteOfDay(hours.end_time) ?? 0),
        active: hours.active,
      })),
    patients,
    visits,
  };
}
