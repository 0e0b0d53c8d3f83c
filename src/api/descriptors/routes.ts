/** Descriptors where they are read: of a location, of an appointment type, of an appointment. Lists without pages. */
import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { descriptorShape, viewDescriptor } from '../../views/descriptor.ts';
import { getInstitution, inInstitution, inReach } from '../context.ts';
import { id, optional, text } from '../parameters.ts';
import { anyOf, getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { selectDescriptors } from './rows.ts';

const params = z.object({ id: id(), descriptor_type: optional(text(100)) });
const shared = { method: 'GET', tag: 'Appointment descriptors', params, answer: z.array(descriptorShape) } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    path: '/locations/:id/appointment_descriptors',
    summary: 'List the visit types and procedure codes that the health record system has at a location.',
    subdomain: 'none',
    handler: async (context, { id: locationId, descriptor_type }) => {
      const rows = await inReach(context, async (tx, institutionIds) => {
        const location = await tx
          .selectFrom('location')
          .select('connection_id')
          .where('id', '=', locationId)
          .where('institution_id', '=', anyOf(institutionIds))
          .executeTakeFirst();
        if (!location) throw notFound();
        return selectDescriptors(tx, descriptor_type)
          .where('descriptor.connection_id', '=', location.connection_id)
          .where(({ or, eb }) =>
            or([eb('descriptor.location_id', '=', locationId), eb('descriptor.location_id', 'is', null)]),
          )
          .execute();
      });
      return { data: rows.map(viewDescriptor) };
    },
  }),
  defineRoute({
    ...shared,
    path: '/appointment_types/:id/appointment_descriptors',
    summary: 'List what an appointment type is written as into the health record system.',
    subdomain: 'required',
    params: params.extend({ location_id: optional(id()) }),
    handler: async (context, { id: typeId, descriptor_type, location_id }) => {
      const institution = getInstitution(context);
      const rows = await inInstitution(context, async (tx) => {
        const type = await getOwned(tx, 'appointment_type', institution.id, typeId);
        if (location_id !== undefined) {
          await getOwned(tx, 'location', institution.id, location_id);
          if (type.location_id !== null && type.location_id !== location_id) throw notFound();
        }
        return selectDescriptors(tx, descriptor_type)
          .innerJoin('appointment_type_descriptor as link', 'link.descriptor_id', 'descriptor.id')
          .where('link.appointment_type_id', '=', typeId)
          .where('descriptor.institution_id', '=', institution.id)
          .execute();
      });
      return { data: rows.map(viewDescriptor) };
    },
  }),
  defineRoute({
    ...shared,
    path: '/appointments/:id/appointment_descriptors',
    summary: 'List what the health record system says an appointment is for.',
    subdomain: 'required',
    handler: async (context, { id: appointmentId, descriptor_type }) => {
      const institution = getInstitution(context);
      const rows = await inInstitution(context, async (tx) => {
        const appointment = await getOwned(tx, 'appointment', institution.id, appointmentId);
        return selectDescriptors(tx, descriptor_type)
          .where('descriptor.institution_id', '=', institution.id)
          .where('descriptor.id', '=', anyOf(appointment.descriptor_ids))
          .execute();
      });
      return { data: rows.map(viewDescriptor) };
    },
  }),
];
