/**
 * A real HTTP proxy in front of any peer, which does to requests what networks and servers do. Each fault is armed
 * for the next requests that match, and used up; everything else is passed on unchanged.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Fault =
  /** Passed on after a wait. */
  | { kind: 'slow'; delayMs: number }
  /** Never passed on, never answered. */
  | { kind: 'hang' }
  /** Connection cut before anything is passed on. */
  | { kind: 'cut' }
  /** Passed on and done; the connection is cut instead of the answer. */
  | { kind: 'lose_reply' }
  /** Connection cut now; passed on after a wait. `done` resolves when it has been. */
  | { kind: 'late_work'; delayMs: number }
  /** Passed on and done; answered 500. */
  | { kind: 'error_after_work' }
  /** Not passed on; answered as if done: a write gets its own body back under an id nobody knows. */
  | { kind: 'lie' }
  /** Not passed on; a maintenance page with 200. */
  | { kind: 'html' }
  /** Passed on; the answer's JSON ends half-way, with a matching length or with the connection cut. */
  | { kind: 'truncate'; how: 'body' | 'connection' }
  /** Passed on twice, the second answer is given. */
  | { kind: 'repeat' }
  /** Not passed on; this answer. */
  | { kind: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** Passed on; the answer's JSON is changed. */
  | { kind: 'edit'; edit: (json: unknown) => unknown }
  /** Passed on; the answer's text is changed. */
  | { kind: 'rewrite'; rewrite: (body: string) => string }
  /** Passed on; the answer is changed, its status and headers too. */
  | { kind: 'alter'; alter: (reply: Reply) => Reply }
  /** Not passed on; the answer to the request before is given once more. */
  | { kind: 'answer_before' }
  /** Passed on when `act` is done. */
  | { kind: 'meanwhile'; act: () => Promise<void> };

export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
}

export interface FaultProxy {
  url: string;
  /** Does this to the next `times` requests for which `when` holds. */
  arm(fault: Fault, options?: { when?: (request: SeenRequest) => boolean; times?: number }): Armed;
  /** Forgets every fault that is still armed. */
  clear(): void;
  /** Refuses connections until `turnOn`. */
  turnOff(): Promise<void>;
  turnOn(): Promise<void>;
  /** Every request since the last call. */
  takeSeen(): SeenRequest[];
  close(): Promise<void>;
}

export interface Armed {
  /** How many requests it has hit. */
  hits(): number;
  /** Resolves when work that was put off has been done. */
  done: Promise<void>;
}

interface Rule {
  fault: Fault;
  when: (request: SeenRequest) => boolean;
  left: number;
  hits: number;
  finish: () => void;
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer;
}

export const isWrite = ({ method }: SeenRequest): boolean => method !== 'GET';
export const isRead = ({ method }: SeenRequest): boolean => method === 'GET';

export async function startFaultProxy(targetUrl: string): Promise<FaultProxy> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let rules: Rule[] = [];
  let seen: SeenRequest[] = [];
  let lastReply: Reply | null = null;

  const later = (delayMs: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, delayMs);
    timers.add(timer);
  };

  function forward(request: IncomingMessage, body: Buffer): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const outgoing = httpRequest(
      {
        host: target.hostname,
        port: target.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent: false,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk) => chunks.push(chunk));
        incoming.on('end', () => {
          const { 'transfer-encoding': _, 'content-length': __, connection: ___, ...headers } = incoming.headers;
          resolve({
            status: incoming.statusCode ?? 0,
            headers: headers as Record<string, string>,
            body: Buffer.concat(chunks),
          });
        });
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
    return promise;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const about = { method: request.method ?? '', url: request.url ?? '' };
    seen.push(about);
    const rule = rules.find((one) => one.left > 0 && one.when(about));
    if (!rule) {
      lastReply = await forward(request, body);
      return send(response, lastReply);
    }
    rule.left--;
    rule.hits++;
    await inflict(rule, request, body, response);
    if (rule.fault.kind !== 'late_work') rule.finish();
  }

  async function inflict(rule: Rule, request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const { fault } = rule;
    switch (fault.kind) {
      case 'slow':
        return later(fault.delayMs, () => forward(request, body).then((reply) => send(response, reply), ignore));
      case 'hang':
        return;
      case 'cut':
        return void response.destroy();
      case 'lose_reply':
        await forward(request, body);
        return void response.destroy();
      case 'late_work':
        response.destroy();
        return later(fault.delayMs, () => forward(request, body).then(rule.finish, rule.finish));
      case 'error_after_work':
        await forward(request, body);
        return send(response, { status: 500, headers: {}, body: Buffer.from('Internal Server Error') });
      case 'lie':
        return send(response, lie(request, body));
      case 'html':
        return send(response, {
          status: 200,
          headers: { 'content-type': 'text/html' },
          body: Buffer.from('<!doctype html><title>Maintenance</title><p>Back soon.</p>'),
        });
      case 'truncate': {
        const reply = await forward(request, body);
        const half = reply.body.subarray(0, Math.floor(reply.body.length / 2));
        if (fault.how === 'body') return send(response, { ...reply, body: half });
        response.writeHead(reply.status, { ...reply.headers, 'content-length': reply.body.length });
        return void response.write(half, () => response.destroy());
      }
      case 'repeat':
        await forward(request, body);
        return send(response, await forward(request, body));
      case 'answer':
        return send(response, {
          status: fault.status,
          headers: { 'content-type': 'application/json', ...fault.headers },
          body: Buffer.from(fault.body ?? ''),
        });
      case 'edit': {
        const reply = await forward(request, body);
        const json = fault.edit(JSON.parse(reply.body.toString()));
        return send(response, { ...reply, body: Buffer.from(JSON.stringify(json)) });
      }
      case 'rewrite': {
        const reply = await forward(request, body);
        return send(response, { ...reply, body: Buffer.from(fault.rewrite(reply.body.toString())) });
      }
      case 'alter':
        return send(response, fault.alter(await forward(request, body)));
      case 'answer_before':
        return send(response, lastReply ?? (await forward(request, body)));
      case 'meanwhile':
        await fault.act();
        return send(response, await forward(request, body));
    }
  }

  const server: Server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}${target.pathname.replace(/\/$/, '')}`,
    arm(fault, { when = () => true, times = 1 } = {}) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const rule = { fault, when, left: times, hits: 0, finish: resolve };
      rules.push(rule);
      return { hits: () => rule.hits, done: promise };
    },
    clear() {
      rules = [];
    },
    turnOff: stop,
    turnOn: () => listen(port),
    takeSeen() {
      const taken = seen;
      seen = [];
      return taken;
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      if (server.listening) await stop();
    },
  };
}

function ignore(): void {}

function lie(request: IncomingMessage, body: Buffer): Reply {
  if (!/json/.test(request.headers['content-type'] ?? 'json'))
    return { status: 201, headers: {}, body: Buffer.alloc(0) };
  const id = request.method === 'POST' ? { id: 'never-stored' } : {};
  const said = body.length > 0 ? { ...JSON.parse(body.toString()), ...id } : {};
  const headers = { 'content-type': request.headers['content-type'] ?? 'application/json' };
  return { status: request.method === 'POST' ? 201 : 200, headers, body: Buffer.from(JSON.stringify(said)) };
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  if (response.destroyed) return;
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.end(body);
}
