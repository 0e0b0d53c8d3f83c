import { z } from 'zod';
import { addDays, parseLocalDate } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import { selectPatients } from '../../store/patients.ts';
import type { LocationRow } from '../../store/schema.ts';
import { type PatientWithNames, patientShape, viewPatient } from '../../views/patient.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, instantText, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';
import { createPatient, newPatient, providerOfPatient } from './creating.ts';
import { patientWithIncludesShape, type Window, withIncludes } from './includes.ts';
import { searchParams, searchPatients } from './search.ts';

const shared = { tag: 'Patients', subdomain: 'required' } as const;
const include = list(text(40));

/** v2's `appointment_date_start` and `appointment_date_end`: local dates, the last one included. */
function appointmentWindow(
  start: string | undefined,
  end: string | undefined,
  location: LocationRow,
): Window | undefined {
  if (start === undefined && end === undefined) return undefined;
  const lastDate = end === undefined ? null : parseLocalDate(end);
  const endsBefore = lastDate === null ? end : addDays(lastDate, 1);
  return {
    fromAt: start === undefined ? null : getInstant('appointment_date_start', start, location.tz),
    toAt: endsBefore === undefined ? null : getInstant('appointment_date_end', endsBefore, location.tz),
  };
}

export const routes: Route[] = [
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients',
    summary: 'Search patients. All filters must hold.',
    paged: true,
    params: z.object({
      ...pageParams,
      ...searchParams,
      sort: sortParam(['id', 'updated_at']),
      appointment_date_start: optional(instantText()),
      appointment_date_end: optional(instantText()),
      include,
    }),
    answer: (version) => {
      const patients = z.array(patientWithIncludesShape);
      return version === 'v2' ? z.object({ patients }) : patients;
    },
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        const window = appointmentWindow(params.appointment_date_start, params.appointment_date_end, location);
        const order = orderBy<PatientWithNames>(
          params.sort,
          {
            id: { column: 'patient.id', type: 'bigint', value: (row) => row.id },
            updated_at: { column: 'patient.updated_at', type: 'timestamptz', value: (row) => row.updated_at },
          },
          { column: 'patient.id', type: 'bigint', value: (row) => row.id },
        );
        const page = await fetchPage(searchPatients(tx, location, params, context.nowMs), params, order);
        const patients = await withIncludes(tx, page.rows, params.include ?? [], context.nowMs, window);
        const data = context.version === 'v2' ? { patients } : patients;
        return { data, count: page.count, pageInfo: page.pageInfo };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'POST',
    path: '/patients',
    summary: 'Create a patient. The health record system gets to know them with their first appointment.',
    idempotent: true,
    params: z.object({
      location_id: id(),
      provider: providerOfPatient,
      patient: newPatient,
      return_existing_if_match: optional(boolean()),
    }),
    body: ['provider', 'patient', 'return_existing_if_match'],
    answer: z.object({ user: patientShape }),
    statuses: [200, 201],
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        const { patient, existing } = await createPatient(
          tx,
          location,
          params.provider.provider_id,
          params.patient,
          context.nowMs,
        );
        // v2 knows the parameter as little as NexHealth's v2 does: its clients look for the error.
        const returnsExisting = params.return_existing_if_match && context.version !== 'v2';
        if (existing && !returnsExisting) {
          throw new ApiError('patient_exists', `A patient with that information already exists - id=${patient.id}`);
        }
        return { status: existing ? 200 : 201, data: { user: viewPatient(patient) } };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients/:id',
    summary: 'Show one patient.',
    params: z.object({ id: id(), include }),
    answer: patientWithIncludesShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectPatients(tx)
          .where('patient.id', '=', params.id)
          .where('patient.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { data: (await withIncludes(tx, [row], params.include ?? [], context.nowMs))[0] };
      }),
  }),
];
