/**
 * HL7 v2 messages in their usual encoding (ER7): bytes to segments, fields and texts, and back. Every message is read
 * with its own delimiters and its own character set. What cannot be read for certain is not read at all: nothing comes
 * out garbled. What a message means is told in `map.ts`.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { ASCII, type Charset, findCharset, UTF_8, utf16Of } from './charset.ts';
import { type Delimiters, escapeText, nth, USUAL_DELIMITERS, unescapeText } from './delimiters.ts';
import { type Head, readHead, startOf } from './head.ts';

/** A schedule message has some twenty. Beyond this, reading would cost more than any appointment is worth. */
export const MAX_SEGMENTS = 10_000;

export type UnreadableCode =
  | 'no_msh'
  | 'batch'
  | 'several_messages'
  | 'bad_delimiters'
  | 'unknown_charset'
  | 'undecodable'
  | 'too_many_segments';

const UNREADABLE: Record<UnreadableCode, string> = {
  no_msh: 'does not begin with MSH',
  batch: 'is a batch (FHS or BHS): send its messages one by one',
  several_messages: 'has a second MSH: each message needs a frame of its own',
  bad_delimiters: 'has missing, repeated or alphanumeric delimiters in MSH-1 and MSH-2',
  unknown_charset: 'names a character set in MSH-18 that is not known',
  undecodable: 'has bytes that are not of the character set in MSH-18',
  too_many_segments: `has more than ${MAX_SEGMENTS} segments`,
};

/** A message that cannot be read, now or later. Its text says why, and nothing of what the message holds. */
export class Hl7Unreadable extends Error {
  override name = 'Hl7Unreadable';
  readonly code: UnreadableCode;
  constructor(code: UnreadableCode) {
    super(`the message ${UNREADABLE[code]}`);
    this.code = code;
  }
}

/** The character set that a message is to be written in lacks one of its characters. */
export class NotInCharset extends Error {
  override name = 'NotInCharset';
}

/** Where in a field, each from 1, which is what is meant when it is left out. */
export interface Place {
  component?: number;
  subcomponent?: number;
  repetition?: number;
}

export interface Segment {
  name: string;
  /**
   * The text at a place. `undefined`: the message says nothing there. `null`: it says `""`, that there is explicitly
   * nothing, which of a whole field holds for each of its parts.
   */
  value(field: number, place?: Place): string | null | undefined;
  /**
   * All of a field that is free text: what looks like components and subcomponents is text that the sender has not
   * escaped, and repetitions are lines.
   */
  text(field: number): string | null | undefined;
  /** How often a field repeats: 0 when it is empty. */
  repetitions(field: number): number;
  /** The field as it stands. */
  raw(field: number): string;
}

export interface Message {
  head: Head;
  delimiters: Delimiters;
  /** In the order of the message, MSH first; unknown ones and Z segments too. */
  segments: Segment[];
  /** The set it was read in. */
  charset: string;
  first(name: string): Segment | null;
  all(name: string): Segment[];
}

export interface ReadOptions {
  /** For a message without MSH-18 that is no UTF-8, by a name that `findCharset` knows. */
  fallbackCharset?: string;
}

/** What old systems send when they do not say: Latin-1, and the curly quotes of Windows. */
const FALLBACK_CHARSET = 'WINDOWS-1252';

/**
 * Reads a message: segments end with CR, LF or both. A line that does not begin like a segment (three capitals or
 * digits and the field separator) continues the line before it: the sender left a line break in a text. Cost grows with
 * the number of bytes, and fields are split when they are asked for. Throws `Hl7Unreadable`.
 */
export function parseMessage(bytes: Buffer, options: ReadOptions = {}): Message {
  const utf16 = utf16Of(bytes);
  const head = readHead(bytes);
  if (head === null) throw new Hl7Unreadable(whyNoHead(bytes));
  const charset = utf16 ?? charsetOf(bytes, head, options.fallbackCharset ?? FALLBACK_CHARSET);
  const decoded = charset.decode(utf16 === null ? bytes.subarray(startOf(bytes)) : bytes);
  const text = decoded?.replace(/^\ufeff/, '');
  // An escape character would switch to another set in the middle of a text.
  if (text === undefined || text.includes('\x1b')) throw new Hl7Unreadable('undecodable');

  const segments = readSegments(text, head.delimiters, charset);
  const all = (name: string) => segments.filter((segment) => segment.name === name);
  if (all('MSH').length > 1) throw new Hl7Unreadable('several_messages');
  return {
    head,
    delimiters: head.delimiters,
    segments,
    charset: charset.name,
    first: (name) => segments.find((segment) => segment.name === name) ?? null,
    all,
  };
}

/** The segments of a text, as `parseMessage` tells. Throws `Hl7Unreadable` when there are too many. */
export function readSegments(text: string, delimiters: Delimiters, charset: Charset): Segment[] {
  const spans: { start: number; end: number }[] = [];
  for (const { 0: line, index } of text.matchAll(/[^\r\n]+/g)) {
    if (!/[^\s\0]/.test(line)) continue;
    const end = index + line.length;
    const last = spans.at(-1);
    if (last !== undefined && !isSegment(line, delimiters.field)) last.end = end;
    else if (spans.push({ start: index, end }) > MAX_SEGMENTS) throw new Hl7Unreadable('too_many_segments');
  }
  return spans.map(({ start, end }) => createSegment(text.slice(start, end), delimiters, charset));
}

function whyNoHead(bytes: Buffer): UnreadableCode {
  if (utf16Of(bytes) !== null) return 'undecodable';
  const name = bytes.toString('latin1', startOf(bytes), startOf(bytes) + 3);
  if (name === 'MSH') return 'bad_delimiters';
  return name === 'FHS' || name === 'BHS' ? 'batch' : 'no_msh';
}

function charsetOf(bytes: Buffer, head: Head, fallback: string): Charset {
  const names = head.charset
    .split(head.delimiters.repetition)
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) return UTF_8.decode(bytes) === null ? getCharset(fallback) : UTF_8;
  // What is UTF-16 has been seen before anybody asks here; the old name `UNICODE` says no form.
  if (names[0]?.toUpperCase() === 'UNICODE') return UTF_8;
  if (names[0]?.toUpperCase() === 'UNICODE UTF-16') throw new Hl7Unreadable('undecodable');
  const charsets = names.map(getCharset);
  // Of several sets the first holds, unless an escape switches; the sets of Japan are all read by one decoder.
  const named = charsets.find(({ name }) => name.startsWith('ISO IR')) ?? (charsets[0] as Charset);
  // Many say Latin-1 and write UTF-8. Letters of one byte that happen to be UTF-8 throughout are no word of any language.
  return named.name.startsWith('8859/') && !isAscii(bytes) && isUtf8(bytes) ? UTF_8 : named;
}

function getCharset(name: string): Charset {
  const charset = findCharset(name);
  if (charset === null) throw new Hl7Unreadable('unknown_charset');
  return charset;
}

function isSegment(line: string, fieldSeparator: string): boolean {
  return /^[A-Z][A-Z0-9]{2}$/.test(line.slice(0, 3)) && (line.length === 3 || line.charAt(3) === fieldSeparator);
}

function createSegment(raw: string, delimiters: Delimiters, charset: Charset): Segment {
  const name = raw.slice(0, 3);
  // MSH-1 is the separator itself, so that MSH-2 is what a split finds at 1.
  const shift = name === 'MSH' ? 1 : 0;
  let fields: string[] | null = null;
  const repetitionsOf = new Map<number, string[]>();

  function rawField(number: number): string {
    if (shift === 1 && number === 1) return delimiters.field;
    fields ??= raw.split(delimiters.field);
    const field = fields[number - shift] ?? '';
    // No text has its line break there.
    return shift === 1 && number === 2 ? (field.split(/[\r\n]/, 1)[0] as string) : field;
  }

  function repetitions(number: number): string[] {
    let found = repetitionsOf.get(number);
    if (found === undefined) {
      const field = rawField(number);
      found = field === '' ? [] : shift === 1 && number <= 2 ? [field] : field.split(delimiters.repetition);
      repetitionsOf.set(number, found);
    }
    return found;
  }

  const read = (part: string) => unescapeText(part, delimiters, charset);
  return {
    name,
    value(number, { component = 1, subcomponent = 1, repetition = 1 } = {}) {
      if (shift === 1 && number <= 2) return rawField(number);
      let part = repetitions(number)[repetition - 1] ?? '';
      if (part !== '""') part = nth(part, delimiters.component, component);
      if (part !== '""') part = nth(part, delimiters.subcomponent, subcomponent);
      if (part === '""') return null;
      return part === '' ? undefined : read(part);
    },
    text(number) {
      const field = rawField(number);
      if (field === '""') return null;
      return field === '' ? undefined : repetitions(number).map(read).join('\n');
    },
    repetitions: (number) => repetitions(number).length,
    raw: rawField,
  };
}

/** MSH-2 of what we write. */
const ENCODING_CHARACTERS =
  USUAL_DELIMITERS.component + USUAL_DELIMITERS.repetition + USUAL_DELIMITERS.escape + USUAL_DELIMITERS.subcomponent;

/** `null` writes `""`, which tells the receiver to forget what it has; undefined and empty say nothing. */
export type Text = string | null | undefined;

/** A list is subcomponents. */
export type Component = Text | Text[];

/** A list is components. */
export type Repetition = Text | Component[];

export type Field = Repetition | { repetitions: Repetition[] };

/** A segment to be written: its name, and its fields by their number in HL7. */
export type ComposedSegment = [name: string, fields: Record<number, Field>];

/**
 * Writes a message with the usual delimiters, all texts escaped, segments ended by CR. MSH-1, MSH-2 and, for all but
 * ASCII, MSH-18 are filled in here. `charset` is a name that `findCharset` knows. Throws `NotInCharset` when it lacks
 * a character: a text with question marks in it is another text.
 */
export function composeMessage(segments: ComposedSegment[], { charset: name }: { charset: string }): Buffer {
  const charset = findCharset(name);
  if (charset === null) throw new RangeError(`not a character set: ${name}`);
  const text = segments.map((segment) => `${composeSegment(segment, charset)}\r`).join('');
  const bytes = charset.encode(text);
  if (bytes === null) throw new NotInCharset(`the message has a character that ${charset.name} lacks`);
  return bytes;
}

function composeSegment([name, fields]: ComposedSegment, charset: Charset): string {
  const { field } = USUAL_DELIMITERS;
  const isHead = name === 'MSH';
  const numbered: Record<number, Field> =
    isHead && charset.name !== ASCII.name ? { 18: charset.name, ...fields } : fields;
  const parts = [isHead ? `${name}${field}${ENCODING_CHARACTERS}` : name];
  const last = Math.max(0, ...Object.keys(numbered).map(Number));
  for (let number = isHead ? 3 : 1; number <= last; number++) parts.push(composeField(numbered[number]));
  return trimmed(parts).join(field);
}

function composeField(value: Field): string {
  const isRepeated = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRepeated) return composeRepetition(value);
  return trimmed(value.repetitions.map(composeRepetition)).join(USUAL_DELIMITERS.repetition);
}

function composeRepetition(value: Repetition): string {
  if (!Array.isArray(value)) return composeText(value);
  return trimmed(value.map(composeComponent)).join(USUAL_DELIMITERS.component);
}

function composeComponent(value: Component): string {
  if (!Array.isArray(value)) return composeText(value);
  return trimmed(value.map(composeText)).join(USUAL_DELIMITERS.subcomponent);
}

function composeText(value: Text): string {
  return value === null ? '""' : escapeText(value ?? '', USUAL_DELIMITERS);
}

/** Without the empty ones at the end. */
function trimmed(parts: string[]): string[] {
  return parts.slice(0, parts.findLastIndex((part) => part !== '') + 1);
}
