/** The faults of the conformance suite, made over HTTP by a proxy between the connector and the HRS. */
import { type Fault, type FaultProxy, isWrite, type SeenRequest } from '../harness/fault-proxy.ts';
import type { ArmableFault, Faults } from './bench.ts';

/** What an answer that holds a page of rows looks like, so that its rows can be lost, turned round or taken away. */
export interface PageShape {
  /** The same answer with other rows, everything else as it was; null for an answer that is no page. */
  withRows(body: string, change: <Row>(rows: Row[]) => Row[]): string | null;
  /** The answer of the HRS when it shows us nothing; null as above. */
  emptied(body: string): string | null;
}

/** Pages in JSON, whose rows stand under one of `names`; `none` is what else such an answer says without rows. */
export function jsonPages(names: readonly string[], none: (page: Record<string, unknown>) => object): PageShape {
  const read = (body: string) => {
    const json = JSON.parse(body || 'null');
    const name = names.find((one) => Array.isArray(json?.[one]));
    return name === undefined ? null : { json, name };
  };
  return {
    withRows(body, change) {
      const page = read(body);
      return page && JSON.stringify({ ...page.json, [page.name]: change(page.json[page.name]) });
    },
    emptied(body) {
      const page = read(body);
      return page && JSON.stringify({ ...page.json, ...none(page.json), [page.name]: [] });
    },
  };
}

const wait = { status: 429, headers: { 'retry-after': '7' } };
const nesting = '['.repeat(100_000);

/** The late work of `lateWork`, and of `overtakenWork`, whose repetition has to come first. */
const LATE_MS = 50;
const OVERTAKEN_MS = 200;

export function httpFaults(
  proxy: FaultProxy,
  timeoutMs: number,
  pages: PageShape,
  writes: (request: SeenRequest) => boolean = isWrite,
): Faults {
  const made: Record<ArmableFault, Fault> = {
    cutRead: { kind: 'cut' },
    maintenance: { kind: 'html' },
    halfAnswer: { kind: 'truncate', how: 'body' },
    answerCutOff: { kind: 'truncate', how: 'connection' },
    serverError: { kind: 'answer', status: 500 },
    redirect: { kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1:9/' } },
    quotaAnswer: { kind: 'answer', ...wait },
    unauthorised: { kind: 'answer', status: 401 },
    emptyList: { kind: 'answer', status: 200, body: '[]' },
    emptyObject: { kind: 'answer', status: 200, body: '{}' },
    nullAnswer: { kind: 'answer', status: 200, body: 'null' },
    emptyAnswer: { kind: 'answer', status: 200 },
    endlessNesting: { kind: 'answer', status: 200, body: nesting },
    shortPage: rewrite((body) => pages.withRows(body, (rows) => rows.slice(0, Math.floor(rows.length / 2)))),
    repeatedPage: { kind: 'answer_before' },
    reorderedPage: rewrite((body) => pages.withRows(body, (rows) => rows.toReversed())),
    emptyScope: rewrite((body) => pages.emptied(body)),
    silentRead: { kind: 'hang' },
    strangerNotFound: { kind: 'answer', status: 404, headers: { 'content-type': 'text/html' }, body: 'Not here' },
    cutBeforeWork: { kind: 'cut' },
    lostReply: { kind: 'lose_reply' },
    errorAfterWork: { kind: 'error_after_work' },
    yesWithoutWork: { kind: 'lie' },
    maintenanceForWork: { kind: 'html' },
    halfReply: { kind: 'truncate', how: 'body' },
    replyCutOff: { kind: 'truncate', how: 'connection' },
    silence: { kind: 'hang' },
    lateWork: { kind: 'late_work', delayMs: LATE_MS },
    overtakenWork: { kind: 'late_work', delayMs: OVERTAKEN_MS },
    repeatedWork: { kind: 'repeat' },
    quotaForWork: { kind: 'answer', ...wait },
    slowReply: { kind: 'slow', delayMs: timeoutMs / 4 },
  };

  function arm(fault: Fault, at: number | 'every', matches: (request: SeenRequest) => boolean) {
    let position = 0;
    const isIt = (request: SeenRequest) => matches(request) && (at === 'every' || position++ === at);
    return proxy.arm(fault, { when: isIt, times: at === 'every' ? Number.POSITIVE_INFINITY : 1 });
  }

  return {
    arm: (fault, at) => arm(made[fault], at, isOfWrites(fault) ? writes : (request) => !writes(request)),
    meanwhile: (of, at, act) => arm({ kind: 'meanwhile', act }, at, (request) => writes(request) === (of === 'writes')),
    clear: () => proxy.clear(),
    turnOff: () => proxy.turnOff(),
    turnOn: () => proxy.turnOn(),
    takeSent: () => proxy.takeSeen().length,
  };
}

function rewrite(change: (body: string) => string | null): Fault {
  return { kind: 'rewrite', rewrite: (body) => change(body) ?? body };
}

const OF_WRITES: readonly ArmableFault[] = [
  'cutBeforeWork',
  'lostReply',
  'errorAfterWork',
  'yesWithoutWork',
  'maintenanceForWork',
  'halfReply',
  'replyCutOff',
  'silence',
  'lateWork',
  'overtakenWork',
  'repeatedWork',
  'quotaForWork',
  'slowReply',
];

function isOfWrites(fault: ArmableFault): boolean {
  return OF_WRITES.includes(fault);
}
