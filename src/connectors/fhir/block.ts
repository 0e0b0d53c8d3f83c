/** Blocks: slots that are closed. Ours carry a marker; the practice's own were only closed by it. */
import type { AppointmentChanges, NewAppointment, WriteResult } from '../connector.ts';
import { change, type Edit, type Writing } from './change.ts';
import type { Resource } from './client.ts';
import { composeBlock, said } from './compose.ts';
import { createMarked, findMarked } from './creation.ts';
import { instantMs, objects, text } from './fields.ts';
import { markerOf } from './map.ts';
import { done, refused, resultOf, slotTaken } from './result.ts';
import { schedulesOf, targetOf } from './seat.ts';
import { blockForeignId } from './slots.ts';

/** The slot that a block is; null for an appointment. */
export function slotIdOfBlock(foreignId: string): string | null {
  return /^Slot\/(.+)$/.exec(foreignId)?.[1] ?? null;
}

/** Closes time in the schedule of the practitioner, best in one that names the room; refused where there is none. */
export async function createBlock(writing: Writing, block: NewAppointment, marker: string): Promise<WriteResult> {
  const earlier = await findMarked(writing, 'Slot', marker);
  if (earlier) return done(blockForeignId(earlier.id));

  const schedules = await schedulesOf(writing, block);
  const namesRoom = (schedule: Resource) =>
    objects(schedule.actor).some((actor) => targetOf(writing, actor) === `Location/${block.operatoryForeignId}`);
  const schedule = schedules.find(namesRoom) ?? schedules[0];
  if (!schedule) return refused('refused_by_hrs', 'the HRS keeps no Schedule that the block could stand in');
  const created = await createMarked(writing, 'Slot', composeBlock(block, marker, schedule.id), marker);
  if (created.kind === 'created') return done(blockForeignId(created.id));
  if (created.kind === 'conflict') return slotTaken();
  return refused('refused_by_hrs', 'the HRS did not accept the block', created.said);
}

/** A block of ours disappears; time that the practice had closed becomes free. */
export async function openBlock(writing: Writing, slotId: string): Promise<WriteResult> {
  const edited = await change(writing, 'Slot', slotId, (slot) => {
    const open = markerOf(slot) === null ? 'free' : 'entered-in-error';
    if (slot.status === open) return 'already';
    return slot.status === 'busy-unavailable' ? { ...slot, status: open } : 'refuse';
  });
  return resultOf(edited, blockForeignId(slotId), 'it is no block');
}

/** Moves a block of ours within its schedule, or gives it another note. The practice's slots are its own to move. */
export async function changeBlock(writing: Writing, slotId: string, changes: AppointmentChanges): Promise<WriteResult> {
  const { startAt, endAt, operatoryForeignId, note } = changes;
  if (operatoryForeignId !== undefined) {
    return refused('refused_by_hrs', 'a block stands in a Schedule of the HRS and cannot leave it');
  }
  const edit: Edit = (slot) => {
    if (markerOf(slot) === null || slot.status !== 'busy-unavailable') return 'refuse';
    const isMoved = isOther(startAt, slot.start) || isOther(endAt, slot.end);
    const isNoted = note !== undefined && said(note) !== text(slot.comment);
    if (!isMoved && !isNoted) return 'already';
    const { comment, ...rest } = slot;
    const wanted = note === undefined ? comment : (said(note) ?? undefined);
    return {
      ...rest,
      ...(startAt === undefined ? {} : { start: startAt }),
      ...(endAt === undefined ? {} : { end: endAt }),
      ...(wanted === undefined ? {} : { comment: wanted }),
    } as Resource;
  };
  return resultOf(await change(writing, 'Slot', slotId, edit), blockForeignId(slotId), 'it is no block of ours');
}

function isOther(wanted: string | undefined, present: unknown): boolean {
  return wanted !== undefined && Date.parse(wanted) !== instantMs(present);
}
