import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { apiRoutes } from './api.ts';
import { deskRoutes } from './desk.ts';
import { deskPage } from './desk-page.ts';
import { type Exchange, type FaultScript, play, type Reply } from './faults.ts';
import type { Input } from './fields.ts';
import { COLLECTIONS, KINDS } from './records.ts';
import { Refusal } from './refusal.ts';
import { type Call, findRoute, type Match, type Route } from './routes.ts';
import type { Store } from './store.ts';

/** The largest request is a patient; this is a hundred times one. */
const MAX_BODY_BYTES = 65_536;

async function readBody(request: IncomingMessage): Promise<Input> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, 'too_large', `At most ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'bad_json', 'The body is not JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Refusal(400, 'bad_json', 'The body must be an object.');
  }
  return body as Input;
}

function refusalReply(error: unknown): Reply {
  if (error instanceof Refusal) {
    return { status: error.status, body: { error: error.code, message: error.message, ...error.details } };
  }
  // A constraint of the file is the last line of defence; the caller gave something the readers let through.
  const message = error instanceof Error ? error.message : String(error);
  if (/constraint failed/.test(message)) return { status: 422, body: { error: 'bad_field', message } };
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  return { status: 500, body: { error: 'internal', message: 'The sandbox itself failed.' } };
}

/** A page of another origin must not operate somebody's front desk through their browser. */
function checkOrigin(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  if (request.method !== 'GET' && origin && URL.parse(origin)?.host !== host) {
    throw new Refusal(403, 'wrong_origin', 'This page may not write here.');
  }
}

/** The whole practice over HTTP; it does not listen yet. */
export function createSandboxServer(store: Store, faults: FaultScript, key: string): Server {
  const routes: Route[] = [...apiRoutes(store), ...deskRoutes(store), ...faultRoutes(faults), healthRoute(store)];

  function sendBytes(response: ServerResponse, status: number, headers: Record<string, string>, bytes: Buffer): void {
    if (response.destroyed) return;
    const now = store.now();
    response.sendDate = false;
    response.writeHead(status, { date: now.toUTCString(), 'x-sandbox-time': now.toISOString(), ...headers });
    if (Number(headers['content-length']) > bytes.length) response.write(bytes, () => response.destroy());
    else response.end(bytes);
  }

  function send(response: ServerResponse, reply: Reply): void {
    const bytes = Buffer.from(JSON.stringify(reply.body));
    const headers = { 'content-type': 'application/json', 'content-length': String(bytes.length), ...reply.headers };
    sendBytes(response, reply.status, headers, bytes);
  }

  function swapRecord(route: Route, reply: Reply): Reply {
    const kind = KINDS.find((name) => route.path.startsWith(`/v1/${COLLECTIONS[name]}`));
    const own = reply.body as { id?: number };
    if (!kind || own.id === undefined) return reply;
    const others = store.page<{ id: number }>(COLLECTIONS[kind], {}, 0, 2).items;
    return { ...reply, body: others.find((record) => record.id !== own.id) ?? reply.body };
  }

  function carryOut({ route }: Match, call: Call, within: Store['transaction'] | Store['rehearse']): Reply {
    try {
      return route.method === 'GET' ? route.run(call) : within(() => route.run(call));
    } catch (error) {
      return refusalReply(error);
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const { pathname, searchParams } = new URL(url, 'http://sandbox');
    const match = findRoute(routes, method, pathname);
    const isApi = pathname.startsWith('/v1/');
    // The body is read before a fault strikes, so that a dropped request is one the practice has received.
    const body = await readBody(request);
    const fault = isApi ? faults.take({ method, path: pathname, isList: Boolean(match?.route.list) }) : undefined;

    const work = (within: Store['transaction'] | Store['rehearse']): Reply => {
      if (isApi && request.headers['x-sandbox-key'] !== key) {
        return { status: 401, body: { error: 'bad_key', message: 'Send the key in X-Sandbox-Key.' } };
      }
      if (!match) return { status: 404, body: { error: 'no_such_path', message: `${method} ${pathname}` } };
      return carryOut(match, { id: match.id, query: searchParams, body }, within);
    };

    if (!fault) {
      if (!isApi) checkOrigin(request);
      if (pathname === '/desk' && method === 'GET') {
        const page = Buffer.from(deskPage(store, searchParams, faults.list()));
        const headers = { 'content-type': 'text/html; charset=utf-8', 'content-length': String(page.length) };
        return sendBytes(response, 200, headers, page);
      }
      return send(response, work(store.transaction));
    }
    const exchange: Exchange = {
      work: () => work(store.transaction),
      rehearse: () => work(store.rehearse),
      swapRecord: (reply) => (match ? swapRecord(match.route, reply) : reply),
      send: (reply) => send(response, reply),
      sendBytes: (status, type, bytes, claimedLength) =>
        sendBytes(response, status, { 'content-type': type, 'content-length': String(claimedLength) }, bytes),
      drop: () => request.socket.destroy(),
      later: (ms, run) => void setTimeout(run, ms),
      begin: Number(searchParams.get(match?.route.list ?? '') ?? 0),
    };
    play(fault, exchange);
  }

  return createServer((request, response) => {
    answer(request, response).catch((error) => send(response, refusalReply(error)));
  });
}

function faultRoutes(faults: FaultScript): Route[] {
  const list = () => ({ status: 200, body: { faults: faults.list() } });
  return [
    { method: 'GET', path: '/faults', run: list },
    { method: 'POST', path: '/faults', run: (call) => ({ status: 201, body: faults.add(call.body) }) },
    {
      method: 'DELETE',
      path: '/faults',
      run: () => {
        faults.lift();
        return list();
      },
    },
  ];
}

function healthRoute(store: Store): Route {
  return { method: 'GET', path: '/health', run: () => ({ status: 200, body: { ok: true, revision: store.head() } }) };
}
