/**
 * One HTTP exchange with an HRS, and the honest name for how it ended. Every connector that speaks HTTP uses this, so that "was anything done?" is decided in one place:
 *
 * - `Unavailable`: the request was never started on a connection, or it was a read that got no usable answer, or
 *   the HRS said that it did nothing (429; 503 with Retry-After).
 * - `OutcomeUnknown`: a write was started and its answer is missing, unreadable, a redirect or a 5xx.
 * - `HrsNonsense`: a read was answered with something that is neither JSON nor, where that was asked for, XML.
 *
 * Messages name the method, the origin and the fault; never a path, query or body, which may hold patient data.
 */
import { Agent, type Dispatcher } from 'undici';
import { HrsNonsense, OutcomeUnknown, Unavailable } from './connector.ts';

export interface HrsRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'PROPFIND' | 'REPORT';
  url: string;
  headers?: Record<string, string>;
  /** Sent as JSON; `content-type` is `application/json` unless `headers` says otherwise. */
  body?: unknown;
  /** Sent as `application/x-www-form-urlencoded` instead of `body`. */
  form?: Record<string, string>;
  /** Sent as it is instead of `body`, under the `content-type` in `headers`. */
  text?: string;
  /** What the answer has to be; JSON unless this says otherwise. */
  answer?: 'json' | 'xml';
  /** True when the request may change something in the HRS. */
  isWrite: boolean;
  /** For the whole exchange, connecting included. */
  timeoutMs: number;
  /** Of the answer, when less than `MAX_BODY_BYTES` is plenty. */
  maxBodyBytes?: number;
  signal: AbortSignal;
}

export interface HrsResponse {
  /** 200 to 499, but never 3xx or 429. */
  status: number;
  /** Names in lower case; repeated headers joined with a comma. */
  headers: Record<string, string>;
  /** `null` when the body is empty, or when an answer of 400 and above carries no JSON. */
  json: unknown;
  /** The XML, where that was asked for: not parsed; `null` as above. */
  xml: string | null;
}

/** A page of 200 patients is about 1 MB; ten times that is not a page. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** Real answers nest some fifteen deep; recursion over our own values stays far below the stack limit here. */
const MAX_JSON_DEPTH = 64;

/** A host that drops packets is given up on early, while it is still certain that nothing was sent. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Retry-After of an hour and more tells us no more than "an hour". */
const MAX_RETRY_AFTER_MS = 3_600_000;

const reads = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, connections: 8 });

/**
 * A write gets a connection of its own: on a kept-alive one that the HRS is just closing, "never arrived" cannot be
 * told from "done, answer lost".
 */
const writes = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 });

/** Carries out one exchange; follows no redirect and repeats nothing. Throws as the head of this file says. */
export async function hrsRequest(request: HrsRequest): Promise<HrsResponse> {
  const origin = new URL(request.url).origin;
  const answer = await exchange(request, (fault) => `${request.method} ${origin}: ${fault}`);
  return classify(request, answer, (fault) => `${request.method} ${origin}: ${fault}`);
}

interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

function exchange(request: HrsRequest, say: (fault: string) => string): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const url = new URL(request.url);
  const chunks: Buffer[] = [];
  let controller: Dispatcher.DispatchController | null = null;
  let answer: Omit<RawAnswer, 'body'> | null = null;
  let bodyBytes = 0;
  let settled = false;

  const settle = (finish: () => void) => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    request.signal.removeEventListener('abort', onAbort);
    finish();
  };
  const fail = (fault: string, isUnreadable = false) => {
    const wasStarted = controller !== null;
    settle(() => reject(failure(request.isWrite && wasStarted, isUnreadable, say(fault))));
    controller?.abort(new Error(fault));
  };
  const onAbort = () => fail('given up by the caller');
  const timer = setTimeout(() => fail(`no complete answer within ${request.timeoutMs} ms`), request.timeoutMs);
  request.signal.addEventListener('abort', onAbort, { once: true });
  if (request.signal.aborted) {
    onAbort();
    return promise;
  }

  const { type, text: body } = bodyOf(request);
  const maxBodyBytes = request.maxBodyBytes ?? MAX_BODY_BYTES;
  const dispatcher = request.isWrite ? writes : reads;
  dispatcher.dispatch(
    {
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: {
        accept: request.answer === 'xml' ? 'application/xml, text/xml' : 'application/json',
        'accept-encoding': 'identity',
        ...(type === null ? {} : { 'content-type': type }),
        ...request.headers,
      },
      body,
      // The timer above covers the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
    },
    {
      onRequestStart(started) {
        controller = started;
        if (settled) started.abort(new Error('already given up'));
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return;
        answer = { status, headers: joinHeaders(headers) };
      },
      onResponseData(_, chunk) {
        bodyBytes += chunk.length;
        if (bodyBytes > maxBodyBytes) fail(`answer larger than ${maxBodyBytes} bytes`, true);
        else chunks.push(chunk);
      },
      onResponseEnd() {
        const complete = answer;
        if (complete === null) fail('no answer');
        else settle(() => resolve({ ...complete, body: Buffer.concat(chunks) }));
      },
      onResponseError(_, error) {
        fail(answer === null ? faultName(error) : 'answer was cut off', answer !== null);
      },
    },
  );
  return promise;
}

function bodyOf({ body, form, text }: HrsRequest): { type: string | null; text: string | null } {
  if (text !== undefined) return { type: null, text };
  if (form) return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(form).toString() };
  if (body === undefined) return { type: null, text: null };
  return { type: 'application/json', text: JSON.stringify(body) };
}

/** Without a `cause`: what undici and JSON.parse say can quote what was sent or received. */
function failure(mayHaveActed: boolean, isUnreadable: boolean, message: string): Error {
  if (mayHaveActed) return new OutcomeUnknown(message);
  return isUnreadable ? new HrsNonsense(message) : new Unavailable(message);
}

/** The code of the failed system call or of undici, and what it means for whoever entered an address. */
function faultName(error: Error): string {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string') return error.name;
  const [, words] = IN_WORDS.find(([pattern]) => pattern.test(code)) ?? [];
  return words === undefined ? code : `${words} (${code})`;
}

const IN_WORDS: readonly [RegExp, string][] = [
  [/^ECONNREFUSED$/, 'nothing listens at that address'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'there is no host of that name'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/, 'no way leads to that address'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, 'the connection was cut'],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'there is no https at that address'],
  [/CERT|^ERR_TLS_|SELF_SIGNED|UNABLE_TO_VERIFY/, 'its certificate is not trusted'],
];

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}

function classify(request: HrsRequest, answer: RawAnswer, say: (fault: string) => string): HrsResponse {
  const { status, headers } = answer;
  const retryAfterMs = parseRetryAfter(headers['retry-after']);
  if (status === 429 || (status === 503 && retryAfterMs !== null)) {
    throw new Unavailable(say(`asked to wait (${status})`), retryAfterMs);
  }
  if (status >= 500) throw failure(request.isWrite, false, say(`server error ${status}`));
  if (status >= 300 && status < 400) throw failure(request.isWrite, true, say(`redirect (${status}), not followed`));

  const wanted = request.answer ?? 'json';
  if (answer.body.length === 0) return { status, headers, json: null, xml: null };
  if (!CONTENT_TYPES[wanted].test(headers['content-type'] ?? '')) {
    if (status >= 400) return { status, headers, json: null, xml: null };
    throw failure(request.isWrite, true, say(`answer is not ${wanted.toUpperCase()}`));
  }
  try {
    if (wanted === 'xml') return { status, headers, json: null, xml: decode(answer.body) };
    return { status, headers, json: parseJson(answer.body), xml: null };
  } catch {
    throw failure(request.isWrite, true, say(`answer is not readable ${wanted.toUpperCase()}`));
  }
}

const CONTENT_TYPES = {
  json: /^application\/([\w.-]+\+)?json\s*(;|$)/i,
  xml: /^(application|text)\/xml\s*(;|$)/i,
};

function decode(body: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(body);
}

function parseJson(body: Buffer): unknown {
  const text = decode(body);
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (isInString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) isInString = false;
    } else if (char === 0x22) isInString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) throw new RangeError(`nested deeper than ${MAX_JSON_DEPTH}`);
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return JSON.parse(text);
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3). */
function parseRetryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(delayMs) ? null : Math.min(Math.max(delayMs, 0), MAX_RETRY_AFTER_MS);
}
