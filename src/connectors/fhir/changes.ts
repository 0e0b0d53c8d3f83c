/**
 * What has changed in the server: the directory whole in every pass, the rest by `_lastUpdated`; days that have never
 * been read, window by window, the near ones first.
 *
 * A position is, for each type, the newest `lastUpdated` that the server gave, and never later than the server's
 * clock when the pass began: what changed while we were reading is read again. Each pass starts `overlapSeconds`
 * before its position, because servers stamp a change before they show it.
 *
 * Where the server cannot search by `_lastUpdated`, each pass reads the near days again, and of the patients those
 * who are in them.
 */
import type { DeletionRecord, HrsRecord } from '../../domain/records.ts';
import { addDays, localDateOf, localToInstantMs } from '../../domain/zone.ts';
import { type Batch, type Cursor, HrsNonsense, type Messages } from '../connector.ts';
import { NotUnderstood } from './answer.ts';
import type { FhirClient, Resource, SearchParams } from './client.ts';
import type { FhirConfig } from './config.ts';
import { cursorOf, type Place, parseCursor, type Type, type Window, windowsAround } from './cursor.ts';
import { instantMs, object, objects, referenceTarget } from './fields.ts';
import { type Directory, mapAppointment, mapDirectory, mapPatient, type ScheduleRecord } from './map.ts';
import { noticedIn } from './notice.ts';
import type { Quirks } from './quirks.ts';
import { bookedSlots, IDS_PER_SEARCH, MAX_DIRECTORY_ROWS } from './read.ts';
import { blockForeignId, mapBlock, mapHours, slotTime } from './slots.ts';

/** What reading needs, and what it learns for the next time. */
export interface Reader {
  client: FhirClient;
  config: FhirConfig;
  messages: Messages;
  /** What the server can do; narrowed further when it refuses what it said that it could. */
  abilities(signal: AbortSignal): Promise<Quirks>;
  /** It has refused a search by `_lastUpdated`. */
  onNotSearchable(): void;
}

/** The contract's bound. */
const MAX_BATCH_RECORDS = 1_000;

/** What a slow server has given is handed on after this, full or not: who waits for a batch gives up after a minute. */
const MAX_GATHERING_MS = 20_000;

/** By this much a clock may be wrong: the server's, that of a proxy that writes its `Date`, or ours. */
const MAX_CLOCK_ERROR_MS = 15 * 60_000;

/** Records that notices name and that are looked up one by one in a pass; more wait for the next. */
const MAX_LOOKED_UP = 500;
const MESSAGES_AT_ONCE = 100;

type Change = HrsRecord | DeletionRecord;

/** `reached`: everything before is a position to go on from. `near`: and worth storing before what follows. */
type Step = Change | 'reached' | 'near';

/** See `Connector.changes`. */
export async function* changes(reader: Reader, cursor: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
  const abilities = await reader.abilities(signal);
  const pass = newPass(reader, abilities, cursor === null ? null : parseCursor(cursor), signal);
  let records: Change[] = [];
  let reached: Cursor | null = null;
  let takenMs = performance.now();
  const takeBatch = (complete: boolean): Batch => {
    const batch = { records, cursor: reached, complete };
    [records, reached] = [[], null];
    takenMs = performance.now();
    return batch;
  };
  try {
    for await (const step of pass.steps()) {
      if (typeof step === 'string') reached = pass.cursor() ?? reached;
      else records.push(step);
      const isDue = step === 'near' || performance.now() - takenMs > MAX_GATHERING_MS;
      if (isDue || records.length === MAX_BATCH_RECORDS) yield takeBatch(false);
    }
  } catch (error) {
    // What was read is true, and where it got to: whoever is cut off again and again still gets on.
    if (!signal.aborted && (records.length > 0 || reached !== null)) yield takeBatch(false);
    throw error;
  }
  reached = pass.cursor();
  yield takeBatch(reached !== null);
}

function newPass(reader: Reader, abilities: Quirks, before: Place | null, signal: AbortSignal) {
  const { config, messages } = reader;
  const near = reader.client.for('near');
  const far = reader.client.for('far');
  const { baseUrl } = near;
  const positions = before?.positions ?? {};
  const place: Place = {
    positions: { ...positions },
    load: before === null ? { today: localDateOf(config.timeZone, Date.now()), windowsRead: 0 } : before.load,
    noticePosition: before?.noticePosition ?? 0,
  };
  const newest = { ...positions };
  let isComplete = true;
  /** The server's clock when the pass began. */
  let beganMs: number | null = null;
  const patientsGiven = new Set<string>();
  /** Nobody says of a slot that is gone on which day it was: then the near days are read again. */
  let areSlotsGone = false;

  function cursor(): Cursor | null {
    return isComplete ? cursorOf(place) : null;
  }

  /** Where to begin reading a type; `null` is the beginning. A clock that was set back takes the position along. */
  function sinceMs(type: Type): number | null {
    const position = positions[type];
    if (position === undefined) return null;
    return Math.min(position, beganMs ?? position) - config.overlapSeconds * 1000;
  }

  function isChanged(resource: Resource): boolean {
    const since = sinceMs(resource.resourceType as Type);
    const changedMs = instantMs(object(resource.meta).lastUpdated);
    return since === null || changedMs === null || changedMs >= since;
  }

  /** Everything of this type that changed before the pass began has now been read. */
  function settle(type: Type): void {
    const newestMs = newest[type];
    if (newestMs !== undefined) place.positions[type] = Math.min(newestMs, beganMs ?? newestMs);
  }

  async function* rows(client: FhirClient, type: Type, params: SearchParams): AsyncGenerator<Resource[]> {
    if (!(await client.serves(type, signal))) return;
    for await (const page of client.search(type, params, signal)) {
      beganMs ??= client.serverMs() ?? Date.now() - MAX_CLOCK_ERROR_MS;
      for (const resource of page.resources) {
        const changedMs = instantMs(object(resource.meta).lastUpdated);
        if (changedMs !== null && changedMs > (newest[type] ?? 0)) newest[type] = changedMs;
      }
      yield page.resources;
      if (page.isComplete) return;
    }
    isComplete = false;
  }

  /** `null` when they cannot all be had: of a part of them nothing may be concluded. */
  async function allRows(client: FhirClient, type: Type, params: SearchParams): Promise<Resource[] | null> {
    const latest = new Map<string, Resource>();
    for await (const page of rows(client, type, params)) for (const resource of page) latest.set(resource.id, resource);
    return isComplete ? [...latest.values()] : null;
  }

  async function directoryRows(type: Type): Promise<Resource[]> {
    const found = await allRows(near, type, []);
    if (found === null) throw new HrsNonsense(`${type}: fewer rows than its total`);
    if (found.length > MAX_DIRECTORY_ROWS) throw new HrsNonsense(`${type}: more than ${MAX_DIRECTORY_ROWS} rows`);
    settle(type);
    return found;
  }

  async function* changedRows(type: Type): AsyncGenerator<Resource[]> {
    const since = sinceMs(type);
    const window: SearchParams = since === null ? [] : [['_lastUpdated', `ge${new Date(since).toISOString()}`]];
    try {
      yield* rows(near, type, [...window, ['_sort', '_lastUpdated']]);
    } catch (error) {
      if (error instanceof NotUnderstood) reader.onNotSearchable();
      throw error;
    }
    settle(type);
  }

  async function* steps(): AsyncGenerator<Step> {
    const locations = await directoryRows('Location');
    const practitioners = await directoryRows('Practitioner');
    const roles = await directoryRows('PractitionerRole');
    const schedules = await directoryRows('Schedule');
    const directory = mapDirectory({ locations, practitioners, roles, schedules }, { ...config, baseUrl });
    if (directory.defaultSite === null)
      throw new HrsNonsense('no active site among its Locations, and none configured');

    const changed = new Set([...locations, ...practitioners, ...roles, ...schedules].filter(isChanged));
    const changedIds = (resources: Resource[]) => new Set(resources.filter((r) => changed.has(r)).map((r) => r.id));
    const isFirst = positions.Location === undefined;
    const changedLocations = changedIds(locations);
    for (const site of directory.sites.values()) if (isFirst || changedLocations.has(site.foreignId)) yield site;

    const changedProviders = changedIds(practitioners);
    for (const role of changedIds(roles)) changedProviders.add(directory.practitionerOfRole.get(role) ?? '');
    for (const provider of directory.providers.values()) if (changedProviders.has(provider.foreignId)) yield provider;
    for (const room of directory.rooms.values()) if (changedLocations.has(room.foreignId)) yield room;

    const isMoved = (schedule: ScheduleRecord) => changedLocations.has(schedule.locationForeignId);
    const changedSchedules = changedIds(schedules);
    for (const schedule of directory.schedules.values()) if (isMoved(schedule)) changedSchedules.add(schedule.id);

    yield* noticedRecords(directory);
    if (abilities.lastUpdatedSearch) yield* changedRecords(directory, changedSchedules);
    yield* daysAnew(directory);
  }

  async function* changedRecords(directory: Directory, changedSchedules: Set<string>): AsyncGenerator<Step> {
    if (positions.Slot !== undefined) yield* changedSlots(directory, changedSchedules);
    yield* patients(directory);
    if (abilities.typeHistory) yield* deletedRecords(directory);
    if (positions.Appointment !== undefined) {
      for await (const page of changedRows('Appointment')) {
        for (const row of page) {
          const record = mapAppointment(row, directory);
          yield record ?? { kind: 'deletion', of: 'appointment', foreignId: row.id };
        }
      }
    }
    // Read by days from here on; what changes meanwhile is read by the next pass, whatever the clocks say.
    for (const type of ['Slot', 'Appointment'] as const) {
      newest[type] ??= (beganMs ?? Date.now()) - MAX_CLOCK_ERROR_MS;
      settle(type);
    }
    yield 'reached';
  }

  /**
   * From the beginning they come oldest change first, and each page is a position to go on from. Rows that others
   * pushed over a page's edge are noticed at the end, unless the pass is cut off: then the next full pass has them.
   */
  async function* patients(directory: Directory): AsyncGenerator<Step> {
    let reachedMs: number | null = positions.Patient === undefined ? 0 : null;
    for await (const page of changedRows('Patient')) {
      for (const row of page) {
        yield mapPatient(row, directory);
        const changedMs = instantMs(object(row.meta).lastUpdated);
        // Not in order, or without stamps: then only the end is a position.
        if (reachedMs !== null) reachedMs = changedMs !== null && changedMs >= reachedMs ? changedMs : null;
      }
      if (!reachedMs) continue;
      place.positions.Patient = Math.min(reachedMs, beganMs ?? reachedMs);
      yield 'reached';
    }
  }

  /** The windows that are still to be read; where the server cannot say what has changed, the near ones again. */
  async function* daysAnew(directory: Directory): AsyncGenerator<Step> {
    const today = localDateOf(config.timeZone, beganMs ?? Date.now());
    const windows = place.load === null ? [] : windowsAround(place.load.today).slice(place.load.windowsRead);
    for (const window of before === null ? [] : windowsAround(today).filter(({ isNear }) => isNear)) {
      if (areSlotsGone || !abilities.lastUpdatedSearch) yield* slotsOf(window, directory, true);
      if (!abilities.lastUpdatedSearch) yield* appointmentsOf(window, directory);
    }
    for (const [i, window] of windows.entries()) {
      yield* slotsOf(window, directory, false);
      yield* appointmentsOf(window, directory);
      if (place.load !== null) place.load = { ...place.load, windowsRead: place.load.windowsRead + 1 };
      yield window.isNear && windows[i + 1]?.isNear === false ? 'near' : 'reached';
    }
    place.load = null;
  }

  async function* slotsOf(window: Window, directory: Directory, isAgain: boolean): AsyncGenerator<Change> {
    const client = window.isNear ? near : far;
    const byZone = Map.groupBy(directory.schedules.values(), ({ timeZone }) => timeZone);
    for (const [zone, schedules] of byZone) {
      for (const group of groupsOf(schedules))
        yield* slotRecords(client, group, timesOf('start', window, zone), isAgain);
    }
  }

  async function* appointmentsOf(window: Window, directory: Directory): AsyncGenerator<Change> {
    const client = window.isNear ? near : far;
    const times = timesOf('date', window, config.timeZone);
    const places = abilities.dateRequired ? [...directory.sites.keys(), ...directory.rooms.keys()] : null;
    for (const group of places === null ? [null] : groupsOf(places)) {
      const params = group === null ? times : [...times, listOf('location', 'Location', group)];
      for await (const page of rows(client, 'Appointment', params)) {
        if (!abilities.lastUpdatedSearch) yield* patientsIn(client, page, directory);
        for (const row of page) {
          const record = mapAppointment(row, directory);
          if (record !== null) yield record;
        }
      }
    }
  }

  async function* patientsIn(client: FhirClient, page: Resource[], directory: Directory): AsyncGenerator<Change> {
    const actors = page.flatMap((row) => objects(row.participant).map(({ actor }) => referenceTarget(actor, baseUrl)));
    const ids = new Set(actors.filter((actor) => actor?.type === 'Patient').map((actor) => actor?.id as string));
    for (const group of groupsOf([...ids.difference(patientsGiven)])) {
      for (const row of await client.searchAll('Patient', [['_id', group.join(',')]], signal)) {
        patientsGiven.add(row.id);
        yield mapPatient(row, directory);
      }
    }
  }

  /** Hours belong to whole days, so a changed slot has its schedule read again around it. */
  async function* changedSlots(directory: Directory, changedSchedules: Set<string>): AsyncGenerator<Change> {
    const spans = new Map<string, { firstMs: number; lastMs: number }>();
    for await (const page of changedRows('Slot')) {
      for (const slot of page) {
        const schedule = referenceTarget(slot.schedule, baseUrl)?.id;
        const time = slotTime(slot);
        if (schedule === undefined || time === null) continue;
        const span = spans.get(schedule) ?? { firstMs: time.startMs, lastMs: time.startMs };
        span.firstMs = Math.min(span.firstMs, time.startMs);
        span.lastMs = Math.max(span.lastMs, time.startMs);
        spans.set(schedule, span);
      }
    }
    for (const schedule of directory.schedules.values()) {
      const span = spans.get(schedule.id);
      if (changedSchedules.has(schedule.id)) {
        yield* slotRecords(near, [schedule], [], true);
      } else if (span !== undefined) {
        const zone = schedule.timeZone;
        const [firstDate, endDate] = [localDateOf(zone, span.firstMs), localDateOf(zone, span.lastMs)];
        const days = { firstDate, endDate: addDays(endDate, 1) };
        yield* slotRecords(near, [schedule], timesOf('start', days, zone), true);
      }
    }
  }

  /** Hours and blocks of these schedules. Whoever has read them before is told what is none any more. */
  async function* slotRecords(
    client: FhirClient,
    schedules: ScheduleRecord[],
    times: SearchParams,
    isAgain: boolean,
  ): AsyncGenerator<Change> {
    const ids = schedules.map(({ id }) => id);
    const slots = await allRows(client, 'Slot', [listOf('schedule', 'Schedule', ids), ...times]);
    if (slots === null) return;
    const bySchedule = Map.groupBy(slots, (slot) => referenceTarget(slot.schedule, baseUrl)?.id);
    for (const schedule of schedules) {
      const own = bySchedule.get(schedule.id) ?? [];
      const { hours, insideSlotIds } = mapHours(own, schedule);
      yield* hours;
      yield* await blockRecords(client, own, schedule, isAgain);
      if (!isAgain) continue;
      for (const foreignId of insideSlotIds) yield { kind: 'deletion', of: 'availability', foreignId };
    }
  }

  async function blockRecords(
    client: FhirClient,
    slots: Resource[],
    schedule: ScheduleRecord,
    isAgain: boolean,
  ): Promise<Change[]> {
    const blocks = slots.map((slot) => ({ slot, block: mapBlock(slot, schedule) }));
    const closed = blocks.filter(({ block }) => block !== null && !block.cancelled).map(({ slot }) => slot.id);
    // Where appointments are only given by dates of a place, they cannot be searched by slot.
    const booked = abilities.dateRequired ? new Set<string>() : await bookedSlots(client, closed, signal);
    const found: Change[] = [];
    for (const { slot, block } of blocks) {
      if (block !== null && !booked.has(slot.id)) found.push(block);
      else if (isAgain) found.push({ kind: 'deletion', of: 'appointment', foreignId: blockForeignId(slot.id) });
    }
    return found;
  }

  /** Looks up what notices name; a pass from the beginning sees it anyway. */
  async function* noticedRecords(directory: Directory): AsyncGenerator<Change> {
    const named = new Map<string, { type: string; id: string }>();
    while (named.size < MAX_LOOKED_UP) {
      const kept = await messages.after(place.noticePosition, MESSAGES_AT_ONCE);
      for (const message of kept) {
        if (named.size >= MAX_LOOKED_UP) break;
        place.noticePosition = message.position;
        if (before === null || message.direction === 'out') continue;
        for (const one of noticedIn(message, baseUrl)) {
          // What exists is found by its new `lastUpdated`.
          if (one.mayBeGone || !abilities.lastUpdatedSearch) named.set(`${one.type}/${one.id}`, one);
        }
      }
      if (kept.length < MESSAGES_AT_ONCE) break;
    }
    for (const { type, id } of named.values()) yield* lookedUp(type, id, directory);
  }

  async function* deletedRecords(directory: Directory): AsyncGenerator<Change> {
    for (const type of ['Appointment', 'Slot', 'Patient'] as const) {
      const since = sinceMs(type);
      if (since === null) continue;
      for await (const ids of near.deletedSince(type, since, signal)) {
        for (const id of ids) yield* lookedUp(type, id, directory);
      }
    }
  }

  /** Only the server's own "there is none" makes a deletion. */
  async function* lookedUp(type: string, id: string, directory: Directory): AsyncGenerator<Change> {
    const row = await near.read(type, id, signal);
    if (type === 'Patient') yield row ? mapPatient(row, directory) : { kind: 'deletion', of: 'patient', foreignId: id };
    if (type === 'Slot' && row === null) {
      areSlotsGone = true;
      yield { kind: 'deletion', of: 'appointment', foreignId: blockForeignId(id) };
      yield { kind: 'deletion', of: 'availability', foreignId: id };
    }
    if (type === 'Appointment') {
      const record = row === null ? null : mapAppointment(row, directory);
      yield record ?? { kind: 'deletion', of: 'appointment', foreignId: id };
    }
  }

  return { steps, cursor };
}

/** A search for what begins on those local days. */
function timesOf(
  name: string,
  { firstDate, endDate }: Pick<Window, 'firstDate' | 'endDate'>,
  zone: string,
): SearchParams {
  const midnight = (date: string) => new Date(localToInstantMs(zone, date, 0)).toISOString();
  return [
    [name, `ge${midnight(firstDate)}`],
    [name, `lt${midnight(endDate)}`],
  ];
}

function groupsOf<T>(items: T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / IDS_PER_SEARCH) }, (_, i) =>
    items.slice(i * IDS_PER_SEARCH, (i + 1) * IDS_PER_SEARCH),
  );
}

function listOf(name: string, type: string, ids: string[]): [string, string] {
  return [name, ids.map((id) => `${type}/${id}`).join(',')];
}
