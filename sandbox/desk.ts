import { addAlert, changeAlert, eraseAlert, switchAlert } from './alerts.ts';
import { checkQuery, queryLimit, queryNumber } from './api.ts';
import { addBlock, changeBlock, eraseBlock } from './blocks.ts';
import { rebuildFeed } from './changes.ts';
import { changeRecord, eraseRecord, FILED_KINDS, fileRecord } from './drawers.ts';
import { flag, type Input, readFields } from './fields.ts';
import { addPatient, changePatient, mergePatient } from './patients.ts';
import { COLLECTIONS, type Kind } from './records.ts';
import type { Call, Route } from './routes.ts';
import type { Store } from './store.ts';
import { addVisit, describeVisit, eraseVisit, moveVisit, type StepName, stepVisit } from './visits.ts';

/** What the buttons of the front desk are called, and the step each takes. */
const STEPS: Record<string, StepName> = {
  confirm: 'confirm',
  unconfirm: 'unconfirm',
  'check-in': 'arrive',
  complete: 'complete',
  cancel: 'break',
  'no-show': 'no-show',
  delete: 'delete',
  restore: 'restore',
};

function change(store: Store, kind: 'practitioner' | 'room', id: number, input: Input) {
  const record = store.update(kind, id, readFields(input, { active: flag }));
  store.audit({ who: 'desk', action: 'change', kind, recordId: id, ref: null });
  return record;
}

function erased(id: number) {
  return { status: 200, body: { id, deleted: true } };
}

/** What staff do. No key and no faults: whoever sits at the desk is in the practice. */
export function deskRoutes(store: Store): Route[] {
  const route = (method: string, path: string, status: number, run: (call: Call) => unknown): Route => {
    return { method, path, run: (call) => ({ status, body: run(call) }) };
  };
  const patch = (kind: 'practitioner' | 'room') =>
    route('PATCH', `/desk/${kind}s/:id`, 200, (call) => change(store, kind, call.id, call.body));
  const erase = (kind: Kind, run: (id: number) => void): Route => ({
    method: 'DELETE',
    path: `/desk/${COLLECTIONS[kind]}/:id`,
    run: (call) => {
      run(call.id);
      return erased(call.id);
    },
  });

  return [
    route('POST', '/desk/visits', 201, (call) => addVisit(store, call.body, 'desk')),
    route('PATCH', '/desk/visits/:id', 200, (call) => describeVisit(store, call.id, call.body)),
    route('POST', '/desk/visits/:id/move', 200, (call) => moveVisit(store, call.id, call.body)),
    ...Object.entries(STEPS).map(([button, step]) =>
      route('POST', `/desk/visits/:id/${button}`, 200, (call) => stepVisit(store, call.id, step, call.body, 'desk')),
    ),
    erase('visit', (id) => eraseVisit(store, id)),
    route('POST', '/desk/blocks', 201, (call) => addBlock(store, call.body, 'desk')),
    route('PATCH', '/desk/blocks/:id', 200, (call) => changeBlock(store, call.id, call.body, 'desk')),
    erase('block', (id) => eraseBlock(store, id, 'desk')),
    route('POST', '/desk/patients', 201, (call) => addPatient(store, call.body, 'desk')),
    route('PATCH', '/desk/patients/:id', 200, (call) => changePatient(store, call.id, call.body)),
    route('POST', '/desk/patients/:id/merge', 200, (call) => mergePatient(store, call.id, call.body)),
    route('POST', '/desk/alerts', 201, (call) => addAlert(store, call.body, 'desk')),
    route('PATCH', '/desk/alerts/:id', 200, (call) => changeAlert(store, call.id, call.body)),
    ...(['on', 'off'] as const).map((to) =>
      route('POST', `/desk/alerts/:id/${to}`, 200, (call) => switchAlert(store, call.id, to, call.body, 'desk')),
    ),
    erase('alert', (id) => eraseAlert(store, id)),
    ...FILED_KINDS.flatMap((kind) => [
      route('POST', `/desk/${COLLECTIONS[kind]}`, 201, (call) => fileRecord(store, kind, call.body)),
      route('PATCH', `/desk/${COLLECTIONS[kind]}/:id`, 200, (call) => changeRecord(store, kind, call.id, call.body)),
      erase(kind, (id) => eraseRecord(store, kind, id)),
    ]),
    patch('practitioner'),
    patch('room'),
    route('POST', '/desk/rebuild-feed', 200, () => ({ trimmed_to: rebuildFeed(store) })),
    route('GET', '/audit', 200, (call) => {
      checkQuery(call, ['ref', 'after', 'limit']);
      const ref = call.query.get('ref');
      const after = queryNumber(call, 'after', 0, Number.MAX_SAFE_INTEGER);
      return store.page('audit', ref === null ? {} : { ref }, after, queryLimit(call));
    }),
  ];
}
