import { type Interval, mergeIntervals } from './interval.ts';
import type { Recurrence } from './records.ts';
import { DAY_MS, dayNumberOf, localMsToInstantMs, MINUTE_MS, weekdayOfDayNumber } from './zone.ts';

/**
 * Stored hours in which one provider can be booked, in wall-clock time of the location.
 *
 * They begin at `beginMinute` and end at `endMinute` of the local day, 1440 being its end. An end at or before the
 * begin lies on the next day. Exactly one of `specificDate`, `recurrence` and `days` says on which days they begin.
 */
export type Availability = {
  id: number;
  providerId: number;
  operatoryId: number | null;
  beginMinute: number;
  endMinute: number;
  /** Weekdays as bits, Sunday lowest. */
  days: number | null;
  specificDate: string | null;
  recurrence: Recurrence | null;
  active: boolean;
  /** Stored here, or read from the HRS. */
  source: 'manual' | 'synced';
  /** The name that the HRS gives to these hours; null for base hours. */
  labelId: number | null;
  appointmentTypeIds: readonly number[];
};

type OccurrenceRule = Pick<Availability, 'days' | 'specificDate' | 'recurrence'>;

/**
 * A test for the days (by day number) on which the hours begin. Monthly hours fall on the day of the month of `ref`;
 * a month without that day is left out.
 */
export function occurrenceTest({ days, specificDate, recurrence }: OccurrenceRule): (day: number) => boolean {
  if (specificDate !== null) {
    const only = dayNumberOf(specificDate);
    return (day) => day === only;
  }
  if (recurrence !== null) return recurrenceTest(recurrence);
  return (day) => (((days ?? 0) >> weekdayOfDayNumber(day)) & 1) === 1;
}

/** Every `num` days, weeks or months, counted from the local date `ref` onwards. */
function recurrenceTest({ num, unit, ref }: Recurrence): (day: number) => boolean {
  const refDay = dayNumberOf(ref);
  if (unit === 'month') {
    const refMonth = monthNumberOf(refDay);
    const dayOfMonth = new Date(refDay * DAY_MS).getUTCDate();
    return (day) =>
      day >= refDay &&
      new Date(day * DAY_MS).getUTCDate() === dayOfMonth &&
      (monthNumberOf(day) - refMonth) % num === 0;
  }
  const everyDays = unit === 'week' ? num * 7 : num;
  return (day) => day >= refDay && (day - refDay) % everyDays === 0;
}

function monthNumberOf(day: number): number {
  const date = new Date(day * DAY_MS);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/**
 * The time those records cover, counting the occurrences that begin on the days `firstDay` to `lastDay` (day
 * numbers, both included). Adjoining and overlapping records become one stretch. The hours run by the clock on the
 * wall, so a stretch across a clock change is an hour longer or shorter than its numbers say.
 */
export function hoursOf(records: readonly Availability[], zone: string, firstDay: number, lastDay: number): Interval[] {
  const hours: Interval[] = [];
  for (const record of records) {
    const occursOn = occurrenceTest(record);
    const { beginMinute } = record;
    const endMinute = record.endMinute > beginMinute ? record.endMinute : record.endMinute + 1440;
    for (let day = firstDay; day <= lastDay; day++) {
      if (!occursOn(day)) continue;
      hours.push({
        startMs: localMsToInstantMs(zone, day * DAY_MS + beginMinute * MINUTE_MS),
        endMs: localMsToInstantMs(zone, day * DAY_MS + endMinute * MINUTE_MS),
      });
    }
  }
  return mergeIntervals(hours);
}
