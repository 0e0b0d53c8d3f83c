/** `include[]=…` on appointments: set-based, one query for each kind and page. */
import { z } from 'zod';
import type { Tx } from '../../store/database.ts';
import { selectPatients } from '../../store/patients.ts';
import { type AppointmentWithNames, appointmentShape } from '../../views/appointment.ts';
import { type AppointmentTypeView, appointmentTypeShape, viewAppointmentType } from '../../views/appointment-type.ts';
import { type DescriptorView, descriptorShape, viewDescriptor } from '../../views/descriptor.ts';
import { operatoryShape, viewOperatory } from '../../views/operatory.ts';
import {
  type PatientBasicView,
  type PatientWithNames,
  patientBasicShape,
  patientShapeV2,
  viewPatientBasic,
  viewPatientV2,
} from '../../views/patient.ts';
import type { Version } from '../../views/version.ts';
import { anyOf } from '../references.ts';

const guarantor = patientBasicShape.nullable().optional();

const includeShapes = {
  guarantor,
  operatory: operatoryShape.nullable().optional(),
  appointment_type: appointmentTypeShape.nullable().optional(),
  descriptors: z.array(descriptorShape).optional(),
  procedures: z.array(z.never()).optional(),
  booking_details: z.null().optional(),
};

const withIncludesShape = appointmentShape
  .extend({ patient: patientBasicShape.extend({ guarantor }).nullable().optional(), ...includeShapes })
  .meta({ id: 'AppointmentWithIncludes' });

const withIncludesShapeV2 = appointmentShape
  .extend({ patient: patientShapeV2.extend({ guarantor }).nullable().optional(), ...includeShapes })
  .meta({ id: 'AppointmentWithIncludesV2' });

/** The appointment with whatever may stand beside it: the patient is shown as each version shows one. */
export const withIncludesShapeOf = (version: Version) => (version === 'v2' ? withIncludesShapeV2 : withIncludesShape);

interface Includes {
  patient?: (PatientBasicView & { guarantor?: PatientBasicView | null }) | null;
  guarantor?: PatientBasicView | null;
  operatory?: z.infer<typeof operatoryShape> | null;
  appointment_type?: AppointmentTypeView | null;
  descriptors?: DescriptorView[];
  procedures?: never[];
  booking_details?: null;
}

type Ids = (number | null)[];

/** What was asked for, by appointment id. Names that are not known are passed over, as at NexHealth. */
export async function readIncludes(
  tx: Tx,
  rows: AppointmentWithNames[],
  names: string[],
  version: Version,
): Promise<Map<number, Includes>> {
  const wanted = new Set(names);
  const withGuarantor = wanted.has('guarantor');
  const none = new Map<number, never>();
  const ids = (of: (row: AppointmentWithNames) => number | null) => rows.map(of);

  const patients =
    wanted.has('patient') || withGuarantor
      ? await patientsById(
          tx,
          ids((row) => row.patient_id),
          (row) => (version === 'v2' ? viewPatientV2(row) : viewPatientBasic(row)),
        )
      : none;
  const guarantors = withGuarantor
    ? await patientsById(
        tx,
        [...patients.values()].map((patient) => patient.guarantor_id),
        viewPatientBasic,
      )
    : none;
  const operatories = wanted.has('operatory')
    ? await operatoriesById(
        tx,
        ids((row) => row.operatory_id),
      )
    : none;
  const types = wanted.has('appointment_type')
    ? await typesById(
        tx,
        ids((row) => row.appointment_type_id),
      )
    : none;
  const descriptors = wanted.has('descriptors')
    ? await descriptorsById(
        tx,
        rows.flatMap((row) => row.descriptor_ids),
      )
    : none;

  const includesOf = (row: AppointmentWithNames): Includes => {
    const patient = patients.get(row.patient_id ?? 0) ?? null;
    const guarantor = guarantors.get(patient?.guarantor_id ?? 0) ?? null;
    const shownPatient = patient && withGuarantor ? { ...patient, guarantor } : patient;
    return {
      ...(wanted.has('patient') && { patient: shownPatient }),
      ...(withGuarantor && { guarantor }),
      ...(wanted.has('operatory') && { operatory: operatories.get(row.operatory_id ?? 0) ?? null }),
      ...(wanted.has('appointment_type') && { appointment_type: types.get(row.appointment_type_id ?? 0) ?? null }),
      ...(wanted.has('descriptors') && {
        descriptors: row.descriptor_ids.flatMap((id) => descriptors.get(id) ?? []),
      }),
      // Procedures are outside scheduling, and nothing is booked through links of ours.
      ...(wanted.has('procedures') && { procedures: [] }),
      ...(wanted.has('booking_details') && { booking_details: null }),
    };
  };
  return new Map(rows.map((row) => [row.id, includesOf(row)]));
}

async function byId<Row extends { id: number }, View>(
  ids: Ids,
  read: (known: number[]) => Promise<Row[]>,
  view: (row: Row) => View,
): Promise<Map<number, View>> {
  const known = [...new Set(ids.filter((id) => id !== null))];
  if (known.length === 0) return new Map();
  return new Map((await read(known)).map((row) => [row.id, view(row)]));
}

const patientsById = (tx: Tx, ids: Ids, view: (row: PatientWithNames) => PatientBasicView) =>
  byId(ids, (known) => selectPatients(tx).where('patient.id', '=', anyOf(known)).execute(), view);

const typesById = (tx: Tx, ids: Ids) =>
  byId(
    ids,
    (known) => tx.selectFrom('appointment_type').selectAll().where('id', '=', anyOf(known)).execute(),
    viewAppointmentType,
  );

const operatoriesById = (tx: Tx, ids: Ids) =>
  byId(
    ids,
    (known) =>
      tx
        .selectFrom('operatory')
        .leftJoin('connection', 'connection.id', 'operatory.connection_id')
        .selectAll('operatory')
        .select('connection.kind as connection_kind')
        .where('operatory.id', '=', anyOf(known))
        .execute(),
    viewOperatory,
  );

const descriptorsById = (tx: Tx, ids: Ids) =>
  byId(
    ids,
    (known) =>
      tx
        .selectFrom('descriptor')
        .innerJoin('connection', 'connection.id', 'descriptor.connection_id')
        .selectAll('descriptor')
        .select('connection.kind as connection_kind')
        .where('descriptor.id', '=', anyOf(known))
        .execute(),
    viewDescriptor,
  );
