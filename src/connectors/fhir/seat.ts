/**
 * A seat: the time of a practitioner and of a room that one appointment takes. Where the practitioner has slots, they
 * are taken first, each under its version, and the appointment is written after them: of several who want the same
 * slot, the server lets one have it. What has no slots is only looked at, before and after.
 *
 * A slot taken this way carries the guard of its appointment, so that a repeated write knows its own slots again.
 */
import { type NewAppointment, Unavailable } from '../connector.ts';
import { change, type Edited, type Writing } from './change.ts';
import type { Resource, SearchParams } from './client.ts';
import { identifierValue, instantMs, object, objects, referenceTarget } from './fields.ts';
import { appointmentTime, GUARD_SYSTEM, markerOf, takesTime } from './map.ts';
import { isGuardedBy, slotIdsOf } from './read.ts';
import { slotTime } from './slots.ts';

/** Whose time is wanted, where and when. */
export type Place = Pick<NewAppointment, 'startAt' | 'endAt' | 'providerForeignId' | 'operatoryForeignId'>;

/** For whom: the guard, and the appointment itself where it stands already. */
export interface Holder {
  guard: string;
  appointment: Resource | null;
}

export interface Seat {
  /** In order of time. */
  slotIds: string[];
  /** Those of them that were not the holder's before. */
  taken: string[];
  /** Do free slots speak for the practitioner the whole time? Otherwise the appointments have to. */
  isProviderFree: boolean;
}

/** How long before a booking something can have begun that still runs into it. */
const LONGEST_APPOINTMENT_MS = 24 * 3_600_000;

/** A booking is through in seconds, and in minutes when it is looked up in between. */
const GUARD_LIFETIME_MS = 10 * 60_000;

/**
 * The guard of an appointment that stands: our marker where it has one, so that the slots of its booking are known.
 * Only one change of an appointment is under way at a time, and a later attempt of it knows its slots by this.
 */
export function guardOf(appointment: Resource): string {
  return markerOf(appointment) ?? appointment.id;
}

/** Takes every slot of the place or, when somebody else has one or the time itself, none: null. */
export async function takeSeat(writing: Writing, place: Place, holder: Holder): Promise<Seat | null> {
  const slots = await slotsOver(writing, place);
  const current = slotIdsOfHolder(writing, holder);
  const isGuarded = (slot: Resource) => slot.status === 'busy' && isGuardedBy(slot, holder.guard);
  const isOwn = (slot: Resource) => slot.status !== 'free' && (isGuarded(slot) || current.includes(slot.id));
  const left = slots.filter((slot) => isGuarded(slot) && !current.includes(slot.id)).map(({ id }) => id);
  const seat: Seat = { slotIds: [], taken: [], isProviderFree: coversWhole(slots, place) };
  const leave = async () => {
    await giveBack(writing, [...new Set([...left, ...seat.taken])]);
    return null;
  };

  for (const slot of slots) {
    if (slot.status !== 'free' && !isOwn(slot) && !(await isAbandoned(writing, slot))) return leave();
  }
  if ((await rivalsOf(writing, place, seat, holder)).length > 0) return leave();
  for (const slot of slots) {
    if (!isOwn(slot)) {
      const edited = await takeSlot(writing, slot, holder.guard).catch((error) => giveBackAfter(writing, error, seat));
      if (edited.kind !== 'done') return leave();
      seat.taken.push(slot.id);
      writing.hasWritten = true;
    }
    seat.slotIds.push(slot.id);
  }
  return seat;
}

/**
 * Other appointments in the same seat: on its slots, in its room, and of its practitioner unless free slots spoke for
 * them. To be asked once more after writing, for a server that ignores versions or has no slots.
 */
export async function rivalsOf(writing: Writing, place: Place, seat: Seat, holder: Holder): Promise<Resource[]> {
  const found = [
    ...(await onSlots(writing, seat.slotIds)),
    ...(await overlapping(writing, place, seat.isProviderFree)),
  ];
  return found.filter((one) => one.id !== holder.appointment?.id);
}

/** Frees those of the slots on which no appointment stands. */
export async function giveBack(writing: Writing, slotIds: string[]): Promise<void> {
  // A server that takes a status and nothing else keeps its slots itself.
  if (slotIds.length === 0 || writing.abilities.update !== 'put') return;
  const occupied = new Set((await onSlots(writing, slotIds)).flatMap((one) => slotIdsOf(one, writing.client.baseUrl)));
  for (const id of slotIds.filter((slotId) => !occupied.has(slotId))) await change(writing, 'Slot', id, freeSlot);
}

/** After a request that did nothing, everything before it is undone; after any other doubt nothing is touched. */
export async function giveBackAfter(writing: Writing, error: unknown, { taken }: Seat): Promise<never> {
  if (error instanceof Unavailable && taken.length > 0) {
    await giveBack(writing, taken).then(
      () => {
        writing.hasWritten = false;
      },
      () => undefined,
    );
  }
  throw error;
}

/** The slots that were taken for this holder and on which it does not stand: those of a move, or of a dead booking. */
export async function leftBehind(writing: Writing, holder: Holder): Promise<string[]> {
  const { client, signal } = writing;
  if (!(await client.serves('Slot', signal))) return [];
  const found = await client.searchAll('Slot', [['identifier', `${GUARD_SYSTEM}|${holder.guard}`]], signal);
  const current = slotIdsOfHolder(writing, holder);
  return found.filter((slot) => isGuardedBy(slot, holder.guard) && !current.includes(slot.id)).map(({ id }) => id);
}

function slotIdsOfHolder({ client }: Writing, { appointment }: Holder): string[] {
  return appointment === null ? [] : slotIdsOf(appointment, client.baseUrl);
}

/** A slot that was taken for a booking which then was never made, or which has left it. */
async function isAbandoned(writing: Writing, slot: Resource): Promise<boolean> {
  const takenMs = instantMs(object(slot.meta).lastUpdated);
  const nowMs = writing.client.serverMs();
  if (takenMs === null || nowMs === null) return false;
  if (slot.status !== 'busy' || identifierValue(slot, GUARD_SYSTEM) === null) return false;
  return nowMs - takenMs > GUARD_LIFETIME_MS && (await onSlots(writing, [slot.id])).length === 0;
}

function takeSlot(writing: Writing, seen: Resource, guard: string): Promise<Edited> {
  const abandonedBy = seen.status === 'free' ? null : identifierValue(seen, GUARD_SYSTEM);
  return change(writing, 'Slot', seen.id, (slot) => {
    if (slot.status === 'busy' && isGuardedBy(slot, guard)) return 'already';
    const isStillAbandoned = slot.status === 'busy' && abandonedBy !== null && isGuardedBy(slot, abandonedBy);
    if (slot.status !== 'free' && !isStillAbandoned) return 'refuse';
    return { ...slot, status: 'busy', identifier: [...others(slot), { system: GUARD_SYSTEM, value: guard }] };
  });
}

function freeSlot(slot: Resource): Resource | 'already' | 'refuse' {
  if (slot.status === 'free') return 'already';
  if (slot.status !== 'busy') return 'refuse';
  const identifier = others(slot);
  const { identifier: _, ...rest } = slot;
  return { ...rest, status: 'free', ...(identifier.length > 0 ? { identifier } : {}) } as Resource;
}

function others(slot: Resource): object[] {
  return objects(slot.identifier).filter((identifier) => identifier.system !== GUARD_SYSTEM);
}

/** The practitioner's slots in that time, in order; without what was entered in error. */
async function slotsOver(writing: Writing, place: Place): Promise<Resource[]> {
  const { client, signal } = writing;
  if (place.providerForeignId === null || !(await client.serves('Slot', signal))) return [];
  const schedules = (await schedulesOf(writing, { ...place, operatoryForeignId: null })).map(({ id }) => id);
  if (schedules.length === 0) return [];
  const params: SearchParams = [
    ['schedule', schedules.map((id) => `Schedule/${id}`).join(',')],
    ...timeWindow('start', place),
  ];
  const found = await client.searchAll('Slot', params, signal);
  return found
    .filter((slot) => schedules.includes(referenceTarget(slot.schedule, client.baseUrl)?.id ?? ''))
    .filter((slot) => slot.status !== 'entered-in-error')
    .filter((slot) => isOverlapping(slotTime(slot), place))
    .sort((a, b) => (slotTime(a)?.startMs ?? 0) - (slotTime(b)?.startMs ?? 0) || (a.id < b.id ? -1 : 1));
}

/** The practitioner's schedules; without a practitioner the room's. */
export async function schedulesOf(
  writing: Writing,
  place: Pick<Place, 'providerForeignId' | 'operatoryForeignId'>,
): Promise<Resource[]> {
  const { client, signal } = writing;
  if (!(await client.serves('Schedule', signal))) return [];
  const provider = await providerActors(writing, place);
  const actors = provider.length > 0 ? provider : roomActors(place);
  if (actors.length === 0) return [];
  const found = await client.searchAll('Schedule', [['actor', actors.join(',')]], signal);
  return found.filter((schedule) => objects(schedule.actor).some((actor) => actors.includes(targetOf(writing, actor))));
}

/** Appointments that take the room, and the practitioner's too unless free slots speak for them. */
async function overlapping(writing: Writing, place: Place, isProviderFree: boolean): Promise<Resource[]> {
  const actors = [...roomActors(place), ...(isProviderFree ? [] : await providerActors(writing, place))];
  if (actors.length === 0) return [];
  const params: SearchParams = [['actor', actors.join(',')], ...timeWindow('date', place)];
  const found = await writing.client.searchAll('Appointment', params, writing.signal);
  return found
    .filter((one) => takesTime(one) && isOverlapping(appointmentTime(one), place))
    .filter((one) => objects(one.participant).some(({ actor }) => actors.includes(targetOf(writing, actor))));
}

async function onSlots({ client, signal }: Writing, slotIds: string[]): Promise<Resource[]> {
  if (slotIds.length === 0) return [];
  const params: SearchParams = [['slot', slotIds.map((id) => `Slot/${id}`).join(',')]];
  const found = await client.searchAll('Appointment', params, signal);
  return found.filter((one) => takesTime(one) && slotIdsOf(one, client.baseUrl).some((id) => slotIds.includes(id)));
}

/** The practitioner under every name a schedule or an appointment may use. */
async function providerActors(
  writing: Writing,
  { providerForeignId }: Pick<Place, 'providerForeignId'>,
): Promise<string[]> {
  const { client, signal } = writing;
  if (providerForeignId === null) return [];
  const practitioner = `Practitioner/${providerForeignId}`;
  if (!(await client.serves('PractitionerRole', signal))) return [practitioner];
  const roles = await client.searchAll('PractitionerRole', [['practitioner', practitioner]], signal);
  const own = roles.filter((role) => targetOf(writing, role.practitioner) === practitioner);
  return [practitioner, ...own.map((role) => `PractitionerRole/${role.id}`)];
}

function roomActors({ operatoryForeignId }: Pick<Place, 'operatoryForeignId'>): string[] {
  return operatoryForeignId === null ? [] : [`Location/${operatoryForeignId}`];
}

/** What a reference names on this server, such as `Location/7`; empty when it names nothing there. */
export function targetOf({ client }: Writing, reference: unknown): string {
  const to = referenceTarget(reference, client.baseUrl);
  return to === null ? '' : `${to.type}/${to.id}`;
}

/** `eq` on a day finds nothing on some servers, and only the start can be searched: a window, filtered afterwards. */
function timeWindow(name: string, { startAt, endAt }: Place): SearchParams {
  const earliest = new Date(Date.parse(startAt) - LONGEST_APPOINTMENT_MS).toISOString();
  return [
    [name, `ge${earliest}`],
    [name, `lt${endAt}`],
  ];
}

function isOverlapping(time: { startMs: number; endMs: number } | null, { startAt, endAt }: Place): boolean {
  return time !== null && time.startMs < Date.parse(endAt) && time.endMs > Date.parse(startAt);
}

/** Slots in order of their start. */
function coversWhole(slots: Resource[], { startAt, endAt }: Place): boolean {
  let reachedMs = Date.parse(startAt);
  for (const slot of slots) {
    const time = slotTime(slot);
    if (time !== null && time.startMs <= reachedMs) reachedMs = Math.max(reachedMs, time.endMs);
  }
  return reachedMs >= Date.parse(endAt);
}
