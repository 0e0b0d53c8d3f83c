/**
 * A scheduling system that speaks HL7 v2 and is not ours: `simple-hl7` reads, answers and sends. It keeps appointments
 * and patients, sends SIU and ADT to whoever it is told to, takes SIU, SRM and ADT, and can be made to fail.
 */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

// biome-ignore lint/suspicious/noExplicitAny: the package has no types
const hl7: any = createRequire(import.meta.url)('simple-hl7');

/**
 * What a message meets. Nothing is done of `AE`, `AR`, `silent`, `drop` and `lie` (an AA all the same). The others are
 * done, `late work` only later and without an answer, `repeat` twice; what else they name becomes of the answer.
 */
export type Fault =
  | 'none'
  | 'AE'
  | 'AR'
  | 'silent'
  | 'drop'
  | 'lie'
  | 'late work'
  | 'repeat'
  | 'late'
  | 'wrong id'
  | 'twice'
  | 'lost'
  | 'html'
  | 'half'
  | 'cut off';

/** What becomes of the messages that it sends: cut off and sent once more, sent twice, or three of them in reverse. */
export type FeedFault = 'cut' | 'repeated' | 'reversed';

export interface Entry {
  /** Its own number, SCH-2. */
  filler: string;
  /** SCH-1 as whoever asked wrote it. */
  placer: string;
  /** PID-3 and PID-5 as they were written. */
  patient: string;
  name: string;
  provider: string;
  room: string;
  /** As HL7 writes times. */
  start: string;
  end: string;
  status: string;
  note: string;
}

export interface Scheduler {
  port: number;
  /** Messages as they came, the faults included. */
  received: string[];
  entries: Entry[];
  /** PID by PID-3, each as it was written. */
  patients: Map<string, string>;
  /** The next messages meet these, in order. */
  fail(...faults: Fault[]): void;
  failFeed(fault: FeedFault | null): void;
  /** Forgets the faults that no message has met. */
  calm(): void;
  /** How many messages have met a fault. */
  hits(): number;
  /** Resolves when nothing is under way: no late work, and nothing of its own that is not acknowledged. */
  idle(): Promise<void>;
  turnOff(): Promise<void>;
  turnOn(): Promise<void>;
  /** Where its own messages go; it tells of what it took once there is such a place. */
  feedTo(port: number | null): void;
  /** Staff book, move or cancel; resolves with the code of the acknowledgement of its SIU. */
  tell(trigger: string, entry: Partial<Entry> & { filler: string }): Promise<string>;
  /** Staff register a patient or change one; `pid` is the whole segment. */
  tellOf(trigger: string, pid: string): Promise<string>;
  close(): Promise<void>;
}

const LATE_MS = 100;
const LATE_WORK_MS = 50;
/** Messages that are held back until they can be sent in reverse. */
const HELD = 3;
const FIRST_NUMBER = 5_001;

export async function startScheduler(): Promise<Scheduler> {
  const entries: Entry[] = [];
  const patients = new Map<string, string>();
  const received: string[] = [];
  const faults: Fault[] = [];
  const sockets = new Set<Socket>();
  let feedPort: number | null = null;
  let lastNumber = FIRST_NUMBER - 1;
  let lastControl = 0;
  let sending: Promise<unknown> = Promise.resolve();

  let feedFault: FeedFault | null = null;
  let held: string[] = [];
  let hits = 0;
  let late: Promise<unknown> = Promise.resolve();

  const app = hl7.tcp();
  // biome-ignore lint/suspicious/noExplicitAny: as above
  app.use((request: any, { ack, socket }: any) => {
    const { msg } = request;
    received.push(request.raw.slice(1, -2));
    const fault = faults.shift() ?? 'none';
    if (fault !== 'none') hits += 1;
    const msa = ack.getSegment('MSA');
    const answer = () => socket.writable && socket.write(`\x0b${ack}\x1c\r`);
    if (fault === 'silent') return;
    if (fault === 'drop') return void socket.destroy();
    if (fault === 'lie') return answer();
    if (fault === 'AE' || fault === 'AR') {
      msa.setField(1, fault);
      return answer();
    }
    if (fault === 'late work') {
      late = delay(LATE_WORK_MS).then(() => work(msg));
      return;
    }
    const refusal = work(msg);
    if (fault === 'repeat') work(msg);
    if (refusal) {
      msa.setField(1, 'AR');
      msa.addField(refusal);
    }
    if (fault === 'lost') return void socket.destroy();
    if (fault === 'html') return socket.write('\x0b<html>down for maintenance</html>\x1c\r');
    if (fault === 'half') return socket.write(`\x0b${String(ack).slice(0, 20)}\x1c\r`);
    if (fault === 'cut off') return socket.end(`\x0b${String(ack).slice(0, 40)}`);
    if (fault === 'wrong id') msa.setField(2, 'SOMEBODY-ELSES');
    if (fault === 'late') late = delay(LATE_MS).then(answer);
    else answer();
    if (fault === 'twice') answer();
  });

  /** Does what the message says, and tells of it. What it refuses it says in a word. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  function work(msg: any): string | null {
    const trigger = msg.header.getComponent(7, 2);
    if (msg.header.getComponent(7, 1) === 'ADT') {
      const pid = msg.getSegment('PID');
      patients.set(pid.getField(3), pid.toString(msg.header.delimiters));
      if (feedPort !== null) void tellOf('A08', pid.toString(msg.header.delimiters)).catch(() => {});
      return null;
    }
    const entry = take(msg, trigger);
    if (typeof entry === 'string') return entry;
    const notice = trigger.replace(/^S0(\d)$/, (_: string, digit: string) => `S1${Number(digit) + 1}`);
    if (feedPort !== null) void tellAbout(notice, entry).catch(() => {});
    return null;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  function take(msg: any, trigger: string): Entry | 'UNKNOWN' | 'TAKEN' {
    const isRequest = msg.getSegment('ARQ') !== undefined;
    const schedule = msg.getSegment(isRequest ? 'ARQ' : 'SCH');
    const placer = schedule.getField(1);
    const filler = schedule.getComponent(2, 1);
    const known = entries.find((one) => (placer !== '' && one.placer === placer) || one.filler === filler);
    if (!known && trigger !== 'S12' && trigger !== 'S01') return 'UNKNOWN';
    const isEnd = trigger === 'S15' || trigger === 'S04';
    const [start, end] = isRequest ? [1, 2] : [4, 5];
    const wanted = {
      placer,
      patient: msg.getSegment('PID')?.getField(3) ?? '',
      name: msg.getSegment('PID')?.getField(5) ?? '',
      provider: msg.getSegment('AIP')?.getField(3) ?? '',
      room: msg.getSegment('AIL')?.getComponent(3, 2) ?? '',
      start: schedule.getComponent(11, start),
      end: schedule.getComponent(11, end),
      note: msg.getSegment('NTE')?.getField(3) ?? '',
      status: isEnd ? 'Cancelled' : isRequest ? 'Booked' : schedule.getField(25),
    };
    const isTaken = entries.some(
      (one) =>
        one !== known &&
        one.status !== 'Cancelled' &&
        one.provider.split('^')[0] === wanted.provider.split('^')[0] &&
        instantOf(one.start) < instantOf(wanted.end) &&
        instantOf(wanted.start) < instantOf(one.end),
    );
    if (isTaken && !isEnd) return 'TAKEN';
    const entry = known ?? { filler: String(++lastNumber), ...wanted };
    if (!known) entries.push(entry);
    return Object.assign(entry, wanted);
  }

  const headOf = (type: string) => `MSH|^~\\&|SCHED|HARBOUR|OPENCHAIR||${stamp()}||${type}|T${++lastControl}|P|2.4`;

  const tellAbout = (trigger: string, entry: Entry) =>
    send(
      [
        headOf(`SIU^${trigger}`),
        `SCH|${entry.placer}|${entry.filler}^SCHED|||||||||^^^${entry.start}^${entry.end}||||||||||||||${entry.status}`,
        ...(entry.note ? [`NTE|1||${entry.note}`] : []),
        `PID|1||${entry.patient}||${entry.name}`,
        'RGS|1',
        ...(entry.room ? [`AIL|1||^${entry.room}`] : []),
        ...(entry.provider ? [`AIP|1||${entry.provider}`] : []),
      ].join('\r'),
    );

  const tellOf = (trigger: string, pid: string) => send([headOf(`ADT^${trigger}`), `EVN|${trigger}`, pid].join('\r'));

  /** One message at a time, as senders do. Resolves with the code of the acknowledgement; empty while it is held back. */
  function send(text: string): Promise<string> {
    const texts = feedFault === 'repeated' ? [text, text] : [text];
    if (feedFault === 'reversed') {
      held.push(text);
      if (held.length < HELD) return Promise.resolve('');
      texts.splice(0, 1, ...held.reverse());
      held = [];
    }
    const isCut = feedFault === 'cut';
    const sent = sending.then(async () => {
      if (isCut) await beginOnly(text);
      let code = '';
      for (const one of texts) code = await exchange(one);
      return code;
    });
    sending = sent.catch(() => {});
    return sent;
  }

  /** The first half of a frame, and the end of the connection. */
  async function beginOnly(text: string): Promise<void> {
    const socket = connect(feedPort as number, '127.0.0.1');
    socket.end(`\x0b${text.slice(0, text.length / 2)}`);
    socket.resume();
    await once(socket, 'close');
  }

  function exchange(text: string): Promise<string> {
    const client = hl7.Server.createTcpClient('127.0.0.1', feedPort);
    return new Promise((resolve, reject) => {
      // biome-ignore lint/suspicious/noExplicitAny: as above
      client.send({ toString: () => text }, (error: Error | null, ack: any) => {
        if (error) return reject(error);
        resolve(ack.getSegment('MSA').getField(1));
      });
    });
  }

  async function idle(): Promise<void> {
    await late;
    await sending;
  }

  let port = 0;
  let server: Server;
  async function turnOn(): Promise<void> {
    server = app.start(port).server;
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    if (!server.listening) await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }
  async function turnOff(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    // Not destroyed: whoever is connected has seen the end when this resolves.
    for (const socket of sockets) socket.end();
    await closed;
  }
  await turnOn();

  return {
    port,
    received,
    entries,
    patients,
    fail: (...next) => void faults.push(...next),
    failFeed(fault) {
      feedFault = fault;
    },
    calm() {
      faults.length = 0;
      feedFault = null;
    },
    hits: () => hits,
    idle,
    turnOff,
    turnOn,
    feedTo(to) {
      feedPort = to;
    },
    tell(trigger, changes) {
      let entry = entries.find((one) => one.filler === changes.filler);
      if (!entry) {
        entry = { ...EMPTY, filler: changes.filler };
        entries.push(entry);
      }
      return tellAbout(trigger, Object.assign(entry, changes));
    },
    tellOf,
    async close() {
      await idle();
      await turnOff();
    },
  };
}

const EMPTY = {
  placer: '',
  patient: '',
  name: '',
  provider: '',
  room: '',
  start: '',
  end: '',
  status: 'Booked',
  note: '',
};

/** What says no offset is winter in New York. */
function instantOf(time: string): number {
  const [, year, month, day, hour, minute, offset = '-0500'] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)[\d.]*([+-]\d{4})?$/.exec(time) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00${offset.slice(0, 3)}:${offset.slice(3)}`);
}

/** By a clock of its own, in UTC and to the millisecond: two messages of one second could not be told apart. */
function stamp(): string {
  const nowMs = performance.timeOrigin + performance.now();
  const [date, time] = new Date(nowMs).toISOString().split('T') as [string, string];
  return `${date.replaceAll('-', '')}${time.slice(0, 12).replaceAll(':', '')}+0000`;
}
