/**
 * Writing. No FHIR transaction is used: servers without the feature answer 200 and commit half of it. Instead a
 * booking first takes its free slots, each guarded by its version, then creates the appointment, and gives the
 * slots back when that fails. Whatever was written is read back before it counts.
 *
 * A slot taken this way carries the booking's marker, so that a repeated booking knows its own slots again.
 */
import {
  HrsNonsense,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  Unavailable,
  type Write,
  type WriteResult,
} from '../connector.ts';
import type { FhirClient, Resource, SearchParams } from './client.ts';
import { composeAppointment, composeBlock, composePatient } from './compose.ts';
import { objects, referenceTarget, text } from './fields.ts';
import {
  appointmentTime,
  blockForeignId,
  GUARD_SYSTEM,
  MARKER_SYSTEM,
  markerOf,
  patientParticipants,
  slotTime,
  takesTime,
} from './map.ts';
import { copiesOf, isGuardedBy, slotIdsOf } from './read.ts';

/** Somebody else edits the same record at the same moment: rarely once, never three times in a row. */
const MAX_UPDATE_TRIES = 3;

/** How long before a booking something can have begun that still runs into it. */
const LONGEST_APPOINTMENT_MS = 24 * 3_600_000;

/** The record as it shall be; `already` when it is so, `refuse` when its present state forbids it. */
type Edit = (resource: Resource) => Resource | 'already' | 'refuse';

type Edited =
  | { kind: 'done'; resource: Resource }
  | { kind: 'refused' }
  | { kind: 'missing' }
  | { kind: 'rejected'; said: string };

/** Carries one write; see the contract for what it promises. */
export async function execute(client: FhirClient, write: Write, signal: AbortSignal): Promise<WriteResult> {
  const hand = writingHand(client, signal);
  try {
    switch (write.kind) {
      case 'create_patient':
        return await hand.createPatient(write.patient, write.marker);
      case 'create_appointment':
        return write.appointment.unavailable
          ? await hand.createBlock(write.appointment, write.marker)
          : await hand.createAppointment(write.appointment, write.marker);
      case 'confirm':
        return await hand.confirm(write.foreignId);
      case 'cancel':
        return await hand.cancel(write.foreignId);
      default:
        return refused('not_supported', 'this kind does not carry such a write');
    }
  } catch (error) {
    if (error instanceof OutcomeUnknown) throw error;
    if (!(error instanceof Unavailable || error instanceof HrsNonsense)) throw error;
    if (hand.hasWritten()) throw new OutcomeUnknown(`after a part was written: ${error.message}`);
    throw error instanceof Unavailable ? error : new Unavailable(`nothing was written: ${error.message}`);
  }
}

function writingHand(client: FhirClient, signal: AbortSignal) {
  /** True while something of this write stands in the HRS. */
  let hasWritten = false;

  async function createPatient(patient: NewPatient, marker: string): Promise<WriteResult> {
    const answer = await client.create(composePatient(patient, marker), markerSearch(marker), signal);
    if (answer.kind === 'rejected')
      return refused('patient_rejected', 'the HRS did not accept the patient', answer.said);
    if (answer.kind !== 'stored')
      return refused('patient_rejected', `the HRS did not accept the patient (${answer.kind})`);
    return done(await getStoredId('Patient', answer.id, marker));
  }

  async function createAppointment(booking: NewAppointment, marker: string): Promise<WriteResult> {
    const [earlier, ...copies] = await copiesOf(client, 'Appointment', marker, signal);
    if (copies.length > 0) throw new OutcomeUnknown('the HRS already holds several copies of this Appointment');
    if (earlier) return earlier.status === 'entered-in-error' ? slotTaken() : done(earlier.id);

    const slots = await slotsOver(booking);
    if (slots.some((slot) => slot.status !== 'free' && !isGuardedBy(slot, marker))) return slotTaken();
    const isProviderFree = coversWhole(slots, booking);
    if ((await overlapping(booking, isProviderFree)).length > 0) return slotTaken();

    const taken: string[] = [];
    for (const slot of slots) {
      const edited = await takeSlot(slot.id, marker).catch((error) => giveBackAfter(error, taken));
      if (edited.kind !== 'done') {
        await giveBack(taken);
        return slotTaken();
      }
      taken.push(slot.id);
      hasWritten = true;
    }

    const locationId = booking.operatoryForeignId ?? (await knownLocation(booking.locationForeignId));
    const appointment = composeAppointment(booking, marker, locationId, taken);
    const answer = await client
      .create(appointment, markerSearch(marker), signal)
      .catch((error) => giveBackAfter(error, taken));
    if (answer.kind !== 'stored') {
      await giveBack(taken);
      if (answer.kind === 'conflict') return slotTaken();
      return refused(
        'refused_by_hrs',
        'the HRS did not accept the appointment',
        answer.kind === 'rejected' ? answer.said : null,
      );
    }
    hasWritten = true;
    const id = await getStoredId('Appointment', answer.id, marker);

    // A server that ignores If-Match, or has no slots for this time, may have let somebody else in meanwhile.
    const rivals = [...(await onSlots(taken)), ...(await overlapping(booking, isProviderFree))];
    if (rivals.every((rival) => rival.id === id)) return done(id);
    const withdrawn = await change('Appointment', id, setStatus('entered-in-error'));
    if (withdrawn.kind !== 'done') throw new OutcomeUnknown('booked beside another appointment, and not withdrawn');
    await giveBack(taken);
    return slotTaken();
  }

  async function createBlock(block: NewAppointment, marker: string): Promise<WriteResult> {
    const [earlier, ...copies] = await copiesOf(client, 'Slot', marker, signal);
    if (copies.length > 0) throw new OutcomeUnknown('the HRS already holds several copies of this block');
    if (earlier) return done(blockForeignId(earlier.id));

    const schedules = await schedulesOf(block);
    const namesRoom = (schedule: Resource) =>
      objects(schedule.actor).some((actor) => target(actor) === `Location/${block.operatoryForeignId}`);
    const schedule = schedules.find(namesRoom) ?? schedules[0];
    if (!schedule) return refused('refused_by_hrs', 'the HRS keeps no Schedule that the block could stand in');
    const answer = await client.create(composeBlock(block, marker, schedule.id), markerSearch(marker), signal);
    if (answer.kind === 'conflict') return slotTaken();
    if (answer.kind !== 'stored') {
      return refused(
        'refused_by_hrs',
        'the HRS did not accept the block',
        answer.kind === 'rejected' ? answer.said : null,
      );
    }
    hasWritten = true;
    return done(blockForeignId(await getStoredId('Slot', answer.id, marker)));
  }

  async function confirm(foreignId: string): Promise<WriteResult> {
    if (slotIdOf(foreignId) !== null) return refused('refused_by_hrs', 'a block has nobody who could confirm it');
    const edited = await change('Appointment', foreignId, (appointment) => {
      const patients = patientParticipants(appointment, client.baseUrl);
      if (!takesTime(appointment) || patients.length === 0) return 'refuse';
      if (patients.every(({ status }) => status === 'accepted')) return 'already';
      const participant = objects(appointment.participant).map((one) =>
        patients.includes(one) ? { ...one, status: 'accepted' } : one,
      );
      return { ...appointment, participant };
    });
    return resultOf(edited, foreignId, 'it is cancelled, missed, or without a patient');
  }

  async function cancel(foreignId: string): Promise<WriteResult> {
    const slotId = slotIdOf(foreignId);
    if (slotId !== null) return resultOf(await change('Slot', slotId, openSlot), foreignId, 'it is no block');
    const edited = await change('Appointment', foreignId, (appointment) => {
      if (appointment.status === 'cancelled' || appointment.status === 'entered-in-error') return 'already';
      if (appointment.status === 'fulfilled' || appointment.status === 'noshow') return 'refuse';
      return { ...appointment, status: 'cancelled', cancelationReason: { text: 'Cancelled through Openchair' } };
    });
    // The cancellation stands whether or not its slots can be opened again; sending it again tries anew.
    if (edited.kind === 'done') await giveBack(slotIdsOf(edited.resource, client.baseUrl)).catch(() => undefined);
    return resultOf(edited, foreignId, 'the visit is over');
  }

  /**
   * Reads, edits and writes one record under its version, anew when somebody else was faster, and reads it back.
   * Throws `OutcomeUnknown` when the server said yes and the record does not show it.
   */
  async function change(type: string, id: string, edit: Edit): Promise<Edited> {
    for (let tries = 1; tries <= MAX_UPDATE_TRIES; tries++) {
      const resource = await client.read(type, id, signal);
      if (resource === null) return { kind: 'missing' };
      const edited = edit(resource);
      if (edited === 'refuse') return { kind: 'refused' };
      if (edited === 'already') return { kind: 'done', resource };
      const answer = await client.update(edited, signal);
      if (answer.kind === 'conflict') continue;
      if (answer.kind === 'missing') return answer;
      if (answer.kind === 'rejected') return { kind: 'rejected', said: answer.said };
      const after = await readBack(type, id);
      if (after !== null && edit(after) === 'already') return { kind: 'done', resource: after };
      // Overwritten at once by somebody who may: that is an answer. Unchanged: the server did not tell the truth.
      if (after !== null && edit(after) === 'refuse') return { kind: 'refused' };
      throw new OutcomeUnknown(`the HRS accepted a change of a ${type} that does not show`);
    }
    throw new Unavailable(`a ${type} kept changing while we wanted to change it`);
  }

  async function readBack(type: string, id: string): Promise<Resource | null> {
    try {
      return await client.read(type, id, signal);
    } catch (error) {
      throw new OutcomeUnknown(`changed a ${type} and could not read it back: ${(error as Error).message}`);
    }
  }

  function takeSlot(id: string, marker: string): Promise<Edited> {
    return change('Slot', id, (slot) => {
      if (isGuardedBy(slot, marker)) return slot.status === 'busy' ? 'already' : 'refuse';
      if (slot.status !== 'free') return 'refuse';
      return { ...slot, status: 'busy', identifier: [...others(slot), { system: GUARD_SYSTEM, value: marker }] };
    });
  }

  /** Frees those of the slots on which no other appointment stands. */
  async function giveBack(slotIds: string[]): Promise<void> {
    if (slotIds.length === 0) return;
    const occupied = new Set((await onSlots(slotIds)).flatMap((one) => slotIdsOf(one, client.baseUrl)));
    for (const id of slotIds.filter((slotId) => !occupied.has(slotId))) {
      await change('Slot', id, (slot) => {
        if (slot.status === 'free') return 'already';
        if (slot.status !== 'busy') return 'refuse';
        const identifier = others(slot);
        const { identifier: _, ...rest } = slot;
        return { ...rest, status: 'free', ...(identifier.length > 0 ? { identifier } : {}) } as Resource;
      });
    }
    hasWritten = false;
  }

  /** After a request that did nothing, everything before it is undone; after any other doubt nothing is touched. */
  async function giveBackAfter(error: unknown, slotIds: string[]): Promise<never> {
    if (error instanceof Unavailable) await giveBack(slotIds).catch(() => undefined);
    throw error;
  }

  async function getStoredId(
    type: 'Patient' | 'Appointment' | 'Slot',
    id: string | null,
    marker: string,
  ): Promise<string> {
    try {
      const copies = await copiesOf(client, type, marker, signal);
      if (copies.length === 1) return (copies[0] as Resource).id;
      if (copies.length > 1) throw new OutcomeUnknown(`the HRS now holds several copies of this ${type}`);
      // Some servers index a new record only after a while.
      const stored = id === null ? null : await client.read(type, id, signal);
      if (stored !== null && markerOf(stored) === marker) return stored.id;
    } catch (error) {
      throw new OutcomeUnknown(`created a ${type} and could not read it back: ${(error as Error).message}`);
    }
    throw new OutcomeUnknown(`the HRS said that it created a ${type}, which is not there`);
  }

  /** The provider's slots in the booking's time, in order; without what was entered in error. */
  async function slotsOver(booking: NewAppointment): Promise<Resource[]> {
    if (booking.providerForeignId === null || !(await client.serves('Slot', signal))) return [];
    const schedules = (await schedulesOf({ ...booking, operatoryForeignId: null })).map((schedule) => schedule.id);
    if (schedules.length === 0) return [];
    const params: SearchParams = [
      ['schedule', schedules.map((id) => `Schedule/${id}`).join(',')],
      ...timeWindow('start', booking),
    ];
    const found = await client.searchAll('Slot', params, signal);
    return found
      .filter((slot) => schedules.includes(referenceTarget(slot.schedule, client.baseUrl)?.id ?? ''))
      .filter((slot) => slot.status !== 'entered-in-error')
      .filter((slot) => isOverlapping(slotTime(slot), booking))
      .sort((a, b) => (slotTime(a)?.startMs ?? 0) - (slotTime(b)?.startMs ?? 0) || (a.id < b.id ? -1 : 1));
  }

  async function schedulesOf(booking: NewAppointment): Promise<Resource[]> {
    if (!(await client.serves('Schedule', signal))) return [];
    const provider = await providerActors(booking);
    const actors = provider.length > 0 ? provider : roomActors(booking);
    if (actors.length === 0) return [];
    const found = await client.searchAll('Schedule', [['actor', actors.join(',')]], signal);
    return found.filter((schedule) => objects(schedule.actor).some((actor) => actors.includes(target(actor))));
  }

  /** Appointments that take the room, and the provider's too unless free slots speak for the provider. */
  async function overlapping(booking: NewAppointment, isProviderFree: boolean): Promise<Resource[]> {
    const actors = [...roomActors(booking), ...(isProviderFree ? [] : await providerActors(booking))];
    if (actors.length === 0) return [];
    const params: SearchParams = [['actor', actors.join(',')], ...timeWindow('date', booking)];
    const found = await client.searchAll('Appointment', params, signal);
    return found
      .filter((one) => takesTime(one) && isOverlapping(appointmentTime(one), booking))
      .filter((one) => objects(one.participant).some(({ actor }) => actors.includes(target(actor))));
  }

  async function onSlots(slotIds: string[]): Promise<Resource[]> {
    if (slotIds.length === 0) return [];
    const params: SearchParams = [['slot', slotIds.map((id) => `Slot/${id}`).join(',')]];
    const found = await client.searchAll('Appointment', params, signal);
    return found.filter((one) => takesTime(one) && slotIdsOf(one, client.baseUrl).some((id) => slotIds.includes(id)));
  }

  /** The practitioner under every name a schedule or an appointment may use. */
  async function providerActors({ providerForeignId }: NewAppointment): Promise<string[]> {
    if (providerForeignId === null) return [];
    const practitioner = `Practitioner/${providerForeignId}`;
    if (!(await client.serves('PractitionerRole', signal))) return [practitioner];
    const roles = await client.searchAll('PractitionerRole', [['practitioner', practitioner]], signal);
    const own = roles.filter((role) => target(role.practitioner) === practitioner);
    return [practitioner, ...own.map((role) => `PractitionerRole/${role.id}`)];
  }

  async function knownLocation(id: string): Promise<string | null> {
    return (await client.read('Location', id, signal))?.id ?? null;
  }

  function target(reference: unknown): string {
    const to = referenceTarget(reference, client.baseUrl);
    return to === null ? '' : `${to.type}/${to.id}`;
  }

  return { createPatient, createAppointment, createBlock, confirm, cancel, hasWritten: () => hasWritten };
}

function markerSearch(marker: string): SearchParams {
  return [['identifier', `${MARKER_SYSTEM}|${marker}`]];
}

/** `eq` on a day finds nothing on some servers, and only the start can be searched: a window, filtered afterwards. */
function timeWindow(name: string, { startAt, endAt }: NewAppointment): SearchParams {
  const earliest = new Date(Date.parse(startAt) - LONGEST_APPOINTMENT_MS).toISOString();
  return [
    [name, `ge${earliest}`],
    [name, `lt${endAt}`],
  ];
}

function isOverlapping(time: { startMs: number; endMs: number } | null, { startAt, endAt }: NewAppointment): boolean {
  return time !== null && time.startMs < Date.parse(endAt) && time.endMs > Date.parse(startAt);
}

/** Slots in order of their start. */
function coversWhole(slots: Resource[], { startAt, endAt }: NewAppointment): boolean {
  let reachedMs = Date.parse(startAt);
  for (const slot of slots) {
    const time = slotTime(slot);
    if (time !== null && time.startMs <= reachedMs) reachedMs = Math.max(reachedMs, time.endMs);
  }
  return reachedMs >= Date.parse(endAt);
}

function roomActors({ operatoryForeignId }: NewAppointment): string[] {
  return operatoryForeignId === null ? [] : [`Location/${operatoryForeignId}`];
}

function slotIdOf(foreignId: string): string | null {
  return /^Slot\/(.+)$/.exec(foreignId)?.[1] ?? null;
}

function others(slot: Resource): object[] {
  return objects(slot.identifier).filter((identifier) => identifier.system !== GUARD_SYSTEM);
}

/** A block of ours disappears; time that the practice had closed becomes free. */
function openSlot(slot: Resource): Resource | 'already' | 'refuse' {
  const isOurs = markerOf(slot) !== null;
  const open = isOurs ? 'entered-in-error' : 'free';
  if (slot.status === open) return 'already';
  return slot.status === 'busy-unavailable' ? { ...slot, status: open } : 'refuse';
}

function setStatus(status: string): Edit {
  return (resource) => (resource.status === status ? 'already' : { ...resource, status });
}

function done(foreignId: string): WriteResult {
  return { outcome: 'done', foreignId };
}

function refused(
  reason: Extract<WriteResult, { outcome: 'refused' }>['reason'],
  message: string,
  hrsSaid: string | null = null,
): WriteResult {
  return { outcome: 'refused', reason, message, retryable: false, hrsSaid: text(hrsSaid)?.slice(0, 500) ?? null };
}

function slotTaken(): WriteResult {
  return refused('slot_taken', 'the HRS already has something at that time');
}

function resultOf(edited: Edited, foreignId: string, whyRefused: string): WriteResult {
  switch (edited.kind) {
    case 'done':
      return done(foreignId);
    case 'missing':
      return refused('not_found_in_hrs', 'the HRS no longer has it');
    case 'refused':
      return refused('refused_by_hrs', `the HRS cannot take this: ${whyRefused}`);
    case 'rejected':
      return refused('refused_by_hrs', 'the HRS refused the change', edited.said);
  }
}
