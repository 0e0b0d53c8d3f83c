/** An institution as NexHealth's clients read it. */
import { z } from 'zod';
import type { InstitutionRow } from '../store/schema.ts';
import { type LocationBasic, locationBasicShape } from './location.ts';

export interface InstitutionFacts {
  row: InstitutionRow;
  /** Kinds of the systems it is connected to. */
  emrs: string[];
  locations: LocationBasic[];
}

export const institutionShape = z
  .object({
    id: z.int(),
    name: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    subdomain: z.string(),
    phone_number: z.string().nullable(),
    emrs: z.array(z.string()),
    country_code: z.string(),
    appointment_types_location_scoped: z.boolean(),
    is_sync_notifications: z.boolean(),
    notify_insert_fails: z.boolean(),
    locations: z.array(locationBasicShape),
  })
  .meta({ id: 'Institution' });

/** v2 also tells how NexHealth's own booking page is set up. There is none here, so these never change. */
const BOOKING_PAGE_SHAPE = {
  is_appt_categories_location_specific: z.boolean(),
  is_appt_booking_patient_type_activated: z.literal(false),
  is_appt_booking_insurance_activated: z.literal(false),
  show_online_booking_no_insurance_option: z.literal(false),
  request_online_booking_location_permissions: z.literal(false),
  logo_location_scoped: z.literal(false),
  gtm_tags: z.null(),
  show_map: z.literal(false),
  wlogo: z.null(),
};

export const institutionShapeV2 = institutionShape.extend(BOOKING_PAGE_SHAPE).meta({ id: 'InstitutionV2' });

export function viewInstitution({ row, emrs, locations }: InstitutionFacts): z.infer<typeof institutionShape> {
  return {
    id: row.id,
    name: row.name,
    created_at: row.created_at,
    updated_at: row.updated_at,
    subdomain: row.subdomain,
    phone_number: row.phone_number,
    emrs,
    country_code: row.country_code,
    appointment_types_location_scoped: row.appointment_types_location_scoped,
    is_sync_notifications: false,
    notify_insert_fails: row.notify_insert_fails,
    locations,
  };
}

export function viewInstitutionV2(facts: InstitutionFacts): z.infer<typeof institutionShapeV2> {
  return {
    ...viewInstitution(facts),
    is_appt_categories_location_specific: facts.row.appointment_types_location_scoped,
    is_appt_booking_patient_type_activated: false,
    is_appt_booking_insurance_activated: false,
    show_online_booking_no_insurance_option: false,
    request_online_booking_location_permissions: false,
    logo_location_scoped: false,
    gtm_tags: null,
    show_map: false,
    wlogo: null,
  };
}
