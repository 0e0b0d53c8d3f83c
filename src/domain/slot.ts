/**
 * Slots: bookable time, computed and never stored. This is the only place that computes it.
 *
 * Three notions carry the work. An *account* is what one group of the answer is about: a provider, or a provider in
 * one operatory. A *lane* is one provider's hours in one operatory (or in none), the stretches merged from all records
 * that agree on both. A *free run* is what busy time leaves of a lane; starts stand on a grid that begins where the
 * free run begins.
 */
import { type Availability, hoursOf } from './availability.ts';
import { covers, crowdedTime, type Interval, mergeIntervals, subtractIntervals } from './interval.ts';
import { addDays, dayNumberOf, isoWithOffset, localDateOf, localToInstantMs, MINUTE_MS } from './zone.ts';

/** The length when neither a type nor a length is asked for; NexHealth's default. */
export const DEFAULT_SLOT_MINUTES = 15;

/** A slot no longer than a day cannot reach beyond the days around the window that are read. */
export const MAX_SLOT_MINUTES = 1440;

/** Hours of the day before may cross midnight into the window, and their grid begins where they begin. */
const DAYS_BEFORE = 1;

/** The longest slot may start at the window's last moment, and the day after that may be a short one. */
const DAYS_AFTER = 2;

/** How many days after the start date `next_available_date` looks, as NexHealth does. */
export const NEXT_AVAILABLE_DAYS = 180;

export type BusyReason = 'appointment' | 'block' | 'claim' | 'pending';

/**
 * Time taken from its provider (in every operatory) and from its operatory (for every provider). With neither it is
 * taken from the whole location.
 */
export type BusyInterval = Interval & {
  /** An appointment and its claim are one to those who count. */
  appointmentId: number;
  providerId: number | null;
  operatoryId: number | null;
  reason: BusyReason;
};

/** What is known of one location. A provider or operatory that is not listed counts as inactive. */
export type ScheduleFacts = {
  zone: string;
  providers: readonly { id: number; active: boolean }[];
  operatories: readonly { id: number; active: boolean }[];
  availabilities: readonly Availability[];
};

export type SlotInput = ScheduleFacts & {
  nowMs: number;
  locationId: number;
  /** The window is `days` local dates from this one. */
  startDate: string;
  days: number;
  providerIds: readonly number[];
  /** Only hours bound to one of these operatories count; null for all hours, bound or not. */
  operatoryIds: readonly number[] | null;
  /** Only hours that carry this label count; null for all hours, labelled or not. */
  labelId: number | null;
  /** Only hours of this source count; null for all. */
  source: Availability['source'] | null;
  /**
   * A slot stays open while fewer appointments than this overlap it at its provider. Blocks close the time at any
   * number, and an operatory has room for one.
   */
  appointmentsPerTimeslot: number;
  /** At least all busy time that touches `busyRange`. */
  busy: readonly BusyInterval[];
  /** Sets the length, and keeps only hours that carry the type. */
  appointmentType: { id: number; minutes: number } | null;
  slotLengthMinutes: number | null;
  /** Step between starts; null for the length. */
  slotIntervalMinutes: number | null;
  /** False: of one provider's equal starts only that of the lowest operatory id is offered. */
  overlappingOperatorySlots: boolean;
  /** One group for each operatory of a provider, each with all of its slots. */
  groupByOperatory?: boolean;
};

/**
 * Times are local with their offset. `operatory_id` is there when the hours are bound to an operatory, `label_id`
 * when the slot lies in hours of that label from its start to its end; of several such labels it is the lowest.
 */
export type Slot = { time: string; end_time: string; operatory_id?: number; label_id?: number };

export type SlotGroup = {
  lid: number;
  pid: number;
  operatory_id?: number | null;
  slots: Slot[];
  next_available_date: string | null;
};

/** One provider's time in one operatory: the hours that count, and what `taken` leaves of them. Both are merged. */
export type Lane = {
  operatoryId: number | null;
  hours: Interval[];
  /** Hours under each label, lowest id first; merged. */
  labelled: { id: number; hours: Interval[] }[];
  taken: BusyInterval[];
  free: Interval[];
  /** What a slot may overlap as long as it is not too many at once; empty where one is too many. */
  shared: BusyInterval[];
};

/** What one group of the answer is about. `records` are all its active hours, also those that cannot be offered. */
export type Account = { providerId: number; operatoryId?: number | null; records: Availability[]; lanes: Lane[] };

/** The facts of one question, ready to be read off. The days (numbers, both included) are those whose hours count. */
export type Book = {
  window: Interval;
  firstDay: number;
  lastDay: number;
  nowMs: number;
  lengthMs: number;
  stepMs: number;
  appointmentsPerTimeslot: number;
  accounts: Account[];
};

/**
 * The slots of each requested provider, one group each in the order asked, without `next_available_date`, for which
 * see `fillNextAvailableDates`.
 *
 * A slot belongs to the window its start lies in, and is the same whichever window is asked. The exception is hours
 * that run on for more than a day without an end: those are taken to begin with the day before the window.
 */
export function computeSlots(input: SlotInput): SlotGroup[] {
  const book = openBook(input);
  const isoAt = isoWriter(input.zone);
  return book.accounts.map((account) => ({
    lid: input.locationId,
    pid: account.providerId,
    ...(account.operatoryId !== undefined && { operatory_id: account.operatoryId }),
    slots: startsOf(account, book, input.overlappingOperatorySlots).map(({ startMs, lane }) => {
      const { operatoryId } = lane;
      const time = isoAt(startMs);
      const endMs = startMs + book.lengthMs;
      const end_time = isoAt(endMs);
      const slot: Slot = operatoryId === null ? { time, end_time } : { time, end_time, operatory_id: operatoryId };
      const label = lane.labelled.find(({ hours }) => covers(hours, { startMs, endMs }));
      if (label) slot.label_id = label.id;
      return slot;
    }),
    next_available_date: null,
  }));
}

/** Whether a group lacks slots, so that its `next_available_date` is worth the wider read. */
export function needsNextAvailableDate(group: SlotGroup): boolean {
  return group.slots.length === 0;
}

/**
 * The same groups, those without slots given the first local date after the window, and at most
 * `NEXT_AVAILABLE_DAYS` after the start date, that has one. Takes the input of `computeSlots` with busy time that
 * reaches over `busyRange` of `NEXT_AVAILABLE_DAYS` days from the start date.
 */
export function fillNextAvailableDates(groups: readonly SlotGroup[], input: SlotInput): SlotGroup[] {
  const daysLeft = NEXT_AVAILABLE_DAYS + 1 - input.days;
  if (daysLeft < 1 || !groups.some(needsNextAvailableDate)) return [...groups];
  const { accounts, ...book } = openBook({
    ...input,
    startDate: addDays(input.startDate, input.days),
    days: daysLeft,
    providerIds: groups.filter(needsNextAvailableDate).map((group) => group.pid),
  });
  return groups.map((group) => {
    if (!needsNextAvailableDate(group)) return group;
    const account = accounts.find((a) => a.providerId === group.pid && a.operatoryId === group.operatory_id);
    const firstStarts = (account?.lanes ?? []).map((lane) => startsIn(lane, book).next().value ?? Infinity);
    const firstStartMs = Math.min(...firstStarts);
    return {
      ...group,
      next_available_date: firstStartMs === Infinity ? null : localDateOf(input.zone, firstStartMs),
    };
  });
}

/** The time whose busy intervals decide the slots of a window: the window and the days around it. */
export function busyRange({ zone, startDate, days }: { zone: string; startDate: string; days: number }): Interval {
  return windowOf({ zone, startDate: addDays(startDate, -DAYS_BEFORE), days: DAYS_BEFORE + days + DAYS_AFTER });
}

export type Bookable = 'ok' | 'outside_hours' | 'type_not_configured' | 'inactive_provider' | 'inactive_operatory';

/**
 * Whether a booking lies inside hours it may use; whether that time is still free is not asked. Hours bound to no
 * operatory serve a booking in any, and a booking that names no operatory may use all hours of its provider.
 */
export function checkBookable(
  booking: ScheduleFacts &
    Interval & { providerId: number; operatoryId: number | null; appointmentType: { id: number } | null },
): Bookable {
  const { zone, startMs, endMs, providerId, operatoryId, appointmentType } = booking;
  const operatoryActive = activityOf(booking.operatories);
  if (!activityOf(booking.providers)(providerId)) return 'inactive_provider';
  if (!operatoryActive(operatoryId)) return 'inactive_operatory';

  const records = booking.availabilities.filter(
    (record) =>
      record.active &&
      record.providerId === providerId &&
      operatoryActive(record.operatoryId) &&
      (operatoryId === null || record.operatoryId === null || record.operatoryId === operatoryId),
  );
  const firstDay = dayNumberOf(localDateOf(zone, startMs)) - 1;
  const lastDay = dayNumberOf(localDateOf(zone, endMs));
  const isInside = (candidates: Availability[]) =>
    startMs < endMs && covers(hoursOf(candidates, zone, firstDay, lastDay), { startMs, endMs });

  if (isInside(records.filter((record) => carriesType(record, appointmentType)))) return 'ok';
  return isInside(records) ? 'type_not_configured' : 'outside_hours';
}

/** Throws RangeError when the length or the step is no whole number of minutes in its bounds. */
export function openBook(input: SlotInput): Book {
  const lengthMinutes = input.appointmentType?.minutes ?? input.slotLengthMinutes ?? DEFAULT_SLOT_MINUTES;
  const stepMinutes = input.slotIntervalMinutes ?? lengthMinutes;
  if (!Number.isInteger(lengthMinutes) || lengthMinutes < 1 || lengthMinutes > MAX_SLOT_MINUTES)
    throw new RangeError(`slot length must be 1 to ${MAX_SLOT_MINUTES} minutes, got ${lengthMinutes}`);
  if (!Number.isInteger(stepMinutes) || stepMinutes < 1)
    throw new RangeError(`slot interval must be a minute or more, got ${stepMinutes}`);

  const { zone, operatoryIds, labelId, source, appointmentsPerTimeslot } = input;
  const firstDay = dayNumberOf(input.startDate) - DAYS_BEFORE;
  const lastDay = firstDay + DAYS_BEFORE + input.days - 1 + DAYS_AFTER;
  const providerActive = activityOf(input.providers);
  const operatoryActive = activityOf(input.operatories);
  const takenFrom = indexBusy(input.busy, busyRange(input));
  const recordsByProvider = Map.groupBy(
    input.availabilities.filter(
      (record) =>
        record.active &&
        (operatoryIds === null || (record.operatoryId !== null && operatoryIds.includes(record.operatoryId))) &&
        (labelId === null || record.labelId === labelId) &&
        (source === null || record.source === source),
    ),
    (record) => record.providerId,
  );

  const accountOf = (providerId: number, records: Availability[]): Account => {
    const offered = records.filter(
      (record) =>
        providerActive(providerId) && operatoryActive(record.operatoryId) && carriesType(record, input.appointmentType),
    );
    const lanes = [...Map.groupBy(offered, (record) => record.operatoryId)]
      .sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity))
      .map(([operatoryId, laneRecords]) => {
        const hours = hoursOf(laneRecords, zone, firstDay, lastDay);
        const taken = takenFrom(providerId, operatoryId);
        const { closed, shared } = divideTaken(taken, operatoryId, appointmentsPerTimeslot);
        const labelled = [...Map.groupBy(laneRecords, (record) => record.labelId)]
          .flatMap(([id, own]) => (id === null ? [] : [{ id, hours: hoursOf(own, zone, firstDay, lastDay) }]))
          .sort((a, b) => a.id - b.id);
        return { operatoryId, hours, labelled, taken, free: subtractIntervals(hours, closed), shared };
      });
    return { providerId, records, lanes };
  };

  const accounts = [...new Set(input.providerIds)].flatMap((providerId) => {
    const records = recordsByProvider.get(providerId) ?? [];
    if (!input.groupByOperatory || records.length === 0) return [accountOf(providerId, records)];
    return [...Map.groupBy(records, (record) => record.operatoryId)]
      .sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity))
      .map(([operatoryId, own]) => ({ ...accountOf(providerId, own), operatoryId }));
  });
  return {
    window: windowOf(input),
    firstDay,
    lastDay,
    nowMs: input.nowMs,
    lengthMs: lengthMinutes * MINUTE_MS,
    stepMs: stepMinutes * MINUTE_MS,
    appointmentsPerTimeslot,
    accounts,
  };
}

/**
 * The starts a lane offers in the window and after now, in order; or, on request, those of its grid at which too many
 * appointments overlap.
 */
export function* startsIn(
  lane: Lane,
  { window, nowMs, lengthMs, stepMs, appointmentsPerTimeslot }: Omit<Book, 'accounts'>,
  which: 'offered' | 'crowded' = 'offered',
): Generator<number> {
  const earliestMs = Math.max(window.startMs, nowMs + 1);
  for (const run of lane.free) {
    if (run.startMs >= window.endMs) return;
    const lastMs = Math.min(run.endMs - lengthMs, window.endMs - 1);
    const stepsBefore = Math.max(0, Math.ceil((earliestMs - run.startMs) / stepMs));
    for (let startMs = run.startMs + stepsBefore * stepMs; startMs <= lastMs; startMs += stepMs) {
      const crowded = isCrowded(lane.shared, { startMs, endMs: startMs + lengthMs }, appointmentsPerTimeslot);
      if (crowded === (which === 'crowded')) yield startMs;
    }
  }
}

/**
 * What nothing may overlap, merged, and what a slot may share its time with, by start. With one appointment to a time
 * everything closes it. With more, what is with the provider in another operatory or in none leaves it open, until
 * there are that many.
 */
function divideTaken(taken: BusyInterval[], operatoryId: number | null, appointmentsPerTimeslot: number) {
  if (appointmentsPerTimeslot === 1) return { closed: mergeIntervals(taken), shared: [] };
  const isShared = (busy: BusyInterval) =>
    busy.reason !== 'block' && busy.providerId !== null && (operatoryId === null || busy.operatoryId !== operatoryId);
  const shared = taken
    .filter((busy) => isShared(busy) && busy.startMs < busy.endMs)
    .sort((a, b) => a.startMs - b.startMs);
  const ofEach = [...Map.groupBy(shared, (busy) => busy.appointmentId).values()].flatMap(mergeIntervals);
  const closing = taken.filter((busy) => !isShared(busy));
  return { closed: mergeIntervals([...closing, ...crowdedTime(ofEach, appointmentsPerTimeslot)]), shared };
}

/** Whether so many appointments overlap the slot, each counted once. */
function isCrowded(shared: readonly BusyInterval[], slot: Interval, appointmentsPerTimeslot: number): boolean {
  if (shared.length < appointmentsPerTimeslot) return false;
  const there = new Set<number>();
  for (const one of shared) {
    if (one.startMs >= slot.endMs) break;
    if (one.endMs > slot.startMs) there.add(one.appointmentId);
  }
  return there.size >= appointmentsPerTimeslot;
}

function startsOf(account: Account, book: Book, overlapping: boolean): { startMs: number; lane: Lane }[] {
  const starts: { startMs: number; lane: Lane }[] = [];
  for (const lane of account.lanes) for (const startMs of startsIn(lane, book)) starts.push({ startMs, lane });
  if (account.lanes.length < 2) return starts;
  // The sort is stable and lanes come by operatory id, so the first of equal starts has the lowest.
  starts.sort((a, b) => a.startMs - b.startMs);
  return overlapping ? starts : starts.filter((start, i) => start.startMs !== starts[i - 1]?.startMs);
}

/** Whether hours may serve an appointment of that type; without a type all hours may. */
export function carriesType(record: Availability, type: { id: number } | null): boolean {
  return type === null || record.appointmentTypeIds.includes(type.id);
}

/** A test for what may be offered. No operatory at all is fine. */
export function activityOf(rows: readonly { id: number; active: boolean }[]): (id: number | null) => boolean {
  const activeIds = new Set(rows.filter((row) => row.active).map((row) => row.id));
  return (id) => id === null || activeIds.has(id);
}

function windowOf({ zone, startDate, days }: { zone: string; startDate: string; days: number }): Interval {
  return {
    startMs: localToInstantMs(zone, startDate, 0),
    endMs: localToInstantMs(zone, addDays(startDate, days), 0),
  };
}

/** Busy time by whom it is taken from. One that names both provider and operatory may come twice; merging mends it. */
function indexBusy(busy: readonly BusyInterval[], range: Interval) {
  const near = busy.filter((interval) => interval.endMs > range.startMs && interval.startMs < range.endMs);
  const byProvider = Map.groupBy(near, (interval) => interval.providerId);
  const byOperatory = Map.groupBy(near, (interval) => interval.operatoryId);
  const everywhere = near.filter((interval) => interval.providerId === null && interval.operatoryId === null);
  return (providerId: number, operatoryId: number | null): BusyInterval[] => [
    ...everywhere,
    ...(byProvider.get(providerId) ?? []),
    ...(operatoryId === null ? [] : (byOperatory.get(operatoryId) ?? [])),
  ];
}

/** Writes instants in local time, each only once: the providers of one answer share their times. */
function isoWriter(zone: string): (instantMs: number) => string {
  const written = new Map<number, string>();
  return (instantMs) => {
    let text = written.get(instantMs);
    if (text === undefined) {
      text = isoWithOffset(zone, instantMs);
      written.set(instantMs, text);
    }
    return text;
  };
}
