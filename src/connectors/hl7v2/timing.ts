/** When an appointment is. HL7 has six places for that, and every version prefers another. */
import type { Message, Segment } from './message.ts';
import { standing, textAt } from './places.ts';
import type { Profile, TimeSource } from './profile.ts';
import { parseTs } from './time.ts';

export interface Timing {
  startAt: string;
  endAt: string;
}

const MS_OF_UNIT: Record<string, number> = {
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hrs: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
};

/** An appointment is a visit: what says that it takes longer has mistaken the unit. */
const MAX_DURATION_MS = 24 * 3_600_000;

/** In ms. Null for what is no positive number, has a unit that nobody knows, or is longer than a day. */
export function durationMs(amount: string | null, unit: string | null): number | null {
  if (amount === null || !/^\d{1,9}(\.\d{1,6})?$/.test(amount)) return null;
  const unitMs = MS_OF_UNIT[(unit ?? 'min').toLowerCase()];
  if (unitMs === undefined) return null;
  const ms = Math.round(Number(amount) * unitMs);
  return ms > 0 && ms <= MAX_DURATION_MS ? ms : null;
}

interface Reading {
  startText: string | null;
  endText?: string | null;
  duration?: number | null;
}

/** In SCH-11 the unit stands before the number (`M30`) or is that of SCH-10. */
function fromSchedule(segment: Segment): Reading {
  const written = textAt(segment, 11, 3) ?? '';
  const [, unit = '', amount = ''] = /^([A-Za-z]?)(.*)$/s.exec(written) ?? [];
  return {
    startText: textAt(segment, 11, 4),
    endText: textAt(segment, 11, 5),
    duration: durationMs(amount || null, unit || textAt(segment, 10)),
  };
}

const resource =
  (startField: number, durationField: number) =>
  (segment: Segment): Reading => ({
    startText: textAt(segment, startField),
    duration: durationMs(textAt(segment, durationField), textAt(segment, durationField + 1)),
  });

const READERS: Record<TimeSource, { segment: string; read(segment: Segment): Reading }> = {
  'SCH-11': { segment: 'SCH', read: fromSchedule },
  TQ1: {
    segment: 'TQ1',
    read: (segment) => ({
      startText: textAt(segment, 7),
      endText: textAt(segment, 8),
      duration: durationMs(textAt(segment, 6), textAt(segment, 6, 2)),
    }),
  },
  AIS: { segment: 'AIS', read: resource(4, 7) },
  AIG: { segment: 'AIG', read: resource(8, 11) },
  AIL: { segment: 'AIL', read: resource(6, 9) },
  AIP: { segment: 'AIP', read: resource(6, 9) },
};

/**
 * Start and end by the first of the profile's places that has both; an end may also come from a duration there or in
 * SCH-9. Null when no place is usable: a guess would take the wrong time from somebody.
 */
export function timingOf(message: Message, profile: Profile, zone: string): Timing | null {
  const schedule = message.first('SCH');
  const usual = schedule ? durationMs(textAt(schedule, 9), textAt(schedule, 10)) : null;
  for (const source of profile.times) {
    const { segment: name, read } = READERS[source];
    for (const segment of standing(message, name)) {
      const { startText, endText, duration } = read(segment);
      const startAt = startText && parseTs(startText, zone);
      if (!startAt) continue;
      const saidEnd = endText && parseTs(endText, zone);
      const lasts = duration ?? usual;
      const endAt = saidEnd || (lasts === null ? null : new Date(Date.parse(startAt) + lasts).toISOString());
      if (endAt && startAt < endAt) return { startAt, endAt };
    }
  }
  return null;
}
