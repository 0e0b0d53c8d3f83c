/** Why time is not offered: the other half of the slots, read from the same book. */
import { hoursOf } from './availability.ts';
import { type Interval, intersectIntervals, mergeIntervals, subtractIntervals } from './interval.ts';
import {
  type Account,
  activityOf,
  type Book,
  type BusyReason,
  carriesType,
  type Lane,
  openBook,
  type SlotInput,
  startsIn,
} from './slot.ts';
import { isoWithOffset } from './zone.ts';

/**
 * Reasons in the order in which they win where several hold, as they do when a provider has several operatories: what
 * nothing can change first, then whatever came nearest to a slot.
 */
export const EXPLANATION_REASONS = [
  'inactive_provider',
  'past',
  /** Free, yet what is left after the last start is less than a slot. */
  'shorter_than_length',
  /** Free, yet no start of the step falls on it. */
  'between_starts',
  'appointment',
  'block',
  'claim',
  'inactive_operatory',
  'no_hours_for_type',
  'outside_hours',
] as const;

export type ExplanationReason = (typeof EXPLANATION_REASONS)[number];

export type Explanation = {
  lid: number;
  pid: number;
  operatory_id?: number | null;
  /** In order, never overlapping; local times with offset. */
  explained: { from: string; to: string; reason: ExplanationReason }[];
};

const REASON_OF_BUSY: Record<BusyReason, ExplanationReason> = {
  appointment: 'appointment',
  block: 'block',
  claim: 'claim',
  pending: 'claim',
};

/**
 * For each group of `computeSlots`, in its order, the time of the window that no slot of the group covers, and why.
 * Offered and explained time together are exactly the window.
 */
export function explainSlots(input: SlotInput): Explanation[] {
  const book = openBook(input);
  return book.accounts.map((account) => ({
    lid: input.locationId,
    pid: account.providerId,
    ...(account.operatoryId !== undefined && { operatory_id: account.operatoryId }),
    explained: explainAccount(account, book, input).map(({ startMs, endMs, reason }) => ({
      from: isoWithOffset(input.zone, startMs),
      to: isoWithOffset(input.zone, endMs),
      reason,
    })),
  }));
}

function explainAccount(account: Account, book: Book, input: SlotInput): (Interval & { reason: ExplanationReason })[] {
  const offered = account.lanes.flatMap((lane) =>
    [...startsIn(lane, book)].map((startMs) => ({ startMs, endMs: startMs + book.lengthMs })),
  );
  const because = intervalsByReason(account, book, input);
  let unexplained = subtractIntervals([book.window], mergeIntervals(offered));
  const explained: (Interval & { reason: ExplanationReason })[] = [];
  for (const reason of EXPLANATION_REASONS) {
    const covered = mergeIntervals(because[reason]);
    for (const part of intersectIntervals(unexplained, covered)) explained.push({ ...part, reason });
    unexplained = subtractIntervals(unexplained, covered);
  }
  return explained.sort((a, b) => a.startMs - b.startMs);
}

function intervalsByReason(account: Account, book: Book, input: SlotInput): Record<ExplanationReason, Interval[]> {
  const { window, firstDay, lastDay, nowMs } = book;
  const operatoryActive = activityOf(input.operatories);
  const hoursOfThose = (test: (record: Account['records'][number]) => boolean) =>
    hoursOf(account.records.filter(test), input.zone, firstDay, lastDay);

  const because: Record<ExplanationReason, Interval[]> = {
    inactive_provider: activityOf(input.providers)(account.providerId) ? [] : [window],
    past: [{ startMs: window.startMs, endMs: nowMs }],
    shorter_than_length: [],
    between_starts: [],
    appointment: [],
    block: [],
    claim: [],
    inactive_operatory: hoursOfThose(
      (record) => !operatoryActive(record.operatoryId) && carriesType(record, input.appointmentType),
    ),
    no_hours_for_type: hoursOfThose((record) => !carriesType(record, input.appointmentType)),
    outside_hours: [window],
  };
  for (const lane of account.lanes) {
    const takenBy = Map.groupBy(lane.taken, (busy) => REASON_OF_BUSY[busy.reason]);
    for (const [reason, taken] of takenBy)
      because[reason].push(...intersectIntervals(lane.hours, mergeIntervals(taken)));
    const crowded = mergeIntervals(
      [...startsIn(lane, book, 'crowded')].map((startMs) => ({ startMs, endMs: startMs + book.lengthMs })),
    );
    because.appointment.push(...crowded);
    because.between_starts.push(...subtractIntervals(lane.free, crowded));
    because.past.push(...startedSlots(lane, book));
    because.shorter_than_length.push(...remainders(lane, book));
  }
  return because;
}

/** In each free run, the slot that began last before now: it may still be running, and cannot be booked any more. */
function startedSlots({ free }: Lane, { nowMs, lengthMs, stepMs }: Book): Interval[] {
  return free.flatMap((run) => {
    const steps = Math.floor((Math.min(nowMs, run.endMs - lengthMs) - run.startMs) / stepMs);
    if (steps < 0) return [];
    const startMs = run.startMs + steps * stepMs;
    return [{ startMs, endMs: startMs + lengthMs }];
  });
}

/** What each free run has left after the slot that starts last. */
function remainders({ free }: Lane, { lengthMs, stepMs }: Book): Interval[] {
  return free.map((run) => {
    const steps = Math.floor((run.endMs - lengthMs - run.startMs) / stepMs);
    return { startMs: steps < 0 ? run.startMs : run.startMs + steps * stepMs + lengthMs, endMs: run.endMs };
  });
}
