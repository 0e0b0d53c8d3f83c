/**
 * Reading is looking through kept messages: the listener has stored them, and what they say of an appointment or a
 * patient is folded anew from all that are about it.
 */
import type { StoredMessage } from '../../domain/message.ts';
import type { AppointmentRecord, DeletionRecord, HrsRecord, PatientRecord } from '../../domain/records.ts';
import { type Batch, type Cursor, type LookFor, type Messages, Unavailable } from '../connector.ts';
import type { Hl7v2Config } from './config.ts';
import {
  type AppointmentFold,
  foldAppointment,
  foldPatientOf,
  readAppointment,
  readPatients,
  refsNow,
  typeOf,
} from './fold.ts';
import { mapSites, NotUnderstood } from './map.ts';

/**
 * Each gives at most twelve records: an appointment, two patients, a provider, a room and five descriptors, and what
 * the first two were under other ids.
 */
const MESSAGES_AT_ONCE = 80;
/** Refs that are asked for at once: the newest 1,000 messages about them all are told. */
const REFS_AT_ONCE = 10;

interface Position {
  /** Everything up to here has been read. */
  position: number;
  /** Up to here messages were read before, and then sent to be read once more. */
  rereadTo?: number;
}

const positionOf = (cursor: Cursor | null): Position => ({
  position: typeof cursor?.position === 'number' ? cursor.position : 0,
  ...(typeof cursor?.rereadTo === 'number' && { rereadTo: cursor.rereadTo }),
});

/** The cursor that reads messages again from `position` on. */
export function replayFrom(cursor: Cursor | null, position: number): Cursor {
  const before = positionOf(cursor);
  return {
    position: Math.min(before.position, Math.max(position - 1, 0)),
    rereadTo: Math.max(before.position, before.rereadTo ?? 0),
  };
}

/** See the contract. Ends when there is no message left, so whatever was kept before it began has been read. */
export async function* changes(
  config: Hl7v2Config,
  messages: Messages,
  cursor: Cursor | null,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let { position, rereadTo } = positionOf(cursor);
  let sites: HrsRecord[] = mapSites(config);
  const toldOf = new Map<string, string>();
  for (;;) {
    signal.throwIfAborted();
    const stored = await messages.after(position, MESSAGES_AT_ONCE);
    const last = stored.at(-1);
    const records = await recordsOf(config, messages, stored, rereadTo ?? 0, toldOf);
    position = last?.position ?? position;
    if (last === undefined || position >= (rereadTo ?? 0)) rereadTo = undefined;
    yield {
      records: [...sites, ...records],
      cursor: { position, ...(rereadTo !== undefined && { rereadTo }) },
      complete: last === undefined,
    };
    if (last === undefined) return;
    sites = [];
  }
}

async function recordsOf(
  config: Hl7v2Config,
  messages: Messages,
  batch: readonly StoredMessage[],
  rereadTo: number,
  toldOf: Map<string, string>,
): Promise<(HrsRecord | DeletionRecord)[]> {
  const gone = await readUnderNewIds(
    config,
    messages,
    batch.filter(({ position }) => position <= rereadTo),
  );
  const appointments = new Map<string, StoredMessage[]>();
  const patients = new Map<string, StoredMessage[]>();
  const note = (map: Map<string, StoredMessage[]>, key: string, stored: StoredMessage) =>
    map.set(key, [...(map.get(key) ?? []), stored]);
  for (const stored of batch) {
    const { structure } = typeOf(stored);
    let problem: string | null = null;
    try {
      if (structure === 'SIU') note(appointments, readAppointment(config, stored).foreignId, stored);
      if (structure === 'SIU' || structure === 'ADT') {
        const mentioned = readPatients(config, stored);
        if (structure === 'ADT' && mentioned.length === 0) throw new NotUnderstood('names no patient');
        for (const { foreignId } of mentioned) note(patients, foreignId, stored);
      }
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      problem = error.message;
    }
    // One that was not understood the last time may be now, and only among those is there anything to take back.
    if (problem !== null || stored.position <= rereadTo) await messages.noteProblem(stored.position, problem);
  }

  const keyOf = ({ kind, foreignId }: HrsRecord) => `${kind} ${foreignId}`;
  const references = new Map<string, HrsRecord>();
  const others: HrsRecord[] = [];
  for (const [key, about] of await gather(messages, 'patients', patients)) {
    const patient = foldPatientOf(config, key, about);
    if (patient) others.push(patient);
  }
  for (const [, about] of await gather(messages, 'appointments', appointments)) {
    const folded = foldAppointment(config, counting(config, about));
    if (!folded.record) continue;
    for (const reference of folded.references) references.set(keyOf(reference), reference);
    others.push(folded.record);
  }
  // Every appointment names its provider and its room: once in a pass is enough while they are the same.
  const news = [...references].filter(([key, record]) => toldOf.get(key) !== JSON.stringify(record));
  for (const [key, record] of news) toldOf.set(key, JSON.stringify(record));
  return [...gone, ...news.map(([, record]) => record), ...others];
}

/**
 * A mended profile can find the ids in other places: then messages are kept under the new ones, and what nothing is
 * left to speak of has never been.
 */
async function readUnderNewIds(
  config: Hl7v2Config,
  messages: Messages,
  reread: readonly StoredMessage[],
): Promise<DeletionRecord[]> {
  const left = { appointment: new Set<string>(), patient: new Set<string>() };
  for (const stored of reread) {
    const refs = refsNow(config, stored);
    if (refs.appointmentRef === stored.appointmentRef && refs.patientRef === stored.patientRef) continue;
    if (stored.appointmentRef !== null) left.appointment.add(stored.appointmentRef);
    if (stored.patientRef !== null) left.patient.add(stored.patientRef);
    await messages.noteRefs(stored.position, refs);
  }
  const gone: DeletionRecord[] = [];
  for (const kind of ['appointment', 'patient'] as const) {
    for (const foreignId of left[kind]) {
      const about = await messages.about({ [`${kind}s`]: [foreignId] });
      if (about.length === 0) gone.push({ kind: 'deletion', of: kind, foreignId });
    }
  }
  return gone;
}

/** All that is kept about each of these: by the refs under which messages were kept, and those at hand. */
async function gather(
  messages: Messages,
  kind: 'appointments' | 'patients',
  atHand: ReadonlyMap<string, StoredMessage[]>,
): Promise<[string, StoredMessage[]][]> {
  const keys = [...atHand.keys()];
  const gathered: [string, StoredMessage[]][] = [];
  for (let start = 0; start < keys.length; start += REFS_AT_ONCE) {
    const refs = keys.slice(start, start + REFS_AT_ONCE);
    const kept = await messages.about({ [kind]: refs });
    const byRef = Map.groupBy(kept, ({ appointmentRef, patientRef }) =>
      kind === 'appointments' ? appointmentRef : patientRef,
    );
    for (const key of refs) {
      const all = [...(byRef.get(key) ?? []), ...(atHand.get(key) ?? [])];
      gathered.push([key, [...new Map(all.map((stored) => [stored.position, stored])).values()]]);
    }
  }
  return gathered;
}

/**
 * The messages that say how an appointment is. Ours do where an acknowledgement proves a write, and are kept when it has come; where an echo does,
 * they say only what we wish.
 */
function counting(config: Hl7v2Config, about: readonly StoredMessage[]): StoredMessage[] {
  return about.filter(({ direction }) => direction === 'in' || config.send?.answer !== 'echo');
}

/** The appointment under that key as it is now, with the messages about it. */
export async function findAppointment(
  config: Hl7v2Config,
  messages: Messages,
  foreignId: string,
): Promise<AppointmentFold & { about: StoredMessage[] }> {
  const about = await messages.about({ appointments: [foreignId] });
  return { ...foldAppointment(config, counting(config, about)), about };
}

/** See the contract. What we make is known by our marker, before and after the HRS has given it an id of its own. */
export async function find(
  config: Hl7v2Config,
  messages: Messages,
  look: LookFor,
): Promise<(PatientRecord | AppointmentRecord)[]> {
  const key = 'marker' in look ? look.marker : look.foreignId;
  if (look.kind === 'patient') {
    const patient = foldPatientOf(config, key, await messages.about({ patients: [key] }));
    return patient ? [patient] : [];
  }
  if (look.kind !== 'appointment') return [];
  const { record, forgotten } = await findAppointment(config, messages, key);
  if (forgotten) throw new Unavailable('what the HRS last said of this appointment is no longer kept');
  return record ? [record] : [];
}
