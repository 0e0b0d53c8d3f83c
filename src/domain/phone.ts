/** Telephone numbers of the North American plan: the only ones NexHealth takes, stored as their ten digits. */

const WRITTEN = /^[+\d\s().\-\u2010-\u2015/]{10,40}$/;

/**
 * The ten digits of `(212) 555-0134`, `212-555-0134`, `+1 212 555 0134`. Null for everything else: another
 * country's number, one with an extension, one whose area code cannot exist. Never a part of what was written, as
 * that would be somebody else's number.
 */
export function parsePhoneNumber(text: string): string | null {
  if (!WRITTEN.test(text) || text.lastIndexOf('+') > 0) return null;
  const digits = text.replace(/\D/g, '');
  const national = digits.length === 11 && digits.startsWith('1') ? digits.slice(1) : digits;
  if (text.startsWith('+') && digits.length !== 11) return null;
  return /^[2-9]\d{9}$/.test(national) ? national : null;
}
