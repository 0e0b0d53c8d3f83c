/** A receiver of webhooks as the world has them: a real HTTP server that remembers what came and misbehaves as told. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The very bytes that came. */
  body: Buffer;
  receivedAtMs: number;
}

export type Reply =
  | number
  | { status: number; headers?: Record<string, string> }
  /** Nothing, ever. */
  | 'hang'
  /** The status line, one byte at a time, never to its end. */
  | 'drip'
  /** 200 with its headers, and a body that drips for ever. */
  | 'drip-body'
  /** 200 with its headers, then a reset in the middle of the body. */
  | 'reset-body'
  /** A reset before any byte. */
  | 'reset'
  /** 200 and a body without end, as fast as it is taken. */
  | 'endless'
  /** Bytes that are no HTTP. */
  | 'nonsense'
  /** Does it when it likes: the reply is sent when the promise resolves. */
  | Promise<number>;

export interface Receiver {
  /** `http://127.0.0.1:port`, to which paths are added. */
  url: string;
  requests: ReceivedRequest[];
  /** Bytes of `endless` bodies that were taken from us. */
  endlessBytes(): number;
  /** The next replies, in this order; the last one holds from then on. Starts with 200. */
  reply(...replies: Reply[]): void;
  /** Resolves when `predicate` holds for what has been received; rejects after `timeoutMs`. */
  waitFor(predicate: (requests: ReceivedRequest[]) => boolean, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

const DRIP_MS = 50;

export async function startReceiver(tls?: { key: string; cert: string }): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const waiting = new Set<() => void>();
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let script: Reply[] = [200];
  let endlessBytes = 0;

  const every = (ms: number, socket: Socket, act: () => void) => {
    const timer = setInterval(act, ms);
    timers.add(timer);
    socket.on('close', () => clearInterval(timer));
  };

  function answer(reply: Exclude<Reply, Promise<number>>, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (typeof reply === 'number') return void response.writeHead(reply).end();
    if (typeof reply === 'object') return void response.writeHead(reply.status, reply.headers).end();
    if (reply === 'drip') {
      const bytes = [...'HTTP/1.1 200 OK\r\n', ...'x-slow: '.padEnd(100_000, 'x')];
      every(DRIP_MS, socket, () => socket.write(bytes.shift() ?? ''));
    } else if (reply === 'drip-body') {
      response.writeHead(200).flushHeaders();
      every(DRIP_MS, socket, () => response.write('x'));
    } else if (reply === 'reset-body') {
      response.writeHead(200, { 'content-length': '1000' }).write('x');
      setImmediate(() => socket.resetAndDestroy());
    } else if (reply === 'reset') {
      socket.resetAndDestroy();
    } else if (reply === 'endless') {
      response.writeHead(200);
      const chunk = Buffer.alloc(65_536);
      const pour = () => {
        while (!socket.destroyed) {
          endlessBytes += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', pour);
        }
      };
      pour();
    } else if (reply === 'nonsense') {
      socket.end('not HTTP at all\r\n\r\n');
    }
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    requests.push({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
      receivedAtMs: Date.now(),
    });
    const reply = (script.length > 1 ? script.shift() : script[0]) ?? 200;
    for (const check of waiting) check();
    answer(await reply, request, response);
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    response.on('error', () => {});
    take(request, response).catch(() => request.socket.destroy());
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    endlessBytes: () => endlessBytes,
    reply(...replies) {
      script = replies;
    },
    waitFor(predicate, timeoutMs = 5_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`not received within ${timeoutMs} ms; ${requests.length} requests came`));
        }, timeoutMs);
        function check() {
          if (!predicate(requests)) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve();
        }
        waiting.add(check);
        check();
      });
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
