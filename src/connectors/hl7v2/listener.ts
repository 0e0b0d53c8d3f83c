/**
 * Takes the messages of one connection over MLLP: each is stored before it is acknowledged, acknowledgements leave in
 * the order in which the messages of their socket came, and nothing that one peer does keeps another waiting.
 */
import { randomBytes } from 'node:crypto';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Listener, Receiving } from '../connector.ts';
import { composeAck } from './ack.ts';
import { type Arrival, acknowledgementsOf, arrivalOf } from './arrival.ts';
import type { Hl7v2Config } from './config.ts';
import { createDeframer, frame } from './framing.ts';
import { type Head, readHead } from './head.ts';

/** A letter with a document inside has a few hundred kB; the whole of an appointment has two. */
const MAX_MESSAGE_BYTES = 4_000_000;
/** A sender needs one, and a new one while the old one is not yet known to be dead. */
const MAX_SOCKETS = 32;
/** A message that has begun has to end: the largest at 1 Mbit/s does. */
const FRAME_MS = 30_000;
/** A peer of ours is in the same house. */
const HANDSHAKE_MS = 5_000;
/** Without an acknowledgement this many wait of one socket; then it is not read. */
const MAX_UNANSWERED = 64;
const MAX_UNANSWERED_BYTES = 8_000_000;
/** Bytes that are no message, one after the other: who sends them speaks something else. */
const MAX_JUNK_BYTES = 1_000_000;
/** A message that is too long is read to its end, without being kept, so that its sender hears so; not an endless one. */
const MAX_TOO_LONG_BYTES = 64_000_000;
/**
 * Of messages that have begun and not ended, over all ports of the process. Beyond it the peer that holds the most
 * is closed: a feed sends whole messages, and its next one is small.
 */
const MAX_UNFINISHED_BYTES = 64_000_000;
/** Feeds are silent at night; this finds out whether the peer is still there. */
const KEEP_ALIVE_MS = 60_000;
/** What is under way when we are told to stop may be stored and acknowledged. */
const CLOSING_MS = 1_000;

interface Peer {
  socket: Socket;
  /** When it last sent a message that was taken; 0 before the first. */
  usefulAtMs: number;
  connectedAtMs: number;
}

/** Listens as `config.listen` says; null when it says nothing. Rejects with the system's error. */
export async function listen(config: Hl7v2Config, receiving: Receiving): Promise<Listener | null> {
  if (!config.listen) return null;
  const { host, port, tls } = config.listen;
  const peers = new Map<string, Peer>();
  const conversations = new Set<Conversation>();

  const converse = (socket: Socket) => {
    const peer = peers.get(nameOf(socket));
    const conversation = startConversation(config, receiving, socket, () => {
      if (peer) peer.usefulAtMs = performance.now();
    });
    conversations.add(conversation);
    socket.once('close', () => conversations.delete(conversation));
  };
  const server: Server = tls
    ? createTlsServer(
        {
          cert: tls.cert,
          key: tls.key,
          ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          minVersion: 'TLSv1.2',
          handshakeTimeout: HANDSHAKE_MS,
          allowHalfOpen: true,
        },
        converse,
      )
    : createTcpServer({ allowHalfOpen: true }, converse);
  // Comes before the conversation, and with TLS before the handshake.
  server.prependListener('connection', (socket: Socket) => {
    if (peers.size >= MAX_SOCKETS) leastUseful(peers)?.socket.destroy();
    const name = nameOf(socket);
    peers.set(name, { socket, usefulAtMs: 0, connectedAtMs: performance.now() });
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    // A peer that goes away is no fault of ours.
    socket.on('error', () => {});
    socket.once('close', () => peers.delete(name));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    receiving.warn('a TLS handshake failed', { code: error.code ?? error.name });
    socket.destroy();
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      server.on('error', (error: NodeJS.ErrnoException) =>
        receiving.warn('a connection was not taken', { code: error.code ?? error.name }),
      );
      resolve();
    });
  });

  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      let timer: NodeJS.Timeout | undefined;
      const enough = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSING_MS);
      });
      await Promise.race([Promise.all([...conversations].map((one) => one.finish())), enough]);
      clearTimeout(timer);
      for (const { socket } of peers.values()) socket.destroy();
      await closed;
    },
  };
}

/** The socket before TLS and the one within have the same. */
const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;

/** Who has never sent a message goes first, then whoever did so the longest ago. */
function leastUseful(peers: Map<string, Peer>): Peer | undefined {
  return [...peers.values()].toSorted((a, b) => a.usefulAtMs - b.usefulAtMs || a.connectedAtMs - b.connectedAtMs)[0];
}

/** Every conversation of the process that holds a message which has not ended, and how much of it. */
const unfinished = new Map<Socket, number>();

function holdUnfinished(socket: Socket, bytes: number): void {
  if (bytes === 0) unfinished.delete(socket);
  else unfinished.set(socket, bytes);
  const held = [...unfinished].reduce((sum, [, one]) => sum + one, 0);
  if (held <= MAX_UNFINISHED_BYTES) return;
  const [largest] = [...unfinished].reduce((most, one) => (one[1] > most[1] ? one : most));
  unfinished.delete(largest);
  largest.destroy();
}

interface Conversation {
  /** Reads no more, and resolves when everything that was read has been acknowledged. */
  finish(): Promise<void>;
}

function startConversation(
  config: Hl7v2Config,
  receiving: Receiving,
  socket: Socket,
  useful: () => void,
): Conversation {
  let answered: Promise<void> = Promise.resolve();
  let unanswered = 0;
  let unansweredBytes = 0;
  let junkBytes = 0;
  let tooLongBytes = 0;
  let frameTimer: NodeJS.Timeout | undefined;
  let finishing = false;

  const deframer = createDeframer({
    maxMessageBytes: MAX_MESSAGE_BYTES,
    onMessage: (body) => answerInTurn(body.length, () => answerTo(body)),
    onJunk(bytes, why) {
      if (bytes > 0) receiving.warn(`bytes that are no message: ${why}`, { bytes });
      if (why === 'too_long') {
        tooLongBytes += bytes;
        if (tooLongBytes > MAX_TOO_LONG_BYTES) socket.destroy();
        return;
      }
      stopFrameTimer();
      junkBytes += bytes;
      if (junkBytes > MAX_JUNK_BYTES) socket.destroy();
    },
    onTooLong(beginning) {
      tooLongBytes = 0;
      answerInTurn(beginning.length, async () => answersOf(readHead(beginning), 'reject', 'too_long'));
    },
  });

  function answerInTurn(bytes: number, look: () => Promise<Buffer[]>): void {
    stopFrameTimer();
    unanswered += 1;
    unansweredBytes += bytes;
    // Begun now, so that the messages of a socket are stored in their order; awaited in that order too.
    const answer = look();
    answered = answered.then(async () => {
      for (const ack of await answer) if (socket.writable) socket.write(ack);
      unanswered -= 1;
      unansweredBytes -= bytes;
      readOn();
    });
  }

  async function answerTo(body: Buffer): Promise<Buffer[]> {
    let arrival: Arrival;
    try {
      arrival = arrivalOf(config, body);
    } catch (error) {
      // A fault of this program: nothing is known of the message, so nothing is said, and it stays with its sender.
      receiving.warn('a message could not be looked at', { name: (error as Error).name });
      socket.destroy();
      return [];
    }
    const { head } = arrival;
    let decision: Decision = 'reject';
    if ('message' in arrival) {
      decision = (await receiving.receive(arrival.message)) === 'unstorable' ? 'error' : 'ok';
      junkBytes = 0;
      if (decision === 'ok') useful();
    } else if (arrival.why === null) {
      return [];
    } else {
      receiving.warn(`a message was rejected: ${arrival.why}`, { bytes: body.length });
    }
    return answersOf(head, decision, 'why' in arrival ? arrival.why : null);
  }

  const isFull = () =>
    unanswered >= MAX_UNANSWERED || unansweredBytes >= MAX_UNANSWERED_BYTES || socket.writableNeedDrain;

  function readOn(): void {
    if (!finishing && socket.isPaused() && !isFull()) socket.resume();
  }

  function stopFrameTimer(): void {
    clearTimeout(frameTimer);
    frameTimer = undefined;
  }

  socket.on('data', (chunk: Buffer) => {
    deframer.push(chunk);
    if (socket.destroyed) return;
    holdUnfinished(socket, deframer.pendingBytes());
    if (deframer.pendingBytes() > 0) frameTimer ??= setTimeout(() => socket.destroy(), FRAME_MS);
    if (isFull()) socket.pause();
  });
  socket.on('drain', readOn);
  // Some send, say that this was all, and wait for the answer.
  socket.on('end', () => answered.then(() => socket.end()));
  socket.on('close', () => {
    stopFrameTimer();
    unfinished.delete(socket);
  });
  socket.on('error', () => {});

  return {
    async finish() {
      finishing = true;
      socket.pause();
      await answered;
      await new Promise<void>((resolve) => {
        if (socket.destroyed) resolve();
        else socket.once('close', resolve).end(resolve);
      });
    },
  };
}

type Decision = Parameters<typeof acknowledgementsOf>[1];

function answersOf(head: Head | null, decision: Decision, why: string | null): Buffer[] {
  return acknowledgementsOf(head, decision).map((code) =>
    frame(
      composeAck({ head, code, ...(why !== null && { text: why }), nowMs: Date.now(), ownControlId: nextControlId() }),
    ),
  );
}

/** Ours, on acknowledgements: told apart over restarts and processes, and short. */
const PROCESS = randomBytes(4).toString('hex').toUpperCase();
let given = 0;
function nextControlId(): string {
  given += 1;
  return `${PROCESS}${given.toString(36).toUpperCase()}`;
}
