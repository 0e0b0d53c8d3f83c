import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';

/** The parts of a zod type that can hold a default. */
interface Definition {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  defaultValue?: unknown;
}

/** `value` as somebody who knows the defaults of `shape` would write it; undefined when all of it is a default. */
export function withoutDefaults(shape: z.ZodType, value: unknown): unknown {
  const { type, innerType, element, shape: fields, defaultValue } = shape.def as Definition;
  if (value === undefined || value === null) return type === 'default' && defaultValue === value ? undefined : value;
  if (innerType) {
    const inner = withoutDefaults(innerType, value);
    const isDefault = type !== 'optional' && type !== 'nullable';
    return isDefault && isDeepStrictEqual(inner, withoutDefaults(innerType, defaultValue)) ? undefined : inner;
  }
  if (element) return (value as unknown[]).map((one) => withoutDefaults(element, one));
  if (!fields) return value;
  const kept = Object.entries(fields).map(([key, field]) => [
    key,
    withoutDefaults(field, (value as Record<string, unknown>)[key]),
  ]);
  return Object.fromEntries(kept.filter(([, inner]) => inner !== undefined));
}
