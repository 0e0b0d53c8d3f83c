/** Reading what stands at a place of a message. Texts come trimmed; an empty one is as if it were not there. */
import type { Message, Segment } from './message.ts';

/** Four pages of a note. */
const MAX_TEXT_LENGTH = 10_000;

interface Position {
  segment: string;
  field: number;
  component: number;
  subcomponent: number;
}

/** `place` is as the profile writes it, such as `AIL-3.4.2`. */
export function positionOf(place: string): Position {
  const [segment, rest] = place.split('-') as [string, string];
  const [field, component = 1, subcomponent = 1] = rest.split('.').map(Number) as [number, number?, number?];
  return { segment, field, component, subcomponent };
}

/** The text there; undefined where nothing is said, null where it is said that there is nothing (`""`). */
export function said(
  segment: Segment,
  field: number,
  component = 1,
  repetition = 1,
  subcomponent = 1,
): string | null | undefined {
  const value = segment.value(field, { component, subcomponent, repetition });
  return typeof value === 'string' ? clean(value) || undefined : value;
}

/** Control characters mean nothing in a text, and the database takes no NUL. Cut where no text of a person ends. */
export const clean = (text: string) =>
  text
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .trim()
    .slice(0, MAX_TEXT_LENGTH)
    .toWellFormed();

/** The text there, or null. */
export function textAt(
  segment: Segment,
  field: number,
  component = 1,
  repetition = 1,
  subcomponent = 1,
): string | null {
  return said(segment, field, component, repetition, subcomponent) ?? null;
}

/** The segments of that name that count: of resources, those that this message does not take away (action D). */
export function standing(message: Message, name: string): Segment[] {
  const segments = message.all(name);
  return /^AI[SGLP]$/.test(name) ? segments.filter((segment) => textAt(segment, 2) !== 'D') : segments;
}

/** The first text at any of the places, with the place where it was found. */
export function findText(message: Message, places: readonly string[]): { text: string; segment: Segment } | null {
  for (const place of places) {
    const { segment: name, field, component, subcomponent } = positionOf(place);
    for (const segment of standing(message, name)) {
      const text = textAt(segment, field, component, 1, subcomponent);
      if (text !== null) return { text, segment };
    }
  }
  return null;
}
