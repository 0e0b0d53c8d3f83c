/**
 * Sends messages over one MLLP connection, which stays open, one after the other: the next leaves when the one before
 * has been answered. Receivers that look only at the end of their buffer lose what is sent before that.
 *
 * How a message ended, in the contract's words:
 * - `Unavailable`: no byte of it has left. There was no connection, the queue was full, or it was given up while waiting.
 * - `OutcomeUnknown`: bytes may have left, and no acknowledgement of it came, or nothing readable. Sending it again is
 *   the caller's business, with the same MSH-10.
 *
 * Texts of errors name the address and the fault; nothing of a message.
 */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { OutcomeUnknown, Unavailable } from '../connector.ts';
import { type Ack, readAck } from './ack.ts';
import { createDeframer, frame } from './framing.ts';
import { readHead } from './head.ts';

/** A host that drops packets is given up on early, while it is still certain that nothing was sent. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * In TLS 1.3 a server looks at our certificate after we think that we are connected, and says nothing when it likes
 * it. One that does not, closes within a round trip.
 */
const TRUST_TIMEOUT_MS = 300;

/**
 * After a receiver has committed to keep a message (CA), its application may still say on this connection what it made
 * of it. One that does so, does it at once; for the others this is a short wait, and the commit is the answer.
 */
const APPLICATION_TIMEOUT_MS = 2_000;

/** Firewalls forget connections that are silent for some minutes. */
const KEEP_ALIVE_AFTER_MS = 30_000;

/** More would wait longer than anybody waits for a write. */
const MAX_QUEUED = 100;

const NOT_TRUSTED = 'closed the connection after the TLS handshake, as who does not trust our certificate does';
const GIVEN_UP = 'given up by the caller';

/** A response with a whole appointment in it is some 2 kB. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

export interface SenderOptions {
  host: string;
  port: number;
  /** PEM. Without `ca`, the authorities that the system trusts; `cert` and `key` when the receiver wants ours. */
  tls?: { ca?: string; cert?: string; key?: string; servername?: string };
  /** From the last byte of a message to its acknowledgement. */
  responseTimeoutMs: number;
}

export interface Answer {
  ack: Ack;
  /** The whole message in which the acknowledgement stands. */
  response: Buffer;
}

export interface Sender {
  /**
   * Sends `message`, whose MSH-10 is `controlId`, and resolves with the first acknowledgement whose MSA-2 is that; after a
   * commit, with what the application says, if it does. Throws `Unavailable` or `OutcomeUnknown`.
   */
  send(message: Buffer, controlId: string, signal: AbortSignal): Promise<Answer>;
  /** Connects, and sends nothing. Throws `Unavailable`. */
  check(signal: AbortSignal): Promise<void>;
  /** Closes the connection. What waits ends as if it had been given up. */
  close(): void;
}

/** The message that waits for its answer: what arrives, and what breaks, is told to it. */
interface Exchange {
  onMessage(body: Buffer): void;
  onFault(fault: string): void;
}

/** A sender to one receiver. It connects when there is something to send, and again when the connection was lost. */
export function createSender(options: SenderOptions): Sender {
  const { responseTimeoutMs } = options;
  const closing = new AbortController();
  const waiting: (() => void)[] = [];
  let isBusy = false;
  let socket: Socket | null = null;
  let exchange: Exchange | null = null;

  const say = (fault: string) => `${options.host}:${options.port}: ${fault}`;

  async function inTurn<Result>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const until = AbortSignal.any([signal, closing.signal]);
    await takeTurn(until);
    try {
      return await run(until);
    } finally {
      const next = waiting.shift();
      if (next === undefined) isBusy = false;
      else next();
    }
  }

  async function takeTurn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new Unavailable(say(GIVEN_UP));
    if (!isBusy) {
      isBusy = true;
      return;
    }
    if (waiting.length >= MAX_QUEUED) throw new Unavailable(say(`${MAX_QUEUED} messages are waiting already`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onTurn = () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = () => {
      waiting.splice(waiting.indexOf(onTurn), 1);
      reject(new Unavailable(say(GIVEN_UP)));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.push(onTurn);
    await promise;
  }

  async function getSocket(signal: AbortSignal): Promise<Socket> {
    if (socket !== null) return socket;
    const opened = await open(options, signal, say);
    const deframer = createDeframer({
      maxMessageBytes: MAX_RESPONSE_BYTES,
      // What comes when nothing waits is the answer to nothing.
      onMessage: (body) => exchange?.onMessage(body),
      onJunk(_, why) {
        if (why === 'too_long') drop(opened, `answered with more than ${MAX_RESPONSE_BYTES} bytes`);
      },
    });
    opened.on('data', (chunk: Buffer) => deframer.push(chunk));
    opened.on('end', () => drop(opened, 'closed the connection'));
    opened.on('error', (error) => drop(opened, faultName(error)));
    opened.on('close', () => drop(opened, 'the connection is lost'));
    socket = opened;
    return opened;
  }

  function drop(dropped: Socket, fault: string): void {
    dropped.destroy();
    if (dropped !== socket) return;
    socket = null;
    exchange?.onFault(fault);
  }

  function converse(on: Socket, message: Buffer, controlId: string, signal: AbortSignal): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let committed: Answer | null = null;
    let others = 0;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      exchange = null;
    };
    const settle = (answer: Answer) => {
      end();
      resolve(answer);
    };
    // What has been committed stays so, whatever happens afterwards.
    const onFault = (fault: string) => {
      end();
      drop(on, fault);
      if (committed === null) reject(new OutcomeUnknown(say(fault)));
      else resolve(committed);
    };
    const onMessage = (response: Buffer) => {
      if (readHead(response) === null) return onFault('answered with something that is no message');
      const ack = readAck(response);
      if (ack === null || ack.controlId !== controlId) {
        others++;
      } else if (ack.code === 'CA' && committed === null) {
        committed = { ack, response };
        clearTimeout(timer);
        timer = setTimeout(settle, APPLICATION_TIMEOUT_MS, committed);
      } else {
        settle({ ack, response });
      }
    };
    const onAbort = () => onFault(GIVEN_UP);
    const onSilence = () =>
      onFault(`no acknowledgement within ${responseTimeoutMs} ms, and ${others} messages about something else`);
    let timer = setTimeout(onSilence, responseTimeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    exchange = { onMessage, onFault };
    on.write(frame(message));
    return promise;
  }

  return {
    send: (message, controlId, signal) =>
      inTurn(signal, async (until) => {
        const on = await getSocket(until);
        if (until.aborted) throw new Unavailable(say(GIVEN_UP));
        return converse(on, message, controlId, until);
      }),
    async check(signal) {
      await inTurn(signal, getSocket);
    },
    close() {
      closing.abort();
      if (socket !== null) drop(socket, GIVEN_UP);
    },
  };
}

/** A connection over which nothing has been sent yet. Throws `Unavailable`. */
async function open(options: SenderOptions, signal: AbortSignal, say: (fault: string) => string): Promise<Socket> {
  if (signal.aborted) throw new Unavailable(say(GIVEN_UP));
  const { host, port, tls } = options;
  let socket: Socket | null = null;
  const giveUp = (why: string) => socket?.destroy(new Error(why));
  const onAbort = () => giveUp(GIVEN_UP);
  const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS, `no connection within ${CONNECT_TIMEOUT_MS} ms`);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (tls === undefined) {
      socket = connectTcp({ host, port });
      await once(socket, 'connect');
    } else {
      const secure = connectTls({ ...tls, host, port });
      socket = secure;
      await once(secure, 'secureConnect');
      if (await closesAtOnce(secure)) throw new Error(NOT_TRUSTED);
    }
    return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
  } catch (error) {
    socket?.destroy();
    throw new Unavailable(say(faultName(error as Error)));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Whether the server closes right after the handshake. Rejects with the alert by which it says why. */
async function closesAtOnce(socket: TLSSocket): Promise<boolean> {
  const { promise: stayed, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, TRUST_TIMEOUT_MS, false);
  // The end of a connection shows only to who reads.
  socket.resume();
  try {
    return await Promise.race([once(socket, 'close').then(() => true), stayed]);
  } finally {
    clearTimeout(timer);
  }
}

/** The code of the failed system call, of TLS or of OpenSSL; of our own errors their text. */
function faultName(error: Error): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error.message;
}
