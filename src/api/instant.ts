import { toIso } from '../clock.ts';
import { parseInstant } from '../domain/zone.ts';
import { ApiError } from '../errors.ts';

/**
 * An offset apart from its time: as Ruby writes it (`09:00:00 -0500`, `09:00:00 UTC`), or with a space where a query
 * lost the `+` that nobody had escaped (`09:00:00 0000`).
 */
const OFFSET_APART = /(:\d\d(?:\.\d+)?) (?:UTC|([+-]?)(\d\d:?\d\d))$/;

const joinOffset = (_: string, time: string, sign: string | undefined, offset: string | undefined) =>
  offset === undefined ? `${time}Z` : `${time}${sign || '+'}${offset}`;

/**
 * The instant that the parameter `name` means, as ISO in UTC; without an offset it is local time in `zone`.
 * Throws `invalid_parameter`, saying what is wrong with it.
 */
export function getInstant(name: string, text: string, zone: string): string {
  const parsed = parseInstant(text.replace(OFFSET_APART, joinOffset), zone);
  if (!parsed.ok) throw new ApiError('invalid_parameter', `Invalid parameter ${name}: ${parsed.message}`);
  return toIso(parsed.instantMs);
}
