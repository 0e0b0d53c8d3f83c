/**
 * Taking a patient alert, and disabling or enabling one. The row shows the wish at once; the command carries it into
 * the HRS, and its outcome keeps it or takes it back.
 */
import { randomUUID } from 'node:crypto';
import { toIso } from '../clock.ts';
import { ApiError, notFound } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { PatientAlertRow } from '../store/schema.ts';
import type { CapabilitiesOf } from './book.ts';

/** An alert has no start that would end the trying; what staff have not read for two days is better said again. */
const ALERT_EXPIRY_MS = 48 * 3_600_000;

const notSynced = (what: string) =>
  new ApiError('not_synced', `Cannot update ${what} because it is not synced with the PMS and/or a live client`);

const notSupported = (what: string) => new ApiError('not_supported_by_hrs', `EMR does not support ${what}.`);

async function capabilitiesOfConnection(tx: Tx, connectionId: number | null, capabilitiesOf: CapabilitiesOf) {
  const connection = await tx
    .selectFrom('connection')
    .select(['id', 'kind', 'config', 'capabilities'])
    .where('id', '=', connectionId)
    .executeTakeFirst();
  return connection ? capabilitiesOf(connection) : null;
}

/**
 * Makes an alert of a patient whom the HRS has, and returns it. Throws ApiError: `not_found`, `not_synced`,
 * `not_supported_by_hrs`. The caller wakes `commands` after its commit.
 */
export async function createAlert(
  tx: Tx,
  institutionId: number,
  patientId: number,
  note: string,
  nowMs: number,
  capabilitiesOf: CapabilitiesOf,
): Promise<PatientAlertRow> {
  const patient = await tx
    .selectFrom('patient')
    .select(['connection_id', 'foreign_id'])
    .where('id', '=', patientId)
    .where('institution_id', '=', institutionId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (!patient) throw notFound();
  if (patient.foreign_id === null) throw notSynced('patient');
  const capabilities = await capabilitiesOfConnection(tx, patient.connection_id, capabilitiesOf);
  if (!capabilities?.createAlert) throw notSupported('patient alerts');
  const marker = randomUUID();
  const at = toIso(nowMs);
  const row = await tx
    .insertInto('patient_alert')
    .values({
      institution_id: institutionId,
      connection_id: patient.connection_id,
      patient_id: patientId,
      note,
      marker,
      command_sequence: 1,
      created_at: at,
      updated_at: at,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await submit(tx, row, { kind: 'create_alert', marker, changes: {}, previous: {} }, nowMs);
  return row;
}

/**
 * Disables or enables an alert, and returns it; one that is so already costs nothing. Throws ApiError as
 * `createAlert` does. The caller wakes `commands` after its commit.
 */
export async function changeAlert(
  tx: Tx,
  institutionId: number,
  { patientId, alertId, disabled }: { patientId: number; alertId: number; disabled: boolean },
  nowMs: number,
  capabilitiesOf: CapabilitiesOf,
): Promise<PatientAlertRow> {
  const row = await tx
    .selectFrom('patient_alert')
    .selectAll()
    .where('id', '=', alertId)
    .where('patient_id', '=', patientId)
    .where('institution_id', '=', institutionId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw notFound();
  if (disabled === (row.disabled_at !== null)) return row;
  if (row.foreign_id === null) throw notSynced('patient alert');
  const capabilities = await capabilitiesOfConnection(tx, row.connection_id, capabilitiesOf);
  if (!capabilities?.changeAlert) throw notSupported('changes of patient alerts');
  const changes = { disabled_at: disabled ? toIso(nowMs) : null };
  const changed = await tx
    .updateTable('patient_alert')
    .set({ ...changes, updated_at: toIso(nowMs) })
    .set((eb) => ({ command_sequence: eb('command_sequence', '+', 1) }))
    .where('id', '=', row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const previous = { disabled_at: row.disabled_at };
  await submit(tx, changed, { kind: 'change_alert', marker: randomUUID(), changes, previous }, nowMs);
  return changed;
}

async function submit(
  tx: Tx,
  row: PatientAlertRow,
  {
    kind,
    marker,
    changes,
    previous,
  }: {
    kind: 'create_alert' | 'change_alert';
    marker: string;
    changes: object;
    previous: object;
  },
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto('command')
    .values({
      institution_id: row.institution_id,
      connection_id: row.connection_id as number,
      patient_alert_id: row.id,
      sequence: row.command_sequence,
      kind,
      marker,
      changes: JSON.stringify(changes),
      previous: JSON.stringify(previous),
      expires_at: toIso(nowMs + ALERT_EXPIRY_MS),
      history: JSON.stringify([{ state: 'queued', at: toIso(nowMs) }]),
    })
    .execute();
}
