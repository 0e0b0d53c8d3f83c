import { minuteOfDayText, parseMinuteOfDay } from '../domain/minute-of-day.ts';
import { codeOf } from './codes.ts';
import type { SeedInstitution } from './format.ts';
import { inventPeople } from './invent-people.ts';
import { inventVisits, type Taken } from './invent-visits.ts';
import { randomFrom } from './random.ts';

/**
 * An institution as the seed file of its sandbox (sandbox/README.md). Every record has the id that our row has, so
 * that the first sync finds the rows which are there already.
 */
export function sandboxFileOf(institution: SeedInstitution, nowMs: number): object {
  const random = randomFrom(institution.id);
  const taken: Taken = new Map();
  const people = inventPeople(institution, nowMs, random);
  const visits = institution.locations.flatMap((location) => {
    const homed = people.patients.filter(({ home_site_id }) => home_site_id === location.id);
    const ids = homed.map(({ id }) => id);
    return inventVisits(institution, location, ids, taken, nowMs, random);
  });
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
    codes: institution.descriptors.map((descriptor) => ({
      id: descriptor.id,
      code: codeOf(descriptor),
      kind: descriptor.descriptor_type === 'Appointment Type' ? 'visit_type' : 'procedure',
      description: descriptor.name,
      minutes: descriptor.data.minutes,
      active: descriptor.active,
    })),
    schedule_labels: institution.working_hour_labels.map(({ id, name, location_id, active }) => ({
      id,
      site_id: location_id,
      name,
      active,
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
        label_id: hours.label_id,
        active: hours.active,
      })),
    ...people,
    visits,
  };
}
