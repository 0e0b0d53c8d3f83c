/**
 * Writing. No FHIR transaction is sent: servers without the feature answer 200 and commit half of it. Instead a
 * booking first takes its seat, then creates the appointment, and gives the seat back when that fails. Whatever is
 * created is looked for by its marker before and after, and whatever was written is read back before it counts.
 */
import {
  type Capabilities,
  HrsNonsense,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  Unavailable,
  type Write,
  type WriteResult,
} from '../connector.ts';
import { findUnable } from '../unable.ts';
import { changeBlock, createBlock, openBlock, slotIdOfBlock } from './block.ts';
import { change, type Writing } from './change.ts';
import type { FhirClient, Resource } from './client.ts';
import { composeAppointment, composePatient } from './compose.ts';
import type { FhirConfig } from './config.ts';
import { createMarked, findMarked } from './creation.ts';
import { objects, text } from './fields.ts';
import { patientParticipants, takesTime } from './map.ts';
import { changeAppointment } from './move.ts';
import { canMove, type Quirks } from './quirks.ts';
import { slotIdsOf } from './read.ts';
import { done, refused, resultOf, slotTaken } from './result.ts';
import { giveBack, giveBackAfter, guardOf, type Holder, leftBehind, rivalsOf, takeSeat } from './seat.ts';

type WriteCapabilities = Pick<
  Capabilities,
  | 'createAppointment'
  | 'createPatient'
  | 'createBlock'
  | 'confirm'
  | 'cancel'
  | 'reschedule'
  | 'changeOperatory'
  | 'changeNote'
>;

/** What can be written to a server with these quirks. A booking takes slots, so it needs more than creating. */
export function writesOf({ creates, update }: Quirks): WriteCapabilities {
  const canPut = update === 'put';
  return {
    createAppointment: creates.includes('Appointment') && canPut,
    createPatient: creates.includes('Patient'),
    createBlock: creates.includes('Slot') && canPut,
    confirm: canPut,
    cancel: update !== 'none',
    reschedule: canPut,
    changeOperatory: canPut,
    changeNote: canPut,
  };
}

/**
 * Carries one write; see the contract for what it promises. What the server says that it cannot do is refused like
 * what is outside `capabilities`.
 */
export async function execute(
  client: FhirClient,
  config: FhirConfig,
  capabilities: Capabilities,
  write: Write,
  signal: AbortSignal,
): Promise<WriteResult> {
  let writing: Writing | null = null;
  try {
    const abilities = await client.abilities(signal);
    writing = { client, abilities, siteId: config.locationId ?? null, signal, hasWritten: false };
    const unable = findUnable({ ...capabilities, ...writesOf(writing.abilities) }, write);
    return unable ?? (await carry(writing, write));
  } catch (error) {
    if (error instanceof OutcomeUnknown) throw error;
    if (!(error instanceof Unavailable || error instanceof HrsNonsense)) throw error;
    if (writing?.hasWritten) throw new OutcomeUnknown(`after a part was written: ${error.message}`);
    throw error instanceof Unavailable ? error : new Unavailable(`nothing was written: ${error.message}`);
  }
}

async function carry(writing: Writing, write: Write): Promise<WriteResult> {
  const slotId = 'foreignId' in write ? slotIdOfBlock(write.foreignId) : null;
  switch (write.kind) {
    case 'create_patient':
      return createPatient(writing, write.patient, write.marker);
    case 'create_appointment':
      return write.appointment.unavailable
        ? createBlock(writing, write.appointment, write.marker)
        : createAppointment(writing, write.appointment, write.marker);
    case 'confirm':
      if (slotId !== null) return refused('refused_by_hrs', 'a block has nobody who could confirm it');
      return confirm(writing, write.foreignId);
    case 'cancel':
      return slotId === null ? cancel(writing, write.foreignId) : openBlock(writing, slotId);
    case 'update':
      return slotId === null
        ? changeAppointment(writing, write.foreignId, write.changes)
        : changeBlock(writing, slotId, write.changes);
    default:
      return refused('not_supported', 'this kind does not carry such a write');
  }
}

async function createPatient(writing: Writing, patient: NewPatient, marker: string): Promise<WriteResult> {
  const earlier = await findMarked(writing, 'Patient', marker);
  if (earlier) return done(earlier.id);
  const created = await createMarked(writing, 'Patient', composePatient(patient, marker), marker);
  if (created.kind === 'created') return done(created.id);
  return refused('patient_rejected', 'the HRS did not accept the patient', created.said);
}

async function createAppointment(writing: Writing, booking: NewAppointment, marker: string): Promise<WriteResult> {
  const earlier = await findMarked(writing, 'Appointment', marker);
  if (earlier) return earlier.status === 'entered-in-error' ? slotTaken() : done(earlier.id);

  // The HRS need not know the site as a Location.
  const locationId = booking.operatoryForeignId ?? (await findLocation(writing, booking.locationForeignId));
  const holder: Holder = { guard: marker, appointment: null };
  const seat = await takeSeat(writing, booking, holder);
  if (seat === null) return slotTaken();
  const appointment = composeAppointment(booking, marker, locationId, seat.slotIds);
  const created = await createMarked(writing, 'Appointment', appointment, marker).catch((error) =>
    giveBackAfter(writing, error, seat),
  );
  if (created.kind !== 'created') {
    await giveBack(writing, seat.slotIds);
    if (created.kind === 'conflict') return slotTaken();
    return refused('refused_by_hrs', 'the HRS did not accept the appointment', created.said);
  }
  const { id } = created;
  const rivals = await rivalsOf(writing, booking, seat, holder);
  if (rivals.every((rival) => rival.id === id)) return done(id);
  const withdrawn = await change(writing, 'Appointment', id, (one) =>
    one.status === 'entered-in-error' ? 'already' : { ...one, status: 'entered-in-error' },
  );
  if (withdrawn.kind !== 'done') throw new OutcomeUnknown('booked beside another appointment, and not withdrawn');
  await giveBack(writing, seat.slotIds);
  return slotTaken();
}

async function findLocation({ client, signal }: Writing, id: string): Promise<string | null> {
  return (await client.read('Location', id, signal))?.id ?? null;
}

async function confirm(writing: Writing, foreignId: string): Promise<WriteResult> {
  const edited = await change(writing, 'Appointment', foreignId, (appointment) => {
    const patients = patientParticipants(appointment, writing.client.baseUrl);
    if (!takesTime(appointment) || patients.length === 0) return 'refuse';
    if (patients.every(({ status }) => status === 'accepted')) return 'already';
    const participant = objects(appointment.participant).map((one) =>
      patients.includes(one) ? { ...one, status: 'accepted' } : one,
    );
    return { ...appointment, participant };
  });
  return resultOf(edited, foreignId, 'it is cancelled, missed, or without a patient');
}

async function cancel(writing: Writing, foreignId: string): Promise<WriteResult> {
  let status = '';
  const edited = await change(writing, 'Appointment', foreignId, (appointment) => {
    if (appointment.status === 'cancelled' || appointment.status === 'entered-in-error') return 'already';
    status = /^[a-z-]{1,20}$/.exec(text(appointment.status) ?? '')?.[0] ?? 'an unknown status';
    if (status === 'fulfilled' || status === 'noshow') return 'refuse';
    if (!canMove(writing.abilities, status, 'cancelled')) return 'refuse';
    return { ...appointment, status: 'cancelled', cancelationReason: { text: 'Cancelled through Openchair' } };
  });
  if (edited.kind === 'done') {
    // The cancellation stands whether or not its slots can be opened again; sending it again tries anew.
    await giveBackAll(writing, edited.resource).catch(() => undefined);
  }
  return resultOf(edited, foreignId, `an appointment does not go from ${status} to cancelled`);
}

async function giveBackAll(writing: Writing, appointment: Resource): Promise<void> {
  const holder: Holder = { guard: guardOf(appointment), appointment };
  await giveBack(writing, [...slotIdsOf(appointment, writing.client.baseUrl), ...(await leftBehind(writing, holder))]);
}
