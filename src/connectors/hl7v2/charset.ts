/**
 * Which characters a message's bytes are, as MSH-18 names them (HL7 table 0211). Nothing is guessed that could come
 * out wrong: bytes that are not in the named set are no text at all.
 */
import { isAscii, isUtf8 } from 'node:buffer';

export interface Charset {
  /** As MSH-18 of a message of ours names it. */
  name: string;
  /** Null when the bytes are not of this set. */
  decode(bytes: Buffer): string | null;
  /** Null when a character of the text is not in this set. Sets of more than one byte are written in ASCII only. */
  encode(text: string): Buffer | null;
}

export const ASCII: Charset = {
  name: 'ASCII',
  decode: (bytes) => (isAscii(bytes) ? bytes.toString('latin1') : null),
  encode: encodeAscii,
};

export const UTF_8: Charset = {
  name: 'UNICODE UTF-8',
  decode: (bytes) => (isUtf8(bytes) ? bytes.toString('utf8') : null),
  encode: (text) => Buffer.from(text.toWellFormed(), 'utf8'),
};

/** The sets of table 0211 that `TextDecoder` knows under another name; of ISO 2022 what Japan sends. */
const DECODERS: Record<string, string> = {
  'ISO IR14': 'iso-2022-jp',
  'ISO IR87': 'iso-2022-jp',
  'GB 18030-2000': 'gb18030',
  'KS X 1001': 'euc-kr',
  'BIG-5': 'big5',
};

const known = new Map<string, Charset | null>([
  ['ASCII', ASCII],
  ['ISO IR6', ASCII],
  ['UNICODE UTF-8', UTF_8],
  ['UTF-8', UTF_8],
  ['UTF8', UTF_8],
]);

/** Names come from outside: what is kept of them is bounded. */
const MAX_KNOWN = 100;

/**
 * The set that MSH-18 names in one of its repetitions, or that a connection's configuration names; null when there is
 * none of that name. Spellings in use are taken: `UTF-8`, `ISO-8859-1`, `WINDOWS-1252`. UTF-16 is no such set: it
 * is told by its bytes (`utf16Of`), because not even `MSH` can be read without it.
 */
export function findCharset(name: string): Charset | null {
  const wanted = name.trim().toUpperCase();
  let charset = known.get(wanted);
  if (charset === undefined) {
    charset = create(wanted);
    if (known.size < MAX_KNOWN) known.set(wanted, charset);
  }
  return charset;
}

function create(name: string): Charset | null {
  const part = /^(?:ISO[ -]?)?8859[/-](\d{1,2})$/.exec(name)?.[1];
  // There is no 8859/12, and TextDecoder calls 8859/11 by the name of the Thai page that includes it.
  if (part !== undefined) return createSingleByte(`8859/${part}`, `iso-8859-${part}`);
  const page = /^(?:WINDOWS-|CP)(125[0-8])$/.exec(name)?.[1];
  if (page !== undefined) return createSingleByte(name, `windows-${page}`);
  const label = DECODERS[name];
  return label === undefined ? null : { name, decode: createDecoder(label), encode: encodeAscii };
}

/**
 * Read as the web reads it: 8859/1 as windows-1252. Senders that say the one and mean the other are many, and the
 * bytes in which the two differ are control characters that no name and no note has.
 */
function createSingleByte(name: string, label: string): Charset | null {
  let decode: Charset['decode'];
  try {
    decode = createDecoder(label);
  } catch {
    return null;
  }
  const bytes = new Map<string, number>();
  // Written is only what the set itself has, for a receiver that means exactly that.
  const isStrict = name.startsWith('8859/');
  for (let byte = 0; byte < 256; byte++) {
    const character = byte >= 0x80 && byte < 0xa0 && isStrict ? null : decode(Buffer.of(byte));
    if (character !== null) bytes.set(character, byte);
  }
  return {
    name,
    decode,
    encode(text) {
      const encoded = Buffer.allocUnsafe(text.length);
      for (let i = 0; i < text.length; i++) {
        const byte = bytes.get(text.charAt(i));
        if (byte === undefined) return null;
        encoded[i] = byte;
      }
      return encoded;
    },
  };
}

function createDecoder(label: string): Charset['decode'] {
  // A BOM is no character of a message, and what reads a message has taken it away already.
  const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return null;
    }
  };
}

function encodeAscii(text: string): Buffer | null {
  const encoded = Buffer.from(text, 'utf8');
  return encoded.length === text.length ? encoded : null;
}

const UTF_16_FORMS = [
  { label: 'utf-16le', starts: [Buffer.of(0xff, 0xfe), Buffer.from('MSH', 'utf16le')] },
  { label: 'utf-16be', starts: [Buffer.of(0xfe, 0xff), Buffer.from('\0M\0S\0H', 'latin1')] },
];

/** UTF-16 of one byte order, when the bytes begin as a message in it does; null for every other. It is only read. */
export function utf16Of(bytes: Buffer): Charset | null {
  const form = UTF_16_FORMS.find(({ starts }) => starts.some((start) => bytes.subarray(0, start.length).equals(start)));
  return form === undefined ? null : { name: 'UNICODE UTF-16', decode: createDecoder(form.label), encode: () => null };
}
