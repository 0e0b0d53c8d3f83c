/** What is read along with patients: one query for all of them per kind of thing, however many they are. */
import { sql } from 'kysely';
import { z } from 'zod';
import { toIso } from '../../clock.ts';
import { DAY_MS } from '../../domain/zone.ts';
import type { Tx } from '../../store/database.ts';
import { selectPatients } from '../../store/patients.ts';
import { selectProviders } from '../../store/providers.ts';
import { insuranceCoverageWithPlanShape } from '../../views/insurance-coverage.ts';
import {
  type PatientView,
  type PatientViewV2,
  type PatientWithNames,
  patientShape,
  patientShapeV2,
  viewPatient,
  viewPatientBasic,
} from '../../views/patient.ts';
import { patientAlertShape, viewPatientAlert } from '../../views/patient-alert.ts';
import { viewProvider } from '../../views/provider.ts';
import { type UserView, userShape, viewUser } from '../../views/user.ts';
import type { Version } from '../../views/version.ts';
import { viewGroups } from '../groups.ts';
import { readCoveragesOf } from '../insurance-coverages/rows.ts';
import { anyOf } from '../references.ts';

const UPCOMING_MS = 366 * DAY_MS;
/** Of one patient in one answer; the whole schedule is read with GET /appointments. */
const MAX_APPOINTMENTS = 100;
const MAX_CHILDREN = 100;
const MAX_ALERTS = 100;

const appointmentBasicShape = z
  .object({
    id: z.int(),
    provider_id: z.int().nullable(),
    provider_name: z.string().nullable(),
    start_time: z.iso.datetime(),
    end_time: z.iso.datetime(),
    location_id: z.int(),
    confirmed: z.boolean(),
  })
  .meta({ id: 'AppointmentBasic' });

const addressShape = z.object({
  line_1: z.string().nullable(),
  line_2: z.string().nullable(),
  postal_code: z.string().nullable(),
  city: z.string().nullable(),
  region: z.string().nullable(),
});

/** Kept by the HRS and outside scheduling: never read, so there are none to show. */
const NEVER_READ = ['procedures', 'adjustments', 'charges', 'payments'] as const;

const none = z.array(z.never()).optional();

const includesShape = z.object({
  upcoming_appts: z.array(appointmentBasicShape).optional(),
  last_visited_appointment: appointmentBasicShape.nullable().optional(),
  appointments: z.array(appointmentBasicShape).optional(),
  children: z.array(userShape).optional(),
  guarantor: userShape.nullable().optional(),
  provider: userShape.nullable().optional(),
  address: addressShape.optional(),
  procedures: none,
  insurance_coverages: z.array(insuranceCoverageWithPlanShape).optional(),
  adjustments: none,
  charges: none,
  payments: none,
  patient_alerts: z.array(patientAlertShape).optional(),
});

/** One patient in v3.0.0, whose list has no includes. */
export const patientWithIncludesShape = patientShape
  .extend({ location_ids: z.array(z.int()), ...includesShape.shape })
  .meta({ id: 'PatientWithIncludes' });

/** In v2, where the list has them too. */
export const patientWithIncludesShapeV2 = patientShapeV2
  .extend(includesShape.shape)
  .meta({ id: 'PatientWithIncludesV2' });

type PatientWithIncludes = (PatientView | PatientViewV2) & z.infer<typeof includesShape>;

/** An open end is null. */
export interface Window {
  fromAt: string | null;
  toAt: string | null;
}

/**
 * The patients as shown, with what `names` asks for; names that are not known are passed over, as at NexHealth.
 * `window` adds their `appointments` within it.
 */
export async function withIncludes(
  tx: Tx,
  rows: PatientWithNames[],
  names: readonly string[],
  version: Version,
  nowMs: number,
  window?: Window,
): Promise<PatientWithIncludes[]> {
  const views: PatientWithIncludes[] = rows.map((row) => viewPatient(row, version));
  const ids = rows.map((row) => row.id);
  const wants = (name: string) => names.includes(name);
  const each = (fill: (view: PatientWithIncludes, row: PatientWithNames) => void) => {
    rows.forEach((row, at) => {
      fill(views[at] as PatientWithIncludes, row);
    });
  };

  if (wants('upcoming_appts')) {
    const found = await readAppointments(tx, ids, { fromAt: toIso(nowMs), toAt: toIso(nowMs + UPCOMING_MS) });
    each((view) => {
      view.upcoming_appts = found.get(view.id) ?? [];
    });
  }
  if (window) {
    const found = await readAppointments(tx, ids, window);
    each((view) => {
      view.appointments = found.get(view.id) ?? [];
    });
  }
  if (wants('last_visited_appointment')) {
    const found = await readAppointments(tx, ids, { fromAt: null, toAt: toIso(nowMs) }, true);
    each((view) => {
      view.last_visited_appointment = found.get(view.id)?.[0] ?? null;
    });
  }
  if (wants('children')) {
    const found = await readChildren(tx, ids);
    each((view) => {
      view.children = found.get(view.id) ?? [];
    });
  }
  if (wants('guarantor')) {
    const guarantors = await selectPatients(tx)
      .where('patient.id', '=', anyOf(presentIds(rows.map((row) => row.guarantor_id))))
      .execute();
    const found = byId(guarantors.map(viewPatientBasic));
    each((view) => {
      view.guarantor = found.get(view.guarantor_id ?? 0) ?? null;
    });
  }
  if (wants('provider')) {
    const providers = await selectProviders(tx)
      .where('provider.id', '=', anyOf(presentIds(rows.map((row) => row.provider_id))))
      .execute();
    const found = byId(providers.map(viewProvider));
    each((view) => {
      view.provider = found.get(view.provider_id ?? 0) ?? null;
    });
  }
  if (wants('address')) {
    each((view, row) => {
      view.address = {
        line_1: row.address_line_1,
        line_2: row.address_line_2,
        postal_code: row.zip_code,
        city: row.city,
        region: row.state,
      };
    });
  }
  if (wants('insurance_coverages')) {
    const found = await readCoveragesOf(tx, ids);
    each((view) => {
      view.insurance_coverages = found.get(view.id) ?? [];
    });
  }
  if (wants('patient_alerts')) {
    const found = await readAlerts(tx, ids);
    each((view) => {
      view.patient_alerts = found.get(view.id) ?? [];
    });
  }
  for (const name of NEVER_READ) {
    if (!wants(name)) continue;
    each((view) => {
      view[name] = [];
    });
  }
  return views;
}

const presentIds = (ids: (number | null)[]) => ids.filter((id) => id !== null);

const byId = (people: UserView[]) => new Map(people.map((person) => [person.id, viewUser(person)]));

interface ShortAppointment {
  patient_id: number;
  id: number;
  provider_id: number | null;
  provider_name: string | null;
  start_at: string;
  end_at: string;
  location_id: number;
  confirmed: boolean;
}

function viewShort(row: ShortAppointment): z.infer<typeof appointmentBasicShape> {
  const { id, provider_id, provider_name, start_at, end_at, location_id, confirmed } = row;
  return { id, provider_id, provider_name, start_time: start_at, end_time: end_at, location_id, confirmed };
}

/**
 * The appointments of each patient that stand and begin in the window: the first ones, or with `lastVisit` the one
 * that was kept last. Lateral, so that a patient with a long history costs no more than one with a short one.
 */
async function readAppointments(tx: Tx, patientIds: number[], { fromAt, toAt }: Window, lastVisit = false) {
  const { rows } = await sql<ShortAppointment>`
    select found.*
    from unnest(${patientIds}::bigint[]) as asked (patient_id)
    cross join lateral (
      select a.patient_id, a.id, a.provider_id, p.first_name || ' ' || p.last_name as provider_name,
        a.start_at, a.end_at, a.location_id, a.confirmed
      from appointment a
      left join provider p on p.id = a.provider_id
      where a.patient_id = asked.patient_id and not a.cancelled and a.deleted_at is null
        and a.start_at >= ${fromAt ?? '-infinity'}::timestamptz and a.start_at < ${toAt ?? 'infinity'}::timestamptz
        ${lastVisit ? sql`and not a.patient_missed` : sql``}
      order by a.start_at ${lastVisit ? sql`desc` : sql`asc`}, a.id
      limit ${lastVisit ? 1 : MAX_APPOINTMENTS}
    ) as found
  `.execute(tx);
  return viewGroups(
    Map.groupBy(rows, (row) => row.patient_id),
    viewShort,
  );
}

async function readChildren(tx: Tx, guarantorIds: number[]): Promise<Map<number, UserView[]>> {
  const rows = await selectPatients(tx)
    .where('patient.guarantor_id', '=', anyOf(guarantorIds))
    .whereRef('patient.id', '!=', 'patient.guarantor_id')
    .where('patient.deleted_at', 'is', null)
    .where('patient.merged_into_id', 'is', null)
    .orderBy('patient.id')
    .limit(MAX_CHILDREN * guarantorIds.length)
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.guarantor_id as number),
    (row) => viewUser(viewPatientBasic(row)),
  );
}

/** Alerts that staff are shown now. */
async function readAlerts(tx: Tx, patientIds: number[]) {
  const rows = await tx
    .selectFrom('patient_alert')
    .selectAll()
    .where('patient_id', '=', anyOf(patientIds))
    .where('deleted_at', 'is', null)
    .where('disabled_at', 'is', null)
    .orderBy('id')
    .limit(MAX_ALERTS * patientIds.length)
    .execute();
  return viewGroups(
    Map.groupBy(rows, (row) => row.patient_id),
    viewPatientAlert,
  );
}
