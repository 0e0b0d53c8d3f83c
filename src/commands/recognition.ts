/** How a write is looked for in the HRS, and what a record found there says of it. Pure. */
import type { AppointmentChanges, LookFor, Write } from '../connectors/connector.ts';
import type { AppointmentRecord, PatientAlertRecord, PatientRecord } from '../domain/records.ts';

export type WrittenRecord = PatientRecord | AppointmentRecord | PatientAlertRecord;

const KIND_OF = {
  create_patient: 'patient',
  create_appointment: 'appointment',
  update: 'appointment',
  confirm: 'appointment',
  cancel: 'appointment',
  check_in: 'appointment',
  create_alert: 'patient_alert',
  change_alert: 'patient_alert',
} as const satisfies Record<Write['kind'], WrittenRecord['kind']>;

/** A new record is known by its marker; a change is a change of a record that is known. */
export function lookFor(write: Write): LookFor {
  return 'foreignId' in write
    ? lookAt(write, write.foreignId)
    : ({ kind: KIND_OF[write.kind], marker: write.marker } as LookFor);
}

/** The record under the id that the HRS has given. */
export function lookAt(write: Write, foreignId: string): LookFor {
  return { kind: KIND_OF[write.kind], foreignId } as LookFor;
}

/** Does the write make a record, rather than change one? */
export function isCreate(write: Write): boolean {
  return !('foreignId' in write);
}

/**
 * `written`: the record is as the write wants it. `overtaken`: what an update was to change is neither as it was
 * before nor as wanted, so that somebody else has changed it since. `untouched`: anything else.
 */
export type Verdict = 'written' | 'untouched' | 'overtaken';

/** What `record` says of `write`; `before` is what an update found, and empty for every other write. */
export function judge(write: Write, record: WrittenRecord, before: AppointmentChanges): Verdict {
  if (record.kind !== KIND_OF[write.kind]) return 'untouched';
  if (isWhatWasWritten(write, record)) return 'written';
  const isOvertaken = write.kind === 'update' && record.kind === 'appointment' && !isAs(before, record);
  return isOvertaken ? 'overtaken' : 'untouched';
}

function isWhatWasWritten(write: Write, record: WrittenRecord): boolean {
  if (record.kind === 'patient') return isMarked(write, record, true);
  if (record.kind === 'patient_alert') {
    if (write.kind === 'create_alert') return isMarked(write, record, record.note === write.alert.note);
    return write.kind === 'change_alert' && (record.disabledAt !== null) === write.disabled;
  }
  switch (write.kind) {
    case 'create_appointment':
      return isMarked(write, record, sameInstant(record.startAt, write.appointment.startAt));
    case 'confirm':
      return record.confirmed;
    case 'cancel':
      return record.cancelled;
    case 'check_in':
      return record.checkinAt !== null;
    case 'update':
      return isAs(write.changes, record);
    default:
      return false;
  }
}

/** Where the HRS keeps no marker, what else is known must do. */
function isMarked(write: Write, { marker }: { marker: string | null }, otherwise: boolean): boolean {
  return marker === null ? otherwise : marker === write.marker;
}

function isAs({ startAt, endAt, ...rest }: AppointmentChanges, record: AppointmentRecord): boolean {
  if (startAt !== undefined && !sameInstant(startAt, record.startAt)) return false;
  if (endAt !== undefined && !sameInstant(endAt, record.endAt)) return false;
  if (rest.operatoryForeignId !== undefined && rest.operatoryForeignId !== record.operatoryForeignId) return false;
  return rest.note === undefined || sameText(rest.note, record.note);
}

const sameInstant = (one: string, other: string) => Date.parse(one) === Date.parse(other);
/** An HRS may trim a note, and may not tell an empty one from none. */
const sameText = (one: string | null, other: string | null) => (one ?? '').trim() === (other ?? '').trim();
