/**
 * What we write. SIU tells of the whole appointment, as every receiver expects; SRM asks for it. Both name it by the
 * ids that the HRS itself has used last.
 */
import { createHash } from 'node:crypto';
import type { WireMessage } from '../../domain/message.ts';
import type { AppointmentRecord } from '../../domain/records.ts';
import type { NewPatient, Write } from '../connector.ts';
import type { Hl7v2Config, Site } from './config.ts';
import { roomName } from './map.ts';
import { type ComposedSegment, composeMessage, type Field, NotInCharset, type Segment } from './message.ts';
import { splitKey } from './refs.ts';
import { formatTs } from './time.ts';

/** SCH-11 and TQ1 are both in it, so that older and newer receivers find the time. */
const VERSION = '2.5.1';
/** What HL7 allows to MSH-10 before 2.7. */
const CONTROL_ID_LENGTH = 20;

/** Of what is copied out of a message. */
const MAX_REPETITIONS = 20;
const MAX_COMPONENTS = 10;
const MAX_SUBCOMPONENTS = 3;

type AppointmentWrite = Extract<Write, { kind: 'create_appointment' | 'confirm' | 'cancel' | 'update' }>;

/** MSH-10 of a write: the same for every attempt, so that a receiver that has it already can say so. */
export function controlIdOf({ kind, marker }: Write): string {
  return createHash('sha256').update(`${kind} ${marker}`).digest('hex').slice(0, CONTROL_ID_LENGTH).toUpperCase();
}

/** How the appointment and its patient are named, as the last message about each of them did. */
export interface Names {
  /** SCH; null for an appointment that we make. */
  schedule: Segment | null;
  /** PID; null when no message about the patient is kept. */
  patient: Segment | null;
}

/** `record` is the appointment as it is to be. */
export function composeAppointment(
  config: Hl7v2Config,
  write: AppointmentWrite,
  record: AppointmentRecord,
  names: Names,
  nowIso: string,
): WireMessage {
  const isRequest = config.send?.as === 'SRM';
  const trigger = (isRequest ? REQUESTS : NOTICES)[eventOf(write)];
  const type = isRequest ? `SRM^${trigger}` : `SIU^${trigger}`;
  const structure = isRequest ? 'SRM_S01' : 'SIU_S12';
  const segments: ComposedSegment[] = [
    headOf(config, write, type, structure, nowIso),
    isRequest ? requestOf(config, write, record, names) : scheduleOf(config, write, record, names),
    ...(isRequest ? [] : [['TQ1', { 1: '1', 7: start(config, record), 8: end(config, record) }] as ComposedSegment]),
    ...(record.note === null ? [] : [['NTE', { 1: '1', 3: record.note }] as ComposedSegment]),
    ...(record.patientForeignId === null ? [] : [patientSegment(record.patientForeignId, names.patient)]),
    ...resourcesOf(config, write, record),
  ];
  return wire(segments, write, type, nowIso, record.foreignId, record.patientForeignId);
}

/** A new patient, under our own id. */
export function composePatient(
  config: Hl7v2Config,
  write: Extract<Write, { kind: 'create_patient' }>,
  nowIso: string,
): WireMessage {
  const { patient, marker } = write;
  const segments: ComposedSegment[] = [
    headOf(config, write, 'ADT^A28', 'ADT_A05', nowIso),
    ['EVN', { 1: 'A28', 2: formatTs(nowIso, config.timeZone) }],
    [
      'PID',
      {
        1: '1',
        3: [marker, undefined, undefined, config.sendingApplication, 'PI'],
        5: [patient.lastName, patient.firstName, patient.middleName ?? undefined],
        7: patient.dateOfBirth?.replaceAll('-', ''),
        8: patient.gender === null ? undefined : SEXES[patient.gender],
        11: [patient.addressLine1, patient.addressLine2, patient.city, patient.state, patient.zipCode].map(orNothing),
        13: { repetitions: contactsOf(patient) },
        14: patient.workPhoneNumber === null ? undefined : [patient.workPhoneNumber, 'WPN', 'PH'],
      },
    ],
    ['PV1', { 1: '1', 2: 'N' }],
  ];
  return wire(segments, write, 'ADT^A28', nowIso, null, marker);
}

const SEXES = { Female: 'F', Male: 'M', Other: 'O' } as const;
const orNothing = <T>(value: T | null) => value ?? undefined;

function contactsOf({ phoneNumber, cellPhoneNumber, homePhoneNumber, email }: NewPatient): string[][] {
  const cell = cellPhoneNumber ?? phoneNumber;
  return [
    ...(cell === null ? [] : [[cell, 'PRN', 'CP']]),
    ...(homePhoneNumber === null ? [] : [[homePhoneNumber, 'PRN', 'PH']]),
    ...(email === null ? [] : [['', 'NET', 'Internet', email]]),
  ];
}

const NOTICES = { book: 'S12', move: 'S13', change: 'S14', cancel: 'S15' } as const;
const REQUESTS = { book: 'S01', move: 'S02', change: 'S03', cancel: 'S04' } as const;

function eventOf(write: AppointmentWrite): keyof typeof NOTICES {
  if (write.kind === 'create_appointment') return 'book';
  if (write.kind === 'cancel') return 'cancel';
  return write.kind === 'update' && write.changes.startAt !== undefined ? 'move' : 'change';
}

function headOf(config: Hl7v2Config, write: Write, type: string, structure: string, nowIso: string): ComposedSegment {
  return [
    'MSH',
    {
      3: config.sendingApplication,
      4: config.sendingFacility,
      5: config.receivingApplication,
      6: config.receivingFacility,
      7: formatTs(nowIso, config.timeZone),
      9: [...type.split('^'), structure],
      10: controlIdOf(write),
      11: config.processingId,
      12: VERSION,
    },
  ];
}

const zoneOf = (config: Hl7v2Config, record: AppointmentRecord) => siteOf(config, record).timeZone ?? config.timeZone;
const start = (config: Hl7v2Config, record: AppointmentRecord) => formatTs(record.startAt, zoneOf(config, record));
const end = (config: Hl7v2Config, record: AppointmentRecord) => formatTs(record.endAt, zoneOf(config, record));
const minutesOf = ({ startAt, endAt }: AppointmentRecord) =>
  String(Math.round((Date.parse(endAt) - Date.parse(startAt)) / 60_000));

function siteOf({ sites }: Hl7v2Config, { locationForeignId }: AppointmentRecord): Site {
  return sites.find(({ id }) => id === locationForeignId) ?? (sites[0] as Site);
}

function scheduleOf(
  config: Hl7v2Config,
  write: AppointmentWrite,
  record: AppointmentRecord,
  { schedule }: Names,
): ComposedSegment {
  const own = [write.marker, config.sendingApplication];
  return [
    'SCH',
    {
      1: schedule ? copied(schedule, 1) : own,
      2: schedule ? copied(schedule, 2) : own,
      6: [undefined, eventOf(write)],
      8: record.descriptorForeignIds[0],
      9: minutesOf(record),
      10: 'min',
      11: [undefined, undefined, `M${minutesOf(record)}`, start(config, record), end(config, record)],
      25: statusOf(record),
    },
  ];
}

function requestOf(
  config: Hl7v2Config,
  write: AppointmentWrite,
  record: AppointmentRecord,
  { schedule }: Names,
): ComposedSegment {
  return [
    'ARQ',
    {
      1: schedule ? copied(schedule, 1) : [write.marker, config.sendingApplication],
      2: schedule ? copied(schedule, 2) : undefined,
      7: [undefined, eventOf(write)],
      8: record.descriptorForeignIds[0],
      9: minutesOf(record),
      10: 'min',
      11: [start(config, record), end(config, record)],
    },
  ];
}

/** HL7 lets a site add to its table of statuses, and everybody has added "Confirmed". */
function statusOf(record: AppointmentRecord): string {
  if (record.cancelled) return 'Cancelled';
  if (record.patientMissed) return 'Noshow';
  if (record.checkedOut) return 'Complete';
  if (record.checkinAt !== null) return 'Arrived';
  return record.confirmed ? 'Confirmed' : 'Booked';
}

function patientSegment(foreignId: string, pid: Segment | null): ComposedSegment {
  if (pid) return ['PID', Object.fromEntries([1, 2, 3, 4, 5, 7, 8].map((field) => [field, copied(pid, field)]))];
  const { value, namespace } = splitKey(foreignId);
  return ['PID', { 1: '1', 3: [value, undefined, undefined, namespace || undefined] }];
}

/** A cancellation changes the resources, too: one that was taken away from it could no longer be read from it. */
function resourcesOf(config: Hl7v2Config, write: AppointmentWrite, record: AppointmentRecord): ComposedSegment[] {
  const action = write.kind === 'create_appointment' ? 'A' : 'U';
  const { descriptorForeignIds, operatoryForeignId, providerForeignId } = record;
  const startAt = start(config, record);
  const minutes = minutesOf(record);
  const site = siteOf(config, record);
  const resources: ComposedSegment[] = descriptorForeignIds.map((id, index) => [
    'AIS',
    { 1: String(index + 1), 2: action, 3: id, 4: startAt, 7: minutes, 8: 'min' },
  ]);
  if (operatoryForeignId !== null || config.sites.length > 1) {
    const room = operatoryForeignId === null ? undefined : roomName(config, operatoryForeignId);
    const place = [undefined, room, undefined, site.codes[0] ?? site.id];
    resources.push(['AIL', { 1: '1', 2: action, 3: place, 6: startAt, 9: minutes, 10: 'min' }]);
  }
  if (providerForeignId !== null) {
    resources.push(['AIP', { 1: '1', 2: action, 3: providerForeignId, 6: startAt, 9: minutes, 10: 'min' }]);
  }
  return resources.length === 0 ? [] : [['RGS', { 1: '1', 2: action }], ...resources];
}

/** A field as another message has it. */
function copied(segment: Segment, field: number): Field {
  if (segment.raw(field) === '""') return null;
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  const repetitions = upTo(Math.min(segment.repetitions(field), MAX_REPETITIONS)).map((repetition) =>
    upTo(MAX_COMPONENTS).map((component) =>
      upTo(MAX_SUBCOMPONENTS).map((subcomponent) => segment.value(field, { component, subcomponent, repetition })),
    ),
  );
  return { repetitions };
}

function wire(
  segments: ComposedSegment[],
  write: Write,
  type: string,
  nowIso: string,
  appointmentRef: string | null,
  patientRef: string | null,
): WireMessage {
  const controlId = controlIdOf(write);
  // By its name alone: a message that is sent again was made at another time and is the same one.
  const digest = createHash('sha256').update(`ours ${controlId}`).digest();
  return { body: bytesOf(segments), digest, controlId, type, appointmentRef, patientRef, sentAt: nowIso };
}

/** ASCII as long as it will do: not every receiver understands MSH-18. */
function bytesOf(segments: ComposedSegment[]): Buffer {
  try {
    return composeMessage(segments, { charset: 'ASCII' });
  } catch (error) {
    if (!(error instanceof NotInCharset)) throw error;
    return composeMessage(segments, { charset: 'UNICODE UTF-8' });
  }
}
