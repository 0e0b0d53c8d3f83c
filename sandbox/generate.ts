import type { Block, Code, Patient, Practitioner, Room, Schedule, Site, Visit } from './records.ts';
import { WEEKDAYS } from './records.ts';
import type { Store } from './store.ts';
import { addDays, instantOf, wallClock, weekdayIndex } from './zone.ts';

const FIRST_NAMES = `
  Juniper Bramble Clover Fennel Hazel Indigo Jasper Linden Marlow Noémie Oakley Pepper Quill Rowan Saffron Tansy
  Umber Violet Wren Yarrow Zephyr Aster Basil Cedar Dahlia Ember
`
  .trim()
  .split(/\s+/);
const LAST_NAMES = `
  Alderbrook Birchwhistle Copperfen Dapplewood Elmsworth Fernhollow Gorseley Hawthwaite Inkwell Juneberry
  Kettlebrook Larkspur Mossgrove Nettlefield O'Thistle Pennyfold Quickthorn Reedmarsh Silverbirch Thornapple
  Underhill-Moss Vetchley Willowmere Yewbarrow Zinnia Ivywood
`
  .trim()
  .split(/\s+/);
const STREETS = ['Acorn Lane', 'Bellflower Street', 'Catkin Road', 'Drift Avenue', 'Elder Court'];
/** Area codes that exist, before the exchange 555-01xx that is kept free for stories. */
const AREA_CODES = ['212', '303', '347', '646', '718', '720', '917', '970'];
const LANGUAGES = ['en', 'en', 'en', 'en', 'en', 'es', 'es', 'fr'];
const NOTES = ['Prefers mornings.', 'Allergic to latex.', 'Please call when early.', 'Brings the children along.'];

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Visits begin on this grid. */
const GRID_MS = 10 * MINUTE_MS;
/** How far the schedule reaches, at least, from today. */
const PAST_DAYS = 90;
const FUTURE_DAYS = 365;
/** Shares of all visits that lie behind us and in the next fortnight; the rest is spread over the year. */
const PAST_SHARE = 0.4;
const SOON_SHARE = 0.3;
const SOON_DAYS = 14;
/** History is made longer until no more of it than this is filled, so that a free time is found by trying. */
const MAX_DENSITY = 0.5;
const MAX_TRIES = 400;
/** Every so many visits, one is booked under what is done and not under a kind of visit. */
const PROCEDURE_EVERY = 10;

/** How many patients and visits to invent for a site, on top of the records that are given. */
export interface Generate {
  site_id: number;
  patients: number;
  visits: number;
  /** What is filed about these patients; needs plans and recall types. */
  coverages?: number;
  recalls?: number;
  alerts?: number;
}

type Random = () => number;

/** mulberry32: the same numbers for the same seed, everywhere. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)] as T;
}

interface Practice {
  site: Site;
  practitioners: Practitioner[];
  rooms: Room[];
  visitTypes: Code[];
  procedures: Code[];
  schedules: Schedule[];
}

function readPractice(store: Store, siteId: number): Practice {
  const all = <T>(table: string) => store.page<T>(table, {}, 0, Number.MAX_SAFE_INTEGER - 1).items;
  const codes = all<Code>('codes').filter((code) => code.active);
  return {
    site: store.get('site', siteId),
    practitioners: all<Practitioner>('practitioners').filter((one) => one.active && one.site_ids.includes(siteId)),
    rooms: all<Room>('rooms').filter((room) => room.active && room.site_id === siteId),
    visitTypes: codes.filter((code) => code.kind === 'visit_type'),
    procedures: codes.filter((code) => code.kind === 'procedure'),
    // Hours with a label are kept for what the label says.
    schedules: all<Schedule>('schedules').filter(
      (row) => row.active && row.site_id === siteId && row.label_id === null,
    ),
  };
}

function inventPatient(
  store: Store,
  practice: Practice,
  index: number,
  parent: Patient | null,
  today: string,
  random: Random,
) {
  const isChild = parent !== null && index % 5 === 4;
  const firstName = FIRST_NAMES[index % FIRST_NAMES.length] as string;
  const lastIndex = index * 5 + Math.floor(index / FIRST_NAMES.length) + practice.site.id * 11;
  const lastName = isChild ? parent.last_name : (LAST_NAMES[lastIndex % LAST_NAMES.length] as string);
  const ageDays = isChild ? 3 * 365 + random() * 14 * 365 : 19 * 365 + random() * 66 * 365;
  const ascii = `${firstName}.${lastName}`
    .normalize('NFD')
    .replaceAll(/[^A-Za-z.-]/g, '')
    .toLowerCase();
  const phone = () => `(${pick(random, AREA_CODES)}) 555-01${String(Math.floor(random() * 100)).padStart(2, '0')}`;
  return store.insert('patient', {
    first_name: firstName,
    middle_name: random() < 0.2 ? pick(random, FIRST_NAMES) : null,
    last_name: lastName,
    birth_date: addDays(today, -Math.round(ageDays)),
    sex: random() < 0.03 ? 'X' : random() < 0.5 ? 'F' : 'M',
    phone_home: isChild || random() < 0.6 ? null : phone(),
    phone_cell: isChild ? parent.phone_cell : phone(),
    phone_work: !isChild && random() < 0.1 ? phone() : null,
    email: isChild ? null : `${ascii}.${index + 1}@example.com`,
    street: isChild ? parent.street : `${1 + Math.floor(random() * 240)} ${pick(random, STREETS)}`,
    city: practice.site.city,
    state: practice.site.state,
    zip: practice.site.zip,
    language: pick(random, LANGUAGES),
    sms_ok: random() < 0.8,
    active: random() > 0.03,
    guarantor_id: isChild ? parent.id : null,
    home_site_id: practice.site.id,
    usual_practitioner_id: practice.practitioners.length > 0 ? pick(random, practice.practitioners).id : null,
  });
}

/** Who and what is taken when. Holds everything of the store, so that a practitioner of two sites is in one of them. */
function readOccupancy(store: Store) {
  const taken = new Map<string, [number, number][]>();
  const keys = (resource: string, start: number, end: number) => {
    const days: string[] = [];
    for (let day = Math.floor(start / DAY_MS); day * DAY_MS < end; day += 1) days.push(`${resource} ${day}`);
    return days;
  };
  function take(resource: string, start: number, end: number): void {
    for (const key of keys(resource, start, end)) {
      const spans = taken.get(key);
      if (spans) spans.push([start, end]);
      else taken.set(key, [[start, end]]);
    }
  }
  function isFree(resource: string, start: number, end: number): boolean {
    return keys(resource, start, end).every((key) => !taken.get(key)?.some(([from, to]) => from < end && start < to));
  }
  for (const table of ['visits', 'blocks']) {
    const held = store.rows(`SELECT practitioner_id, room_id, start, "end" FROM ${table}`) as unknown as (
      | Visit
      | Block
    )[];
    for (const { practitioner_id, room_id, start, end } of held) {
      if (practitioner_id) take(`practitioner ${practitioner_id}`, Date.parse(start), Date.parse(end));
      if (room_id) take(`room ${room_id}`, Date.parse(start), Date.parse(end));
    }
  }
  return { take, isFree };
}

/** How a visit that begins at `start` stands by now. */
function standing(start: number, end: number, now: number, random: Random): Partial<Visit> {
  const at = (ms: number) => new Date(Math.min(ms, now)).toISOString();
  const chance = random();
  if (start >= now) {
    const isSoon = start < now + SOON_DAYS * DAY_MS;
    if (chance < 0.04) return { state: 'broken', broken_at: at(now - chance * 50 * DAY_MS) };
    const isConfirmed = chance < (isSoon ? 0.4 : 0.1);
    return isConfirmed ? { confirmation: 'confirmed', confirmed_at: at(now - chance * 5 * DAY_MS) } : {};
  }
  if (chance < 0.08) return { state: 'noshow', broken_at: at(start + 20 * MINUTE_MS) };
  if (chance < 0.18) return { state: 'broken', broken_at: at(start - chance * 20 * DAY_MS) };
  const confirmed: Partial<Visit> =
    chance < 0.7 ? { confirmation: 'confirmed', confirmed_at: at(start - chance * 10 * DAY_MS) } : {};
  const arrived = { ...confirmed, arrived_at: at(start - 5 * MINUTE_MS) };
  return end <= now ? { ...arrived, state: 'done', done_at: at(end) } : { ...arrived, state: 'arrived' };
}

/**
 * Invents patients and visits for a site: the same ones for the same order, practice and `now`. Visits lie inside the
 * schedules, from the past to a year ahead, and never overlap in a room or for a practitioner.
 * Throws when the schedules have no place for so many.
 */
export function generate(store: Store, order: Generate, now: Date): void {
  const practice = readPractice(store, order.site_id);
  const { site, schedules, visitTypes, procedures, practitioners, rooms } = practice;
  const random = randomFrom(site.id * 7_919);
  const today = wallClock(now, site.zone).toISOString().slice(0, 10);

  let parent: Patient | null = null;
  for (let index = 0; index < order.patients; index += 1) {
    const patient = inventPatient(store, practice, index, parent, today, random);
    if (index % 5 === 3) parent = patient;
  }
  const patients = store
    .page<Patient>('patients', { home_site_id: site.id }, 0, Number.MAX_SAFE_INTEGER - 1)
    .items.filter((patient) => patient.active);
  if (order.visits === 0) return;
  if (patients.length === 0 || visitTypes.length === 0 || practitioners.length === 0) {
    throw new Error(`site ${site.id}: visits need active patients, practitioners and visit types`);
  }

  const weekly = schedules.filter((row) => row.weekday !== null);
  const lengthMs = (row: Schedule) => Date.parse(`2000-01-01T${row.closes}Z`) - Date.parse(`2000-01-01T${row.opens}Z`);
  const weekMs = weekly.reduce((sum, row) => sum + lengthMs(row), 0);
  const meanVisitMs = (visitTypes.reduce((sum, code) => sum + code.minutes, 0) / visitTypes.length) * MINUTE_MS;
  const neededDays = ((order.visits * PAST_SHARE * meanVisitMs) / (weekMs * MAX_DENSITY)) * 7;
  const pastDays = Math.max(PAST_DAYS, Math.ceil(Number.isFinite(neededDays) ? neededDays : 0));
  const randomDay = () => {
    const chance = random();
    if (chance < PAST_SHARE) return -1 - Math.floor(random() * pastDays);
    if (chance < PAST_SHARE + SOON_SHARE) return Math.floor(random() * SOON_DAYS);
    return SOON_DAYS + Math.floor(random() * (FUTURE_DAYS - SOON_DAYS));
  };

  const occupancy = readOccupancy(store);
  const openings = new Map<number, { row: Schedule; start: number; end: number }[]>();
  const openingsOn = (dayOffset: number) => {
    let found = openings.get(dayOffset);
    if (!found) {
      const date = addDays(today, dayOffset);
      const weekday = WEEKDAYS[weekdayIndex(date)];
      found = schedules
        .filter((row) => row.date === date || row.weekday === weekday)
        .map((row) => ({
          row,
          start: instantOf(date, row.opens, site.zone).getTime(),
          end: instantOf(date, row.closes, site.zone).getTime(),
        }));
      openings.set(dayOffset, found);
    }
    return found;
  };

  function placeOne(dayOffset: number): Partial<Visit> | null {
    const open = openingsOn(dayOffset);
    if (open.length === 0) return null;
    const { row, ...span } = pick(random, open);
    const code = pick(random, visitTypes);
    const steps = Math.floor((span.end - span.start - code.minutes * MINUTE_MS) / GRID_MS) + 1;
    if (steps <= 0) return null;
    const start = span.start + Math.floor(random() * steps) * GRID_MS;
    const end = start + code.minutes * MINUTE_MS;
    const practitionerId = row.practitioner_id ?? pick(random, practitioners).id;
    const wantsRoom = row.room_id === null && rooms.length > 0 && random() < 0.6;
    const roomId = row.room_id ?? (wantsRoom ? pick(random, rooms).id : null);
    if (!occupancy.isFree(`practitioner ${practitionerId}`, start, end)) return null;
    if (roomId !== null && !occupancy.isFree(`room ${roomId}`, start, end)) return null;
    const state = standing(start, end, now.getTime(), random);
    occupancy.take(`practitioner ${practitionerId}`, start, end);
    if (roomId !== null) occupancy.take(`room ${roomId}`, start, end);
    return {
      practitioner_id: practitionerId,
      room_id: roomId,
      start: new Date(start).toISOString(),
      end: new Date(end).toISOString(),
      visit_code: code.code,
      ...state,
    };
  }

  for (let index = 0; index < order.visits; index += 1) {
    let place: Partial<Visit> | null = null;
    for (let tries = 0; !place && tries < MAX_TRIES; tries += 1) place = placeOne(randomDay());
    if (!place)
      throw new Error(`site ${site.id}: the schedules have no room for ${order.visits} visits, only ${index}`);
    const procedure = procedures[(index / PROCEDURE_EVERY) % procedures.length];
    store.insert('visit', {
      site_id: site.id,
      patient_id: pick(random, patients).id,
      note: random() < 0.15 ? pick(random, NOTES) : null,
      state: 'scheduled',
      confirmation: 'none',
      ...place,
      ...(index % PROCEDURE_EVERY === 0 && procedure ? { visit_code: procedure.code } : {}),
    });
  }
}
