/**
 * Reading: the sandbox's change feed, which holds each record once, at the revision of its newest change, and says
 * itself how far it reaches.
 *
 * A record may refer to one that comes later in the feed. Within a page the order is put right here. Where a pass
 * takes more than one page, everything that others refer to is read from its list first; so the position after each
 * page is safe, and a long pass that is cut off goes on from there.
 */
import type {
  AppointmentRecord,
  DeletionRecord,
  HrsRecord,
  PatientAlertRecord,
  PatientRecord,
  ProviderRecord,
} from '../../domain/records.ts';
import { type Batch, type Cursor, CursorRejected, HrsNonsense, type LookFor } from '../connector.ts';
import { type Change, type ChangePage, KINDS, type Kind, type SandboxClient } from './client.ts';
import { getCount, getId, isCount, type Json } from './fields.ts';
import {
  blockForeignId,
  findBlockId,
  mapAlert,
  mapBlock,
  mapCode,
  mapCoverage,
  mapPatient,
  mapPlan,
  mapPractitioner,
  mapRecall,
  mapRecallType,
  mapRoom,
  mapSchedule,
  mapScheduleLabel,
  mapSite,
  mapVisit,
  roomHoursId,
} from './map.ts';

type Position = {
  /** Everything up to here has been given out. */
  revision: number;
  /** Whatever a record up to this revision refers to has been given out too. */
  settledTo: number;
  /** The highest id of a visit up to `revision`: one made since, with an id that is not higher, has a used id. */
  highestVisitId: number;
};

const BEGINNING: Position = { revision: 0, settledTo: 0, highestVisitId: 0 };

/** The contract's bound. */
const MAX_BATCH_RECORDS = 1_000;

/** The kinds that others refer to, in the order in which they refer to each other; for visits see `answersOf`. */
const REFERRED_TO = [
  'site',
  'practitioner',
  'room',
  'code',
  'schedule_label',
  'patient',
  'plan',
  'recall_type',
] as const;

type Told = HrsRecord | DeletionRecord;

export async function* changes(
  client: SandboxClient,
  cursor: Cursor | null,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const pass = newPass(client, signal);
  let position = readCursor(cursor);
  for (;;) {
    const page = await client.changes(position.revision, signal);
    if (page.hasMore && page.revision > position.settledTo) {
      yield* pass.referredTo();
      position = { ...position, settledTo: page.head };
    }
    const records = await pass.recordsOf(page, position);
    const next = nextPosition(position, page);
    // Without more to come and short of the head, the page was cut: what it holds is true, and it is not all.
    const isWhole = page.hasMore || page.revision === page.head;
    yield* batchesOf(records, isWhole ? next : null, isWhole && !page.hasMore);
    if (!page.hasMore) return;
    position = next;
  }
}

/** Is this still a part of the pass from the beginning? */
export function isLoading(cursor: Cursor | null): boolean {
  const { revision, settledTo } = readCursor(cursor);
  return cursor === null || revision < settledTo;
}

function readCursor(cursor: Cursor | null): Position {
  if (cursor === null) return BEGINNING;
  const { revision, settledTo, highestVisitId } = cursor;
  if (!isCount(revision) || !isCount(settledTo) || !isCount(highestVisitId)) {
    throw new CursorRejected('this position was not made by this connector');
  }
  return { revision, settledTo, highestVisitId };
}

function nextPosition(position: Position, page: ChangePage): Position {
  let { highestVisitId } = position;
  for (const { kind, id } of page.changes) if (kind === 'visit' && id > highestVisitId) highestVisitId = id;
  return { ...position, revision: page.revision, highestVisitId };
}

/** The cursor stands on the last batch: the ones before are a part of the page. */
function* batchesOf(records: Told[], cursor: Position | null, complete: boolean): Generator<Batch> {
  let from = 0;
  for (; records.length - from > MAX_BATCH_RECORDS; from += MAX_BATCH_RECORDS) {
    yield { records: records.slice(from, from + MAX_BATCH_RECORDS), cursor: null, complete: false };
  }
  yield { records: records.slice(from), cursor, complete };
}

function newPass(client: SandboxClient, signal: AbortSignal) {
  /** By foreign id; read when first needed, and from then on kept up by the feed. */
  let providers: Map<string, ProviderRecord> | null = null;
  /** Revisions of the directory as given out from the lists: the feed tells of these once more. */
  const given = new Map<string, number>();
  /** Visits that were told of, for recalls that come after them. */
  const visits = new Set<number>();

  async function getProviders(): Promise<Map<string, ProviderRecord>> {
    if (providers === null) {
      providers = new Map();
      for await (const page of client.list('practitioner', {}, signal)) {
        for (const provider of page.map(mapPractitioner)) providers.set(provider.foreignId, provider);
      }
    }
    return providers;
  }

  async function* referredTo(): AsyncGenerator<Batch> {
    for (const kind of REFERRED_TO) {
      for await (const page of client.list(kind, {}, signal)) {
        // Patients refer to each other in any order, so theirs only settle when the feed tells of them again.
        if (kind !== 'patient') for (const item of page) given.set(`${kind} ${item.id}`, getCount(item, 'revision'));
        yield { records: page.map((item) => MAPS[kind](item)), cursor: null, complete: false };
      }
    }
  }

  async function recordsOf(page: ChangePage, since: Position): Promise<Told[]> {
    const records: Told[] = [];
    const moved: ProviderRecord[] = [];
    const byKind = Map.groupBy(page.changes, ({ kind }) => kind);
    for (const kind of KINDS) {
      if (kind === 'recall' && page.hasMore) records.push(...(await answersOf(byKind.get(kind) ?? [], since)));
      if (kind === 'schedule' && moved.length > 0) {
        for (const provider of moved) providers?.set(provider.foreignId, provider);
        // In a page from the beginning, the hours come by themselves.
        if (since.revision > 0) records.push(...(await roomHoursOf(moved)));
      }
      for (const change of byKind.get(kind) ?? []) {
        const { record } = change;
        if (record === null) records.push(...(await deletionsOf(change)));
        else if (getCount(record, 'id') !== change.id) throw new HrsNonsense('the sandbox told of another record');
        else if (kind === 'schedule') {
          const isOfRoom = record.room_id !== null;
          records.push(...mapSchedule(record, isOfRoom ? (await getProviders()).values() : []));
        } else if (!isGiven(change)) {
          if (kind === 'visit') {
            visits.add(change.id);
            if (isUsedAgain(change, since)) records.push(...(await deletionsOf(change)));
          }
          const told = MAPS[kind](record);
          if (told.kind === 'provider') moved.push(told);
          records.push(told);
        }
      }
    }
    return records;
  }

  /**
   * The visits that answer these recalls and may come behind this page: few, so each is asked for by itself. One that
   * has a used id waits for its page, where its predecessor's deletion comes first.
   */
  async function answersOf(recalls: Change[], since: Position): Promise<Told[]> {
    const told: Told[] = [];
    for (const { record } of recalls) {
      const id = record === null || record.visit_id === null ? null : getCount(record, 'visit_id');
      if (id === null || visits.has(id)) continue;
      visits.add(id);
      const visit = await client.find('visit', String(id), signal);
      if (visit === null) continue;
      const change: Change = { kind: 'visit', id, revision: getCount(visit, 'revision'), record: visit };
      if (!isUsedAgain(change, since)) told.push(mapVisit(visit));
    }
    return told;
  }

  function isGiven({ kind, id, revision }: Change): boolean {
    return kind !== 'visit' && kind !== 'patient' && given.get(`${kind} ${id}`) === revision;
  }

  /** What the hours of rooms say of these practitioners: a part in each of their sites, none in any other. */
  async function roomHoursOf(moved: ProviderRecord[]): Promise<Told[]> {
    const told: Told[] = [];
    for await (const page of client.list('schedule', {}, signal)) {
      for (const schedule of page.filter(({ room_id }) => room_id !== null)) {
        const hours = mapSchedule(schedule, moved);
        told.push(...hours);
        for (const { foreignId } of moved) {
          if (hours.some(({ providerForeignId }) => providerForeignId === foreignId)) continue;
          told.push(deletion('availability', roomHoursId(getId(schedule, 'id'), foreignId)));
        }
      }
    }
    return told;
  }

  async function deletionsOf({ kind, id }: Change): Promise<DeletionRecord[]> {
    switch (kind) {
      case 'schedule': {
        const parts = [...(await getProviders()).keys()].map((provider) => roomHoursId(String(id), provider));
        return [String(id), ...parts].map((foreignId) => deletion('availability', foreignId));
      }
      case 'block':
        return [deletion('appointment', blockForeignId(String(id)))];
      case 'code':
        // Its text, which is its id here, went with it; the next pass from the beginning misses it.
        return [];
      default:
        return [deletion(OUR_KINDS[kind], String(id))];
    }
  }

  return { referredTo, recordsOf };
}

const MAPS = {
  site: mapSite,
  practitioner: mapPractitioner,
  room: mapRoom,
  code: mapCode,
  schedule_label: mapScheduleLabel,
  patient: mapPatient,
  alert: mapAlert,
  plan: mapPlan,
  coverage: mapCoverage,
  recall_type: mapRecallType,
  recall: mapRecall,
  visit: mapVisit,
  block: mapBlock,
} satisfies Partial<Record<Kind, (record: Json) => HrsRecord>>;

const OUR_KINDS = {
  site: 'location',
  practitioner: 'provider',
  room: 'operatory',
  schedule_label: 'availability_label',
  patient: 'patient',
  alert: 'patient_alert',
  plan: 'insurance_plan',
  coverage: 'insurance_coverage',
  recall_type: 'recall_type',
  recall: 'patient_recall',
  visit: 'appointment',
} as const;

function deletion(of: DeletionRecord['of'], foreignId: string): DeletionRecord {
  return { kind: 'deletion', of, foreignId };
}

/** Erased, and its id given to another visit, between two passes: the feed then tells of the new one alone. */
function isUsedAgain({ id, record }: Change, since: Position): boolean {
  return id <= since.highestVisitId && getCount(record as Json, 'created_revision') > since.revision;
}

/** What can be looked for, and the kinds it may be there. */
export type Sought = PatientRecord | AppointmentRecord | PatientAlertRecord;
const THEIR_KINDS = { patient: ['patient'], appointment: ['visit', 'block'], patient_alert: ['alert'] } as const;

/** Looks records up in the sandbox itself. */
export async function find(client: SandboxClient, look: LookFor, signal: AbortSignal): Promise<Sought[]> {
  if ('foreignId' in look) {
    const blockId = look.kind === 'appointment' ? findBlockId(look.foreignId) : null;
    const kind = blockId === null ? THEIR_KINDS[look.kind][0] : 'block';
    const record = await client.find(kind, blockId ?? look.foreignId, signal);
    return record === null ? [] : [MAPS[kind](record)];
  }
  const found = await copiesOf(client, look.kind, look.marker, signal);
  // A sandbox that shows nothing to anybody says nothing about this record either.
  if (found.length === 0 && (await client.count('site', signal)) === 0) {
    throw new HrsNonsense('the sandbox shows no records at all');
  }
  return found;
}

/** Every record that carries this marker, whatever became of it. */
export async function copiesOf(
  client: SandboxClient,
  kind: LookFor['kind'],
  marker: string,
  signal: AbortSignal,
): Promise<Sought[]> {
  const found: Sought[] = [];
  for (const theirs of THEIR_KINDS[kind]) {
    for await (const page of client.list(theirs, { external_ref: marker }, signal))
      found.push(...page.map((item) => MAPS[theirs](item)));
  }
  if (found.some((record) => record.marker !== marker))
    throw new HrsNonsense('the sandbox found records with another marker');
  return found;
}
