/** Request text into plain values, with the bounds that keep hostile text from costing anything. */
import qs from 'qs';
import { ApiError } from '../errors.ts';

export const MAX_BODY_BYTES = 1_000_000;
const MAX_DEPTH = 32;
const MAX_FORM_FIELDS = 1_000;

/** Counts brackets outside strings: JSON.parse takes a million levels, what walks the result does not. */
function isDeeperThan(json: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (code === 34) {
      for (at += 1; at < json.length && json.charCodeAt(at) !== 34; at += 1) if (json.charCodeAt(at) === 92) at += 1;
    } else if (code === 91 || code === 123) {
      depth += 1;
      if (depth > limit) return true;
    } else if (code === 93 || code === 125) depth -= 1;
  }
  return false;
}

/** A JSON object. Throws `too_deep` or `malformed_body`. Empty text is an empty object: many clients send that. */
export function parseJsonBody(json: string): Record<string, unknown> {
  const trimmed = json.charCodeAt(0) === 0xfeff ? json.slice(1) : json;
  if (trimmed.trim() === '') return {};
  if (isDeeperThan(trimmed, MAX_DEPTH))
    throw new ApiError('too_deep', `The body is nested deeper than ${MAX_DEPTH} levels.`);
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    throw new ApiError('malformed_body', 'The body is not well-formed JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('malformed_body', 'The body must be a JSON object.');
  }
  return value as Record<string, unknown>;
}

/** `appt[start_time]=…&lids[]=1`: for query strings and form bodies. Throws `malformed_body` for one with too many fields. */
export function parseForm(text: string): Record<string, unknown> {
  if (text.split('&', MAX_FORM_FIELDS + 1).length > MAX_FORM_FIELDS) {
    throw new ApiError('malformed_body', `A query or form may have at most ${MAX_FORM_FIELDS} fields.`);
  }
  return qs.parse(text, {
    depth: 8,
    arrayLimit: MAX_FORM_FIELDS,
    parameterLimit: MAX_FORM_FIELDS,
    plainObjects: true,
    // `x=1&x=2` for a scalar: the last one counts, as in Rails; lists are written with brackets.
    duplicates: 'last',
  }) as Record<string, unknown>;
}

/**
 * The first place of a value that no text column can hold as it is: a NUL byte or half a surrogate pair, which
 * PostgreSQL refuses or silently replaces. Returns its path, or null when all is well.
 */
export function findUnstorableText(value: unknown, path = ''): string | null {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed() ? path : null;
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const found =
      findUnstorableText(inner, path === '' ? key : `${path}[${key}]`) ?? findUnstorableText(key, path || 'a name');
    if (found !== null) return found.replace(/[^\w[\]. -]/g, '?').slice(0, 100);
  }
  return null;
}
