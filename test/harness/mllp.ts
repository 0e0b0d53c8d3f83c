/** A peer that speaks MLLP byte by byte, so that a test can say exactly what is sent when. */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

const VT = '\x0b';
const FS_CR = '\x1c\r';

export const framed = (body: string) => `${VT}${body}${FS_CR}`;

/** A new appointment of an invented patient, in the fields that matter here. */
export function siu(
  controlId: string,
  fields: { appointment?: string; note?: string; head?: Record<number, string> } = {},
): string {
  const { appointment = `A-${controlId}`, note = '', head = {} } = fields;
  const msh = [
    'MSH',
    '^~\\&',
    'HRS',
    'OAK',
    'OPENCHAIR',
    '',
    '20261201080000-0500',
    '',
    'SIU^S12',
    controlId,
    'P',
    '2.5.1',
  ];
  for (const [number, text] of Object.entries(head)) msh[Number(number) - 1] = text;
  return [
    Array.from(msh, (text) => text ?? '').join('|'),
    `SCH|${appointment}|${appointment}|||||^${note}||30|MIN|^^30^20261215100000-0500^20261215103000-0500||||||||||||||Booked`,
    'PID|1||P-1^^^HRS^MR||Pine^Pia||19900228|F',
    'RGS|1|A',
    'AIS|1|A|CLEAN^Cleaning',
    'AIL|1|A|Room 1^^^OAK',
    'AIP|1|A|D1^Alder^Ada',
    '',
  ].join('\r');
}

export interface MllpPeer {
  socket: Socket;
  /** Sends the message in a frame and resolves with the next answer, without its frame. */
  send(body: string | Buffer): Promise<string>;
  write(bytes: string | Buffer): void;
  /** The next answer, in order; rejects when the other side closes first. */
  next(): Promise<string>;
  /** Resolves when the other side has closed. */
  closed: Promise<void>;
  /** How many bytes each `data` event so far has brought. */
  reads: number[];
  close(): void;
}

/** Resolves when connected, with TLS when its options are given. */
export async function connectMllp(port: number, tls?: ConnectionOptions): Promise<MllpPeer> {
  const socket = tls ? connectTls({ host: '127.0.0.1', port, ...tls }) : connectTcp({ host: '127.0.0.1', port });
  await new Promise<void>((resolve, reject) => {
    socket.once(tls ? 'secureConnect' : 'connect', () => resolve());
    socket.once('error', reject);
  });
  const answers: string[] = [];
  const waiting: { resolve(answer: string): void; reject(error: Error): void }[] = [];
  const reads: number[] = [];
  let held = '';
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    reads.push(chunk.length);
    const parts = (held + chunk.toString('latin1')).split(FS_CR);
    held = parts.pop() as string;
    for (const part of parts) {
      const answer = part.slice(1);
      const first = waiting.shift();
      if (first) first.resolve(answer);
      else answers.push(answer);
    }
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  closed.then(() => {
    for (const { reject } of waiting.splice(0)) reject(new Error('closed without an answer'));
  });
  const next = () =>
    new Promise<string>((resolve, reject) => {
      const answer = answers.shift();
      if (answer !== undefined) resolve(answer);
      else if (socket.destroyed) reject(new Error('closed without an answer'));
      else waiting.push({ resolve, reject });
    });
  return {
    socket,
    next,
    write: (bytes) => void socket.write(bytes),
    send(body) {
      socket.write(
        typeof body === 'string' ? framed(body) : Buffer.concat([Buffer.from(VT), body, Buffer.from(FS_CR)]),
      );
      return next();
    },
    closed,
    reads,
    close: () => socket.destroy(),
  };
}

/** MSA-1 and MSA-2 of an acknowledgement. */
export function msaOf(ack: string): [code: string, controlId: string] {
  const msa = ack.split('\r').find((segment) => segment.startsWith('MSA'));
  const [, code = '', controlId = ''] = msa?.split(ack.charAt(3)) ?? [];
  return [code, controlId];
}
