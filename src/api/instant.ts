import { toIso } from '../clock.ts';
import { parseInstant } from '../domain/zone.ts';
import { ApiError } from '../errors.ts';

/** In a query a `+` that was not escaped arrives as a space: `2026-12-01T09:00:00 0000`. */
const LOST_PLUS = /(\d) (\d\d:?\d\d)$/;

/**
 * The instant that the parameter `name` means, as ISO in UTC; without an offset it is local time in `zone`.
 * Throws `invalid_parameter`, saying what is wrong with it.
 */
export function getInstant(name: string, text: string, zone: string): string {
  const parsed = parseInstant(text.replace(LOST_PLUS, '$1+$2'), zone);
  if (!parsed.ok) throw new ApiError('invalid_parameter', `Invalid parameter ${name}: ${parsed.message}`);
  return toIso(parsed.instantMs);
}
