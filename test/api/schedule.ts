/** Rows of a schedule that one test adds for itself, and queries as clients write them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { forAll, type Tx } from '../../src/store/database.ts';
import type { Api, ApiAnswer, RequestOptions } from '../harness/api.ts';

/** Sunday is the first bit. */
export const EVERY_DAY = 0b1111111;

type Table =
  | 'institution'
  | 'location'
  | 'provider'
  | 'operatory'
  | 'availability'
  | 'availability_label'
  | 'appointment_type'
  | 'patient'
  | 'claim';

/** Inserts one row of the practice and gives back its id. */
export function insertRow(api: Api, table: Table, values: object): Promise<number> {
  return forAll(api.db, async (tx: Tx) => {
    const { id } = await tx
      .insertInto(table)
      .values({ ...(table !== 'institution' && { institution_id: api.institution.id }), ...values } as never)
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  });
}

/** A label of the HRS's for hours at North, unless told otherwise. */
export function addLabel(api: Api, name: string, fields: object = {}): Promise<number> {
  return insertRow(api, 'availability_label', {
    connection_id: api.practice.connection.id,
    location_id: api.practice.locations.north,
    name,
    foreign_id: randomUUID(),
    ...fields,
  });
}

/** An operatory of a test's own, at North unless told otherwise. */
export function addOperatory(api: Api, fields: object = {}): Promise<number> {
  return insertRow(api, 'operatory', {
    connection_id: api.practice.connection.id,
    location_id: api.practice.locations.north,
    name: 'Room',
    foreign_id: randomUUID(),
    ...fields,
  });
}

/** Hours at North from 9:00 to 12:00 of every day, unless told otherwise. */
export async function addHours(api: Api, providerId: number, fields: object = {}, typeIds: number[] = []) {
  const id = await insertRow(api, 'availability', {
    location_id: api.practice.locations.north,
    provider_id: providerId,
    begin_minute: 540,
    end_minute: 720,
    ...('specific_date' in fields ? {} : { days: EVERY_DAY }),
    ...fields,
  });
  await forAll(api.db, async (tx) => {
    for (const appointment_type_id of typeIds) {
      await tx
        .insertInto('availability_appointment_type')
        .values({ institution_id: api.institution.id, availability_id: id, appointment_type_id })
        .execute();
    }
  });
  return id;
}

/** A provider of a test's own who works at North, with these hours. */
export async function addProvider(api: Api, ...hours: object[]): Promise<number> {
  const id = await insertRow(api, 'provider', {
    connection_id: api.practice.connection.id,
    first_name: 'Dee',
    last_name: 'Dogwood',
    foreign_id: randomUUID(),
  });
  await forAll(api.db, (tx) =>
    tx
      .insertInto('provider_location')
      .values({ institution_id: api.institution.id, provider_id: id, location_id: api.practice.locations.north })
      .execute(),
  );
  for (const fields of hours) await addHours(api, id, fields);
  return id;
}

type Value = string | number | boolean;

/** Lists are written with brackets; what is undefined is left out. */
export function queryText(values: Record<string, Value | Value[] | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const one of value) query.append(`${name}[]`, String(one));
    else if (value !== undefined) query.append(name, String(value));
  }
  return query.toString();
}

/** POST /appointments: Pia with Ada at North, at 9:00 of Tuesday 3 March 2026, unless told otherwise. */
export function book(
  api: Api,
  appt: object = {},
  {
    query = {},
    perTimeslot,
    ...options
  }: RequestOptions & { query?: Parameters<typeof queryText>[0]; perTimeslot?: number } = {},
): Promise<ApiAnswer> {
  const { locations, patients, providers } = api.practice;
  const scope = queryText({ subdomain: 'oak', location_id: locations.north, ...query });
  return api.post(`/appointments?${scope}`, {
    body: {
      appointments_per_timeslot: perTimeslot,
      appt: { patient_id: patients.pia, provider_id: providers.ada, start_time: '2026-03-03T14:00:00Z', ...appt },
    },
    ...options,
  });
}

/** The appointment that such a booking makes. */
export async function booked(api: Api, ...rest: Parameters<typeof book> extends [Api, ...infer R] ? R : never) {
  const { status, body, text } = await book(api, ...rest);
  assert.equal(status, 201, text);
  return body.data.appt;
}
