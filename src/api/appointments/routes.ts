import { sql } from 'kysely';
import { z } from 'zod';
import { MAX_PER_TIMESLOT } from '../../commands/claims.ts';
import { isZone } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import { selectAppointments } from '../../store/appointments.ts';
import { appointmentShape, viewAppointment } from '../../views/appointment.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, type OrderColumn, pageParams } from '../pagination.ts';
import { boolean, id, instantText, integer, list, optional, text } from '../parameters.ts';
import { anyOf, getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';
import { bookFromRequest, bookingBody } from './booking.ts';
import { changeBody, changeFromRequest } from './changing.ts';
import { readIncludes, withIncludesShapeOf } from './includes.ts';
import { viewWrite, writeShape } from './writes.ts';

const MAX_PATIENT_IDS = 25;
/** v3.0.0 has no includes on the list, and v3.1.0, which is answered like it, has this one. */
const INCLUDE_OF_V3 = 'descriptors';

const oneShape = z.object({ appt: appointmentShape });

async function readAppointment(context: Parameters<typeof inInstitution>[0], appointmentId: number) {
  return inInstitution(context, async (tx) => {
    const row = await selectAppointments(tx)
      .where('appointment.id', '=', appointmentId)
      .where('appointment.institution_id', '=', getInstitution(context).id)
      .executeTakeFirst();
    if (!row) throw notFound();
    return row;
  });
}

type Row = Awaited<ReturnType<typeof readAppointment>>;

const SORTS: Record<'start_time' | 'updated_at' | 'id', OrderColumn<Row>> = {
  start_time: { column: 'appointment.start_at', type: 'timestamptz', value: (row) => row.start_at },
  updated_at: { column: 'appointment.updated_at', type: 'timestamptz', value: (row) => row.updated_at },
  id: { column: 'appointment.id', type: 'bigint', value: (row) => row.id },
};

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/appointments',
    summary: 'The schedule between two instants',
    tag: 'Appointments',
    subdomain: 'required',
    paged: true,
    params: z.object({
      location_id: optional(id()),
      foreign_id: optional(text(255)),
      start: instantText(),
      end: instantText(),
      /** The zone of `start` and `end` without an offset; else the location's. */
      timezone: optional(text(64).refine(isZone, 'must be an IANA time zone')),
      cancelled: optional(boolean()),
      unavailable: optional(boolean()),
      nex_only: optional(boolean()),
      updated_since: optional(instantText()),
      appointment_type_id: optional(id()),
      created_by: optional(id()),
      patient_id: optional(id()),
      provider_id: optional(id()),
      operatory_id: optional(id()),
      patient_ids: list(id()).refine(
        (ids) => (ids?.length ?? 0) <= MAX_PATIENT_IDS,
        `must have at most ${MAX_PATIENT_IDS} ids`,
      ),
      provider_ids: list(id()),
      operatory_ids: list(id()),
      include: list(text(40)),
      sort: sortParam(['start_time', 'updated_at', 'id']),
      ...pageParams,
    }),
    answer: (version) => z.array(withIncludesShapeOf(version)),
    handler: async (context, asked) =>
      inInstitution(context, async (tx) => {
        const institutionId = getInstitution(context).id;
        if (asked.location_id === undefined && asked.foreign_id === undefined) {
          throw new ApiError('missing_parameter', 'Missing parameter location_id');
        }
        let zone = 'UTC';
        if (asked.location_id !== undefined) {
          zone = (await getOwned(tx, 'location', institutionId, asked.location_id)).tz;
        }
        if (asked.timezone !== undefined) zone = asked.timezone;
        const [from, to] = [getInstant('start', asked.start, zone), getInstant('end', asked.end, zone)];
        if (to < from) throw new ApiError('invalid_parameter', 'Invalid parameter end: must not be before start');
        let query = selectAppointments(tx)
          .where('appointment.institution_id', '=', institutionId)
          .where('appointment.start_at', '>=', from)
          .where('appointment.start_at', '<=', to);
        if (asked.location_id !== undefined) query = query.where('appointment.location_id', '=', asked.location_id);
        if (asked.foreign_id !== undefined) {
          // By its connection, so that the index of foreign ids finds it however long the window is.
          query = query
            .where('appointment.foreign_id', '=', asked.foreign_id)
            .where('appointment.connection_id', 'in', (eb) =>
              eb.selectFrom('connection as own').select('own.id').where('own.institution_id', '=', institutionId),
            );
        }
        if (asked.cancelled !== undefined) query = query.where('appointment.cancelled', '=', asked.cancelled);
        if (asked.unavailable !== undefined) query = query.where('appointment.unavailable', '=', asked.unavailable);
        if (asked.nex_only !== undefined) {
          query = query.where('appointment.marker', asked.nex_only ? 'is not' : 'is', null);
        }
        if (asked.updated_since !== undefined) {
          query = query.where('appointment.updated_at', '>=', getInstant('updated_since', asked.updated_since, zone));
        }
        if (asked.appointment_type_id !== undefined) {
          query = query.where('appointment.appointment_type_id', '=', asked.appointment_type_id);
        }
        if (asked.created_by !== undefined)
          query = query.where('appointment.created_by_user_id', '=', asked.created_by);
        const patientIds = asked.patient_ids ?? (asked.patient_id === undefined ? undefined : [asked.patient_id]);
        const providerIds = asked.provider_ids ?? (asked.provider_id === undefined ? undefined : [asked.provider_id]);
        const operatoryIds =
          asked.operatory_ids ?? (asked.operatory_id === undefined ? undefined : [asked.operatory_id]);
        if (patientIds) query = query.where('appointment.patient_id', '=', anyOf(patientIds));
        if (providerIds) query = query.where('appointment.provider_id', '=', anyOf(providerIds));
        if (operatoryIds) query = query.where('appointment.operatory_id', '=', anyOf(operatoryIds));
        const { rows, count, pageInfo } = await fetchPage(
          context,
          query,
          asked,
          orderBy(asked.sort ?? 'start_time', SORTS, SORTS.id),
        );
        const { version } = context;
        const names = asked.include ?? [];
        const known = version === 'v2' ? names : names.filter((name) => name === INCLUDE_OF_V3);
        const includes = await readIncludes(tx, rows, known, version);
        return {
          data: rows.map((row) => ({ ...viewAppointment(row), ...includes.get(row.id) })),
          count,
          pageInfo,
          ignored: known.length < names.length ? ['include'] : [],
        };
      }),
  }),

  defineRoute({
    method: 'POST',
    path: '/appointments',
    summary: 'Book an appointment, or take time with a block',
    tag: 'Appointments',
    subdomain: 'required',
    idempotent: true,
    params: z.object({
      location_id: id(),
      notify_patient: optional(boolean()),
      notify_practice: optional(boolean()),
      /** So many appointments of the provider may overlap, this one included, where the HRS knows such a thing. */
      appointments_per_timeslot: optional(integer(1, MAX_PER_TIMESLOT)),
      appt: bookingBody,
    }),
    body: ['appt', 'appointments_per_timeslot'],
    answer: oneShape,
    statuses: [201],
    handler: async (context, asked) => {
      return { status: 201, data: { appt: await bookFromRequest(context, asked) } };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/appointments/:id',
    summary: 'One appointment',
    tag: 'Appointments',
    subdomain: 'required',
    params: z.object({ id: id(), include: list(text(40)) }),
    answer: withIncludesShapeOf,
    handler: async (context, asked) =>
      inInstitution(context, async (tx) => {
        const row = await selectAppointments(tx)
          .where('appointment.id', '=', asked.id)
          .where('appointment.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        const includes = await readIncludes(tx, [row], asked.include ?? ['patient'], context.version);
        return { data: { ...viewAppointment(row), ...includes.get(row.id) } };
      }),
  }),

  defineRoute({
    method: 'PATCH',
    path: '/appointments/:id',
    summary: 'Confirm, cancel or check in; in v3.0.0 also move, and change the note',
    tag: 'Appointments',
    subdomain: 'required',
    idempotent: true,
    params: z.object({ id: id(), appt: changeBody }),
    body: ['appt'],
    answer: oneShape,
    handler: async (context, asked) => {
      await changeFromRequest(context, asked.id, asked.appt);
      return { data: { appt: viewAppointment(await readAppointment(context, asked.id)) } };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/appointments/:id/writes',
    summary: 'What became of each write of this appointment to the health record system',
    tag: 'Appointments',
    subdomain: 'required',
    params: z.object({ id: id() }),
    answer: z.array(writeShape),
    handler: async (context, asked) =>
      inInstitution(context, async (tx) => {
        const institutionId = getInstitution(context).id;
        const known = await tx
          .selectFrom('appointment')
          .select(sql<number>`1`.as('one'))
          .where('id', '=', asked.id)
          .where('institution_id', '=', institutionId)
          .executeTakeFirst();
        if (!known) throw notFound();
        const rows = await tx
          .selectFrom('command')
          .selectAll()
          .where('appointment_id', '=', asked.id)
          .where('institution_id', '=', institutionId)
          .orderBy('sequence')
          .execute();
        return { data: rows.map(viewWrite) };
      }),
  }),
];
