/**
 * The wire's data types. Clients send ids as strings, booleans as Python prints them and arrays with one element
 * as scalars; each type below takes what real clients send and refuses everything else with a text that says
 * what was wanted. Query, form and JSON values go through the same types.
 */
import { z } from 'zod';
import { parseLocalDate } from '../domain/zone.ts';

/** `\d+` of at most 19 digits can still exceed int64; what no row can have is refused as "not found" later. */
const MAX_ID = Number.MAX_SAFE_INTEGER;

const DIGITS = /^-?\d{1,19}$/;

/** A number as itself or as plain digits; `1e3`, `0x10` and ` 1` stay text, and fail the integer check. */
const fromDigits = (value: unknown) => (typeof value === 'string' && DIGITS.test(value) ? Number(value) : value);

const fromBooleanText = (value: unknown) => {
  if (typeof value !== 'string') return value;
  const text = value.toLowerCase();
  return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : value;
};

/** An empty query value (`provider_id=`) is the same as none, and so is the null that Python sends for None. */
const emptyAsAbsent = (value: unknown) => (value === '' || value === null ? undefined : value);

export const id = () =>
  z.preprocess(fromDigits, z.int('must be an id').min(1, 'must be an id').max(MAX_ID, 'must be an id'));

export const integer = (min: number, max: number) =>
  z.preprocess(
    fromDigits,
    z.int('must be a whole number').min(min, `must be at least ${min}`).max(max, `must be at most ${max}`),
  );

export const boolean = () => z.preprocess(fromBooleanText, z.boolean('must be true or false'));

export const text = (maxLength: number) =>
  z.string('must be text').max(maxLength, `must have at most ${maxLength} characters`);

export const requiredText = (maxLength: number) =>
  text(maxLength).refine((value) => value.trim() !== '', 'must not be empty');

export const localDate = () =>
  z
    .string('must be a date, YYYY-MM-DD')
    .refine((value) => parseLocalDate(value) !== null, 'must be a date that exists, YYYY-MM-DD')
    .meta({ format: 'date' });

/** Kept as text: what it means may depend on the location's zone, which the handler knows. */
export const instantText = () =>
  z
    .string('must be a date and time in ISO 8601')
    .min(1)
    .max(64, 'must be a date and time in ISO 8601')
    .meta({ format: 'date-time' });

export const oneOf = <const T extends readonly string[]>(names: T) =>
  z.enum(names, `must be one of ${names.join(', ')}`);

/** Absent, null, or empty as in `provider_id=`. */
export const optional = <T extends z.ZodType>(type: T) => z.preprocess(emptyAsAbsent, type.optional());

/** More of one query's ids than this is a program gone wrong. */
const MAX_LIST = 1_000;

/**
 * `x[]=1&x[]=2`, `x[]=1`, a JSON array; `x[]=` is the empty list, the only way a form can send one. A comma list
 * stays one text, and is then no id: better told than answered with nothing, as NexHealth does.
 */
const asList = (value: unknown) => {
  if (value === undefined || value === null || value === '') return undefined;
  return Array.isArray(value) ? value.filter((entry) => entry !== '') : [value];
};

const bounded = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_LIST, `must have at most ${MAX_LIST} entries`);

export const list = <T extends z.ZodType>(item: T) => z.preprocess(asList, bounded(item).optional());

/** A list without which there is no answer: absent, it is a missing parameter. */
export const requiredList = <T extends z.ZodType>(item: T) =>
  z.preprocess(asList, bounded(item).min(1, 'must have at least one entry'));
