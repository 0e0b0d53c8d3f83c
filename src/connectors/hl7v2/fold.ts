/**
 * The state of an appointment or a patient is what all kept messages about it say together: one pure function of
 * them. Messages that come late, twice, or once more under another control id, and messages read again with a mended
 * profile, all end in the same state.
 */
import type { StoredMessage } from '../../domain/message.ts';
import type { AppointmentRecord, HrsRecord, PatientRecord } from '../../domain/records.ts';
import { type AppointmentSaid, type Mapping, mapAppointment, NotUnderstood, recordOf, siteOf } from './map.ts';
import { Hl7Unreadable, type Message, parseMessage } from './message.ts';
import { foldPatient, type PatientSaid, patientsOf } from './people.ts';
import { OUR_PROFILE, type State } from './profile.ts';
import { refsOf } from './refs.ts';
import type { Timing } from './timing.ts';

/** `SIU^S12` as its two parts. */
export function typeOf({ type }: Pick<StoredMessage, 'type'>): { structure: string; trigger: string } {
  const [structure = '', trigger = ''] = type.split('^');
  return { structure, trigger };
}

/** Throws NotUnderstood. */
export function readBody({ body }: StoredMessage): Message {
  try {
    return parseMessage(body);
  } catch (error) {
    if (error instanceof Hl7Unreadable) throw new NotUnderstood(`cannot be read: ${error.code}`);
    throw error;
  }
}

/**
 * How to read that message. What we write is always written in one way, whatever the sender's profile; only the ids are
 * where the sender has them.
 */
function mappingOf(mapping: Mapping, { direction }: StoredMessage): Mapping {
  if (direction === 'in') return mapping;
  const { appointmentId, patientId, patientIdType } = mapping.profile;
  return { ...mapping, profile: { ...OUR_PROFILE, appointmentId, patientId, patientIdType } };
}

/** Throws NotUnderstood. */
export function readAppointment(mapping: Mapping, stored: StoredMessage): AppointmentSaid {
  return mapAppointment(mappingOf(mapping, stored), readBody(stored), typeOf(stored).trigger);
}

/** Throws NotUnderstood. */
export function readPatients(mapping: Mapping, stored: StoredMessage): PatientSaid[] {
  const message = readBody(stored);
  const own = mappingOf(mapping, stored);
  return patientsOf(own, message, typeOf(stored).trigger, siteOf(own, message).id);
}

/** What the message is about, as the profile now says. A request (SRM) of ours has no SCH, and stays where it is. */
export function refsNow(mapping: Mapping, stored: StoredMessage): ReturnType<typeof refsOf> {
  try {
    const message = readBody(stored);
    const { appointmentRef, patientRef } = refsOf(mapping, message);
    return { appointmentRef: message.first('SCH') ? appointmentRef : stored.appointmentRef, patientRef };
  } catch (error) {
    if (error instanceof NotUnderstood) return stored;
    throw error;
  }
}

/** Clocks differ, and zones are mistaken for one another; who is further ahead has no clock. */
const MAX_AHEAD_MS = 86_400_000;

/** When it was made; when it came, where the sender does not say or cannot be right. */
function timeOf({ sentAt, storedAt }: StoredMessage): string {
  return sentAt === null || Date.parse(sentAt) > Date.parse(storedAt) + MAX_AHEAD_MS ? storedAt : sentAt;
}

/**
 * The oldest first. Theirs go by the time at which they were made, so that one that was held up changes nothing; of
 * two made in the same moment a new appointment (S12) comes before what became of it. Ours stand after all that had
 * been made when they were sent, whatever two clocks say.
 */
export function inOrder(messages: readonly StoredMessage[]): StoredMessage[] {
  const compareTexts = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const isNew = ({ type }: StoredMessage) => (typeOf({ type }).trigger === 'S12' ? 0 : 1);
  const theirs = messages
    .filter(({ direction }) => direction === 'in')
    .sort((a, b) => compareTexts(timeOf(a), timeOf(b)) || isNew(a) - isNew(b) || a.position - b.position);
  const ours = messages.filter(({ direction }) => direction === 'out').sort((a, b) => a.position - b.position);
  const placed: { after: string; stored: StoredMessage }[] = ours.map((stored) => ({
    stored,
    after: theirs
      .filter(({ position }) => position < stored.position)
      .reduce((latest, one) => (timeOf(one) > latest ? timeOf(one) : latest), ''),
  }));
  const ordered: StoredMessage[] = [];
  for (const stored of theirs) {
    while (placed[0] && placed[0].after < timeOf(stored))
      ordered.push((placed.shift() as { stored: StoredMessage }).stored);
    ordered.push(stored);
  }
  return [...ordered, ...placed.map(({ stored }) => stored)];
}

export interface AppointmentFold {
  /** Null when nothing that can be understood is kept. */
  record: AppointmentRecord | null;
  /** What the record refers to, as far as the HRS told of it. */
  references: HrsRecord[];
  /** The last word is too old to be kept: what the appointment is now, nobody here can say. */
  forgotten: boolean;
}

/** The appointment that all these messages are about. */
export function foldAppointment(mapping: Mapping, messages: readonly StoredMessage[]): AppointmentFold {
  let current: { said: AppointmentSaid; timing: Timing; stored: StoredMessage } | null = null;
  let since: Since = NEVER;
  let forgotten = false;
  for (const stored of inOrder(messages.filter((one) => typeOf(one).structure === 'SIU'))) {
    if (stored.body.length === 0) {
      forgotten = true;
      continue;
    }
    const said = understood(() => readAppointment(mapping, stored));
    if (said === null) continue;
    // A cancellation or a no-show that tells no time is one of what was told before.
    const full: AppointmentSaid =
      said.timing === null && current !== null ? { ...current.said, states: said.states } : said;
    if (full.timing === null) continue;
    current = { said: full, timing: full.timing, stored };
    since = sinceWhen(since, recordOf(full, full.timing), full.states, timeOf(stored));
    forgotten = false;
  }
  if (current === null || forgotten) return { record: null, references: [], forgotten };
  const { said, timing, stored } = current;
  return {
    record: { ...recordOf(said, timing), ...since },
    references: stored.direction === 'out' ? [] : referencesOf(said),
    forgotten,
  };
}

const referencesOf = ({ provider, room, descriptors }: AppointmentSaid): HrsRecord[] =>
  [provider, room, ...descriptors].filter((record) => record !== null);

type Since = Pick<AppointmentRecord, 'confirmedAt' | 'cancelledAt' | 'checkinAt' | 'checkedOutAt'>;
const NEVER: Since = { confirmedAt: null, cancelledAt: null, checkinAt: null, checkedOutAt: null };

/** Messages say how it is and not since when: that is when the first of them was made that said so. */
function sinceWhen(before: Since, record: AppointmentRecord, states: ReadonlySet<State>, atIso: string): Since {
  const hasCome = states.has('arrived');
  return {
    confirmedAt: record.confirmed ? (before.confirmedAt ?? atIso) : null,
    cancelledAt: record.cancelled ? (before.cancelledAt ?? atIso) : null,
    checkinAt: hasCome ? (before.checkinAt ?? atIso) : record.checkedOut ? before.checkinAt : null,
    checkedOutAt: record.checkedOut ? (before.checkedOutAt ?? atIso) : null,
  };
}

/** The patient with that key, as all these messages together say; null when none of them speaks of that patient. */
export function foldPatientOf(
  mapping: Mapping,
  foreignId: string,
  messages: readonly StoredMessage[],
): PatientRecord | null {
  const kept = messages.filter((stored) => {
    // Of what we know of patients our bookings say only what the HRS has told us.
    return stored.body.length > 0 && (stored.direction === 'in' || typeOf(stored).structure === 'ADT');
  });
  const words = inOrder(kept).flatMap((stored) => understood(() => readPatients(mapping, stored)) ?? []);
  const about = words.filter((word) => word.foreignId === foreignId).map(({ fields }) => fields);
  return about.length === 0 ? null : foldPatient(mapping, foreignId, about);
}

function understood<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotUnderstood) return null;
    throw error;
  }
}
