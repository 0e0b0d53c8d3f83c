/** The rules between the parts of a seed file: whatever the database or the sandbox would refuse, told by its path. */
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import type { Seed, SeedInstitution } from './format.ts';

export interface Problem {
  path: readonly PropertyKey[];
  message: string;
}

type Availability = SeedInstitution['availabilities'][number];

/** Everything that does not fit together, in the order of the file. */
export function referenceProblems(seed: Seed): Problem[] {
  const problems: Problem[] = [];
  const subdomains = seed.institutions.map(({ subdomain }) => subdomain);
  problems.push(
    ...repeats(subdomains, (at) => ['institutions', at, 'subdomain']),
    ...repeats(
      seed.institutions.map(({ id }) => id),
      (at) => ['institutions', at, 'id'],
    ),
    ...(['locations', 'providers', 'operatories', 'appointment_types', 'availabilities'] as const).flatMap((kind) => {
      const places = seed.institutions.flatMap((institution, i) =>
        institution[kind].map(({ id }, at) => ({ id, i, at })),
      );
      return repeats(
        places.map(({ id }) => id),
        (index) => ['institutions', places[index]?.i ?? 0, kind, places[index]?.at ?? 0, 'id'],
      );
    }),
  );
  for (const [i, institution] of seed.institutions.entries()) {
    problems.push(
      ...institutionProblems(institution).map(({ path, message }) => ({ path: ['institutions', i, ...path], message })),
    );
  }
  problems.push(
    ...repeats(
      seed.api_keys.map(({ name }) => name),
      (at) => ['api_keys', at, 'name'],
    ),
    ...repeats(
      seed.api_keys.map(({ key }) => key),
      (at) => ['api_keys', at, 'key'],
      // What is told goes to the terminal and into logs.
      () => 'is the key of another entry',
    ),
  );
  for (const [at, key] of seed.api_keys.entries()) {
    for (const [n, subdomain] of (key.subdomains ?? []).entries()) {
      if (!subdomains.includes(subdomain))
        problems.push({
          path: ['api_keys', at, 'subdomains', n],
          message: `no institution here is called ${subdomain}`,
        });
    }
  }
  return problems;
}

/** Ids count over all institutions: each kind has one sequence. */
function repeats<T>(
  values: readonly T[],
  pathOf: (at: number) => PropertyKey[],
  messageOf: (value: T) => string = (value) => `${value} is used twice`,
): Problem[] {
  return values.flatMap((value, at) =>
    value !== undefined && values.indexOf(value) < at ? [{ path: pathOf(at), message: messageOf(value) }] : [],
  );
}

function institutionProblems(institution: SeedInstitution): Problem[] {
  const problems: Problem[] = [];
  const { locations, providers, operatories, appointment_types: types, availabilities } = institution;
  const locationIds = new Set(locations.map(({ id }) => id));
  const none = (what: string, id: number) => `this institution has no ${what} ${id}`;
  for (const [at, provider] of providers.entries()) {
    for (const [n, id] of provider.location_ids.entries()) {
      if (!locationIds.has(id))
        problems.push({ path: ['providers', at, 'location_ids', n], message: none('location', id) });
    }
  }
  for (const [at, { location_id }] of operatories.entries()) {
    if (!locationIds.has(location_id))
      problems.push({ path: ['operatories', at, 'location_id'], message: none('location', location_id) });
  }
  for (const [at, { location_id }] of types.entries()) {
    if (location_id !== null && !locationIds.has(location_id))
      problems.push({ path: ['appointment_types', at, 'location_id'], message: none('location', location_id) });
  }
  problems.push(
    ...repeats(
      types.map((type) => `${type.location_id ?? 'every location'}: ${type.name.toLowerCase()}`),
      (at) => ['appointment_types', at, 'name'],
      () => 'is the name of another type of the same place',
    ),
  );
  for (const [at, availability] of availabilities.entries()) {
    problems.push(
      ...availabilityProblems(institution, availability).map(({ path, message }) => ({
        path: ['availabilities', at, ...path],
        message,
      })),
    );
  }
  for (const [at, location] of locations.entries()) {
    if (location.patients.without_sms_consent > location.patients.count)
      problems.push({ path: ['locations', at, 'patients', 'without_sms_consent'], message: 'is more than count' });
    const wanted = location.appointments.past + location.appointments.future;
    if (wanted > 0 && location.patients.count === 0)
      problems.push({ path: ['locations', at, 'appointments'], message: 'appointments need patients' });
  }
  return problems;
}

function availabilityProblems(institution: SeedInstitution, availability: Availability): Problem[] {
  const problems: Problem[] = [];
  const wrong = (path: PropertyKey[], message: string) => problems.push({ path, message });
  const { location_id, provider_id, operatory_id, days, specific_date } = availability;
  const location = institution.locations.find(({ id }) => id === location_id);
  if (!location) wrong(['location_id'], `this institution has no location ${location_id}`);
  const provider = institution.providers.find(({ id }) => id === provider_id);
  if (!provider?.location_ids.includes(location_id))
    wrong(['provider_id'], `no provider ${provider_id} works at location ${location_id}`);
  const operatory = institution.operatories.find(({ id }) => id === operatory_id);
  if (operatory_id !== null && operatory?.location_id !== location_id)
    wrong(['operatory_id'], `location ${location_id} has no operatory ${operatory_id}`);
  if (operatory_id === null && location?.map_by_operatory)
    wrong(['operatory_id'], 'is needed: the location has map_by_operatory');
  for (const [n, id] of availability.appointment_type_ids.entries()) {
    const type = institution.appointment_types.find((one) => one.id === id);
    if (!type || (type.location_id !== null && type.location_id !== location_id))
      wrong(['appointment_type_ids', n], `location ${location_id} has no appointment type ${id}`);
  }
  if (days.length > 0 === (specific_date !== null)) wrong(['days'], 'give either days or specific_date');
  const begin = parseMinuteOfDay(availability.begin_time) ?? 0;
  const end = parseMinuteOfDay(availability.end_time) ?? 0;
  if (begin > 1439) wrong(['begin_time'], 'must be a time from 00:00 to 23:59');
  if (end === 0) wrong(['end_time'], 'must be a time from 00:01 to 24:00');
  if (availability.synced) {
    if (days.length > 1) wrong(['days'], 'synced hours are on one day; give each day hours of its own');
    if (operatory_id !== null) wrong(['operatory_id'], 'synced hours belong to a provider alone');
    if (end <= begin) wrong(['end_time'], 'synced hours end on the day on which they begin');
  }
  return problems;
}
