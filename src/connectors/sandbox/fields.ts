/**
 * Reading single fields out of the sandbox's answers. Each has the type that the sandbox documents, or the whole
 * answer is nonsense: its fields are never missing. By hand, because a large practice is read at tens of thousands
 * of records a second. Messages name the field and hold no value.
 */
import { HrsNonsense } from '../connector.ts';

export type Json = Record<string, unknown>;

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function getText(from: Json, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : nonsense(name, 'text');
}

export function getTextOrNull(from: Json, name: string): string | null {
  return from[name] === null ? null : getText(from, name);
}

export function getFlag(from: Json, name: string): boolean {
  const value = from[name];
  return typeof value === 'boolean' ? value : nonsense(name, 'true or false');
}

/** A whole number from 0: ids, revisions, totals and minutes are all of these. */
export function getCount(from: Json, name: string): number {
  const value = from[name];
  return isCount(value) ? value : nonsense(name, 'a whole number');
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Ids are numbers there and text here. */
export function getId(from: Json, name: string): string {
  return String(getCount(from, name));
}

export function getIdOrNull(from: Json, name: string): string | null {
  return from[name] === null ? null : getId(from, name);
}

export function getIds(from: Json, name: string): string[] {
  const value = from[name];
  return Array.isArray(value) && value.every(isCount) ? value.map(String) : nonsense(name, 'a list of ids');
}

/** UTC with milliseconds, as our records want it. */
export function getInstant(from: Json, name: string): string {
  const value = from[name];
  return typeof value === 'string' && INSTANT.test(value) ? value : nonsense(name, 'an instant');
}

export function getInstantOrNull(from: Json, name: string): string | null {
  return from[name] === null ? null : getInstant(from, name);
}

export function getOneOf<const T extends string>(from: Json, name: string, choices: readonly T[]): T {
  const value = from[name];
  return choices.includes(value as T) ? (value as T) : nonsense(name, 'a known word');
}

export function getObjects(from: Json, name: string): Json[] {
  const value = from[name];
  return Array.isArray(value) && value.every(isObject) ? value : nonsense(name, 'a list of objects');
}

function nonsense(name: string, wanted: string): never {
  throw new HrsNonsense(`the sandbox answered with a ${name} that is not ${wanted}`);
}
