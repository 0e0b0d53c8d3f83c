/**
 * Time zones and calendar days: the one place where wall-clock time and instants meet.
 *
 * An instant is a number of milliseconds since 1970 UTC. A local date is `YYYY-MM-DD`. A day number counts days
 * since 1970-01-01. The rules of every zone come from Temporal; what is kept here is only a table of the offsets
 * it gave, because asking it for each slot is some twenty times slower.
 */
import { Temporal } from 'temporal-polyfill';

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** Years accepted from outside. Nobody alive was born, and no appointment is made, beyond them. */
export const FIRST_YEAR = 1900;
export const LAST_YEAR = 2199;

/** No clock has been set further than this from UTC (Manila and Alaska, before 1900). */
const WIDEST_OFFSET_MS = 16 * 60 * MINUTE_MS;

/** One table covers about a year: a handful of segments, found by a shift of the instant. */
const TABLE_MS = 366 * DAY_MS;

/** Some 200 bytes each, so half a megabyte; 30 years of 80 zones. All are dropped when full, and come back on demand. */
const MAX_TABLES = 2400;

/** A stretch of time in which the zone keeps one offset, `±HH:MM` in words. */
type Segment = { startMs: number; endMs: number; offsetMs: number; offsetText: string };

const tablesByZone = new Map<string, Map<number, Segment[]>>();
let tableCount = 0;

function readTable(zone: string, index: number): Segment[] {
  const tableEndMs = (index + 1) * TABLE_MS;
  const segments: Segment[] = [];
  let at = Temporal.Instant.fromEpochMilliseconds(index * TABLE_MS).toZonedDateTimeISO(zone);
  while (true) {
    const next = at.getTimeZoneTransition('next');
    const endMs = Math.min(next?.epochMilliseconds ?? tableEndMs, tableEndMs);
    const offsetMs = at.offsetNanoseconds / 1e6;
    segments.push({ startMs: at.epochMilliseconds, endMs, offsetMs, offsetText: offsetTextOf(offsetMs) });
    if (next === null || endMs === tableEndMs) return segments;
    at = next;
  }
}

function offsetTextOf(offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / MINUTE_MS);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function segmentAt(zone: string, instantMs: number): Segment {
  const index = Math.floor(instantMs / TABLE_MS);
  let segments = tablesByZone.get(zone)?.get(index);
  if (segments === undefined) {
    segments = readTable(zone, index);
    if (++tableCount > MAX_TABLES) {
      tablesByZone.clear();
      tableCount = 1;
    }
    const tables = tablesByZone.get(zone) ?? new Map<number, Segment[]>();
    tablesByZone.set(zone, tables.set(index, segments));
  }
  for (const segment of segments) if (instantMs < segment.endMs) return segment;
  throw new RangeError('not an instant');
}

/**
 * Whether `name` is an IANA zone, area and city as the tz database spells them (`America/New_York`), or `UTC`.
 * Fixed abbreviations (`EST`) and bare offsets (`-05:00`) are not zones: no practice stays on them all year.
 */
export function isZone(name: string): boolean {
  if (name !== 'UTC' && !/^[A-Z][A-Za-z_]*\/[A-Za-z0-9_+/-]+$/.test(name)) return false;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId === name;
  } catch {
    return false;
  }
}

/** Minutes the zone's clock is ahead of UTC at that instant; a fraction only before 1972, when some kept seconds. */
export function offsetMinutesAt(zone: string, instantMs: number): number {
  return segmentAt(zone, instantMs).offsetMs / MINUTE_MS;
}

/**
 * The instant at which the zone's clock first shows, or first passes, that local time. `localMs` is the wall-clock
 * reading taken as if it were UTC. A time that happens twice is the earlier one; a time that never happens is the
 * moment the clock jumped over it, so hours that begin or end inside a gap lose exactly the part that does not exist.
 */
export function localMsToInstantMs(zone: string, localMs: number): number {
  let segment = segmentAt(zone, localMs - WIDEST_OFFSET_MS);
  while (localMs >= segment.endMs + segment.offsetMs) segment = segmentAt(zone, segment.endMs);
  return Math.max(localMs - segment.offsetMs, segment.startMs);
}

/** `localMsToInstantMs` for a minute of a local date; 1440 and more reach into the following days. */
export function localToInstantMs(zone: string, date: string, minuteOfDay: number): number {
  return localMsToInstantMs(zone, dayNumberOf(date) * DAY_MS + minuteOfDay * MINUTE_MS);
}

/** The local date at that instant. */
export function localDateOf(zone: string, instantMs: number): string {
  return isoWithOffset(zone, instantMs).slice(0, 10);
}

/** Local time with its offset, as slots carry it: `2017-10-09T07:00:00.000-04:00`. */
export function isoWithOffset(zone: string, instantMs: number): string {
  const { offsetMs, offsetText } = segmentAt(zone, instantMs);
  return new Date(instantMs + offsetMs).toISOString().slice(0, 23) + offsetText;
}

/** The offset as an appointment's `timezone_offset` carries it, hours unpadded: `-4:00`, `+5:30`, `+0:00`. */
export function zoneOffsetText(zone: string, instantMs: number): string {
  return segmentAt(zone, instantMs).offsetText.replace(/^(.)0/, '$1');
}

/** The offset as an availability's `tz_offset` carries it: `-0700`. */
export function tzOffset(zone: string, instantMs: number): string {
  return segmentAt(zone, instantMs).offsetText.replace(':', '');
}

/** Days from 1970-01-01 to that date. Throws RangeError for what is no date. */
export function dayNumberOf(date: string): number {
  const startMs = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(startMs)) throw new RangeError(`not a local date: ${date}`);
  return startMs / DAY_MS;
}

/** The inverse of `dayNumberOf`. */
export function dateOfDayNumber(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

export function addDays(date: string, days: number): string {
  return dateOfDayNumber(dayNumberOf(date) + days);
}

/** Sunday is 0. */
export function weekdayOfDayNumber(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** Sunday is 0. */
export function weekdayOf(date: string): number {
  return weekdayOfDayNumber(dayNumberOf(date));
}

/** The text itself when it is `YYYY-MM-DD`, a day of the real calendar, and within the accepted years; else null. */
export function parseLocalDate(text: string): string | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!parts) return null;
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number];
  return isAcceptedYear(year) && isCalendarDate(year, month, day) ? text : null;
}

function isAcceptedYear(year: number): boolean {
  return year >= FIRST_YEAR && year <= LAST_YEAR;
}

function isCalendarDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

const INSTANT_PROBLEMS = {
  unreadable: 'is not an ISO 8601 date or time such as 2026-12-01T09:00:00-05:00',
  year_out_of_range: `has a year outside ${FIRST_YEAR} to ${LAST_YEAR}`,
  no_such_date: 'names a day that is not in the calendar',
  no_such_time: 'names a time of day that does not exist; the last one is 23:59:59.999',
  no_such_offset: 'has an offset beyond 15:59 hours',
  skipped_by_zone: 'names a local time that the clock skips that day; send it with an offset',
} as const;

export type InstantProblem = keyof typeof INSTANT_PROBLEMS;

/** `message` completes a sentence that begins with the parameter's name. */
export type ParsedInstant = { ok: true; instantMs: number } | { ok: false; problem: InstantProblem; message: string };

const INSTANT =
  /^(\d{4,6}|[+-]\d{6})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?$/;

/**
 * Reads an instant from API input: ISO 8601 with `Z` or an offset; without one it is local time in `zone`, and a
 * date alone is the start of that local day. A local time that happens twice is the earlier one. Finer than a
 * millisecond is cut off. Whatever does not exist is a problem, never a time shifted to a neighbour.
 */
export function parseInstant(text: string, zone: string): ParsedInstant {
  const found = INSTANT.exec(text);
  if (!found) return problem('unreadable');
  const [
    ,
    yearText,
    monthText,
    dayText,
    hourText,
    minuteText,
    secondText,
    fraction,
    offset,
    sign,
    offHours,
    offMinutes,
  ] = found;
  const [year, month, day] = [Number(yearText), Number(monthText), Number(dayText)];
  if (!isAcceptedYear(year)) return problem('year_out_of_range');
  if (!isCalendarDate(year, month, day)) return problem('no_such_date');

  const [hour, minute, second] = [Number(hourText ?? 0), Number(minuteText ?? 0), Number(secondText ?? 0)];
  if (hour > 23 || minute > 59 || second > 59) return problem('no_such_time');
  const milliseconds = Number((fraction ?? '').padEnd(3, '0').slice(0, 3));
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second, milliseconds);

  if (offset !== undefined) {
    const [hours, minutes] = [Number(offHours ?? 0), Number(offMinutes ?? 0)];
    if (hours > 15 || minutes > 59) return problem('no_such_offset');
    return { ok: true, instantMs: localMs - (sign === '-' ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS };
  }
  const instantMs = localMsToInstantMs(zone, localMs);
  // A day may begin late (a clock that jumps at midnight), and its date is still a day, so long as any of it exists.
  const exists =
    hourText === undefined
      ? localDateOf(zone, instantMs) === `${yearText}-${monthText}-${dayText}`
      : instantMs + segmentAt(zone, instantMs).offsetMs === localMs;
  return exists ? { ok: true, instantMs } : problem('skipped_by_zone');
}

function problem(name: InstantProblem): ParsedInstant {
  return { ok: false, problem: name, message: INSTANT_PROBLEMS[name] };
}
