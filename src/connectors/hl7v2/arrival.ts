/** What becomes of a message at the door: is it one that can ever be taken, and what is the sender to be told? */
import { createHash } from 'node:crypto';
import type { WireMessage } from '../connector.ts';
import type { AckCode } from './ack.ts';
import type { Hl7v2Config } from './config.ts';
import { type Head, readHead } from './head.ts';
import { Hl7Unreadable, parseMessage } from './message.ts';
import { refsOf } from './refs.ts';
import { parseTs } from './time.ts';

/** Schedules and people, and answers to what we have asked. */
const TAKEN_TYPES = ['SIU', 'ADT', 'SRR'];

export type Arrival =
  | { head: Head; message: WireMessage }
  /** Never acceptable, whatever happens: `why` is a word for the sender and the log, nothing of the content. */
  | { head: Head | null; why: string }
  /** An acknowledgement: it is not acknowledged. */
  | { head: Head; why: null };

/** Looks at a message without any I/O. Never throws for what a sender can send. */
export function arrivalOf(config: Hl7v2Config, body: Buffer): Arrival {
  const head = readHead(body);
  if (head === null) return { head, why: 'no_msh' };
  const messageType = head.type.split('^', 1)[0] as string;
  if (messageType === 'ACK') return { head, why: null };
  const why = whyNot(config, head, messageType);
  if (why !== null) return { head, why };
  try {
    const message = parseMessage(body);
    const { appointmentRef, patientRef } = refsOf(config, message);
    return {
      head,
      message: {
        body,
        digest: digestOf(head, body),
        controlId: head.controlId,
        type: head.type,
        appointmentRef,
        patientRef,
        sentAt: parseTs(head.sentAtRaw, config.timeZone),
      },
    };
  } catch (error) {
    if (error instanceof Hl7Unreadable) return { head, why: error.code };
    throw error;
  }
}

function whyNot({ expects, processingId }: Hl7v2Config, head: Head, messageType: string): string | null {
  if (head.controlId === null) return 'no_control_id';
  if (expects && !expects.some((one) => isFrom(one, head))) return 'unexpected_sender';
  // Older senders leave it out.
  if (head.processingId !== '' && head.processingId !== processingId) return 'wrong_processing_id';
  return TAKEN_TYPES.includes(messageType) && isPrintable(head.type) ? null : 'unknown_type';
}

/** Names may be followed by a universal id, which is not compared. */
function isFrom(expected: { application: string; facility?: string | undefined }, head: Head): boolean {
  const nameOf = (field: string) => field.split(head.delimiters.component, 1)[0];
  const { application, facility } = expected;
  return (
    nameOf(head.sendingApplication) === application &&
    (facility === undefined || nameOf(head.sendingFacility) === facility)
  );
}

const isPrintable = (text: string) => !/\p{Cc}/u.test(text);

/** Some senders use a control id again for another message, so the content counts as well. */
function digestOf({ sendingApplication, sendingFacility, controlId }: Head, body: Buffer): Buffer {
  const names = JSON.stringify([sendingApplication, sendingFacility, controlId]);
  return createHash('sha256').update(names).update('\0').update(body).digest();
}

/**
 * Which acknowledgements a message gets, in order, once it is decided: `ok` when it is stored, `error` when we could
 * not, `reject` when it is never acceptable. In enhanced mode MSH-15 asks for the acceptance and MSH-16 for the answer
 * of the application, which is ours as soon as it is stored; an answer that tells of trouble is given once.
 */
export function acknowledgementsOf(head: Head | null, decision: 'ok' | 'error' | 'reject'): AckCode[] {
  const letter = ({ ok: 'A', error: 'E', reject: 'R' } as const)[decision];
  if (head === null || (head.acceptAck === '' && head.applicationAck === '')) return [`A${letter}`];
  const codes: AckCode[] = [];
  if (isWanted(head.acceptAck, decision)) codes.push(`C${letter}`);
  if (isWanted(head.applicationAck, decision) && (decision === 'ok' || codes.length === 0)) codes.push(`A${letter}`);
  return codes;
}

/** HL7 table 0155. What is empty while the other is not means never, and what nobody knows means always. */
function isWanted(condition: string, decision: 'ok' | 'error' | 'reject'): boolean {
  if (condition === '' || condition === 'NE') return false;
  if (condition === 'SU') return decision === 'ok';
  return condition === 'ER' ? decision !== 'ok' : true;
}
