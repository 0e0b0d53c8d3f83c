import { type Input, integer, oneOf, readFields, required, text } from './fields.ts';
import { Refusal } from './refusal.ts';

export interface Fault {
  id: number;
  fault: FaultKind;
  match: string;
  /** How many requests it still strikes; null until it is lifted. */
  times: number | null;
  ms: number;
  reason: string;
  message: string;
}

export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** What a fault may do with one request. */
export interface Exchange {
  /** Carries the request out; refusals come back as replies. */
  work: () => Reply;
  /** The reply of `work`, of which nothing remains. */
  rehearse: () => Reply;
  /** The reply with another record of the same kind in it. */
  swapRecord: (reply: Reply) => Reply;
  send: (reply: Reply) => void;
  /** Sends a body as it is; the connection breaks off behind it when `claimedLength` is more. */
  sendBytes: (status: number, type: string, bytes: Buffer, claimedLength: number) => void;
  /** Closes the connection without an answer. */
  drop: () => void;
  /** Runs later, whether or not the caller waits; forgotten when the process ends. */
  later: (ms: number, run: () => void) => void;
  /** The place a list was asked to begin at, 0 for other requests. */
  begin: number;
}

export interface Incoming {
  method: string;
  path: string;
  isList: boolean;
}

/** A page as the list and the feed both answer it. */
interface PageBody {
  items?: unknown[];
  changes?: { revision: number }[];
  next?: number | null;
  revision?: number;
  total?: number;
  has_more?: boolean;
}

interface Play {
  /** The requests it strikes when the script does not say. */
  strikes: 'any' | 'write' | 'list' | 'none';
  play: (exchange: Exchange, fault: Fault) => void;
}

const MAINTENANCE =
  '<!doctype html><title>Maintenance</title><h1>We are improving our system. Please come back later.</h1>';

const internalError: Reply = { status: 500, body: { error: 'internal', message: 'Something went wrong.' } };

function garble(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(garble);
  if (value === null) return {};
  if (typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, garble(v)]));
  if (typeof value === 'number') return `#${value}`;
  return typeof value === 'string' ? value.length : 'perhaps';
}

function half<T>(list: T[]): T[] {
  return list.slice(0, Math.floor(list.length / 2));
}

/** Sends half of the bytes, under the length they have or under the one they should have. */
function sendHalf({ work, sendBytes }: Exchange, claimsAll: boolean): void {
  const reply = work();
  const bytes = Buffer.from(JSON.stringify(reply.body));
  const sent = bytes.subarray(0, bytes.length >> 1);
  sendBytes(reply.status, 'application/json', sent, claimsAll ? bytes.length : sent.length);
}

/** A fault of lists: reads the page properly and changes it. `begin` is where the caller asked the page to begin. */
function spoiled(change: (page: PageBody, begin: number) => PageBody): Play {
  return {
    strikes: 'list',
    play: ({ work, send, begin }) => {
      const reply = work();
      send(reply.status === 200 ? { ...reply, body: change(reply.body as PageBody, begin) } : reply);
    },
  };
}

const PLAYS = {
  off: { strikes: 'any', play: ({ drop }) => drop() },
  hang: { strikes: 'any', play: () => {} },
  slow: { strikes: 'any', play: ({ later, send, work }, { ms }) => later(ms, () => send(work())) },
  slow_reply: {
    strikes: 'any',
    play: ({ later, send, work }, { ms }) => {
      const reply = work();
      later(ms, () => send(reply));
    },
  },
  error: { strikes: 'any', play: ({ send }) => send(internalError) },
  html: {
    strikes: 'any',
    play: ({ sendBytes }) => {
      const bytes = Buffer.from(MAINTENANCE);
      sendBytes(200, 'text/html; charset=utf-8', bytes, bytes.length);
    },
  },
  rate_limit: {
    strikes: 'any',
    play: ({ send }, { ms }) => {
      const headers = { 'retry-after': String(Math.ceil(ms / 1000)) };
      send({ status: 429, body: { error: 'rate_limited', message: 'Too many requests.' }, headers });
    },
  },
  unauthorized: {
    strikes: 'any',
    play: ({ send }) => send({ status: 401, body: { error: 'bad_key', message: 'This key is not valid.' } }),
  },
  refuse: {
    strikes: 'write',
    play: ({ send }, { reason, message }) =>
      send({ status: reason.endsWith('_taken') ? 409 : 422, body: { error: reason, message } }),
  },
  lie_ok: { strikes: 'write', play: ({ send, rehearse }) => send(rehearse()) },
  wrong_record: { strikes: 'write', play: ({ send, swapRecord, work }) => send(swapRecord(work())) },
  lose_reply: {
    strikes: 'write',
    play: ({ work, drop }) => {
      work();
      drop();
    },
  },
  late_work: {
    strikes: 'write',
    play: ({ later, work, drop }, { ms }) => {
      later(ms, work);
      drop();
    },
  },
  error_after_work: {
    strikes: 'write',
    play: ({ work, send }) => {
      work();
      send(internalError);
    },
  },
  nonsense: {
    strikes: 'any',
    play: ({ work, send }) => {
      const reply = work();
      send({ ...reply, body: garble(reply.body) });
    },
  },
  truncate_body: { strikes: 'any', play: (exchange) => sendHalf(exchange, false) },
  cut_body: { strikes: 'any', play: (exchange) => sendHalf(exchange, true) },
  truncate_pages: spoiled((page, begin) => {
    if (!page.changes) return { ...page, items: half(page.items ?? []), next: null };
    const changes = half(page.changes);
    return { ...page, changes, revision: changes.at(-1)?.revision ?? begin, has_more: false };
  }),
  repeat_pages: spoiled((page, begin) =>
    page.changes ? { ...page, revision: begin, has_more: true } : { ...page, next: begin },
  ),
  reorder_pages: spoiled((page) =>
    page.changes ? { ...page, changes: page.changes.toReversed() } : { ...page, items: page.items?.toReversed() },
  ),
  empty_lists: spoiled((page, begin) =>
    page.changes
      ? { ...page, changes: [], revision: begin, has_more: false }
      : { ...page, items: [], next: null, total: 0 },
  ),
  // Looked up by `skewMs`; it strikes the clock, not a request.
  clock_skew: { strikes: 'none', play: () => {} },
} satisfies Record<string, Play>;

export type FaultKind = keyof typeof PLAYS;
const FAULT_KINDS = Object.keys(PLAYS) as FaultKind[];

const DEFAULT_MS = 1_000;
/** A day: more than any caller waits and any clock is wrong. */
const MAX_MS = 86_400_000;
const MAX_FAULTS = 100;

function strikes(fault: Fault, incoming: Incoming): boolean {
  if (fault.times === 0 || fault.match === 'none') return false;
  // A fault of lists makes no sense on anything else, whatever the script says.
  if (PLAYS[fault.fault].strikes === 'list' && !incoming.isList) return false;
  switch (fault.match) {
    case 'any':
      return true;
    case 'read':
      return incoming.method === 'GET';
    case 'write':
      return incoming.method !== 'GET';
    case 'list':
      return incoming.isList;
    case 'changes':
      return incoming.path === '/v1/changes';
    default:
      return incoming.path.startsWith(fault.match);
  }
}

/** The faults in force, in the order they were scripted; each request is struck by the first that matches it. */
export function createFaultScript() {
  let faults: Fault[] = [];
  let lastId = 0;

  function add(input: Input): Fault {
    const { fault, ...given } = required(
      readFields(input, {
        fault: oneOf(FAULT_KINDS),
        match: text(200),
        times: integer,
        ms: integer,
        reason: text(50),
        message: text(200),
      }),
      'fault',
    );
    if (given.times !== undefined && given.times < 1) throw new Refusal(422, 'bad_field', 'times: must be at least 1.');
    if (Math.abs(given.ms ?? 0) > MAX_MS) throw new Refusal(422, 'bad_field', `ms: at most ${MAX_MS}.`);
    if (given.match && !/^(any|read|write|list|changes|\/.*)$/.test(given.match)) {
      throw new Refusal(
        422,
        'bad_field',
        'match: must be any, read, write, list, changes or a path that begins with /.',
      );
    }
    faults = faults.filter((one) => one.times !== 0);
    if (faults.length >= MAX_FAULTS) throw new Refusal(422, 'too_many_faults', `At most ${MAX_FAULTS} faults.`);
    lastId += 1;
    const added: Fault = {
      id: lastId,
      fault,
      match: fault === 'clock_skew' ? 'none' : (given.match ?? PLAYS[fault].strikes),
      times: given.times ?? null,
      ms: given.ms ?? DEFAULT_MS,
      reason: given.reason ?? 'room_taken',
      message: given.message ?? 'The practice refuses this.',
    };
    faults.push(added);
    return added;
  }

  return {
    add,
    list: () => faults.filter((fault) => fault.times !== 0),
    lift: () => {
      faults = [];
    },
    /** The fault that strikes this request, counted as used. */
    take: (incoming: Incoming): Fault | undefined => {
      const fault = faults.find((one) => strikes(one, incoming));
      if (fault?.times) fault.times -= 1;
      return fault;
    },
    isOff: () => faults.some((fault) => fault.fault === 'off' && fault.times !== 0),
    skewMs: () => faults.findLast((fault) => fault.fault === 'clock_skew')?.ms ?? 0,
  };
}

export type FaultScript = ReturnType<typeof createFaultScript>;

/** Plays a fault on one request, which is thereby over. */
export function play(fault: Fault, exchange: Exchange): void {
  const { play: run }: Play = PLAYS[fault.fault];
  run(exchange, fault);
}
