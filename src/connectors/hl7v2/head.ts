/** A look at MSH alone: what must be known of a message to acknowledge and to keep it, readable or not. */
import { utf16Of } from './charset.ts';
import { type Delimiters, nth, readDelimiters } from './delimiters.ts';

/** The longest MSH-10 of any version (2.7 and later; 20 before). What is longer cannot be acknowledged by name. */
export const MAX_CONTROL_ID_LENGTH = 199;

/** MSH is some 200 bytes. Looking for its end in a message of one endless line is not worth more than this. */
const MAX_HEAD_BYTES = 4_096;

/** Type and trigger are three characters each. */
const MAX_TYPE_LENGTH = 100;

/**
 * MSH alone, as it stands: nothing is un-escaped, and each byte is one character whatever the set, so that a name can
 * be given back byte for byte. Empty where the message says nothing.
 */
export interface Head {
  delimiters: Delimiters;
  sendingApplication: string;
  sendingFacility: string;
  receivingApplication: string;
  receivingFacility: string;
  /** MSH-7. */
  sentAtRaw: string;
  /** `SIU^S12`, whatever the delimiters. */
  type: string;
  /** `S12`, or empty. */
  trigger: string;
  /** MSH-10; null when there is none that could be given back. */
  controlId: string | null;
  processingId: string;
  version: string;
  /** MSH-15 and MSH-16, `AL`, `NE`, `ER` or `SU` in enhanced mode. */
  acceptAck: string;
  applicationAck: string;
  /** MSH-18, with its repetitions. */
  charset: string;
}

/** Reads MSH off a message whose character set need not be known. Null when there is no readable MSH. */
export function readHead(bytes: Buffer): Head | null {
  const utf16 = utf16Of(bytes);
  const start = startOf(bytes);
  const text =
    utf16 === null
      ? bytes.toString('latin1', start, start + MAX_HEAD_BYTES)
      : utf16
          .decode(bytes)
          ?.replace(/^\ufeff/, '')
          .slice(0, MAX_HEAD_BYTES);
  return text?.startsWith('MSH') ? headOf(text) : null;
}

function headOf(text: string): Head | null {
  const delimiters = readDelimiters(text);
  if (delimiters === null) return null;
  const end = text.search(/[\r\n]/);
  const fields = (end === -1 ? text : text.slice(0, end)).replaceAll('\0', '').split(delimiters.field);
  const field = (number: number) => fields[number - 1] ?? '';
  const first = (number: number) => nth(field(number), delimiters.component, 1);
  const [code, trigger] = [first(9), nth(field(9), delimiters.component, 2)];
  return {
    delimiters,
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    sentAtRaw: first(7),
    type: (trigger === '' ? code : `${code}^${trigger}`).slice(0, MAX_TYPE_LENGTH),
    trigger: trigger.slice(0, MAX_TYPE_LENGTH),
    controlId: isControlId(field(10)) ? field(10) : null,
    processingId: first(11),
    version: first(12),
    acceptAck: field(15),
    applicationAck: field(16),
    charset: field(18),
  };
}

function isControlId(text: string): boolean {
  return text.trim() !== '' && text.length <= MAX_CONTROL_ID_LENGTH && !/\p{Cc}/u.test(text);
}

/** Where the message begins: after a byte order mark of UTF-8, and after line ends that belong to nothing. */
export function startOf(bytes: Buffer): number {
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (bytes[start] === 0x0d || bytes[start] === 0x0a) start++;
  return start;
}
