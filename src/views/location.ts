/** A location, long and short. */
import { z } from 'zod';
import type { LocationRow } from '../store/schema.ts';
import { foreignIdType } from './foreign-id.ts';

export interface LocationWithNames extends LocationRow {
  connection_kind: string | null;
  country_code: string;
}

export const locationBasicShape = z
  .object({
    id: z.int(),
    name: z.string(),
    street_address: z.string().nullable(),
    street_address_2: z.string().nullable(),
    city: z.string().nullable(),
    state: z.string().nullable(),
    zip_code: z.string().nullable(),
    phone_number: z.string().nullable(),
    email: z.string().nullable(),
    inactive: z.boolean(),
  })
  .meta({ id: 'LocationBasic' });

export type LocationBasic = z.infer<typeof locationBasicShape>;

export function viewLocationBasic(row: LocationRow): LocationBasic {
  return {
    id: row.id,
    name: row.name,
    street_address: row.street_address,
    street_address_2: null,
    city: row.city,
    state: row.state,
    zip_code: row.zip_code,
    phone_number: row.phone_number,
    email: row.email,
    inactive: row.inactive,
  };
}

export const locationShape = locationBasicShape
  .extend({
    institution_id: z.int(),
    country_code: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    latitude: z.number().nullable(),
    longitude: z.number().nullable(),
    foreign_id: z.string().nullable(),
    foreign_id_type: z.string(),
    tz: z.string(),
    last_sync_time: z.iso.datetime().nullable(),
    insert_appt_client: z.boolean(),
    map_by_operatory: z.boolean(),
    set_availability_by_operatory: z.boolean(),
    specialty: z.object({ id: z.int(), name: z.string() }).nullable(),
  })
  .meta({ id: 'Location' });

export type LocationView = z.infer<typeof locationShape>;

export function viewLocation(row: LocationWithNames): LocationView {
  return {
    ...viewLocationBasic(row),
    institution_id: row.institution_id,
    country_code: row.country_code,
    created_at: row.created_at,
    updated_at: row.updated_at,
    latitude: null,
    longitude: null,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    tz: row.tz,
    last_sync_time: row.synced_at,
    // Bookings are written into the HRS wherever there is a connection to one.
    insert_appt_client: row.connection_id !== null,
    map_by_operatory: row.map_by_operatory,
    set_availability_by_operatory: false,
    specialty: null,
  };
}
