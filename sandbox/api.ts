import { addAlert, switchAlert } from './alerts.ts';
import { addBlock, changeBlock, eraseBlock } from './blocks.ts';
import { readChanges } from './changes.ts';
import type { Reply } from './faults.ts';
import { addHook, listHooks, removeHook } from './hooks.ts';
import { addPatient } from './patients.ts';
import { COLLECTIONS, KINDS, type Kind } from './records.ts';
import { Refusal } from './refusal.ts';
import type { Call, Route } from './routes.ts';
import type { Filters, Store } from './store.ts';
import { addVisit, changeVisit, type StepName, stepVisit } from './visits.ts';

const DEFAULT_LIMIT = 100;
/** A thousand visits are about half a megabyte of JSON. */
const MAX_LIMIT = 1_000;

const FILTERS: Partial<Record<Kind, string[]>> = {
  patient: ['external_ref', 'last_name', 'birth_date'],
  visit: ['external_ref'],
  block: ['external_ref'],
  alert: ['external_ref'],
};

/** A whole number from the query, at most `max`; anything else is refused with 400. */
export function queryNumber(call: Call, name: string, fallback: number, max: number): number {
  const raw = call.query.get(name);
  if (raw === null) return fallback;
  const number = /^\d{1,15}$/.test(raw) ? Number(raw) : Number.NaN;
  if (!(number <= max)) throw new Refusal(400, 'bad_query', `${name}: must be a whole number of at most ${max}.`);
  return number;
}

export function queryLimit(call: Call): number {
  return Math.max(1, queryNumber(call, 'limit', DEFAULT_LIMIT, MAX_LIMIT));
}

/** Refuses a parameter nobody reads: an ignored filter would look like an answer. */
export function checkQuery(call: Call, known: string[]): void {
  const stranger = [...call.query.keys()].find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Refusal(400, 'bad_query', `${stranger}: is not a parameter here.`);
}

function list(store: Store, kind: Kind): Route {
  const filterNames = FILTERS[kind] ?? [];
  return {
    method: 'GET',
    path: `/v1/${COLLECTIONS[kind]}`,
    list: 'after',
    run: (call) => {
      checkQuery(call, ['after', 'limit', ...filterNames]);
      const filters: Filters = {};
      for (const name of filterNames) {
        const value = call.query.get(name);
        if (value !== null) filters[name] = value;
      }
      const after = queryNumber(call, 'after', 0, Number.MAX_SAFE_INTEGER);
      return { status: 200, body: store.page(COLLECTIONS[kind], filters, after, queryLimit(call)) };
    },
  };
}

function read(store: Store, kind: Kind): Route {
  return {
    method: 'GET',
    path: `/v1/${COLLECTIONS[kind]}/:id`,
    run: (call) => ({ status: 200, body: store.get(kind, call.id) }),
  };
}

function step(store: Store, name: StepName): Route {
  return {
    method: 'POST',
    path: `/v1/visits/:id/${name}`,
    run: (call) => ({ status: 200, body: stepVisit(store, call.id, name, call.body, 'api') }),
  };
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** What a neighbouring program may ask of the practice; every route needs the key. */
export function apiRoutes(store: Store): Route[] {
  return [
    ...KINDS.flatMap((kind) => [list(store, kind), read(store, kind)]),
    {
      method: 'GET',
      path: '/v1/changes',
      list: 'since',
      run: (call) => {
        checkQuery(call, ['since', 'limit']);
        const since = queryNumber(call, 'since', 0, Number.MAX_SAFE_INTEGER);
        return { status: 200, body: readChanges(store, since, queryLimit(call)) };
      },
    },
    {
      method: 'POST',
      path: '/v1/patients',
      run: (call) => ({ status: 201, body: addPatient(store, call.body, 'api') }),
    },
    { method: 'POST', path: '/v1/visits', run: (call) => ({ status: 201, body: addVisit(store, call.body, 'api') }) },
    { method: 'PATCH', path: '/v1/visits/:id', run: (call) => ok(changeVisit(store, call.id, call.body)) },
    step(store, 'confirm'),
    step(store, 'break'),
    step(store, 'arrive'),
    { method: 'POST', path: '/v1/blocks', run: (call) => ({ status: 201, body: addBlock(store, call.body, 'api') }) },
    { method: 'PATCH', path: '/v1/blocks/:id', run: (call) => ok(changeBlock(store, call.id, call.body, 'api')) },
    {
      method: 'DELETE',
      path: '/v1/blocks/:id',
      run: (call) => {
        eraseBlock(store, call.id, 'api');
        return { status: 200, body: { id: call.id, deleted: true } };
      },
    },
    { method: 'POST', path: '/v1/alerts', run: (call) => ({ status: 201, body: addAlert(store, call.body, 'api') }) },
    ...(['on', 'off'] as const).map((to) => ({
      method: 'POST',
      path: `/v1/alerts/:id/${to}`,
      run: (call: Call) => ok(switchAlert(store, call.id, to, call.body, 'api')),
    })),
    { method: 'GET', path: '/v1/hooks', run: () => ({ status: 200, body: { items: listHooks(store) } }) },
    { method: 'POST', path: '/v1/hooks', run: (call) => ({ status: 201, body: addHook(store, call.body) }) },
    {
      method: 'DELETE',
      path: '/v1/hooks/:id',
      run: (call) => {
        removeHook(store, call.id);
        return { status: 200, body: { id: call.id, deleted: true } };
      },
    },
  ];
}
