/** A stretch of time: `startMs` belongs to it, `endMs` does not. */
export type Interval = { startMs: number; endMs: number };

/**
 * The same time as an ordered list whose members neither overlap nor touch. Empty and inverted intervals hold no
 * time and drop out. `subtractIntervals` wants its arguments in this form.
 */
export function mergeIntervals(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.filter((i) => i.startMs < i.endMs).sort((a, b) => a.startMs - b.startMs);
  const merged: Interval[] = [];
  let last: Interval | undefined;
  for (const { startMs, endMs } of sorted) {
    if (last !== undefined && startMs <= last.endMs) {
      if (endMs > last.endMs) last.endMs = endMs;
    } else {
      last = { startMs, endMs };
      merged.push(last);
    }
  }
  return merged;
}

/** The time of `whole` that is not in `taken`. Both merged; so is the answer. */
export function subtractIntervals(whole: readonly Interval[], taken: readonly Interval[]): Interval[] {
  const left: Interval[] = [];
  let next = 0;
  for (const { startMs, endMs } of whole) {
    let fromMs = startMs;
    while (next < taken.length && (taken[next] as Interval).endMs <= fromMs) next++;
    // `next` stays behind: what reaches past this interval may also cut the one after it.
    for (let i = next; i < taken.length && (taken[i] as Interval).startMs < endMs; i++) {
      const cut = taken[i] as Interval;
      if (cut.startMs > fromMs) left.push({ startMs: fromMs, endMs: cut.startMs });
      fromMs = cut.endMs;
    }
    if (fromMs < endMs) left.push({ startMs: fromMs, endMs });
  }
  return left;
}

/** The time at which at least `count` of the intervals hold, merged. */
export function crowdedTime(intervals: readonly Interval[], count: number): Interval[] {
  const edges = intervals
    .filter((i) => i.startMs < i.endMs)
    .flatMap(({ startMs, endMs }) => [
      { atMs: startMs, change: 1 },
      { atMs: endMs, change: -1 },
    ])
    .sort((a, b) => a.atMs - b.atMs);
  const crowded: Interval[] = [];
  let depth = 0;
  let fromMs = 0;
  for (const { atMs, change } of edges) {
    if (change > 0 && depth === count - 1) fromMs = atMs;
    if (change < 0 && depth === count) crowded.push({ startMs: fromMs, endMs: atMs });
    depth += change;
  }
  return mergeIntervals(crowded);
}

/** Whether all of `part` lies in one of `merged`, which is in that form. */
export function covers(merged: readonly Interval[], part: Interval): boolean {
  return merged.some(({ startMs, endMs }) => startMs <= part.startMs && part.endMs <= endMs);
}

/** The time in both. Both merged; so is the answer. */
export function intersectIntervals(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  return subtractIntervals(a, subtractIntervals(a, b));
}
