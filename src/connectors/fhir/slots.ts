/** Slots into our records: hours of practice, and time that is closed. */
import { type Interval, mergeIntervals } from '../../domain/interval.ts';
import type { AppointmentRecord, AvailabilityRecord } from '../../domain/records.ts';
import { DAY_MS, isoWithOffset, localDateOf, MINUTE_MS } from '../../domain/zone.ts';
import type { Resource } from './client.ts';
import { instantMs, text } from './fields.ts';
import { hasUnknownModifier, markerOf, type ScheduleRecord } from './map.ts';

/** A slot and when it is. */
export interface SlotTime extends Interval {
  slot: Resource;
}

/** `null` for a slot without time. */
export function slotTime(slot: Resource): SlotTime | null {
  const [startMs, endMs] = [instantMs(slot.start), instantMs(slot.end)];
  return startMs !== null && endMs !== null && endMs > startMs ? { slot, startMs, endMs } : null;
}

/** Foreign id of a block: Slots and Appointments may share ids. */
export function blockForeignId(slotId: string): string {
  return `Slot/${slotId}`;
}

/**
 * Hours of practice out of the slots of one schedule that begin on the same local day: slots that touch become one
 * record, named after its first slot. A booked slot still is an hour of practice; only what the practice closed
 * is not. The other slots' ids come back in `insideSlotIds`, for they may have been first before.
 */
export function mapHours(
  slots: Resource[],
  schedule: ScheduleRecord,
): { hours: AvailabilityRecord[]; insideSlotIds: string[] } {
  const zone = schedule.timeZone;
  const times = slots
    .filter((slot) => schedule.isBookable && isHourOfPractice(slot))
    .map(slotTime)
    .filter((time) => time !== null && time.endMs - time.startMs <= DAY_MS)
    .map((time) => ({ ...(time as SlotTime), date: localDateOf(zone, (time as SlotTime).startMs) }))
    .sort((a, b) => a.startMs - b.startMs || (a.slot.id < b.slot.id ? -1 : 1));

  const hours: AvailabilityRecord[] = [];
  const heads = new Set<string>();
  for (const [date, ofDay] of Map.groupBy(times, (time) => time.date)) {
    for (const run of mergeIntervals(ofDay)) {
      const head = ofDay.find((time) => time.startMs === run.startMs)?.slot.id as string;
      const beginMs = Math.ceil(run.startMs / MINUTE_MS) * MINUTE_MS;
      const endMs = Math.floor(run.endMs / MINUTE_MS) * MINUTE_MS;
      const [beginLocal, endLocal] = [clockTime(zone, beginMs), clockTime(zone, endMs)];
      // Less than a minute, or wholly inside the hour that the clock repeats: wall time cannot say it.
      if (endMs <= beginMs || (endLocal <= beginLocal && localDateOf(zone, endMs) === date)) continue;
      heads.add(head);
      hours.push({
        kind: 'availability',
        foreignId: head,
        locationForeignId: schedule.locationForeignId,
        providerForeignId: schedule.providerForeignId as string,
        operatoryForeignId: schedule.operatoryForeignId,
        beginLocal,
        endLocal: endLocal === '00:00' ? '24:00' : endLocal,
        days: null,
        specificDate: date,
        recurrence: null,
        labelForeignId: null,
        active: true,
      });
    }
  }
  return { hours, insideSlotIds: slots.map((slot) => slot.id).filter((id) => !heads.has(id)) };
}

function isHourOfPractice(slot: Resource): boolean {
  return ['free', 'busy', 'busy-tentative'].includes(String(slot.status)) && !hasUnknownModifier(slot);
}

/** Closed time, or a block of our own that was withdrawn; `null` for every other slot. */
export function mapBlock(slot: Resource, schedule: ScheduleRecord): AppointmentRecord | null {
  const time = slotTime(slot);
  const isWithdrawn = slot.status === 'entered-in-error' && markerOf(slot) !== null;
  if (time === null || !(slot.status === 'busy-unavailable' || isWithdrawn)) return null;
  return {
    kind: 'appointment',
    foreignId: blockForeignId(slot.id),
    marker: markerOf(slot),
    locationForeignId: schedule.locationForeignId,
    patientForeignId: null,
    providerForeignId: schedule.providerForeignId,
    operatoryForeignId: schedule.operatoryForeignId,
    descriptorForeignIds: [],
    startAt: new Date(time.startMs).toISOString(),
    endAt: new Date(time.endMs).toISOString(),
    unavailable: true,
    note: text(slot.comment),
    confirmed: false,
    confirmedAt: null,
    cancelled: isWithdrawn,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  };
}

function clockTime(zone: string, atMs: number): string {
  return isoWithOffset(zone, atMs).slice(11, 16);
}
