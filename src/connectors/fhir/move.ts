/**
 * Changing an appointment that stands: another time, another room, another note. A new seat is taken before the
 * appointment is written and the old one is left after it, so that the seat it has is its own at every moment.
 */
import { type AppointmentChanges, OutcomeUnknown, type WriteResult } from '../connector.ts';
import { change, type Edit, type Writing } from './change.ts';
import type { Resource } from './client.ts';
import { said } from './compose.ts';
import { type Json, object, objects, text } from './fields.ts';
import { appointmentTime, isRoomType, takesTime } from './map.ts';
import { slotIdsOf } from './read.ts';
import { refused, resultOf, slotTaken } from './result.ts';
import {
  giveBack,
  giveBackAfter,
  guardOf,
  type Holder,
  leftBehind,
  type Place,
  rivalsOf,
  takeSeat,
  targetOf,
} from './seat.ts';

/** How the appointment is to become. What somebody else changes in it at the same moment is kept. */
interface Aim {
  from: Place;
  to: Place;
  /** The slots at `to`; null when it stays where it is. */
  slotIds: string[] | null;
  /** Undefined when it stays as it is. */
  note: string | null | undefined;
  rooms: Rooms;
}

/** What is known of the places that the appointment names. */
interface Rooms {
  /** Those in which a visit takes place, as references. */
  references: string[];
  /** What the first of them is in, as a reference; null when it does not say. */
  site: string | null;
}

const MINUTE_MS = 60_000;

const WHY_REFUSED = 'it is cancelled, over, without a time, or somebody else has just moved it';

/** Carries an `update`. Whatever the HRS has at the new time refuses the whole of it. */
export async function changeAppointment(
  writing: Writing,
  foreignId: string,
  changes: AppointmentChanges,
): Promise<WriteResult> {
  const { client, signal } = writing;
  const appointment = await client.read('Appointment', foreignId, signal);
  if (appointment === null) return refused('not_found_in_hrs', 'the HRS no longer has it');
  const rooms = await roomsOf(writing, appointment);
  const from = await placeOf(writing, appointment, rooms);
  if (from === null || isOver(appointment))
    return refused('refused_by_hrs', `the HRS cannot take this: ${WHY_REFUSED}`);
  const { startAt = from.startAt, endAt = from.endAt, operatoryForeignId = from.operatoryForeignId } = changes;
  const to: Place = { ...from, startAt, endAt, operatoryForeignId };

  const holder: Holder = { guard: guardOf(appointment), appointment };
  const seat = isSamePlace(from, to) ? null : await takeSeat(writing, to, holder);
  if (seat === null && !isSamePlace(from, to)) return slotTaken();

  const aim: Aim = { from, to, slotIds: seat?.slotIds ?? null, note: changes.note, rooms };
  const edited = await change(writing, 'Appointment', foreignId, editTo(writing, aim)).catch((error) =>
    seat === null ? Promise.reject(error) : giveBackAfter(writing, error, seat),
  );
  if (edited.kind !== 'done') {
    if (seat !== null) await giveBack(writing, seat.taken);
    return resultOf(edited, foreignId, WHY_REFUSED);
  }
  writing.hasWritten = true;
  const oldSlotIds = slotIdsOf(appointment, client.baseUrl);
  if (seat !== null && (await rivalsOf(writing, to, seat, holder)).length > 0) {
    const note = changes.note === undefined ? undefined : text(appointment.comment);
    const back: Aim = { ...aim, from: to, to: from, slotIds: oldSlotIds, note };
    const undone = await change(writing, 'Appointment', foreignId, editTo(writing, back));
    if (undone.kind !== 'done') throw new OutcomeUnknown('moved beside another appointment, and not taken back');
    await giveBack(writing, seat.taken);
    return slotTaken();
  }
  if (changes.startAt !== undefined || changes.operatoryForeignId !== undefined) {
    // The move stands whether or not the slots it left can be opened again.
    await leave(writing, { ...holder, appointment: edited.resource }, oldSlotIds).catch(() => undefined);
  }
  return resultOf(edited, foreignId, WHY_REFUSED);
}

async function leave(writing: Writing, holder: Holder, oldSlotIds: string[]): Promise<void> {
  const current = slotIdsOf(holder.appointment as Resource, writing.client.baseUrl);
  const old = oldSlotIds.filter((id) => !current.includes(id));
  await giveBack(writing, [...new Set([...old, ...(await leftBehind(writing, holder))])]);
}

function isOver(appointment: Resource): boolean {
  return !takesTime(appointment) || appointment.status === 'fulfilled';
}

/** The first practitioner, also under a role, and the first room. Null without a time. */
async function placeOf(writing: Writing, appointment: Resource, rooms: Rooms): Promise<Place | null> {
  const time = appointmentTime(appointment);
  if (time === null) return null;
  const named = places(writing, appointment);
  const role = named.find((target) => target.startsWith('PractitionerRole/'));
  const practitioner =
    named.find((target) => target.startsWith('Practitioner/')) ??
    (role === undefined
      ? ''
      : targetOf(writing, (await writing.client.read('PractitionerRole', idIn(role), writing.signal))?.practitioner));
  const room = rooms.references[0];
  return {
    startAt: new Date(time.startMs).toISOString(),
    endAt: new Date(time.endMs).toISOString(),
    providerForeignId: practitioner.startsWith('Practitioner/') ? idIn(practitioner) : null,
    operatoryForeignId: room === undefined ? null : idIn(room),
  };
}

async function roomsOf(writing: Writing, appointment: Resource): Promise<Rooms> {
  const rooms: Rooms = { references: [], site: null };
  for (const target of places(writing, appointment)) {
    if (!target.startsWith('Location/') || idIn(target) === writing.siteId) continue;
    const location = await writing.client.read('Location', idIn(target), writing.signal);
    if (location === null || !isRoomType(location)) continue;
    if (rooms.references.length === 0) rooms.site = text(object(location.partOf).reference);
    rooms.references.push(target);
  }
  return rooms;
}

function places(writing: Writing, appointment: Resource): string[] {
  return objects(appointment.participant).map(({ actor }) => targetOf(writing, actor));
}

function idIn(target: string): string {
  return target.slice(target.indexOf('/') + 1);
}

function isSamePlace(one: Place, other: Place): boolean {
  return isSameTime(one, other) && one.operatoryForeignId === other.operatoryForeignId;
}

function isSameTime(one: Pick<Place, 'startAt' | 'endAt'>, other: Pick<Place, 'startAt' | 'endAt'>): boolean {
  return Date.parse(one.startAt) === Date.parse(other.startAt) && Date.parse(one.endAt) === Date.parse(other.endAt);
}

/** Refuses what somebody else has moved since to a third time or room. */
function editTo(writing: Writing, aim: Aim): Edit {
  const note = said(aim.note ?? null);
  return (appointment) => {
    const time = appointmentTime(appointment);
    if (isOver(appointment) || time === null) return 'refuse';
    const is: Place = {
      ...aim.from,
      startAt: new Date(time.startMs).toISOString(),
      endAt: new Date(time.endMs).toISOString(),
      operatoryForeignId: roomIn(writing, appointment, aim),
    };
    const isThere = aim.slotIds === null || isSamePlace(is, aim.to);
    const isNoted = aim.note === undefined || note === text(appointment.comment);
    if (isThere && isNoted) return 'already';
    if (!isThere && !isSamePlace(is, aim.from)) return 'refuse';
    const moved = isThere ? appointment : { ...appointment, ...seated(writing, appointment, aim) };
    return withoutUndefined(isNoted ? moved : { ...moved, comment: note ?? undefined });
  };
}

/** The first of the rooms known to us. */
function roomIn(writing: Writing, appointment: Resource, { rooms, from, to }: Aim): string | null {
  const known = [...rooms.references, `Location/${from.operatoryForeignId}`, `Location/${to.operatoryForeignId}`];
  const room = places(writing, appointment).find((target) => known.includes(target));
  return room === undefined ? null : idIn(room);
}

/** The fields that say when and where; undefined for those that go. */
function seated(writing: Writing, appointment: Resource, { from, to, slotIds, rooms }: Aim): Json {
  const minutes = (Date.parse(to.endAt) - Date.parse(to.startAt)) / MINUTE_MS;
  const slot = (slotIds ?? []).map((id) => ({ reference: `Slot/${id}` }));
  return {
    start: to.startAt,
    end: to.endAt,
    slot: slot.length > 0 ? slot : undefined,
    minutesDuration: appointment.minutesDuration !== undefined && Number.isInteger(minutes) ? minutes : undefined,
    ...(from.operatoryForeignId === to.operatoryForeignId
      ? {}
      : { participant: inRoom(writing, appointment, from.operatoryForeignId, to.operatoryForeignId, rooms.site) }),
  };
}

/** One room for the other, in its place; for none, what the room was in. */
function inRoom(
  writing: Writing,
  appointment: Resource,
  from: string | null,
  to: string | null,
  site: string | null,
): Json[] {
  const participants = objects(appointment.participant).filter(
    ({ actor }) => to === null || targetOf(writing, actor) !== `Location/${to}`,
  );
  const reference = to === null ? site : `Location/${to}`;
  const at = participants.findIndex(({ actor }) => targetOf(writing, actor) === `Location/${from}`);
  const room = reference === null ? [] : [{ actor: { reference }, required: 'required', status: 'accepted' }];
  if (at < 0) return [...participants, ...room];
  return participants.toSpliced(at, 1, ...room);
}

function withoutUndefined(resource: Json): Resource {
  return Object.fromEntries(Object.entries(resource).filter(([, value]) => value !== undefined)) as Resource;
}
