/**
 * HL7's times and dates: `YYYYMMDD[HHMM[SS[.S[S[S[S]]]]]][+/-ZZZZ]`. An offset in the text wins over the zone of the
 * connection. What does not exist is no time, never one shifted to a neighbour, save a local time that the clock skips:
 * an HRS that keeps such an appointment means the moment of the jump (`domain/zone.ts`).
 */
import { isoWithOffset, localMsToInstantMs, MINUTE_MS, parseInstant, parseLocalDate } from '../../domain/zone.ts';

const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:\.(\d{1,4}))?)?(?:([+-])(\d\d)(\d\d))?$/;

/** No zone is further from UTC (Kiribati). A text that says so is mistaken, and by hours. */
const MAX_OFFSET_MINUTES = 14 * 60;

/**
 * The instant as UTC with milliseconds; finer is cut off. Null for what is not precise to the minute (`2025`,
 * `20250101`, `2025010110`: nobody is booked at "some time that day"), for a day or time that does not exist
 * (`20250230…`, hour 24, second 60), and for an offset beyond 14 hours. `-0000` is UTC. Without an offset, a local time
 * that happens twice is the earlier one, and one that never happens is the moment the clock jumps over it.
 */
export function parseTs(text: string, zone: string): string | null {
  const found = TIME.exec(text.trim());
  if (found === null) return null;
  const [, year, month, day, hour, minute, second = '00', fraction = '', sign, offsetHours, offsetMinutes] = found;
  const local = parseInstant(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}Z`, 'UTC');
  if (!local.ok) return null;
  if (sign === undefined) return new Date(localMsToInstantMs(zone, local.instantMs)).toISOString();
  const aheadMinutes = Number(offsetHours) * 60 + Number(offsetMinutes);
  if (aheadMinutes > MAX_OFFSET_MINUTES || Number(offsetMinutes) > 59) return null;
  return new Date(local.instantMs - (sign === '-' ? -1 : 1) * aheadMinutes * MINUTE_MS).toISOString();
}

/** The day of a date or time, as it is written: `20250131…` is `2025-01-31`. Null for what is none. */
export function parseDate(text: string): string | null {
  const found = /^(\d{4})(\d\d)(\d\d)(?:\d{2,6}(?:\.\d{1,4})?(?:[+-]\d{4})?)?$/.exec(text.trim());
  return found === null ? null : parseLocalDate(`${found[1]}-${found[2]}-${found[3]}`);
}

/** Local time to the second with its offset, `20261201100000-0500`: right for who reads the offset, and for who does not. */
export function formatTs(iso: string, zone: string): string {
  const local = isoWithOffset(zone, Date.parse(iso));
  return local.slice(0, 19).replace(/[-T:]/g, '') + local.slice(23).replace(':', '');
}
