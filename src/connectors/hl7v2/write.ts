/**
 * Writing. Every write has one MSH-10 over all its attempts, which is HL7's own way of doing a thing once. A write is
 * done when the HRS acknowledges it or, where it is the HRS that decides (`answer: 'echo'`), when its own feed then
 * tells of the appointment as it was wanted.
 */
import type { StoredMessage, WireMessage } from '../../domain/message.ts';
import type { AppointmentRecord } from '../../domain/records.ts';
import {
  type AppointmentChanges,
  type Messages,
  type NewAppointment,
  OutcomeUnknown,
  type Surroundings,
  Unavailable,
  type Write,
  type WriteResult,
} from '../connector.ts';
import { type Ack, type AckCode, meaningOf, readAck } from './ack.ts';
import { composeAppointment, composePatient, controlIdOf } from './compose.ts';
import type { Hl7v2Config } from './config.ts';
import { inOrder, readBody, typeOf } from './fold.ts';
import { readHead } from './head.ts';
import { NotUnderstood } from './map.ts';
import type { Segment } from './message.ts';
import { findAppointment } from './read.ts';
import type { Sender } from './sender.ts';

type Change = Extract<Write, { kind: 'confirm' | 'cancel' | 'update' }>;
type Refused = Extract<WriteResult, { outcome: 'refused' }>;
type Answer = Exclude<WriteResult, { outcome: 'accepted' }>;

/** Carries one write that `capabilities` allow; see the contract for what it promises. */
export async function execute(
  config: Hl7v2Config,
  sender: Sender,
  { messages, budget }: Surroundings,
  write: Write,
  signal: AbortSignal,
): Promise<WriteResult> {
  const prepared = await beforeSending(() => prepare(config, messages, write));
  if ('outcome' in prepared) return prepared;
  await budget.spend('write');
  const { ack, response } = await sender.send(prepared.message.body, controlIdOf(write), signal);
  switch (meaningOf(ack, controlIdOf(write))) {
    case 'accepted':
      break;
    case 'committed':
      // It is safe with whoever answers there; whether the HRS takes it, nobody has said. Of a patient nobody ever does.
      if (config.send?.answer === 'acknowledgment' && write.kind !== 'create_patient') return { outcome: 'accepted' };
      break;
    case 'try_again':
      // A response is what the HRS has decided, whatever its code.
      if (isResponse(response)) return refusal(config, ack.code, ack.text);
      throw new Unavailable(`the HRS could not take the message (${ack.code})`, null, { hrsSaid: ack.code });
    case 'refused':
      return refusal(config, ack.code, ack.text);
    default:
      throw new OutcomeUnknown('the HRS acknowledged another message');
  }
  try {
    await messages.keepSent(prepared.message);
  } catch (error) {
    throw new OutcomeUnknown('a message that was acknowledged could not be kept', { cause: error });
  }
  const isAnswered = write.kind === 'create_patient' || config.send?.answer !== 'echo';
  return isAnswered ? { outcome: 'done', foreignId: prepared.foreignId } : { outcome: 'accepted' };
}

const isResponse = (bytes: Buffer) => readHead(bytes)?.type.startsWith('SRR') ?? false;

/** What the HRS has said since of a write that it had taken; null while it has said nothing. */
export async function answerTo(config: Hl7v2Config, messages: Messages, write: Write): Promise<Answer | null> {
  if (write.kind !== 'create_appointment' && !isChange(write)) return null;
  const foreignId = 'foreignId' in write ? write.foreignId : write.marker;
  const { record, about } = await findAppointment(config, messages, foreignId);
  if (record && isAsWanted(write, record)) return { outcome: 'done', foreignId };
  if (record?.cancelled && write.kind === 'create_appointment') {
    return { ...refusal(config, 'AR', null), message: 'the HRS cancelled the appointment at once', hrsSaid: null };
  }
  const nameless = await messages.about({ appointments: [controlIdOf(write)] });
  const response = [...about, ...nameless].map((stored) => responseTo(write, stored)).find((found) => found !== null);
  return response && !response.code.endsWith('A') ? refusal(config, response.code, response.text) : null;
}

/** What a response (SRR) to that write says, or null. */
function responseTo(write: Write, stored: StoredMessage): Pick<Ack, 'code' | 'text'> | null {
  if (stored.direction !== 'in' || typeOf(stored).structure !== 'SRR') return null;
  const ack = readAck(stored.body);
  return ack?.controlId === controlIdOf(write) ? ack : null;
}

function isAsWanted(
  write: Change | Extract<Write, { kind: 'create_appointment' }>,
  record: AppointmentRecord,
): boolean {
  if (write.kind === 'create_appointment') return !record.cancelled;
  if (write.kind !== 'update') return write.kind === 'confirm' ? record.confirmed : record.cancelled;
  return saidOf(write.changes).every(
    ([name, value]) => (record[name as keyof AppointmentRecord] || null) === (value || null),
  );
}

const isChange = (write: Write): write is Change =>
  write.kind === 'confirm' || write.kind === 'cancel' || write.kind === 'update';

type Prepared = { message: WireMessage; foreignId: string };

async function prepare(config: Hl7v2Config, messages: Messages, write: Write): Promise<Prepared | Refused> {
  const nowIso = new Date().toISOString();
  if (write.kind === 'create_patient') {
    return { message: composePatient(config, write, nowIso), foreignId: write.marker };
  }
  if (write.kind === 'create_appointment') {
    const record = newRecord(write.marker, write.appointment);
    const names = { schedule: null, patient: await findPid(messages, record.patientForeignId) };
    return { message: composeAppointment(config, write, record, names, nowIso), foreignId: write.marker };
  }
  if (!isChange(write)) throw new Error(`a ${write.kind} was not refused up front`);
  const { record, about } = await findAppointment(config, messages, write.foreignId);
  if (record === null) {
    const message =
      'nothing that the HRS has said of this appointment is kept, so that it cannot be told what to change';
    return { outcome: 'refused', reason: 'not_found_in_hrs', message, retryable: false, hrsSaid: null };
  }
  const names = {
    schedule: newestSegment(about, 'SCH'),
    patient: await findPid(messages, record.patientForeignId),
  };
  return {
    message: composeAppointment(config, write, changed(write, record), names, nowIso),
    foreignId: write.foreignId,
  };
}

function newRecord(marker: string, appointment: NewAppointment): AppointmentRecord {
  const { appointmentsPerTimeslot: _, ...said } = appointment;
  return {
    kind: 'appointment',
    foreignId: marker,
    marker,
    ...said,
    confirmed: false,
    confirmedAt: null,
    cancelled: false,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  };
}

function changed(write: Change, record: AppointmentRecord): AppointmentRecord {
  if (write.kind === 'update') return { ...record, ...Object.fromEntries(saidOf(write.changes)) };
  return write.kind === 'confirm' ? { ...record, confirmed: true } : { ...record, cancelled: true };
}

const saidOf = (changes: AppointmentChanges) => Object.entries(changes).filter(([, value]) => value !== undefined);

async function findPid(messages: Messages, patientForeignId: string | null): Promise<Segment | null> {
  if (patientForeignId === null) return null;
  const about = await messages.about({ patients: [patientForeignId] });
  return newestSegment(about, 'PID');
}

/** The last that names it; of a merge, PID is about another patient. */
function newestSegment(about: readonly StoredMessage[], name: 'SCH' | 'PID'): Segment | null {
  for (const stored of inOrder(about).reverse()) {
    if (stored.body.length === 0) continue;
    try {
      const message = readBody(stored);
      const segment = message.first('MRG') ? null : message.first(name);
      if (segment) return segment;
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
    }
  }
  return null;
}

/** Until the message itself nothing has been done, whatever else went wrong. */
async function beforeSending<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw new Unavailable(`nothing was sent: ${(error as Error).name}`, null, { cause: error });
  }
}

/** Texts of MSA and ERR may quote what we wrote, so only the code is told. */
function refusal({ send }: Hl7v2Config, code: AckCode, text: string | null): Refused {
  const words = text?.trim().toLowerCase();
  const isTaken = send?.takenTexts.some((one) => one.trim().toLowerCase() === words) ?? false;
  const message = `the HRS refused the message (${code})`;
  return {
    outcome: 'refused',
    reason: isTaken ? 'slot_taken' : 'refused_by_hrs',
    message,
    retryable: false,
    hrsSaid: code,
  };
}
