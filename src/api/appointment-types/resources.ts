/** Reading appointment types with what may be shown beside them: one query for all of them per kind of thing. */
import { z } from 'zod';
import type { Tx } from '../../store/database.ts';
import { selectProviders } from '../../store/providers.ts';
import type { AppointmentTypeRow } from '../../store/schema.ts';
import { appointmentTypeShape, viewAppointmentType } from '../../views/appointment-type.ts';
import { descriptorShape, viewDescriptor } from '../../views/descriptor.ts';
import { providerShape, viewProvider } from '../../views/provider.ts';
import { selectDescriptors } from '../descriptors/rows.ts';
import { viewGroups } from '../groups.ts';
import { anyOf } from '../references.ts';

export const typeWithResourcesShape = appointmentTypeShape
  .extend({ descriptors: z.array(descriptorShape).optional(), providers: z.array(providerShape).optional() })
  .meta({ id: 'AppointmentTypeWithResources' });

/** `include` names `descriptors`, `providers`; other names are passed over, as at NexHealth. */
export async function withResources(
  tx: Tx,
  rows: AppointmentTypeRow[],
  include: readonly string[],
): Promise<z.infer<typeof typeWithResourcesShape>[]> {
  const ids = rows.map((row) => row.id);
  const descriptors = include.includes('descriptors') ? await readDescriptors(tx, ids) : null;
  const providers = include.includes('providers') ? await readProviders(tx, ids) : null;
  return rows.map((row) => ({
    ...viewAppointmentType(row),
    ...(descriptors && { descriptors: descriptors.get(row.id) ?? [] }),
    ...(providers && { providers: providers.get(row.id) ?? [] }),
  }));
}

async function readDescriptors(tx: Tx, typeIds: number[]) {
  const rows = await selectDescriptors(tx, undefined)
    .innerJoin('appointment_type_descriptor as link', 'link.descriptor_id', 'descriptor.id')
    .select('link.appointment_type_id')
    .where('link.appointment_type_id', '=', anyOf(typeIds))
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.appointment_type_id),
    viewDescriptor,
  );
}

/** Who can be booked for each type: the providers whose active hours carry it. */
async function readProviders(tx: Tx, typeIds: number[]) {
  const rows = await selectProviders(tx)
    .innerJoin('availability', 'availability.provider_id', 'provider.id')
    .innerJoin('availability_appointment_type as link', 'link.availability_id', 'availability.id')
    .select('link.appointment_type_id')
    .distinct()
    .where('link.appointment_type_id', '=', anyOf(typeIds))
    .where('availability.active', '=', true)
    .where('provider.inactive', '=', false)
    .orderBy('provider.id')
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.appointment_type_id),
    viewProvider,
  );
}
