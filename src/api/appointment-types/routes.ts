/**
 * Appointment types, and the same rows under `appointment_categories`, the name they had before: old clients list,
 * make and remove them there.
 */
import { z } from 'zod';
import { toIso } from '../../clock.ts';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { AppointmentTypeRow } from '../../store/schema.ts';
import { appointmentTypeShape, viewAppointmentType } from '../../views/appointment-type.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { id, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { type Answer, defineRoute, type Route } from '../route.ts';
import {
  insertType,
  newType,
  readInstitution,
  requireLocation,
  resolveParent,
  setDescriptors,
  typeChanges,
  updateType,
} from './editing.ts';
import { typeWithResourcesShape, withResources } from './resources.ts';

const include = list(text(40));

/** The type, as seen from the location when one is named: those of other locations are absent there. */
async function getType(
  tx: Tx,
  institutionId: number,
  params: { id: number; location_id?: number | undefined },
): Promise<AppointmentTypeRow> {
  const row = await getOwned(tx, 'appointment_type', institutionId, params.id);
  if (params.location_id !== undefined) {
    await getOwned(tx, 'location', institutionId, params.location_id);
    if (row.location_id !== null && row.location_id !== params.location_id) throw notFound();
  }
  return row;
}

function create(context: Context, locationId: number | undefined, fields: z.output<typeof newType>): Promise<Answer> {
  return inInstitution(context, async (tx) => {
    const institution = await readInstitution(tx, getInstitution(context).id);
    requireLocation(institution, locationId);
    if (locationId !== undefined) await getOwned(tx, 'location', institution.id, locationId);
    const parent = await resolveParent(tx, institution.id, fields);
    const scoped = institution.appointment_types_location_scoped ? locationId : null;
    const row = await insertType(tx, {
      institution_id: institution.id,
      location_id: (parent === undefined ? scoped : parent) ?? null,
      name: fields.name.trim(),
      minutes: fields.minutes,
      bookable_online: fields.bookable_online ?? true,
    });
    await setDescriptors(tx, row, fields.emr_appt_descriptor_ids ?? []);
    return { status: 201, data: viewAppointmentType(row) };
  });
}

/** One resource under two names: `path` in the URL, `wrapper` around the fields. */
function routesNamed(path: string, wrapper: string, thing: string) {
  const shared = { tag: 'Appointment types', subdomain: 'required' } as const;
  return [
    defineRoute({
      ...shared,
      method: 'GET',
      path,
      summary: `List ${thing}s, those of the whole institution among them.`,
      params: z.object({ location_id: optional(id()), include }),
      answer: z.array(typeWithResourcesShape),
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const institution = await readInstitution(tx, getInstitution(context).id);
          requireLocation(institution, params.location_id);
          let query = tx.selectFrom('appointment_type').selectAll().where('institution_id', '=', institution.id);
          if (params.location_id !== undefined) {
            const { id: locationId } = await getOwned(tx, 'location', institution.id, params.location_id);
            query = query.where(({ or, eb }) =>
              or([eb('location_id', '=', locationId), eb('location_id', 'is', null)]),
            );
          }
          const rows = await query.orderBy('id').execute();
          return { data: await withResources(tx, rows, params.include ?? []) };
        }),
    }),
    defineRoute({
      ...shared,
      method: 'POST',
      path,
      summary: `Create an ${thing}.`,
      params: z.object({ location_id: optional(id()), [wrapper]: newType }),
      body: ['location_id', wrapper],
      answer: appointmentTypeShape,
      statuses: [201],
      handler: (context, params) =>
        create(context, params.location_id as number | undefined, params[wrapper] as z.output<typeof newType>),
    }),
    defineRoute({
      ...shared,
      method: 'GET',
      path: `${path}/:id`,
      summary: `Show one ${thing}.`,
      params: z.object({ id: id(), location_id: optional(id()), include }),
      answer: typeWithResourcesShape,
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const row = await getType(tx, getInstitution(context).id, params);
          return { data: (await withResources(tx, [row], params.include ?? []))[0] };
        }),
    }),
    defineRoute({
      ...shared,
      method: 'DELETE',
      path: `${path}/:id`,
      summary: `Delete an ${thing}. Hours that carried it go on without it.`,
      params: z.object({ id: id(), location_id: optional(id()) }),
      answer: appointmentTypeShape,
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const row = await getType(tx, getInstitution(context).id, params);
          await tx.deleteFrom('appointment_type').where('id', '=', row.id).execute();
          return { data: viewAppointmentType(row) };
        }),
    }),
  ];
}

export const routes: Route[] = [
  ...routesNamed('/appointment_types', 'appointment_type', 'appointment type'),
  defineRoute({
    method: 'PATCH',
    path: '/appointment_types/:id',
    summary: 'Change an appointment type. A list of descriptors replaces the one it had.',
    tag: 'Appointment types',
    subdomain: 'required',
    params: z.object({ id: id(), location_id: optional(id()), appointment_type: typeChanges }),
    body: ['location_id', 'appointment_type'],
    answer: appointmentTypeShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const { id: institutionId } = getInstitution(context);
        const found = await getType(tx, institutionId, params);
        const fields = params.appointment_type;
        const row = await updateType(tx, found.id, {
          name: fields.name?.trim(),
          minutes: fields.minutes,
          bookable_online: fields.bookable_online,
          location_id: await resolveParent(tx, institutionId, fields),
          updated_at: toIso(context.nowMs),
        });
        if (fields.emr_appt_descriptor_ids) await setDescriptors(tx, row, fields.emr_appt_descriptor_ids);
        return { data: viewAppointmentType(row) };
      }),
  }),
  ...routesNamed('/appointment_categories', 'appointment_category', 'appointment category'),
];
