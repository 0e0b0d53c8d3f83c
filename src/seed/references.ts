/** The rules between the parts of a seed file: whatever the database or the sandbox would refuse, told by its path. */
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import { codeOf, ownCodeOf } from './codes.ts';
import type { Seed, SeedInstitution, SeedKey, SeedLocation } from './format.ts';

export interface Problem {
  path: readonly PropertyKey[];
  /** What should stand there; what does is told beside it. */
  wanted: string;
}

type Availability = SeedInstitution['availabilities'][number];

/** Ids count over all institutions: each kind has one sequence. */
const KINDS = [
  'locations',
  'providers',
  'operatories',
  'descriptors',
  'appointment_types',
  'working_hour_labels',
  'availabilities',
  'patients',
] as const;

/** Everything that does not fit together, in the order of the file. */
export function referenceProblems(seed: Seed): Problem[] {
  const subdomains = seed.institutions.map(({ subdomain }) => subdomain);
  const institutionIds = seed.institutions.map(({ id }) => id);
  return [
    ...repeats(subdomains, (at) => ['institutions', at, 'subdomain'], 'a subdomain that no other has'),
    ...repeats(institutionIds, (at) => ['institutions', at, 'id'], 'an id that no other has'),
    ...KINDS.flatMap((kind) => {
      const places = seed.institutions.flatMap((one, i) => one[kind].map(({ id }, at) => ({ id, i, at })));
      return repeats(
        places.map(({ id }) => id),
        (index) => ['institutions', places[index]?.i ?? 0, kind, places[index]?.at ?? 0, 'id'],
        `an id that no other of the ${kind} has`,
      );
    }),
    ...seed.institutions.flatMap((institution, i) => within(['institutions', i], institutionProblems(institution))),
    ...repeats(
      seed.api_keys.map((key) => key.name),
      (at) => ['api_keys', at, 'name'],
      'a name that no other key has',
    ),
    ...repeats(
      seed.api_keys.map(({ key }) => key),
      (at) => ['api_keys', at, 'key'],
      'a key that no other entry has',
    ),
    ...seed.api_keys.flatMap((key, at) => within(['api_keys', at], keyProblems(key, subdomains))),
  ];
}

const within = (path: PropertyKey[], problems: Problem[]): Problem[] =>
  problems.map((problem) => ({ ...problem, path: [...path, ...problem.path] }));

function repeats<T>(values: readonly T[], pathOf: (at: number) => PropertyKey[], wanted: string): Problem[] {
  const seen = new Set<T>();
  return values.flatMap((value, at) => {
    if (value === undefined || !seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [{ path: pathOf(at), wanted }];
  });
}

function keyProblems({ subdomains, admin }: SeedKey, known: readonly string[]): Problem[] {
  if (subdomains?.length === 0 && !admin)
    return [{ path: ['subdomains'], wanted: `some of ${known.join(', ')}; only an administrator may have none` }];
  return (subdomains ?? []).flatMap((subdomain, n) =>
    known.includes(subdomain) ? [] : [{ path: ['subdomains', n], wanted: `one of ${known.join(', ')}` }],
  );
}

function institutionProblems(institution: SeedInstitution): Problem[] {
  const problems: Problem[] = [];
  const { locations, providers, descriptors, appointment_types: types } = institution;
  const locationIds = new Set(locations.map(({ id }) => id));
  const needLocation = (path: PropertyKey[], id: number | null) => {
    if (id !== null && !locationIds.has(id))
      problems.push({ path, wanted: 'the id of a location of this institution' });
  };
  for (const [at, provider] of providers.entries()) {
    for (const [n, id] of provider.location_ids.entries()) needLocation(['providers', at, 'location_ids', n], id);
  }
  for (const kind of ['operatories', 'appointment_types', 'working_hour_labels', 'patients'] as const) {
    for (const [at, { location_id }] of institution[kind].entries())
      needLocation([kind, at, 'location_id'], location_id);
  }
  const descriptorIds = new Set(descriptors.map(({ id }) => id));
  for (const [at, { emr_appt_descriptor_ids: ids = [] }] of types.entries()) {
    for (const [n, id] of ids.entries()) {
      if (!descriptorIds.has(id))
        problems.push({
          path: ['appointment_types', at, 'emr_appt_descriptor_ids', n],
          wanted: 'the id of a descriptor of this institution',
        });
    }
  }
  const ownCodes = types.flatMap((type) => (type.emr_appt_descriptor_ids ? [] : [ownCodeOf(type.id)]));
  problems.push(
    ...repeats(
      [...ownCodes, ...descriptors.map(codeOf)],
      (at) => ['descriptors', at - ownCodes.length, 'code'],
      'a code that no other descriptor of this institution has',
    ),
    ...repeats(
      types.map((type) => `${type.location_id ?? 'every location'}: ${type.name.toLowerCase()}`),
      (at) => ['appointment_types', at, 'name'],
      'a name that no other type of the same place has',
    ),
  );
  for (const [at, availability] of institution.availabilities.entries())
    problems.push(...within(['availabilities', at], availabilityProblems(institution, availability)));
  for (const [at, location] of locations.entries())
    problems.push(...within(['locations', at], countProblems(institution, location)));
  return problems;
}

function countProblems(institution: SeedInstitution, { id, patients, appointments }: SeedLocation): Problem[] {
  const problems: Problem[] = [];
  const atMost = (part: Exclude<keyof typeof patients, 'count'>, whole: keyof typeof patients) => {
    if (patients[part] > patients[whole])
      problems.push({ path: ['patients', part], wanted: `at most ${whole}, which is ${patients[whole]}` });
  };
  atMost('without_sms_consent', 'count');
  atMost('with_coverage', 'count');
  atMost('with_two_coverages', 'with_coverage');
  atMost('with_recall', 'count');
  atMost('with_alert', 'count');
  const named = institution.patients.some(({ location_id }) => location_id === id);
  if (appointments.past + appointments.future > 0 && patients.count === 0 && !named)
    problems.push({ path: ['appointments'], wanted: 'none where there are no patients' });
  return problems;
}

function availabilityProblems(institution: SeedInstitution, availability: Availability): Problem[] {
  const problems: Problem[] = [];
  const want = (path: PropertyKey[], wanted: string) => problems.push({ path, wanted });
  const { location_id, provider_id, operatory_id, label_id, days, specific_date, custom_recurrence } = availability;
  const location = institution.locations.find(({ id }) => id === location_id);
  if (!location) want(['location_id'], 'the id of a location of this institution');
  const provider = institution.providers.find(({ id }) => id === provider_id);
  if (!provider?.location_ids.includes(location_id))
    want(['provider_id'], `the id of a provider who works at location ${location_id}`);
  const operatory = institution.operatories.find(({ id }) => id === operatory_id);
  if (operatory_id !== null && operatory?.location_id !== location_id)
    want(['operatory_id'], `the id of an operatory of location ${location_id}`);
  if (operatory_id === null && location?.map_by_operatory)
    want(['operatory_id'], 'an operatory: the location has map_by_operatory');
  for (const [n, id] of availability.appointment_type_ids.entries()) {
    const type = institution.appointment_types.find((one) => one.id === id);
    if (!type || (type.location_id !== null && type.location_id !== location_id))
      want(['appointment_type_ids', n], `the id of an appointment type of location ${location_id}`);
  }
  const rules = [days.length > 0, specific_date !== null, custom_recurrence !== null].filter(Boolean);
  if (rules.length !== 1) want(['days'], 'exactly one of days, specific_date and custom_recurrence');
  const begin = parseMinuteOfDay(availability.begin_time) ?? 0;
  const end = parseMinuteOfDay(availability.end_time) ?? 0;
  if (begin > 1439) want(['begin_time'], 'a time from 00:00 to 23:59');
  if (end === 0) want(['end_time'], 'a time from 00:01 to 24:00');
  if (availability.synced) {
    if (days.length > 1) want(['days'], 'one day, for these are synced; give each day hours of its own');
    if (custom_recurrence !== null) want(['custom_recurrence'], 'a weekday or a date, for these are synced');
    if (operatory_id !== null) want(['operatory_id'], 'none, for these are synced: they belong to a provider alone');
    if (end <= begin) want(['end_time'], 'a time of the same day, for these are synced');
  }
  if (label_id !== null) {
    const label = institution.working_hour_labels.find(({ id }) => id === label_id);
    if (!label || (label.location_id !== null && label.location_id !== location_id))
      want(['label_id'], `the id of a working hour label of location ${location_id}`);
    if (!availability.synced) want(['label_id'], 'none: labels are for synced hours');
  }
  return problems;
}
