import { z } from 'zod';
import { changeAlert, createAlert } from '../../commands/alert.ts';
import { notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { patientAlertShape, viewPatientAlert } from '../../views/patient-alert.ts';
import { viewWrite, writeShape } from '../appointments/writes.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { boolean, id, optional, requiredText } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

/** A sentence or two: staff read it while the patient waits. */
const MAX_NOTE_LENGTH = 500;
/** A patient with more alerts than this is a program gone wrong; the newest are shown. */
const MAX_ALERTS = 1_000;

const shared = { tag: 'Patient Alerts', subdomain: 'required' } as const;

/** Throws `not_found` unless the institution has the patient. */
async function checkPatient(tx: Tx, institutionId: number, patientId: number): Promise<void> {
  const known = await tx
    .selectFrom('patient')
    .select('id')
    .where('id', '=', patientId)
    .where('institution_id', '=', institutionId)
    .executeTakeFirst();
  if (!known) throw notFound();
}

function selectAlerts(tx: Tx, context: Context, patientId: number) {
  return tx
    .selectFrom('patient_alert')
    .selectAll()
    .where('institution_id', '=', getInstitution(context).id)
    .where('patient_id', '=', patientId);
}

export const routes: Route[] = [
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients/:id/alerts',
    summary: 'The alerts of a patient that staff see, or all of them',
    params: z.object({ id: id(), include_disabled: optional(boolean()) }),
    answer: z.array(patientAlertShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        await checkPatient(tx, getInstitution(context).id, params.id);
        let query = selectAlerts(tx, context, params.id).where('deleted_at', 'is', null);
        if (!params.include_disabled) query = query.where('disabled_at', 'is', null);
        const rows = await query.orderBy('id', 'desc').limit(MAX_ALERTS).execute();
        return { data: rows.reverse().map(viewPatientAlert), count: rows.length };
      }),
  }),

  defineRoute({
    ...shared,
    method: 'POST',
    path: '/patients/:id/alerts',
    summary: 'Make an alert of a patient whom the health record system has',
    idempotent: true,
    params: z.object({ id: id(), patient_alert: z.object({ note: requiredText(MAX_NOTE_LENGTH) }) }),
    body: ['patient_alert'],
    answer: patientAlertShape,
    statuses: [201],
    handler: async (context, params) => {
      const { capabilitiesOf, wakeups } = context.services;
      const { note } = params.patient_alert;
      const row = await inInstitution(context, (tx) =>
        createAlert(tx, getInstitution(context).id, params.id, note, context.nowMs, capabilitiesOf),
      );
      context.afterCommit.push(() => wakeups.wake('commands'));
      return { status: 201, data: viewPatientAlert(row) };
    },
  }),

  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients/:id/alerts/:alert_id',
    summary: 'Show one alert of a patient',
    params: z.object({ id: id(), alert_id: id() }),
    answer: patientAlertShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const row = await selectAlerts(tx, context, params.id)
          .where('id', '=', params.alert_id)
          .where('deleted_at', 'is', null)
          .executeTakeFirst();
        if (!row) throw notFound();
        return { data: viewPatientAlert(row) };
      }),
  }),

  defineRoute({
    ...shared,
    method: 'PATCH',
    path: '/patients/:id/alerts/:alert_id',
    summary: 'Disable an alert of a patient, or enable it again',
    idempotent: true,
    params: z.object({ id: id(), alert_id: id(), patient_alert: z.object({ disabled: boolean() }) }),
    body: ['patient_alert'],
    answer: patientAlertShape,
    handler: async (context, params) => {
      const { capabilitiesOf, wakeups } = context.services;
      const wanted = { patientId: params.id, alertId: params.alert_id, disabled: params.patient_alert.disabled };
      const row = await inInstitution(context, (tx) =>
        changeAlert(tx, getInstitution(context).id, wanted, context.nowMs, capabilitiesOf),
      );
      context.afterCommit.push(() => wakeups.wake('commands'));
      return { data: viewPatientAlert(row) };
    },
  }),

  defineRoute({
    ...shared,
    method: 'GET',
    path: '/patients/:id/alerts/:alert_id/writes',
    summary: 'What became of each write of this alert to the health record system',
    params: z.object({ id: id(), alert_id: id() }),
    answer: z.array(writeShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        // One that never reached the HRS is no alert any longer, and its writes say why.
        const row = await selectAlerts(tx, context, params.id).where('id', '=', params.alert_id).executeTakeFirst();
        if (!row) throw notFound();
        const writes = await tx
          .selectFrom('command')
          .selectAll()
          .where('patient_alert_id', '=', row.id)
          .where('institution_id', '=', row.institution_id)
          .orderBy('sequence')
          .execute();
        return { data: writes.map(viewWrite) };
      }),
  }),
];
