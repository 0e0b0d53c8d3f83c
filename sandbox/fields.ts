import { Refusal } from './refusal.ts';

export type Input = Record<string, unknown>;
/** Turns a value from outside into what the record holds, or refuses with 422. */
export type Reader<T> = (value: unknown, name: string) => T;

function bad(name: string, wanted: string): Refusal {
  return new Refusal(422, 'bad_field', `${name}: ${wanted}.`, { field: name });
}

export function text(maxLength: number, tooLongCode = 'bad_field'): Reader<string> {
  return (value, name) => {
    if (typeof value !== 'string' || value.trim() === '') throw bad(name, 'must be text that is not empty');
    if (value.length > maxLength) {
      throw new Refusal(422, tooLongCode, `${name}: at most ${maxLength} characters.`, { field: name });
    }
    return value.trim();
  };
}

export function oneOf<const T extends string>(choices: readonly T[]): Reader<T> {
  return (value, name) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw bad(name, `must be one of ${choices.join(', ')}`);
    return found;
  };
}

export const integer: Reader<number> = (value, name) => {
  if (!Number.isSafeInteger(value)) throw bad(name, 'must be a whole number');
  return value as number;
};

export function wholeNumber(least: number, most: number): Reader<number> {
  return (value, name) => {
    const number = integer(value, name);
    if (number < least || number > most) throw bad(name, `must be from ${least} to ${most}`);
    return number;
  };
}

export const flag: Reader<boolean> = (value, name) => {
  if (typeof value !== 'boolean') throw bad(name, 'must be true or false');
  return value;
};

/** An instant with its offset; comes back in UTC with milliseconds, so that instants compare as text. */
export const instant: Reader<string> = (value, name) => {
  const shape = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;
  const at = typeof value === 'string' && shape.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw bad(name, 'must be an instant such as 2030-01-31T14:00:00Z');
  return new Date(at).toISOString();
};

export const localDate: Reader<string> = (value, name) => {
  const at = typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== value) {
    throw bad(name, 'must be a date such as 2030-01-31');
  }
  return value as string;
};

export const localTime: Reader<string> = (value, name) => {
  if (typeof value !== 'string' || !/^([01]\d|2[0-3]):[0-5]\d$/.test(value)) {
    throw bad(name, 'must be a time such as 08:30');
  }
  return value;
};

export function maybe<T>(reader: Reader<T>): Reader<T | null> {
  return (value, name) => (value === null ? null : reader(value, name));
}

/** What readers make of an input in which every field may be missing. */
export type Fields<S extends Record<string, Reader<unknown>>> = { [K in keyof S]?: ReturnType<S[K]> };

/** Reads the fields that are there, each by its reader; a field nobody reads is refused rather than dropped. */
export function readFields<S extends Record<string, Reader<unknown>>>(input: Input, readers: S): Fields<S> {
  const fields: Input = {};
  for (const [name, value] of Object.entries(input)) {
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (!reader) throw new Refusal(422, 'unknown_field', `${name}: is not a field here.`, { field: name });
    fields[name] = reader(value, name);
  }
  return fields as Fields<S>;
}

/** The same fields, known to hold the named ones. */
export function required<T extends object, K extends keyof T & string>(
  fields: T,
  ...names: K[]
): T & { [N in K]-?: Exclude<T[N], undefined> } {
  for (const name of names) {
    if (fields[name] === undefined) throw bad(name, 'is required');
  }
  return fields as T & { [N in K]-?: Exclude<T[N], undefined> };
}
