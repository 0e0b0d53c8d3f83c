import { flag, type Input, instant, integer, maybe, readFields, required, text, wholeNumber } from './fields.ts';
import { MAX_REF, unmergedPatient } from './patients.ts';
import type { Visit, VisitState } from './records.ts';
import { Refusal, unknown } from './refusal.ts';
import type { AuditEntry, Store } from './store.ts';

const MAX_NOTE = 128;
/** No visit outlasts a working day; it also bounds how far back an overlap can begin. */
const MAX_VISIT_MS = 12 * 3_600_000;
/** No practitioner sees more patients at once. */
const MAX_SHARE = 5;
/** States in which a visit keeps its practitioner and room. */
const LIVE: VisitState[] = ['scheduled', 'arrived', 'done'];

/** States in which a program may still change it. */
const OPEN: VisitState[] = ['scheduled', 'arrived'];

const MOVABLE = {
  practitioner_id: integer,
  room_id: maybe(integer),
  start: instant,
  end: instant,
};
const DESCRIBING = {
  visit_code: maybe(text(20)),
  note: maybe(text(MAX_NOTE, 'note_too_long')),
};
/** How many visits, this one counted, the practitioner may have at a time. */
const share = wholeNumber(1, MAX_SHARE);
const BOOKING = {
  ...MOVABLE,
  ...DESCRIBING,
  site_id: integer,
  patient_id: integer,
  external_ref: maybe(text(MAX_REF)),
};

type Place = Pick<Visit, 'site_id' | 'practitioner_id' | 'room_id' | 'start' | 'end'>;

function checkPlace(store: Store, place: Place): void {
  const lengthMs = Date.parse(place.end) - Date.parse(place.start);
  if (lengthMs <= 0 || lengthMs > MAX_VISIT_MS) {
    throw new Refusal(422, 'bad_times', 'A visit ends after it starts and lasts at most 12 hours.');
  }
  const site = store.get('site', place.site_id);
  const practitioner = store.get('practitioner', place.practitioner_id);
  if (!practitioner.active) throw new Refusal(422, 'practitioner_left', 'This practitioner takes no more visits.');
  if (!practitioner.site_ids.includes(site.id)) {
    throw new Refusal(422, 'wrong_site', 'This practitioner does not work at this site.');
  }
  if (place.room_id === null) {
    if (site.schedules_by === 'room') throw new Refusal(422, 'room_required', 'Visits at this site need a room.');
    return;
  }
  const room = store.get('room', place.room_id);
  if (!room.active) throw new Refusal(422, 'room_closed', 'This room is closed.');
  if (room.site_id !== site.id) throw new Refusal(422, 'wrong_site', 'This room is at another site.');
}

/**
 * Refuses an overlap with a live visit or a block, in the room first and then for the practitioner. With `seats` above 1
 * the practitioner may have so many visits that overlap this one, less one; a room takes one, a block lets nobody in.
 */
function checkFree(store: Store, place: Place, ownId: number, seats = 1): void {
  const earliest = new Date(Date.parse(place.start) - MAX_VISIT_MS).toISOString();
  for (const resource of ['room', 'practitioner'] as const) {
    const id = place[`${resource}_id`];
    if (id === null) continue;
    const column = `${resource}_id`;
    const visits = store.rows(
      `SELECT id FROM visits WHERE ${column} = ? AND start < ? AND start >= ? AND "end" > ?
       AND state IN (${LIVE.map((state) => `'${state}'`)}) AND id <> ? LIMIT ${MAX_SHARE}`,
      id,
      place.end,
      earliest,
      place.start,
      ownId,
    );
    const visit = visits[(resource === 'room' ? 1 : seats) - 1];
    const [block] = store.rows(
      `SELECT id FROM blocks WHERE ${column} = ? AND start < ? AND "end" > ? LIMIT 1`,
      id,
      place.end,
      place.start,
    );
    if (visit || block) {
      const holder = visit ? { visit_id: visit.id } : { block_id: block?.id };
      throw new Refusal(409, `${resource}_taken`, `The ${resource} is taken at that time.`, holder);
    }
  }
}

function checkCode(store: Store, code: string | null | undefined): void {
  if (code && store.rows('SELECT 1 FROM codes WHERE code = ?', code).length === 0) throw unknown('code', code);
}

/** Puts a visit into the schedule, by API or at the front desk. Only the desk may insist on a taken time or choose the id. */
export function addVisit(store: Store, input: Input, who: AuditEntry['who']): Visit {
  const readers = who === 'desk' ? { ...BOOKING, insist: flag, id: integer } : { ...BOOKING, share };
  const {
    insist,
    id,
    share: seats,
    ...rest
  } = required(
    readFields<typeof BOOKING & { insist?: typeof flag; id?: typeof integer; share?: typeof share }>(input, readers),
    'site_id',
    'patient_id',
    'practitioner_id',
    'start',
    'end',
  );
  const fields = { room_id: null, ...rest };
  unmergedPatient(store, fields.patient_id);
  checkCode(store, fields.visit_code);
  checkPlace(store, fields);
  if (!insist) checkFree(store, fields, 0, seats);
  if (id !== undefined && store.find('visit', id)) throw new Refusal(409, 'id_taken', `Visit ${id} exists.`);
  const given = id === undefined ? fields : { ...fields, id };
  const visit = store.insert('visit', { ...given, state: 'scheduled', confirmation: 'none' });
  store.audit({ who, action: 'add', kind: 'visit', recordId: visit.id, ref: visit.external_ref });
  return visit;
}

/** Gives a live visit another time, room or practitioner; what is not given stays. */
export function moveVisit(store: Store, id: number, input: Input): Visit {
  const { insist, ...given } = readFields(input, { ...MOVABLE, insist: flag });
  const visit = store.get('visit', id);
  if (!LIVE.includes(visit.state)) throw wrongState(visit, 'move');
  const place = { ...visit, ...given };
  checkPlace(store, place);
  if (!insist) checkFree(store, place, id);
  const moved = store.update('visit', id, given);
  store.audit({ who: 'desk', action: 'move', kind: 'visit', recordId: id, ref: null });
  return moved;
}

/**
 * Changes time, room and note of a visit from outside, all of it or nothing, under the rules of a new one. What is so
 * already is not looked at again. `request_ref` is kept in the audit.
 */
export function changeVisit(store: Store, id: number, input: Input): Visit {
  const { start, end, room_id } = MOVABLE;
  const readers = { start, end, room_id, note: DESCRIBING.note, share, request_ref: maybe(text(MAX_REF)) };
  const { share: seats, request_ref: ref, ...given } = readFields(input, readers);
  if ((given.start === undefined) !== (given.end === undefined)) {
    throw new Refusal(422, 'bad_times', 'start and end come together.');
  }
  const visit = store.get('visit', id);
  if (!OPEN.includes(visit.state)) throw wrongState(visit, 'change');
  const place = { ...visit, ...given };
  if (place.start !== visit.start || place.end !== visit.end || place.room_id !== visit.room_id) {
    checkPlace(store, place);
    checkFree(store, place, id, seats);
  }
  const changed = store.update('visit', id, given);
  store.audit({ who: 'api', action: 'change', kind: 'visit', recordId: id, ref: ref ?? null });
  return changed;
}

/** Changes what a visit says about itself, wherever it stands. */
export function describeVisit(store: Store, id: number, input: Input): Visit {
  const fields = readFields(input, DESCRIBING);
  checkCode(store, fields.visit_code);
  const visit = store.update('visit', id, fields);
  store.audit({ who: 'desk', action: 'describe', kind: 'visit', recordId: id, ref: null });
  return visit;
}

interface Step {
  from: VisitState[];
  /** Where it leads; a visit that is there already stays as it is, which is no error. */
  to?: VisitState;
  change: (at: string, visit: Visit) => Partial<Visit>;
}

const STEPS = {
  confirm: {
    from: ['scheduled', 'arrived'],
    change: (at, visit) => (visit.confirmation === 'confirmed' ? {} : { confirmation: 'confirmed', confirmed_at: at }),
  },
  unconfirm: { from: ['scheduled', 'arrived'], change: () => ({ confirmation: 'none', confirmed_at: null }) },
  arrive: { from: ['scheduled'], to: 'arrived', change: (at) => ({ arrived_at: at }) },
  complete: { from: ['scheduled', 'arrived'], to: 'done', change: (at) => ({ done_at: at }) },
  break: { from: ['scheduled', 'arrived'], to: 'broken', change: (at) => ({ broken_at: at }) },
  'no-show': { from: ['scheduled'], to: 'noshow', change: (at) => ({ broken_at: at }) },
  delete: { from: ['scheduled', 'arrived', 'done', 'broken', 'noshow'], to: 'deleted', change: () => ({}) },
  restore: {
    from: ['broken', 'noshow', 'deleted'],
    to: 'scheduled',
    change: () => ({ arrived_at: null, done_at: null, broken_at: null }),
  },
} satisfies Record<string, Step>;

export type StepName = keyof typeof STEPS;

function wrongState(visit: Visit, wanted: string): Refusal {
  const message = `A visit that is ${visit.state} does not take "${wanted}".`;
  return new Refusal(409, 'wrong_state', message, { state: visit.state });
}

/** Takes a visit one step further, or refuses with 409 `wrong_state`. `request_ref` is kept in the audit. */
export function stepVisit(store: Store, id: number, name: StepName, input: Input, who: AuditEntry['who']): Visit {
  const { request_ref: ref } = readFields(input, { request_ref: maybe(text(MAX_REF)) });
  const step: Step = STEPS[name];
  let visit = store.get('visit', id);
  if (visit.state !== step.to) {
    if (!step.from.includes(visit.state)) throw wrongState(visit, name);
    if (name === 'restore') checkFree(store, visit, id);
    visit = store.update('visit', id, { ...step.change(store.now().toISOString(), visit), state: step.to });
  }
  store.audit({ who, action: name, kind: 'visit', recordId: id, ref: ref ?? null });
  return visit;
}

/** Takes a visit out of the file for good; a recall it answered is open again. Staff do this to their own mistakes. */
export function eraseVisit(store: Store, id: number): void {
  store.repoint('recall', 'visit_id', id, null);
  store.remove('visit', id);
  store.audit({ who: 'desk', action: 'erase', kind: 'visit', recordId: id, ref: null });
}
