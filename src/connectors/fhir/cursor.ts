/**
 * Where reading got to: for each type the `lastUpdated` up to which changes are known, the windows of days that are
 * still to be read for the first time, and the last notice that was looked at.
 */
import { addDays } from '../../domain/zone.ts';
import { type Cursor, CursorRejected } from '../connector.ts';
import { instantMs, object } from './fields.ts';

export const TYPES = [
  'Location',
  'Practitioner',
  'PractitionerRole',
  'Schedule',
  'Slot',
  'Patient',
  'Appointment',
] as const;
export type Type = (typeof TYPES)[number];

/** `lastUpdated` by type, in ms; a type that is not in it is read from the beginning. */
export type Positions = Partial<Record<Type, number>>;

/** Whole days are read window by window, in the order of `windowsAround(today)`. */
export interface Load {
  /** The local date on which it began: it stays, so that a load that takes days keeps its windows. */
  today: string;
  /** How many windows have been read. */
  windowsRead: number;
}

export interface Place {
  positions: Positions;
  /** Null when all windows have been read. */
  load: Load | null;
  /** Position of the last message that was looked at. */
  noticePosition: number;
}

/** Local days, the last not included. */
export interface Window {
  firstDate: string;
  endDate: string;
  isNear: boolean;
}

const CURSOR_VERSION = 1;

/** From when to when there can be anything: what our instants can say. */
const FIRST_DATE = '1900-01-01';
const END_DATE = '2199-12-31';

/**
 * Ends of the windows, in days from today. What is booked now lies in the first two, nearly all of it; the last year
 * in quarters, because there most rows are; beyond, years, of which a small practice has few.
 */
const NEAR_DAYS = [-1, 31, 91];
const AHEAD_DAYS = [91, 366];
const PAST_DAYS = [-1, -92, -183, -274, -366, -731, -1096, -1462, -1827];

/** The days that are read again and again where the server cannot say what has changed come first, the past last. */
export function windowsAround(today: string): Window[] {
  const between = (dates: string[], isNear: boolean) =>
    dates.slice(1).map((date, i) => {
      const [firstDate, endDate] = [date, dates[i] as string].sort() as [string, string];
      return { firstDate, endDate, isNear };
    });
  const dates = (days: number[]) => days.map((count) => addDays(today, count));
  return [
    ...between(dates(NEAR_DAYS), true),
    ...between([...dates(AHEAD_DAYS), END_DATE], false),
    ...between([...dates(PAST_DAYS), FIRST_DATE], false),
  ];
}

/** Throws `CursorRejected` for the cursor of another version. */
export function parseCursor(cursor: Cursor): Place {
  const { version, positions, load, notices } = cursor;
  if (version !== CURSOR_VERSION) throw new CursorRejected('the position is of another version of this connector');
  const known: Positions = {};
  for (const type of TYPES) {
    const ms = instantMs(object(positions)[type]);
    if (ms !== null) known[type] = ms;
  }
  return {
    positions: known,
    load: (load as Load | undefined) ?? null,
    noticePosition: typeof notices === 'number' ? notices : 0,
  };
}

/** A few hundred bytes of JSON. */
export function cursorOf({ positions, load, noticePosition }: Place): Cursor {
  const instants = TYPES.flatMap((type) => {
    const ms = positions[type];
    return ms === undefined ? [] : [[type, new Date(ms).toISOString()]];
  });
  return {
    version: CURSOR_VERSION,
    positions: Object.fromEntries(instants),
    ...(load === null ? {} : { load }),
    ...(noticePosition === 0 ? {} : { notices: noticePosition }),
  };
}

/** The cursor that looks at kept notices again, from that message on. */
export function replayFrom(cursor: Cursor | null, position: number): Cursor | null {
  return cursor === null ? null : cursorOf({ ...parseCursor(cursor), noticePosition: position - 1 });
}
