/**
 * Writing. The sandbox keeps our marker and refuses no second record with it, so whatever is to be made is looked
 * for first. An answer counts when it holds the record that was written; whether the record is truly there is for
 * the caller to see with `find`.
 */
import type { ReasonCode } from '../../domain/records.ts';
import {
  type LookFor,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  type Write,
  type WriteResult,
} from '../connector.ts';
import { afterWriting, beforeWriting } from '../doubt.ts';
import type { SandboxClient, WriteAnswer } from './client.ts';
import type { Json } from './fields.ts';
import { findBlockId, mapAlert, mapBlock, mapCode, mapPatient, mapVisit } from './map.ts';
import { copiesOf, type Sought } from './read.ts';

/** The contract's bound. */
const MAX_SAID_LENGTH = 500;

const SEXES = { Female: 'F', Male: 'M', Other: 'X' } as const;
const STEPS = { confirm: 'confirm', cancel: 'break', check_in: 'arrive' } as const;

type Refused = Extract<WriteAnswer, { kind: 'refused' }>;
type Step = Extract<Write, { kind: keyof typeof STEPS }>;
type Update = Extract<Write, { kind: 'update' }>;

/** Carries one write; see the contract for what it promises. */
export async function execute(client: SandboxClient, write: Write, signal: AbortSignal): Promise<WriteResult> {
  switch (write.kind) {
    case 'create_patient':
      return create(client, write.marker, signal, 'patient', async () => ({
        path: '/v1/patients',
        body: composePatient(write.patient),
        map: mapPatient,
      }));
    case 'create_appointment': {
      const { appointment } = write;
      return create(client, write.marker, signal, 'appointment', async () =>
        appointment.unavailable
          ? { path: '/v1/blocks', body: composeBlock(appointment), map: mapBlock }
          : {
              path: '/v1/visits',
              body: composeVisit(appointment, await visitCode(client, appointment, signal)),
              map: mapVisit,
            },
      );
    }
    case 'create_alert': {
      const { patientForeignId, note } = write.alert;
      return create(client, write.marker, signal, 'patient_alert', async () => ({
        path: '/v1/alerts',
        body: { patient_id: idOf(patientForeignId), note },
        map: mapAlert,
      }));
    }
    case 'update':
      return update(client, write, signal);
    case 'change_alert': {
      const { foreignId, disabled } = write;
      const path = `/v1/alerts/${encodeURIComponent(foreignId)}/${disabled ? 'off' : 'on'}`;
      const answer = await client.write('POST', path, { request_ref: write.marker }, signal);
      return concluded(answer, foreignId, mapAlert, (alert) => (alert.disabledAt !== null) === disabled);
    }
    default:
      return takeStep(client, write, signal);
  }
}

interface NewRecord {
  path: string;
  body: Json;
  map(record: Json): Sought;
}

async function create(
  client: SandboxClient,
  marker: string,
  signal: AbortSignal,
  kind: LookFor['kind'],
  compose: () => Promise<NewRecord>,
): Promise<WriteResult> {
  const { copies, path, body, map } = await beforeWriting(async () => ({
    copies: await copiesOf(client, kind, marker, signal),
    ...(await compose()),
  }));
  const [earlier, ...others] = copies;
  if (others.length > 0) throw new OutcomeUnknown('the sandbox already holds several copies of this record');
  if (earlier) return { outcome: 'done', foreignId: earlier.foreignId };

  const answer = await client.write('POST', path, { ...body, external_ref: marker }, signal);
  if (answer.kind === 'refused') {
    const reason = kind === 'patient' ? 'patient_rejected' : reasonOf(answer);
    // A request that the network repeats finds its own time taken, by what it did the first time.
    const own = reason === 'slot_taken' ? await afterWriting(() => copiesOf(client, kind, marker, signal)) : [];
    if (own.length > 1) throw new OutcomeUnknown('the sandbox now holds several copies of this record');
    return own[0] ? { outcome: 'done', foreignId: own[0].foreignId } : refused(reason, answer);
  }
  const record = readAnswer(answer.record, map);
  if (record.marker !== marker) throw new OutcomeUnknown('the sandbox answered with another record');
  return { outcome: 'done', foreignId: record.foreignId };
}

async function takeStep(client: SandboxClient, write: Step, signal: AbortSignal): Promise<WriteResult> {
  const { foreignId, kind } = write;
  const blockId = findBlockId(foreignId);
  if (blockId !== null) {
    if (kind === 'cancel') return eraseBlock(client, foreignId, blockId, signal);
    const message = 'a block has nobody who could confirm it or arrive';
    return { outcome: 'refused', reason: 'refused_by_hrs', message, retryable: false, hrsSaid: null };
  }
  const path = `/v1/visits/${encodeURIComponent(foreignId)}/${STEPS[kind]}`;
  const answer = await client.write('POST', path, { request_ref: write.marker }, signal);
  if (answer.kind === 'refused') {
    // Staff file a visit as deleted, and do not take that for one that can be broken: to us both are cancelled.
    if (kind === 'cancel' && answer.code === 'wrong_state' && answer.details.state === 'deleted') {
      return { outcome: 'done', foreignId };
    }
  }
  return concluded(answer, foreignId, mapVisit, (visit) => {
    return { confirm: visit.confirmed, cancel: visit.cancelled, check_in: visit.checkinAt !== null }[kind];
  });
}

/** Time, room and note of a visit or a block in one request, which the sandbox takes whole or not at all. */
async function update(client: SandboxClient, write: Update, signal: AbortSignal): Promise<WriteResult> {
  const { foreignId, changes } = write;
  const blockId = findBlockId(foreignId);
  const body: Json = { request_ref: write.marker };
  if (changes.startAt !== undefined) body.start = changes.startAt;
  if (changes.endAt !== undefined) body.end = changes.endAt;
  if (changes.operatoryForeignId !== undefined) body.room_id = idOf(changes.operatoryForeignId);
  if (changes.note !== undefined) body[blockId === null ? 'note' : 'reason'] = textOf(changes.note);
  if (blockId === null) body.share = write.appointmentsPerTimeslot;
  const path =
    blockId === null ? `/v1/visits/${encodeURIComponent(foreignId)}` : `/v1/blocks/${encodeURIComponent(blockId)}`;
  const answer = await client.write('PATCH', path, body, signal);
  const wanted = { ...changes, ...(changes.note === undefined ? {} : { note: textOf(changes.note) }) };
  return concluded(answer, foreignId, blockId === null ? mapVisit : mapBlock, (record) =>
    Object.entries(wanted).every(
      ([name, value]) => value === undefined || record[name as keyof typeof wanted] === value,
    ),
  );
}

/** What the answer to a change means. It counts when it is about that record and shows what was wanted. */
function concluded<R extends Sought>(
  answer: WriteAnswer,
  foreignId: string,
  map: (record: Json) => R,
  shows: (record: R) => boolean,
): WriteResult {
  if (answer.kind === 'refused') {
    const isGone = ['unknown_visit', 'unknown_block', 'unknown_alert'].includes(answer.code);
    return refused(isGone ? 'not_found_in_hrs' : reasonOf(answer), answer);
  }
  const record = readAnswer(answer.record, map);
  if (record.foreignId !== foreignId || !shows(record)) {
    throw new OutcomeUnknown('the sandbox answered with another record');
  }
  return { outcome: 'done', foreignId };
}

async function eraseBlock(
  client: SandboxClient,
  foreignId: string,
  id: string,
  signal: AbortSignal,
): Promise<WriteResult> {
  const answer = await client.write('DELETE', `/v1/blocks/${encodeURIComponent(id)}`, undefined, signal);
  if (answer.kind === 'refused') {
    return refused(answer.code === 'unknown_block' ? 'not_found_in_hrs' : 'refused_by_hrs', answer);
  }
  if (String(answer.record.id) !== id || answer.record.deleted !== true) {
    throw new OutcomeUnknown('the sandbox answered with another record');
  }
  return { outcome: 'done', foreignId };
}

function readAnswer<T>(record: Json, map: (record: Json) => T): T {
  try {
    return map(record);
  } catch (error) {
    throw new OutcomeUnknown(`after a write: ${(error as Error).message}`);
  }
}

function reasonOf({ status, code }: Refused): ReasonCode {
  return status === 409 && (code === 'room_taken' || code === 'practitioner_taken') ? 'slot_taken' : 'refused_by_hrs';
}

/** The sandbox's own words name fields and records, and quote nothing of a patient. */
function refused(reason: ReasonCode, { code, message }: Refused): WriteResult {
  const hrsSaid = `${code}: ${message}`.slice(0, MAX_SAID_LENGTH);
  return { outcome: 'refused', reason, message: `the sandbox refused this: ${code}`, retryable: false, hrsSaid };
}

/** A visit has one code. Of several, the first that says what kind of visit it is; the others have no place here. */
async function visitCode(
  client: SandboxClient,
  appointment: NewAppointment,
  signal: AbortSignal,
): Promise<string | null> {
  const [first = null, ...others] = appointment.descriptorForeignIds;
  if (others.length === 0) return first;
  const types = new Set<string>();
  for await (const page of client.list('code', {}, signal)) {
    for (const { foreignId, descriptorType } of page.map(mapCode)) {
      if (descriptorType === 'Appointment Type') types.add(foreignId);
    }
  }
  return appointment.descriptorForeignIds.find((code) => types.has(code)) ?? first;
}

/** Ids are numbers there. What is none is sent as it is, for the sandbox to refuse by name. */
function idOf(foreignId: string | null): number | string | null {
  return foreignId !== null && /^\d{1,15}$/.test(foreignId) ? Number(foreignId) : foreignId;
}

/** The sandbox refuses a text that is empty; where one is not needed, that means none. */
function textOf(text: string | null): string | null {
  return text?.trim() || null;
}

function composePatient(patient: NewPatient): Json {
  const cell = textOf(patient.cellPhoneNumber);
  const home = textOf(patient.homePhoneNumber);
  const work = textOf(patient.workPhoneNumber);
  const given = textOf(patient.phoneNumber);
  const main = [cell, home, work].includes(given) ? null : given;
  const lines = [textOf(patient.addressLine1), textOf(patient.addressLine2)].filter((line) => line !== null);
  return {
    first_name: patient.firstName,
    middle_name: textOf(patient.middleName),
    last_name: patient.lastName,
    birth_date: patient.dateOfBirth,
    sex: patient.gender === null ? null : SEXES[patient.gender],
    // A number that is not said to be of any kind takes the first free place.
    phone_cell: cell ?? main,
    phone_home: home ?? (cell === null ? null : main),
    phone_work: work ?? (cell === null || home === null ? null : main),
    email: textOf(patient.email),
    street: lines.length === 0 ? null : lines.join(', '),
    city: textOf(patient.city),
    state: textOf(patient.state),
    zip: textOf(patient.zipCode),
    guarantor_id: idOf(patient.guarantorForeignId),
    home_site_id: idOf(patient.locationForeignId),
    usual_practitioner_id: idOf(patient.providerForeignId),
  };
}

function composeVisit(appointment: NewAppointment, code: string | null): Json {
  return {
    ...composePlace(appointment),
    patient_id: idOf(appointment.patientForeignId),
    visit_code: code,
    note: textOf(appointment.note),
    share: appointment.appointmentsPerTimeslot,
  };
}

function composeBlock(appointment: NewAppointment): Json {
  return { ...composePlace(appointment), reason: textOf(appointment.note) };
}

function composePlace(appointment: NewAppointment): Json {
  return {
    site_id: idOf(appointment.locationForeignId),
    practitioner_id: idOf(appointment.providerForeignId),
    room_id: idOf(appointment.operatoryForeignId),
    start: appointment.startAt,
    end: appointment.endAt,
  };
}
