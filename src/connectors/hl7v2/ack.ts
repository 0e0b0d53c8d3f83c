/**
 * Acknowledgements, ours and theirs. The one whose MSA-2 is a message's MSH-10 is about that message, and no other.
 */
import { UTF_8 } from './charset.ts';
import { type Delimiters, escapeText, USUAL_DELIMITERS } from './delimiters.ts';
import { frame } from './framing.ts';
import { type Head, readHead, startOf } from './head.ts';
import { Hl7Unreadable, readSegments, type Segment } from './message.ts';

const ACK_CODES = ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'] as const;

/** Of the application, and in enhanced mode of whoever commits to keep the message: accepted, error, rejected. */
export type AckCode = (typeof ACK_CODES)[number];

/** With its frame. Open Dental reads an acknowledgement with one call into a buffer of this size. */
export const MAX_ACK_BYTES = 256;

/** Versions are `2.3` to `2.9`, and `2.5.1`. A sender that gives none is answered in one that everybody reads. */
const MAX_VERSION_LENGTH = 8;
const USUAL_VERSION = '2.5.1';

/** HL7 gives MSH-10 this many characters up to version 2.6. */
const MAX_OWN_ID_LENGTH = 20;

/** Why a message is refused needs no more; what the names and ids leave of `MAX_ACK_BYTES` can be less. */
const MAX_TEXT_LENGTH = 80;

export interface AckOptions {
  /** Of the message that is acknowledged; null when it could not be read. */
  head: Head | null;
  code: AckCode;
  /** Why, in ASCII; never anything out of the message. */
  text?: string;
  nowMs: number;
  /** MSH-10 of the acknowledgement itself; no more than 20 characters are used. */
  ownControlId: string;
}

/**
 * An acknowledgement, not yet framed, in the sender's own delimiters and version, with sender and receiver changed
 * over. MSA-2 is MSH-10 byte for byte, whatever its length. To stay within `MAX_ACK_BYTES` the text goes first, then the
 * names, which are left out whole rather than cut, then MSH-7. Nothing else of the message comes back.
 */
export function composeAck(options: AckOptions): Buffer {
  const names = options.head === null ? [] : namesOf(options.head);
  const text = options.text?.slice(0, MAX_TEXT_LENGTH) ?? '';
  const ways: [Way, ...Way[]] = [
    { names, text, isTimed: true },
    { names, text: '', isTimed: true },
    { names: [], text: '', isTimed: true },
    { names: [], text: '', isTimed: false },
  ];
  let ack = write(options, ways[0]);
  for (const way of ways.slice(1)) {
    if (frame(ack).length <= MAX_ACK_BYTES) break;
    ack = write(options, way);
  }
  return ack;
}

function namesOf(head: Head): string[] {
  return [head.receivingApplication, head.receivingFacility, head.sendingApplication, head.sendingFacility];
}

interface Way {
  names: string[];
  text: string;
  isTimed: boolean;
}

function write({ head, code, nowMs, ownControlId }: AckOptions, { names, text, isTimed }: Way): Buffer {
  const delimiters = head?.delimiters ?? USUAL_DELIMITERS;
  const { field, component, repetition, escape: mark, subcomponent, truncation } = delimiters;
  const own = (value: string) => escapeText(value, delimiters);
  const now = `${new Date(nowMs).toISOString().slice(0, 19).replace(/[-T:]/g, '')}+0000`;
  const msh = [
    `MSH${field}${component}${repetition}${mark}${subcomponent}${truncation}`,
    ...Array.from({ length: 4 }, (_, i) => names[i] ?? ''),
    isTimed ? own(now) : '',
    '',
    head?.trigger ? `ACK${component}${head.trigger.slice(0, 3)}` : 'ACK',
    own(ownControlId.slice(0, MAX_OWN_ID_LENGTH)),
    head?.processingId.slice(0, 1) || 'P',
    head?.version.slice(0, MAX_VERSION_LENGTH) || USUAL_VERSION,
  ];
  const msa = ['MSA', code, head?.controlId ?? '', ...(text === '' ? [] : [own(text)])];
  return Buffer.from(`${msh.join(field)}\r${msa.join(field)}\r`, 'latin1');
}

export interface Ack {
  code: AckCode;
  /** MSA-2: the control id of the message it is about. */
  controlId: string;
  /** What the other side said, from MSA-3 or else ERR. It may hold anything, patient data too. */
  text: string | null;
}

/**
 * Reads an acknowledgement, or a response that holds one (SRR). Null for what is neither. Code and id are taken from
 * any character set; the text is shown as well as can be.
 */
export function readAck(bytes: Buffer): Ack | null {
  const head = readHead(bytes);
  if (head === null) return null;
  const content = bytes.subarray(startOf(bytes));
  const segments = findSegments(UTF_8.decode(content) ?? content.toString('latin1'), head.delimiters);
  const msa = segments.find(({ name }) => name === 'MSA');
  const code = ACK_CODES.find((known) => known === msa?.raw(1).trim().toUpperCase());
  if (msa === undefined || code === undefined) return null;
  const err = segments.find(({ name }) => name === 'ERR');
  const text = msa.value(3) ?? err?.value(8) ?? err?.value(7) ?? err?.value(3, { component: 2 }) ?? null;
  return { code, controlId: msa.raw(2).trim(), text };
}

function findSegments(text: string, delimiters: Delimiters): Segment[] {
  try {
    return readSegments(text, delimiters, UTF_8);
  } catch (error) {
    if (error instanceof Hl7Unreadable) return [];
    throw error;
  }
}

/**
 * `committed`: it is safe with them, and what they make of it is still to come. `try_again`: they failed. `refused`: they
 * will never take this message.
 */
export type AckMeaning = 'accepted' | 'committed' | 'try_again' | 'refused' | 'not_ours';

/** What an acknowledgement says of the message that was sent as `sentControlId`. */
export function meaningOf(ack: Ack, sentControlId: string): AckMeaning {
  if (ack.controlId !== sentControlId) return 'not_ours';
  if (ack.code === 'AA') return 'accepted';
  if (ack.code === 'CA') return 'committed';
  return ack.code === 'AE' || ack.code === 'CE' ? 'try_again' : 'refused';
}
