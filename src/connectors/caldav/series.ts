/**
 * When events are (RFC 5545): a single one, or those of a series. The library only reads the rules; what a series
 * adds, leaves out and moves is compared as instants, because each of them may be written in a zone of its own.
 */
import { createContext, runInContext } from 'node:vm';
import ICAL from 'ical.js';
import { DAY_MS, FIRST_YEAR, isZone, LAST_YEAR, localMsToInstantMs } from '../../domain/zone.ts';
import { HrsNonsense } from '../connector.ts';

export interface Occurrence {
  /** What describes it: the event itself, or what was changed about this one of a series. */
  part: ICAL.Component;
  startMs: number;
  endMs: number;
  /** Where it stands in its series, wherever it was moved to; null for an event that is in none. */
  placeMs: number | null;
}

/** An event every day for fifty years. A series with more is no event of a practice. */
const MAX_STEPS = 20_000;
const MAX_OCCURRENCES = 2_000;

/** That many steps take a quarter of it; nobody else is served meanwhile. */
const MAX_WORK_MS = 1_000;

const EARLIEST_MS = Date.UTC(FIRST_YEAR, 0);
const LATEST_MS = Date.UTC(LAST_YEAR + 1, 0);

/** The event of an item, or those of its series that touch the time; `zone` is that of dates and of times without one. */
export function occurrencesOf(
  calendar: ICAL.Component,
  zone: string,
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): { occurrences: Occurrence[]; isSeries: boolean } {
  const parts = calendar.getAllSubcomponents('vevent');
  const first = parts.find((part) => !part.hasProperty('recurrence-id'));
  if (first && !first.hasProperty('rrule') && !first.hasProperty('rdate')) {
    return { occurrences: [{ part: first, ...spanOf(first, zone), placeMs: null }], isSeries: false };
  }
  const changed = parts
    .filter((part) => part !== first)
    .map((part) => ({ part, ...spanOf(part, zone), placeMs: momentOf(part, 'recurrence-id', zone).startMs }))
    .toSorted((one, other) => one.placeMs - other.placeMs);
  // Who is asked to come to one of a series has that one alone.
  if (!first) return { occurrences: changed, isSeries: true };

  const occurrences: Occurrence[] = [];
  for (const place of placesOf(first, zone, untilMs)) {
    const exact = changed.find(({ placeMs }) => placeMs === place.startMs);
    const since = changed.findLast(({ part, placeMs }) => placeMs <= place.startMs && isForAllLater(part));
    const one = exact ?? (since ? shifted(since, place.startMs - since.placeMs) : { part: first, ...place });
    if (one.endMs < fromMs) continue;
    if (occurrences.length === MAX_OCCURRENCES) throw new HrsNonsense('a series without an end in sight');
    occurrences.push({ part: one.part, startMs: one.startMs, endMs: one.endMs, placeMs: place.startMs });
  }
  return { occurrences, isSeries: true };
}

function isForAllLater(part: ICAL.Component): boolean {
  return part.getFirstProperty('recurrence-id')?.getFirstParameter('range') === 'THISANDFUTURE';
}

function shifted({ part, startMs, endMs }: Occurrence, byMs: number): Omit<Occurrence, 'placeMs'> {
  return { part, startMs: startMs + byMs, endMs: endMs + byMs };
}

interface Span {
  startMs: number;
  endMs: number;
}

/** Where a series has events up to `untilMs`, in order: its start, what its rules give, what is added; less what is left out. */
function placesOf(first: ICAL.Component, zone: string, untilMs: number): Span[] {
  const start = momentOf(first, 'dtstart', zone);
  const { startMs, endMs } = spanOf(first, zone);
  const lengthMs = endMs - startMs;
  const places = new Map<number, Span & { day: string }>();
  const add = (time: ICAL.Time, fromMs: number, ownLengthMs = lengthMs) => {
    // A whole day has 23 or 25 hours, too.
    const days = Math.round(lengthMs / DAY_MS) * DAY_MS;
    const end = time.isDate ? start.at(wallMsOf(time) + days) : fromMs + ownLengthMs;
    places.set(fromMs, { startMs: fromMs, endMs: end, day: dayOf(time) });
  };

  add(start.time, startMs);
  for (const property of first.getAllProperties('rrule')) {
    const rule = (property.getFirstValue() as ICAL.Recur).clone();
    const lastMs = Math.min(untilMs, rule.until ? endOf(rule.until, start) : untilMs);
    // The library would compare it without regard to zones.
    rule.until = null;
    const times = rule.iterator(start.time);
    for (let step = 0; ; step++) {
      if (step === MAX_STEPS) throw new HrsNonsense('a series without an end in sight');
      const time = times.next();
      const atMs = time && start.at(wallMsOf(time));
      if (atMs === null || atMs > lastMs) break;
      add(time.clone(), atMs);
    }
  }
  for (const { time, startMs: atMs, lengthMs: own } of momentsOf(first, 'rdate', zone)) add(time, atMs, own);
  for (const { time, startMs: atMs } of momentsOf(first, 'exdate', zone)) {
    if (!time.isDate) places.delete(atMs);
    else for (const [placeMs, { day }] of places) if (day === dayOf(time)) places.delete(placeMs);
  }
  return [...places.values()].toSorted((one, other) => one.startMs - other.startMs);
}

/** A rule's last moment: a date counts to its end. */
function endOf(until: ICAL.Time, start: Moment): number {
  if (until.isDate) return start.at(wallMsOf(until) + DAY_MS - 1);
  return isUtc(until) ? wallMsOf(until) : start.at(wallMsOf(until));
}

/** `DTEND`, or `DURATION`, or the whole day of a date, or no time at all. */
function spanOf(part: ICAL.Component, zone: string): Span {
  const { time, startMs, at } = momentOf(part, 'dtstart', zone);
  const [end] = momentsOf(part, 'dtend', zone);
  if (end) return { startMs, endMs: end.startMs };
  const duration = part.getFirstPropertyValue('duration');
  if (!(duration instanceof ICAL.Duration)) return { startMs, endMs: at(wallMsOf(time) + (time.isDate ? DAY_MS : 0)) };
  // Days are those of the calendar, hours those of a clock that nobody sets.
  const days = (duration.isNegative ? -1 : 1) * (duration.weeks * 7 + duration.days);
  const restMs = duration.toSeconds() * 1000 - days * DAY_MS;
  return { startMs, endMs: at(wallMsOf(time) + days * DAY_MS) + restMs };
}

/** A time as it is written. */
interface Moment {
  time: ICAL.Time;
  startMs: number;
  /** Of an added period, which has its own. */
  lengthMs: number | undefined;
  /** The instant of another time on the same clock. */
  at(wallMs: number): number;
}

function momentOf(part: ICAL.Component, name: string, zone: string): Moment {
  const [moment] = momentsOf(part, name, zone);
  if (!moment) throw new HrsNonsense('an event without a time');
  return moment;
}

function momentsOf(part: ICAL.Component, name: string, zone: string): Moment[] {
  return part.getAllProperties(name).flatMap((property) =>
    property.getValues().map((value: unknown) => {
      const time = value instanceof ICAL.Period ? value.start : value;
      if (!(time instanceof ICAL.Time)) throw new HrsNonsense('an event at no time');
      const tzid = property.getFirstParameter('tzid') ?? '';
      const at = (wallMs: number) => instantOf(time, tzid, zone, wallMs);
      const lengthMs = value instanceof ICAL.Period ? value.getDuration().toSeconds() * 1000 : undefined;
      return { time, startMs: at(wallMsOf(time)), lengthMs, at };
    }),
  );
}

/** A time in UTC, in a zone by its usual name, in one that the item itself describes, or on the clock of the practice. */
function instantOf(time: ICAL.Time, tzid: string, zone: string, wallMs: number): number {
  if (!(wallMs >= EARLIEST_MS && wallMs < LATEST_MS)) throw new HrsNonsense('an event at no time');
  if (isUtc(time)) return wallMs;
  if (!time.isDate && isZone(tzid)) return localMsToInstantMs(tzid, wallMs);
  if (time.isDate || !time.zone?.component) return localMsToInstantMs(zone, wallMs);
  return wallMs - time.zone.utcOffset(ICAL.Time.fromJSDate(new Date(wallMs), true)) * 1000;
}

function isUtc(time: ICAL.Time): boolean {
  return !time.isDate && time.zone?.tzid === 'UTC';
}

/** Its reading as if it were UTC. */
function wallMsOf(time: ICAL.Time): number {
  return Date.UTC(time.year, time.month - 1, time.day, time.hour, time.minute, time.second);
}

function dayOf({ year, month, day }: ICAL.Time): string {
  return `${year}-${month}-${day}`;
}

/**
 * What `work` gives, or HrsNonsense when it takes too long. The library looks without end for a day that fits an
 * impossible rule, such as every 30 February, and nothing else can stop it.
 */
export function bounded<T>(work: () => T): T {
  context.work = work;
  try {
    return runInContext('work()', context, { timeout: MAX_WORK_MS });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new HrsNonsense('a series that nobody can work out');
  }
}

const context = createContext({ work: null as unknown });
