/** Messages as senders write them, and a place where they are kept. All people are invented. */
import type { Messages } from '../../src/connectors/connector.ts';
import { arrivalOf } from '../../src/connectors/hl7v2/arrival.ts';
import { type Hl7v2Config, hl7v2ConfigSchema } from '../../src/connectors/hl7v2/config.ts';
import type { StoredMessage, WireMessage } from '../../src/domain/message.ts';

export const ZONE = 'America/New_York';

export function configOf(more: object = {}): Hl7v2Config {
  return hl7v2ConfigSchema.parse({ listen: { port: 2575 }, timeZone: ZONE, ...more });
}

/** As Open Dental writes it: SIU 2.6, local times, the appointment's number in SCH-2. */
export function openDental({
  trigger = 'S12',
  id = '4711',
  controlId = '',
  at = '20400102080000',
  start = '20400103090000',
  end = '20400103100000',
  status = 'Booked',
  confirm = 'Unconfirmed',
  note = 'bring X-rays',
  external = '',
} = {}): string {
  return [
    `MSH|^~\\&|OD|Harbour^^HL7|OC||${at}||SIU^${trigger}^SIU_S12|${controlId || `OD-${trigger}-${id}`}|P|2.6`,
    `SCH|${external}|${id}^^2.16.840.1.113883.3.4337.1486.77.6^HL7|||OP 2||${note}|Normal|||||||||||||||||${status}`,
    `TQ1|1|||||60^min&&ANS+|${start}|${end}`,
    'PID|1|CH-9|71^^^2.16.840.1.113883.3.4337.1486.77.2^MR||Stone^Ada^M||19800405|F|||12 Harbour St^^Boston^MA^02101||2125550134^PRN^PH~2125550177^ORN^CP~^NET^Internet^ada@example.com|2125550100^WPN^PH',
    'PV1|1|O',
    'RGS|1|A',
    `AIL|1|A|North^OP 2^^&Harbour^^C|||||||||^${confirm}`,
    `AIP|1|A|7^Okafor^Nina^^Dr|D|||||||||^${confirm}`,
  ].join('\r');
}

/** In the older style: 2.3, CRLF, times in SCH-11, the provider in AIG. */
export function older({ trigger = 'S12', id = '880', start = '20400103090000', end = '20400103092000' } = {}): string {
  return [
    `MSH|^~\\&|ECW|EAST|OC||20400102080000||SIU^${trigger}|E-${trigger}-${id}|P|2.3`,
    `SCH|${id}|${id}|||||CLEANING^Cleaning visit||1200|s|^^1200^${start}^${end}||||||||||||||Pending`,
    'PID|1||55||Reed^Otis||19710901|M|||4 Mill Rd^Apt 2^Salem^MA^01970||(212) 555-0155',
    'PV1|1|O',
    'RGS|1',
    'AIG|1||okafor^Okafor^Nina',
    'AIL|1||EAST',
    '',
  ].join('\r\n');
}

/** With the placer's id alone, and a cancellation that tells little more. */
export function placerOnly({ trigger = 'S12', id = '149', at = '20400102080000' } = {}): string {
  const isEnd = trigger === 'S15';
  return [
    `MSH|^~\\&|PAS|BARTS|OC||${at}||SIU^${trigger}|P-${trigger}-${at}|P|2.4`,
    `SCH|${id}||||||||${isEnd ? '|' : '30|min|^^^20400103140000'}||||||||||||||${isEnd ? 'Cancelled' : 'Booked'}`,
    ...(isEnd ? [] : ['PID|1||R-3^^^^PI~N-8^^^^MR||Quay^Lena']),
  ].join('\n');
}

export function adt({
  trigger = 'A08',
  id = '71^^^2.16.840.1.113883.3.4337.1486.77.2^MR',
  at = '20400102090000',
  person = 'Stone^Ada',
  rest = '',
  retires = '',
} = {}): string {
  return [
    `MSH|^~\\&|OD|Harbour|OC||${at}||ADT^${trigger}|A-${trigger}-${at}|P|2.5`,
    `EVN|${trigger}|${at}`,
    `PID|1||${id}||${person}${rest}`,
    ...(retires ? [`MRG|${retires}`] : []),
  ].join('\r');
}

/** A message as the listener hands it on. */
export function wireOf(config: Hl7v2Config, text: string): WireMessage {
  const arrival = arrivalOf(config, Buffer.from(text));
  if (!('message' in arrival)) throw new Error(`not taken: ${arrival.why}`);
  return arrival.message;
}

export interface KeptMessages extends Messages {
  all: StoredMessage[];
  problems: Map<number, string>;
  keep(message: WireMessage, direction: 'in' | 'out'): StoredMessage;
  /** Takes one in, as the listener does. */
  take(text: string): StoredMessage;
}

/** Keeps messages as the table does, one second apart. */
export function keepMessages(config: Hl7v2Config): KeptMessages {
  const all: StoredMessage[] = [];
  const problems = new Map<number, string>();
  const keep = (message: WireMessage, direction: 'in' | 'out'): StoredMessage => {
    const known = all.find(({ digest }) => digest.equals(message.digest));
    if (known) return known;
    const position = all.length + 1;
    const storedAt = new Date(Date.parse('2040-01-03T13:00:00.000Z') + position * 1_000).toISOString();
    const stored = { ...message, position, direction, storedAt };
    all.push(stored);
    return stored;
  };
  return {
    all,
    problems,
    keep,
    take: (text) => keep(wireOf(config, text), 'in'),
    after: async (position, limit) => all.filter((one) => one.position > position).slice(0, limit),
    about: async ({ appointments = [], patients = [] }) =>
      all.filter(
        ({ appointmentRef, patientRef }) =>
          appointments.includes(appointmentRef ?? '') || patients.includes(patientRef ?? ''),
      ),
    noteRefs: async (position, refs) => void Object.assign(all.find((one) => one.position === position) ?? {}, refs),
    keepSent: async (message) => void keep(message, 'out'),
    noteProblem: async (position, problem) => {
      if (problem === null) problems.delete(position);
      else problems.set(position, problem);
    },
  };
}
