/** By which ids a message, and then a record, knows appointments and patients. */
import type { Hl7v2Config } from './config.ts';
import type { Message, Segment } from './message.ts';
import { positionOf, textAt } from './places.ts';

/** What makes ids: ours carry `sendingApplication` as their namespace. */
export type Naming = Pick<Hl7v2Config, 'sendingApplication' | 'profile'>;

/** As long as a `foreignId` may be. */
const MAX_KEY_LENGTH = 255;
/** Repetitions of PID-3 that are looked through. */
const MAX_IDS = 50;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An id as a message writes it; `namespace` is who gave it, empty when the message does not say. */
export interface Id {
  value: string;
  namespace: string;
}

/** Two namespaces may use one value, so the key carries both. Null for one that is too long to be stored. */
export function keyOf({ value, namespace }: Id): string | null {
  const key = namespace === '' && !value.includes('@') ? value : `${value}@${namespace}`;
  return key.length <= MAX_KEY_LENGTH ? key : null;
}

/** The id that `keyOf` made this key of. */
export function splitKey(key: string): Id {
  const at = key.lastIndexOf('@');
  return at < 0 ? { value: key, namespace: '' } : { value: key.slice(0, at), namespace: key.slice(at + 1) };
}

/**
 * Our marker, when this id is one of ours. Some systems keep the value alone and drop the namespace; another's
 * namespace is never ours, whatever the value looks like.
 */
export function markerOf({ sendingApplication }: Naming, { value, namespace }: Id): string | null {
  return UUID.test(value) && (namespace === '' || namespace === sendingApplication) ? value.toLowerCase() : null;
}

/**
 * The key of the appointment that a message with SCH is about, or null when it names none. An id of ours wins over
 * the one that the HRS gave it: a booking of ours is known under the same key before and after the HRS has named it.
 */
export function appointmentKeyOf(naming: Naming, message: Message): string | null {
  const own = appointmentMarkerOf(naming, message);
  if (own !== null) return own;
  for (const place of naming.profile.appointmentId) {
    const { segment: name, field, component } = positionOf(place);
    const segment = message.first(name);
    const id = segment && entityId(segment, field, component);
    if (id) return keyOf(id);
  }
  return null;
}

/** Our marker, when the message names the appointment by it. */
export function appointmentMarkerOf(naming: Naming, message: Message): string | null {
  const schedule = message.first('SCH');
  if (!schedule) return null;
  for (const field of [1, 2]) {
    const id = entityId(schedule, field);
    const marker = id && markerOf(naming, id);
    if (marker) return marker;
  }
  return null;
}

/** EI: value, namespace, universal id. */
function entityId(segment: Segment, field: number, component = 1): Id | null {
  const value = textAt(segment, field, component);
  if (value === null) return null;
  return { value, namespace: textAt(segment, field, 2) ?? textAt(segment, field, 3) ?? '' };
}

/** The key of the patient whom PID names, or null when it names nobody. Here too an id of ours wins. */
export function patientKeyOf(naming: Naming, message: Message): string | null {
  const pid = message.first('PID');
  if (!pid) return null;
  for (const field of [2, 3, 4]) {
    for (const { id } of patientIds(pid, field)) {
      const marker = markerOf(naming, id);
      if (marker) return marker;
    }
  }
  const { patientId, patientIdType } = naming.profile;
  for (const place of patientId) {
    const { segment: name, field } = positionOf(place);
    const segment = message.first(name);
    const ids = segment ? patientIds(segment, field) : [];
    const chosen = ids.find(({ type }) => type === patientIdType) ?? ids[0];
    if (chosen) return keyOf(chosen.id);
  }
  return null;
}

/** The key of the patient whom MRG-1 retires, or null. */
export function retiredKeyOf(naming: Naming, message: Message): string | null {
  const merge = message.first('MRG');
  const ids = merge ? patientIds(merge, 1) : [];
  const own = ids.find(({ id }) => markerOf(naming, id) !== null);
  if (own) return markerOf(naming, own.id);
  const chosen = ids.find(({ type }) => type === naming.profile.patientIdType) ?? ids[0];
  return chosen ? keyOf(chosen.id) : null;
}

/** CX: value, and in its fourth component the namespace and universal id of who gave it; the fifth is the type. */
function patientIds(segment: Segment, field: number): { id: Id; type: string | null }[] {
  const ids: { id: Id; type: string | null }[] = [];
  const repetitions = Math.min(segment.repetitions(field), MAX_IDS);
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    const value = textAt(segment, field, 1, repetition);
    if (value === null) continue;
    const namespace = textAt(segment, field, 4, repetition) ?? textAt(segment, field, 4, repetition, 2) ?? '';
    ids.push({ id: { value, namespace }, type: textAt(segment, field, 5, repetition) });
  }
  return ids;
}

/** A response need not name the appointment: one that refuses seldom does. Then it is about the message it answers. */
function requestOf(message: Message): string | null {
  const answered = message.head.type.startsWith('SRR') ? message.first('MSA') : null;
  return answered && (textAt(answered, 2)?.slice(0, MAX_KEY_LENGTH) ?? null);
}

/** An id with a NUL can be no record's. */
const storable = (ref: string | null) => (ref?.includes('\0') ? null : ref);

/**
 * What a message is about, as `WireMessage` keeps it. Of a merge that is the patient who is retired: it says of them
 * what no other message does.
 */
export function refsOf(naming: Naming, message: Message): { appointmentRef: string | null; patientRef: string | null } {
  return {
    appointmentRef: storable(message.first('SCH') ? appointmentKeyOf(naming, message) : requestOf(message)),
    patientRef: storable(retiredKeyOf(naming, message) ?? patientKeyOf(naming, message)),
  };
}
