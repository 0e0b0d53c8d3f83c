/**
 * Reading: the directory whole in every pass, the rest by `_lastUpdated`.
 *
 * A position is, for each type, the newest `lastUpdated` that the server gave, and never later than the server's
 * clock when the pass began: what changed while we were reading is read again. Each pass starts `overlapSeconds`
 * before its position, because servers stamp a change before they show it.
 */
import type { AppointmentRecord, DeletionRecord, HrsRecord, PatientRecord } from '../../domain/records.ts';
import { localDateOf, localToInstantMs } from '../../domain/zone.ts';
import { type Batch, type Cursor, CursorRejected, HrsNonsense, type LookFor } from '../connector.ts';
import type { FhirClient, Resource, SearchParams } from './client.ts';
import type { FhirConfig } from './config.ts';
import { identifierValue, instantMs, object, referenceTarget } from './fields.ts';
import {
  blockForeignId,
  type Directory,
  GUARD_SYSTEM,
  MARKER_SYSTEM,
  mapAppointment,
  mapBlock,
  mapDirectory,
  mapHours,
  mapPatient,
  markerOf,
  type ScheduleRecord,
  slotTime,
} from './map.ts';

const TYPES = ['Location', 'Practitioner', 'PractitionerRole', 'Schedule', 'Slot', 'Patient', 'Appointment'] as const;
type Type = (typeof TYPES)[number];

/** `lastUpdated` by type, in ms; a type that is not in it is read from the beginning. */
type Positions = Partial<Record<Type, number>>;

const CURSOR_VERSION = 1;

/** The contract's bound. */
const MAX_BATCH_RECORDS = 1_000;

/** The directory is held in memory; more places and people than this is not one practice. */
const MAX_DIRECTORY_ROWS = 20_000;

/** Ids in one search: keeps the URL below 4 kB. */
const IDS_PER_SEARCH = 50;

type Change = HrsRecord | DeletionRecord;

export async function* changes(
  client: FhirClient,
  config: FhirConfig,
  cursor: Cursor | null,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const pass = newPass(client, config, parseCursor(cursor), signal);
  let batch: Change[] = [];
  for await (const record of pass.records()) {
    batch.push(record);
    if (batch.length === MAX_BATCH_RECORDS) {
      yield { records: batch, cursor: null, complete: false };
      batch = [];
    }
  }
  yield { records: batch, cursor: pass.isComplete() ? pass.cursor() : null, complete: pass.isComplete() };
}

function parseCursor(cursor: Cursor | null): Positions {
  if (cursor === null) return {};
  const { version, positions } = cursor as { version?: unknown; positions?: unknown };
  if (version !== CURSOR_VERSION) throw new CursorRejected('the position is of another version of this connector');
  const known: Positions = {};
  for (const type of TYPES) {
    const ms = instantMs(object(positions)[type]);
    if (ms !== null) known[type] = ms;
  }
  return known;
}

function newPass(client: FhirClient, config: FhirConfig, before: Positions, signal: AbortSignal) {
  const newest: Positions = { ...before };
  let isComplete = true;
  /** The server's clock when the pass began; `null` when it does not tell. */
  let beganMs: number | null = null;

  /** Where to begin reading a type; `null` is the beginning. A clock that was set back takes the position along. */
  function sinceMs(type: Type): number | null {
    const position = before[type];
    if (position === undefined) return null;
    return Math.min(position, beganMs ?? position) - config.overlapSeconds * 1000;
  }

  function isChanged(resource: Resource): boolean {
    const since = sinceMs(resource.resourceType as Type);
    const changedMs = instantMs(object(resource.meta).lastUpdated);
    return since === null || changedMs === null || changedMs >= since;
  }

  async function* rows(type: Type, params: SearchParams): AsyncGenerator<Resource[]> {
    if (!(await client.serves(type, signal))) return;
    for await (const page of client.search(type, params, signal)) {
      beganMs ??= client.serverMs();
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
  async function allRows(type: Type, params: SearchParams): Promise<Resource[] | null> {
    const latest = new Map<string, Resource>();
    for await (const page of rows(type, params)) for (const resource of page) latest.set(resource.id, resource);
    return isComplete ? [...latest.values()] : null;
  }

  async function directoryRows(type: Type): Promise<Resource[]> {
    const found = await allRows(type, []);
    if (found === null) throw new HrsNonsense(`${type}: fewer rows than its total`);
    if (found.length > MAX_DIRECTORY_ROWS) throw new HrsNonsense(`${type}: more than ${MAX_DIRECTORY_ROWS} rows`);
    return found;
  }

  function changedRows(type: Type): AsyncGenerator<Resource[]> {
    const since = sinceMs(type);
    const window: SearchParams = since === null ? [] : [['_lastUpdated', `ge${new Date(since).toISOString()}`]];
    return rows(type, [...window, ['_sort', '_lastUpdated']]);
  }

  async function* records(): AsyncGenerator<Change> {
    const locations = await directoryRows('Location');
    const practitioners = await directoryRows('Practitioner');
    const roles = await directoryRows('PractitionerRole');
    const schedules = await directoryRows('Schedule');
    const directory = mapDirectory(
      { locations, practitioners, roles, schedules },
      { ...config, baseUrl: client.baseUrl },
    );
    if (directory.defaultSite === null)
      throw new HrsNonsense('no active site among its Locations, and none configured');

    const changed = new Set([...locations, ...practitioners, ...roles, ...schedules].filter(isChanged));
    const changedIds = (resources: Resource[]) => new Set(resources.filter((r) => changed.has(r)).map((r) => r.id));
    const isFirst = before.Location === undefined;
    const changedLocations = changedIds(locations);
    for (const site of directory.sites.values()) if (isFirst || changedLocations.has(site.foreignId)) yield site;

    const changedProviders = changedIds(practitioners);
    for (const role of changedIds(roles)) changedProviders.add(directory.practitionerOfRole.get(role) ?? '');
    for (const provider of directory.providers.values()) if (changedProviders.has(provider.foreignId)) yield provider;
    for (const room of directory.rooms.values()) if (changedLocations.has(room.foreignId)) yield room;

    const isMoved = (schedule: ScheduleRecord) => changedLocations.has(schedule.locationForeignId);
    const changedSchedules = changedIds(schedules);
    for (const schedule of directory.schedules.values()) if (isMoved(schedule)) changedSchedules.add(schedule.id);
    yield* slotRecords(directory, changedSchedules);

    for await (const page of changedRows('Patient')) for (const row of page) yield mapPatient(row, directory);
    for await (const page of changedRows('Appointment')) {
      for (const row of page) {
        const record = mapAppointment(row, directory);
        if (record !== null) yield record;
        else if (before.Appointment !== undefined) yield { kind: 'deletion', of: 'appointment', foreignId: row.id };
      }
    }
  }

  /**
   * Hours belong to whole days, so a changed slot has its schedule read again around it. From the beginning, and
   * where the schedule itself changed, all of the schedule is read.
   */
  async function* slotRecords(directory: Directory, changedSchedules: Set<string>): AsyncGenerator<Change> {
    const isFirst = sinceMs('Slot') === null;
    const spans = new Map<string, { firstMs: number; lastMs: number }>();
    if (!isFirst) {
      for await (const page of changedRows('Slot')) {
        for (const slot of page) {
          const schedule = referenceTarget(slot.schedule, client.baseUrl)?.id;
          const time = slotTime(slot);
          if (schedule === undefined || time === null) continue;
          const span = spans.get(schedule) ?? { firstMs: time.startMs, lastMs: time.startMs };
          span.firstMs = Math.min(span.firstMs, time.startMs);
          span.lastMs = Math.max(span.lastMs, time.startMs);
          spans.set(schedule, span);
        }
      }
    }
    for (const schedule of directory.schedules.values()) {
      const params: SearchParams = [['schedule', `Schedule/${schedule.id}`]];
      if (!isFirst && !changedSchedules.has(schedule.id)) {
        const span = spans.get(schedule.id);
        if (span === undefined) continue;
        const zone = schedule.timeZone;
        const dayStartMs = (atMs: number, minute: number) => localToInstantMs(zone, localDateOf(zone, atMs), minute);
        params.push(['start', `ge${new Date(dayStartMs(span.firstMs, 0)).toISOString()}`]);
        params.push(['start', `lt${new Date(dayStartMs(span.lastMs, 1440)).toISOString()}`]);
      }
      const read = await allRows('Slot', params);
      if (read === null) break;
      const slots = read.filter((slot) => referenceTarget(slot.schedule, client.baseUrl)?.id === schedule.id);
      const { hours, insideSlotIds } = mapHours(slots, schedule);
      yield* hours;
      yield* await blockRecords(slots, schedule, isFirst);
      if (isFirst) continue;
      for (const foreignId of insideSlotIds) yield { kind: 'deletion', of: 'availability', foreignId };
    }
    // Read schedule by schedule, the newest stamp says nothing of the schedules read before it.
    if (isFirst && beganMs === null) delete newest.Slot;
  }

  async function blockRecords(slots: Resource[], schedule: ScheduleRecord, isFirst: boolean): Promise<Change[]> {
    const blocks = slots.map((slot) => ({ slot, block: mapBlock(slot, schedule) }));
    const closed = blocks.filter(({ block }) => block !== null && !block.cancelled).map(({ slot }) => slot.id);
    const booked = await bookedSlots(client, closed, signal);
    const found: Change[] = [];
    for (const { slot, block } of blocks) {
      if (block !== null && !booked.has(slot.id)) found.push(block);
      else if (!isFirst) found.push({ kind: 'deletion', of: 'appointment', foreignId: blockForeignId(slot.id) });
    }
    return found;
  }

  function cursor(): Cursor {
    const positions: Record<string, string> = {};
    for (const type of TYPES) {
      const newestMs = newest[type];
      if (newestMs !== undefined) positions[type] = new Date(Math.min(newestMs, beganMs ?? newestMs)).toISOString();
    }
    return { version: CURSOR_VERSION, positions };
  }

  return { records, cursor, isComplete: () => isComplete };
}

/** Which of these slots an appointment stands on: some servers close a slot when it is booked. */
async function bookedSlots(client: FhirClient, slotIds: string[], signal: AbortSignal): Promise<Set<string>> {
  const booked = new Set<string>();
  for (let i = 0; i < slotIds.length; i += IDS_PER_SEARCH) {
    const ids = slotIds.slice(i, i + IDS_PER_SEARCH).map((id) => `Slot/${id}`);
    for (const appointment of await client.searchAll('Appointment', [['slot', ids.join(',')]], signal)) {
      for (const id of slotIdsOf(appointment, client.baseUrl)) booked.add(id);
    }
  }
  return booked;
}

export function slotIdsOf(appointment: Resource, baseUrl: string): string[] {
  const references = Array.isArray(appointment.slot) ? appointment.slot : [];
  return references.map((slot) => referenceTarget(slot, baseUrl)).flatMap((to) => (to?.type === 'Slot' ? [to.id] : []));
}

/** Looks records up in the server. Its answer is checked: a server may ignore a parameter and send everything. */
export async function find(
  client: FhirClient,
  config: FhirConfig,
  look: LookFor,
  signal: AbortSignal,
): Promise<(PatientRecord | AppointmentRecord)[]> {
  const resources = await findResources(client, look, signal);
  if (resources.length === 0) return [];
  const directory = await readDirectory(client, config, signal);
  const records = resources.map((resource) => {
    if (resource.resourceType === 'Patient') return mapPatient(resource, directory);
    if (resource.resourceType === 'Appointment') return mapAppointment(resource, directory);
    const schedule = directory.schedules.get(referenceTarget(resource.schedule, client.baseUrl)?.id ?? '');
    return schedule ? mapBlock(resource, schedule) : null;
  });
  return records.filter((record) => record !== null);
}

async function findResources(client: FhirClient, look: LookFor, signal: AbortSignal): Promise<Resource[]> {
  // None was ever written: FHIR's Flag is not what staff see when they open a patient.
  if (look.kind === 'patient_alert') return [];
  if ('marker' in look) {
    if (look.kind === 'patient') return copiesOf(client, 'Patient', look.marker, signal);
    const appointments = await copiesOf(client, 'Appointment', look.marker, signal);
    return [...appointments, ...(await copiesOf(client, 'Slot', look.marker, signal))];
  }
  const slotId = /^Slot\/(.+)$/.exec(look.foreignId)?.[1];
  const type = look.kind === 'patient' ? 'Patient' : slotId === undefined ? 'Appointment' : 'Slot';
  const resource = await client.read(type, slotId ?? look.foreignId, signal);
  return resource === null ? [] : [resource];
}

/** Everything of that type that carries our marker. */
export async function copiesOf(
  client: FhirClient,
  type: 'Patient' | 'Appointment' | 'Slot',
  marker: string,
  signal: AbortSignal,
): Promise<Resource[]> {
  if (!(await client.serves(type, signal))) return [];
  const found = await client.searchAll(type, [['identifier', `${MARKER_SYSTEM}|${marker}`]], signal);
  return found.filter((resource) => markerOf(resource) === marker);
}

export function isGuardedBy(slot: Resource, marker: string): boolean {
  return identifierValue(slot, GUARD_SYSTEM) === marker;
}

async function readDirectory(client: FhirClient, config: FhirConfig, signal: AbortSignal): Promise<Directory> {
  const [locations, practitioners, roles, schedules] = await Promise.all(
    (['Location', 'Practitioner', 'PractitionerRole', 'Schedule'] as const).map(async (type) =>
      (await client.serves(type, signal)) ? client.searchAll(type, [], signal, MAX_DIRECTORY_ROWS) : [],
    ),
  );
  return mapDirectory(
    { locations: locations ?? [], practitioners: practitioners ?? [], roles: roles ?? [], schedules: schedules ?? [] },
    { ...config, baseUrl: client.baseUrl },
  );
}
