/** The characters that structure a message, which every message names for itself, and the escapes that stand for them. */
import type { Charset } from './charset.ts';

/** One character each, or empty where the message has none. */
export interface Delimiters {
  field: string;
  component: string;
  repetition: string;
  escape: string;
  subcomponent: string;
  truncation: string;
}

/** What nearly everybody uses, and we write. */
export const USUAL_DELIMITERS: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: '',
};

/**
 * Reads MSH-1 and MSH-2 off a text that begins with `MSH`. Escape, subcomponent and truncation character may be left
 * out (HL7 2.5.1, 2.5.4). Null when one character would mean two things: a repeated one, a letter or digit, a space, a
 * control character, a quotation mark (`""` is the explicit nothing), or anything beyond ASCII.
 */
export function readDelimiters(text: string): Delimiters | null {
  const field = text.charAt(3);
  if (field === '') return null;
  const rest = text.slice(4, 12);
  const end = rest.search(/[\r\n]/);
  const encoding = (end === -1 ? rest : rest.slice(0, end)).split(field, 1)[0] as string;
  const characters = field + encoding;
  if (encoding.length < 2 || encoding.length > 5) return null;
  if (!/^[!#-/:-@[-`{-~]+$/.test(characters) || new Set(characters).size !== characters.length) return null;
  const [component = '', repetition = '', mark = '', subcomponent = '', truncation = ''] = encoding;
  return { field, component, repetition, escape: mark, subcomponent, truncation };
}

/** The `n`th part of a text, from 1; empty when there are fewer. */
export function nth(text: string, delimiter: string, n: number): string {
  if (delimiter === '') return n === 1 ? text : '';
  let start = 0;
  for (let skipped = 1; skipped < n; skipped++) {
    const found = text.indexOf(delimiter, start);
    if (found === -1) return '';
    start = found + 1;
  }
  const end = text.indexOf(delimiter, start);
  return end === -1 ? text.slice(start) : text.slice(start, end);
}

const LINE_BREAK = '.br';

/** The sequence that stands for a delimiter, by the name of the delimiter. */
const SEQUENCES = [
  ['F', 'field'],
  ['S', 'component'],
  ['R', 'repetition'],
  ['E', 'escape'],
  ['T', 'subcomponent'],
  ['P', 'truncation'],
] as const;

/**
 * A text as it stands in a field. Line breaks of any kind become `\.br\`; tabs stay; other control characters are
 * left out, because no text needs them, and two of them would end the frame.
 */
export function escapeText(text: string, delimiters: Delimiters): string {
  const mark = delimiters.escape;
  // A text of two quotation marks would read as the explicit nothing.
  if (text === '""') return `${mark}X2222${mark}`;
  let escaped = '';
  for (const character of text.replace(/\r\n?/g, '\n')) {
    const sequence = SEQUENCES.find(([, name]) => delimiters[name] === character)?.[0];
    if (sequence !== undefined) escaped += mark + sequence + mark;
    else if (character === '\n') escaped += mark + LINE_BREAK + mark;
    else if (character === '\t' || !/\p{Cc}/u.test(character)) escaped += character;
  }
  return escaped;
}

/**
 * The text that a field's content stands for. Highlighting is left out; hexadecimal bytes are read in the message's
 * own set; what is unknown, unreadable or never closed stays as it is written. Line breaks become `\n`. NUL is left
 * out: nothing that keeps text takes it.
 */
export function unescapeText(raw: string, delimiters: Delimiters, charset: Charset): string {
  const mark = delimiters.escape;
  let text = raw;
  if (mark !== '' && raw.includes(mark)) {
    text = '';
    let at = 0;
    for (;;) {
      const opening = raw.indexOf(mark, at);
      const closing = opening === -1 ? -1 : raw.indexOf(mark, opening + 1);
      if (closing === -1) break;
      const meant = meaningOfSequence(raw.slice(opening + 1, closing), delimiters, charset);
      text += raw.slice(at, opening) + (meant ?? raw.slice(opening, closing + 1));
      at = closing + 1;
    }
    text += raw.slice(at);
  }
  if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
  return text.includes('\0') ? text.replaceAll('\0', '') : text;
}

function meaningOfSequence(sequence: string, delimiters: Delimiters, charset: Charset): string | null {
  const name = SEQUENCES.find(([letter]) => letter === sequence)?.[1];
  if (name !== undefined) return delimiters[name] === '' ? null : delimiters[name];
  if (sequence === 'H' || sequence === 'N') return '';
  if (sequence.toLowerCase() === LINE_BREAK) return '\n';
  if (/^X(?:[0-9A-F]{2})+$/i.test(sequence)) return charset.decode(Buffer.from(sequence.slice(1), 'hex'));
  return null;
}
