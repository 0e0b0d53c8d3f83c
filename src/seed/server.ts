/**
 * The skeleton of practices, read over the wire from a server that speaks NexHealth's API. No list of patients or
 * appointments is ever asked for. Ids may come as text, fields may be null or missing, rows may stand in either
 * version's shape.
 */
import type { SeedLocation } from './format.ts';
import type { Remarks } from './remarks.ts';
import {
  type Json,
  objectOf,
  objectsOf,
  openServer,
  type Params,
  plainText,
  type ServerClient,
  type ServerOptions,
} from './server-client.ts';
import type { FoundInstitution } from './skeleton.ts';

/** Somebody to book for; nobody is counted over there. */
const INVENTED_PATIENTS: SeedLocation['patients'] = {
  count: 20,
  without_sms_consent: 4,
  with_coverage: 0,
  with_two_coverages: 0,
  with_recall: 0,
  with_alert: 0,
};

interface Source extends ServerOptions {
  /** Which institutions; all that the key reaches when empty. */
  subdomains: readonly string[];
  remarks: Remarks;
}

/** Throws when the server does not answer, does not take the key, or does not know one of the subdomains. */
export async function readServer({ subdomains, remarks, ...options }: Source): Promise<FoundInstitution[]> {
  const client = await openServer(options);
  const rows = await client.getAll('/institutions', []);
  const missing = subdomains.find((wanted) => !rows.some(({ subdomain }) => subdomain === wanted));
  if (missing !== undefined) {
    const known = rows.map(({ subdomain }) => subdomain).join(', ');
    throw new Error(`This key reaches no institution ${missing}; it reaches ${known || 'none'}.`);
  }
  const found: FoundInstitution[] = [];
  for (const row of rows) {
    const subdomain = textOf(row.subdomain);
    if (subdomain === null || (subdomains.length > 0 && !subdomains.includes(subdomain))) continue;
    options.tell(`reading ${subdomain}`);
    found.push(await readInstitution(client, row, subdomain, remarks));
  }
  if (found.length === 0) throw new Error('This key reaches no institution: nothing to write.');
  remarks.add(
    `nobody was counted: every location has ${INVENTED_PATIENTS.count} invented patients and no appointments`,
  );
  return found;
}

async function readInstitution(
  client: ServerClient,
  row: Json,
  subdomain: string,
  remarks: Remarks,
): Promise<FoundInstitution> {
  const scope: Params = [['subdomain', subdomain]];
  const locations = (await client.getAll('/locations', scope)).flatMap((group) => objectsOf(group.locations));
  const locationIds = locations.flatMap(({ id }) => idOf(id) ?? []);
  const atEach = async (read: (id: number) => Promise<Json[] | null>) => {
    const lists: Json[] = [];
    for (const id of locationIds) {
      for (const one of (await read(id)) ?? []) lists.push({ ...one, location_id: one.location_id ?? id });
    }
    return withIds(lists);
  };
  const at = (id: number): Params => [...scope, ['location_id', id]];

  const include: Params = ['locations', 'availabilities', 'appointment_types'].map((name) => ['include[]', name]);
  const providers = withIds([
    ...(await client.getAll('/providers', [...scope, ...include, ['inactive', false]])),
    ...((await client.findAll('/providers', [...scope, ...include, ['inactive', true]])) ?? []),
  ]);
  const operatories = await atEach((id) => client.getAll('/operatories', at(id)));
  const types = await readTypes(client, scope, row.appointment_types_location_scoped === true, atEach);
  const descriptors = withIds([
    ...types.flatMap(({ descriptors: own }) => objectsOf(own)),
    ...(await atEach((id) => client.findAll(`/locations/${id}/appointment_descriptors`, []))),
  ]);
  const labels = (await client.findAll('/working_hour_labels', scope)) ?? [];
  const hours = withIds([
    ...(await atEach((id) => readHours(client, at(id)))),
    // Hours that the practice's own system keeps may be told here alone.
    ...providers.flatMap(({ id, availabilities }) =>
      objectsOf(availabilities).map((one): Json => ({ provider_id: id, ...one })),
    ),
  ]);
  if (hours.length === 0)
    remarks.add(`${subdomain} has no hours that this key can read: add some, or nothing can be booked`);
  const hourLabels = objectsOf(hours.map(({ label }) => label));
  return {
    id: idOf(row.id) ?? 1,
    name: textOf(row.name),
    subdomain,
    phone_number: textOf(row.phone_number),
    country_code: textOf(row.country_code),
    appointment_types_location_scoped: flagOf(row.appointment_types_location_scoped),
    notify_insert_fails: flagOf(row.notify_insert_fails),
    locations: withIds(locations).map(locationOf),
    providers: providers.map(providerOf),
    operatories: operatories.map(operatoryOf),
    descriptors: descriptors.map(descriptorOf),
    appointment_types: types.map(typeOf),
    working_hour_labels: withIds([...labels, ...hourLabels]).map(labelOf),
    availabilities: hours.map(availabilityOf),
  };
}

/** Types of the whole institution, or of each location where they are kept so. */
async function readTypes(
  client: ServerClient,
  scope: Params,
  isScoped: boolean,
  atEach: (read: (id: number) => Promise<Json[] | null>) => Promise<NumberedJson[]>,
): Promise<NumberedJson[]> {
  const path = '/appointment_types';
  const params: Params = [...scope, ['include[]', 'descriptors']];
  const all = isScoped ? null : await client.findAll(path, params);
  return all ? withIds(all) : atEach((id) => client.getAll(path, [...params, ['location_id', id]]));
}

/** Under the name of v3.0.0, or of v2 where that is not known; the active ones and the others. */
async function readHours(client: ServerClient, params: Params): Promise<Json[]> {
  const include: Params = [['include[]', 'appointment_types']];
  const lists: Json[] = [];
  for (const active of [true, false]) {
    const asked: Params = [...params, ...include, ['active', active]];
    const rows = (await client.findAll('/working_hours', asked)) ?? (await client.findAll('/availabilities', asked));
    lists.push(...(rows ?? []));
  }
  return lists;
}

type NumberedJson = Json & { id: number };

/** Each once, with its id as a number; the first that is told counts. */
function withIds(rows: readonly Json[]): NumberedJson[] {
  const byId = new Map<number, NumberedJson>();
  for (const row of rows) {
    const id = idOf(row.id);
    if (id !== null && !byId.has(id)) byId.set(id, { ...row, id });
  }
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

const locationOf = (row: NumberedJson): FoundInstitution['locations'][number] => ({
  id: row.id,
  name: textOf(row.name),
  tz: textOf(row.tz),
  street_address: textOf(row.street_address),
  city: textOf(row.city),
  state: textOf(row.state),
  zip_code: textOf(row.zip_code),
  phone_number: textOf(row.phone_number),
  map_by_operatory: flagOf(row.map_by_operatory),
  inactive: flagOf(row.inactive) ?? false,
  patients: INVENTED_PATIENTS,
  appointments: null,
});

const providerOf = (row: NumberedJson): FoundInstitution['providers'][number] => ({
  id: row.id,
  first_name: textOf(row.first_name),
  last_name: textOf(row.last_name),
  inactive: flagOf(row.inactive),
  location_ids: [
    ...objectsOf(row.locations).map(({ id }) => id),
    ...objectsOf(row.provider_requestables).map(({ location_id }) => location_id),
  ].flatMap((id) => idOf(id) ?? []),
});

const operatoryOf = (row: NumberedJson): FoundInstitution['operatories'][number] => ({
  id: row.id,
  location_id: idOf(row.location_id),
  name: textOf(row.name) ?? textOf(row.display_name),
  active: flagOf(row.active),
});

const descriptorOf = (row: NumberedJson): FoundInstitution['descriptors'][number] => ({
  id: row.id,
  descriptor_type: textOf(row.descriptor_type),
  name: textOf(row.name),
  code: textOf(row.code),
  active: flagOf(row.active),
  minutes: numberOf(objectOf(row.data)?.minutes),
});

const typeOf = (row: NumberedJson): FoundInstitution['appointment_types'][number] => ({
  id: row.id,
  name: textOf(row.name),
  minutes: numberOf(row.minutes),
  bookable_online: flagOf(row.bookable_online),
  location_id: row.parent_type === 'Location' ? idOf(row.parent_id) : null,
  emr_appt_descriptor_ids: objectsOf(row.descriptors).flatMap(({ id }) => idOf(id) ?? []),
});

const labelOf = (row: NumberedJson): FoundInstitution['working_hour_labels'][number] => ({
  id: row.id,
  name: textOf(row.name),
  location_id: idOf(row.location_id),
  active: flagOf(row.active),
});

function availabilityOf(row: NumberedJson): FoundInstitution['availabilities'][number] {
  const recurrence = objectOf(row.custom_recurrence);
  const num = numberOf(recurrence?.num);
  const unit = textOf(recurrence?.unit);
  const ref = textOf(recurrence?.ref)?.slice(0, 10);
  const isRecurring = num !== null && num >= 1 && num <= 1000 && ref !== undefined;
  return {
    id: row.id,
    location_id: idOf(row.location_id),
    provider_id: idOf(row.provider_id),
    operatory_id: idOf(row.operatory_id),
    days: (Array.isArray(row.days) ? row.days : []).flatMap((day) => textOf(day) ?? []),
    specific_date: textOf(row.specific_date)?.slice(0, 10) ?? null,
    custom_recurrence:
      isRecurring && (unit === 'day' || unit === 'week' || unit === 'month') ? { num, unit, ref } : null,
    begin_time: timeOf(row.begin_time),
    end_time: timeOf(row.end_time),
    active: flagOf(row.active),
    appointment_type_ids: objectsOf(row.appointment_types).flatMap(({ id }) => idOf(id) ?? []),
    synced: flagOf(row.synced) ?? row.source === 'synced',
    label_id: idOf(objectOf(row.label)?.id),
  };
}

function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

function idOf(value: unknown): number | null {
  const id = numberOf(value);
  return id !== null && Number.isSafeInteger(id) && id > 0 ? id : null;
}

function textOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? plainText(value) || null : null;
}

function flagOf(value: unknown): boolean | null {
  if (value === true || value === 'true' || value === 1) return true;
  return value === false || value === 'false' || value === 0 ? false : null;
}

/** `9:00`, also of `09:00:00`. */
const timeOf = (value: unknown) => textOf(value)?.replace(/^(\d{1,2}:\d\d):\d\d.*$/, '$1') ?? null;
