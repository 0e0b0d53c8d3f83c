import { sql } from 'kysely';
import { z } from 'zod';
import { addDays, parseLocalDate } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import { selectPatients } from '../../store/patients.ts';
import type { LocationRow } from '../../store/schema.ts';
import {
  type PatientWithNames,
  patientBasicShape,
  patientShape,
  patientShapeV2,
  viewPatientBasic,
  viewPatientV2,
} from '../../views/patient.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { fetchPage, type OrderColumn, pageParams } from '../pagination.ts';
import { boolean, id, instantText, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';
import { createPatient, newPatient, providerOfPatient } from './creating.ts';
import { patientWithIncludesShape, patientWithIncludesShapeV2, type Window, withIncludes } from './includes.ts';
import { searchParams, searchPatients } from './search.ts';

const shared = { tag: 'Patients', subdomain: 'required' } as const;
const include = list(text(40));

const fullName = (table: string) =>
  sql`lower(${sql.ref(`${table}.first_name`)} || ' ' || ${sql.ref(`${table}.last_name`)})`;

const SORTS: Record<'id' | 'updated_at' | 'name', OrderColumn<PatientWithNames>> = {
  id: { column: 'patient.id', type: 'bigint', value: (row) => row.id },
  updated_at: { column: 'patient.updated_at', type: 'timestamptz', value: (row) => row.updated_at },
  name: {
    column: 'patient.name',
    type: 'bigint',
    value: (row) => row.id,
    hidden: {
      expression: fullName('patient'),
      ofRow: (id) => sql`(select ${fullName('named')} from patient as named where named.id = ${id})`,
    },
  },
};

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
    onlyV2: ['include', 'appointment_date_start', 'appointment_date_end'],
    params: z.object({
      ...pageParams,
      ...searchParams,
      sort: sortParam(['id', 'updated_at', 'name']),
      appointment_date_start: optional(instantText()),
      appointment_date_end: optional(instantText()),
      include,
    }),
    answer: (version) => {
      return version === 'v2' ? z.object({ patients: z.array(patientWithIncludesShapeV2) }) : z.array(patientShape);
    },
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        const window = appointmentWindow(params.appointment_date_start, params.appointment_date_end, location);
        const order = orderBy(params.sort, SORTS, SORTS.id);
        const page = await fetchPage(context, searchPatients(tx, location, params, context.nowMs), params, order);
        const { version, nowMs } = context;
        const patients = await withIncludes(tx, page.rows, params.include ?? [], version, nowMs, window);
        const data = version === 'v2' ? { patients } : patients;
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
    answer: (version) => z.object({ user: version === 'v2' ? patientShapeV2 : patientBasicShape }),
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
        const user = context.version === 'v2' ? viewPatientV2(patient) : viewPatientBasic(patient);
        return { status: existing ? 200 : 201, data: { user } };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients/:id',
    summary: 'Show one patient.',
    params: z.object({ id: id(), include }),
    answer: (version) => (version === 'v2' ? patientWithIncludesShapeV2 : patientWithIncludesShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectPatients(tx)
          .where('patient.id', '=', params.id)
          .where('patient.institution_id', '=', getInstitution(context).id)
          .executeTakeFirst();
        if (!row) throw notFound();
        const [patient] = await withIncludes(tx, [row], params.include ?? [], context.version, context.nowMs);
        // In v3.0.0 the list does not tell the locations, one patient does.
        return { data: { ...patient, location_ids: row.location_ids } };
      }),
  }),
];
