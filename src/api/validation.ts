/** Raw query, body and path values into the typed parameters of one route, or a refusal that names each fault. */
import type { z } from 'zod';
import { ApiError } from '../errors.ts';
import type { Version } from '../views/version.ts';
import { findUnstorableText } from './body.ts';
import type { Route } from './route.ts';

/** `appt.patient.bio` as clients know it: `appt[patient][bio]`. */
function wireName(path: PropertyKey[]): string {
  const [first, ...rest] = path.map(String);
  return `${first}${rest.map((part) => `[${part}]`).join('')}`;
}

function isMissing(raw: unknown, path: PropertyKey[]): boolean {
  let value: unknown = raw;
  for (const key of path) {
    // A list of one entry may have been sent as that entry.
    if (typeof value !== 'object' || value === null || (typeof key === 'number' && !Array.isArray(value))) break;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value === undefined || value === null || value === '';
}

const MAX_MESSAGES = 50;

const unique = (texts: string[]) => [...new Set(texts)].slice(0, MAX_MESSAGES);

/**
 * Throws `missing_parameter` with NexHealth's text, `Missing parameter x`, for each that is absent, else
 * `invalid_parameter` with `Invalid parameter x: must be …`. Values are never repeated: they may be a patient's.
 * What no parameter is called is reported as ignored, for query parameters only.
 */
export function validate(
  route: Route,
  version: Version,
  raw: { path: object; query: Record<string, unknown>; body: Record<string, unknown> },
): { params: z.output<Route['params']>; ignored: string[] } {
  const merged: Record<string, unknown> = Object.assign(Object.create(null), {});
  for (const source of [raw.query, raw.body, raw.path]) {
    for (const [key, value] of Object.entries(source)) merged[key.endsWith('[]') ? key.slice(0, -2) : key] = value;
  }
  const passedOver: string[] = version === 'v2' ? [] : (route.onlyV2 ?? []);
  for (const name of passedOver) delete merged[name];
  const unstorable = findUnstorableText(merged);
  if (unstorable !== null) {
    throw new ApiError(
      'invalid_parameter',
      `Invalid parameter ${unstorable}: must be text without NUL bytes or broken Unicode`,
    );
  }
  const parsed = route.params.safeParse(merged);
  const issues = parsed.error?.issues ?? [];
  const missing = issues.map(({ path }) => path).filter((path) => isMissing(merged, path));
  if (route.subdomain === 'required' && !(raw.query.subdomain || raw.body.subdomain)) missing.unshift(['subdomain']);
  if (missing.length > 0) {
    throw new ApiError('missing_parameter', unique(missing.map((path) => `Missing parameter ${wireName(path)}`)));
  }
  if (!parsed.success) {
    const texts = issues.map((issue) => `Invalid parameter ${wireName(issue.path)}: ${issue.message}`);
    throw new ApiError('invalid_parameter', unique(texts));
  }
  const ignored = Object.keys(raw.query)
    .map((key) => key.replace(/\[\]$/, ''))
    .filter((key) => !(key in route.params.shape) || passedOver.includes(key))
    .filter((key) => !(key === 'subdomain' && route.subdomain !== 'none'))
    .map((key) => key.replace(/[^\w[\]-]/g, '?').slice(0, 64));
  return { params: parsed.data, ignored };
}
