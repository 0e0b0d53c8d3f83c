/** A provider as NexHealth's clients read it, in both versions. */
import { z } from 'zod';
import type { ProviderRow } from '../store/schema.ts';
import { appointmentTypeShape } from './appointment-type.ts';
import { type AvailabilityView, availabilityShape, type WorkingHourView, workingHourShape } from './availability.ts';
import { foreignIdType } from './foreign-id.ts';
import { locationShape } from './location.ts';
import { userShape } from './user.ts';
import type { Version } from './version.ts';

export interface ProviderWithNames extends ProviderRow {
  connection_kind: string | null;
}

export const providerShape = userShape
  .extend({
    display_name: z.string(),
    npi: z.string().nullable(),
    tin: z.null(),
    state_license: z.null(),
    specialty_code: z.null(),
    nexhealth_specialty: z.string().nullable(),
    profile_url: z.null(),
    inst_ids: z.array(z.int()),
  })
  .meta({ id: 'Provider' });

export type ProviderView = z.infer<typeof providerShape>;

const resourcesShape = providerShape.extend({
  provider_requestables: z.array(z.object({ location_id: z.int() })),
  locations: z.array(locationShape).optional(),
  appointment_types: z.array(appointmentTypeShape).optional(),
});

const withResourcesShape = resourcesShape
  .extend({ availabilities: z.array(workingHourShape).optional() })
  .meta({ id: 'ProviderWithResources' });

const withResourcesShapeV2 = resourcesShape
  .extend({ availabilities: z.array(availabilityShape).optional() })
  .meta({ id: 'ProviderWithResourcesV2' });

/** What is called `availabilities` in both has each version's own shape of hours. */
export const providerWithResourcesShapeOf = (version: Version) =>
  version === 'v2' ? withResourcesShapeV2 : withResourcesShape;

export type ProviderWithResources = z.infer<typeof resourcesShape> & {
  availabilities?: (AvailabilityView | WorkingHourView)[];
};

export function viewProvider(row: ProviderWithNames): ProviderView {
  const name = `${row.first_name} ${row.last_name}`;
  return {
    id: row.id,
    email: row.email,
    first_name: row.first_name,
    middle_name: null,
    last_name: row.last_name,
    name,
    created_at: row.created_at,
    updated_at: row.updated_at,
    institution_id: row.institution_id,
    foreign_id: row.foreign_id,
    foreign_id_type: foreignIdType(row),
    bio: {},
    inactive: row.inactive,
    last_sync_time: row.synced_at,
    display_name: name,
    npi: row.npi,
    tin: null,
    state_license: null,
    specialty_code: null,
    nexhealth_specialty: row.specialty,
    profile_url: null,
    inst_ids: [row.institution_id],
  };
}
