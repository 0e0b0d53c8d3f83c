/**
 * Reading: each collection tells by a token what has changed in it and what is gone. A pass from the beginning also
 * lists both in another way, so that a list which was cut is not taken for the whole.
 *
 * A series is told as its single events near today. The tokens tell of a series only that something about it has
 * changed, so the cursor knows which items are one, and a change to one asks for a pass from the beginning.
 */
import { createHash } from 'node:crypto';
import type { AppointmentRecord, DeletionRecord, HrsRecord, PatientRecord } from '../../domain/records.ts';
import { type Batch, type Cursor, CursorRejected, HrsNonsense, type LookFor } from '../connector.ts';
import type { CaldavClient, Collection } from './client.ts';
import type { CaldavConfig } from './config.ts';
import { mapEvents, mapLocation, mapPatient, mapProvider, nameOf } from './map.ts';

/** The contract's bound, with room for the events of a series. */
const ITEMS_PER_BATCH = 100;
const MAX_BATCH_RECORDS = 1_000;

/** A changed collection of a practice is told in far fewer parts; each part moves the token on. */
const MAX_PARTS = 1_000;

/** More series than this are not told apart: then any change of an event that may be one counts. Nine bytes each. */
const MAX_SERIES = 200;

type Position = { calendar: string; addressBook: string; series: string[] | null };

export async function* changes(
  client: CaldavClient,
  config: CaldavConfig,
  cursor: Cursor | null,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const since = readCursor(cursor);
  const nowMs = Date.now();
  const people = await changesOf(client, 'addressBook', since?.addressBook ?? null, signal);
  // Not before the server has shown that it is one: a wrong address brings no practice.
  yield { records: [mapLocation(config), mapProvider(config)], cursor: null, complete: false };
  for (let from = 0; from < people.changed.length; from += MAX_BATCH_RECORDS) {
    const items = await client.get('addressBook', people.changed.slice(from, from + MAX_BATCH_RECORDS), signal);
    yield { records: [...items.values()].map(mapPatient), cursor: null, complete: false };
  }

  const events = await changesOf(client, 'calendar', since?.calendar ?? null, signal);
  const told = [...events.changed, ...events.gone];
  if (since && told.some((name) => since.series === null || since.series.includes(hashOf(name)))) {
    throw new CursorRejected('a series of events has changed');
  }
  const series: string[] = [];
  for (let from = 0; from < events.changed.length; from += ITEMS_PER_BATCH) {
    const items = await client.get('calendar', events.changed.slice(from, from + ITEMS_PER_BATCH), signal);
    const records: (AppointmentRecord | DeletionRecord)[] = [];
    for (const item of items.values()) {
      const mapped = mapEvents(item, config.timeZone, nowMs);
      records.push(...mapped.records);
      if (!mapped.isSeries) continue;
      series.push(hashOf(item.name));
      // It may have been a single event until now.
      if (since) records.push(...deletions('appointment', [item.name]));
    }
    yield* batchesOf(records);
  }

  const known = since ? [...(since.series ?? []), ...series] : series;
  const position: Position = {
    calendar: events.token,
    addressBook: people.token,
    series: known.length > MAX_SERIES ? null : known,
  };
  const gone = [...deletions('patient', people.gone), ...deletions('appointment', events.gone)];
  yield* batchesOf(gone);
  yield { records: [], cursor: position, complete: true };
}

function readCursor(cursor: Cursor | null): Position | null {
  if (cursor === null) return null;
  const { calendar, addressBook, series } = cursor;
  const isSeries = series === null || (Array.isArray(series) && series.every((hash) => typeof hash === 'string'));
  if (typeof calendar !== 'string' || typeof addressBook !== 'string' || !isSeries) {
    throw new CursorRejected('this position was not made by this connector');
  }
  return { calendar, addressBook, series };
}

/** To the newest token; what changed and then went is gone, and the other way round. */
async function changesOf(
  client: CaldavClient,
  of: Collection,
  since: string | null,
  signal: AbortSignal,
): Promise<{ changed: string[]; gone: string[]; token: string }> {
  const listed = since === null ? await client.names(of, signal) : null;
  const stands = new Map<string, boolean>();
  let token = since;
  for (let part = 0; part < MAX_PARTS; part++) {
    const changes = await client.sync(of, token, signal);
    for (const name of changes.changed) stands.set(name, true);
    for (const name of changes.gone) stands.set(name, false);
    token = changes.token;
    if (changes.hasMore) continue;
    const missed = [...(listed ?? [])].filter((name) => !stands.has(name));
    // What was deleted between the two looks is in the first alone, and is not there when asked for.
    if ((await client.get(of, missed, signal)).size > 0)
      throw new HrsNonsense('the calendar server gave a part of a list');
    const names = (standing: boolean) => [...stands].flatMap(([name, is]) => (is === standing ? [name] : []));
    return { changed: names(true), gone: names(false), token };
  }
  throw new HrsNonsense('the calendar server never comes to an end');
}

function* batchesOf(records: (HrsRecord | DeletionRecord)[]): Generator<Batch> {
  for (let from = 0; from < records.length; from += MAX_BATCH_RECORDS) {
    yield { records: records.slice(from, from + MAX_BATCH_RECORDS), cursor: null, complete: false };
  }
}

function deletions(of: 'patient' | 'appointment', foreignIds: string[]): DeletionRecord[] {
  return foreignIds.map((foreignId) => ({ kind: 'deletion', of, foreignId }));
}

function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url').slice(0, 6);
}

/** Looks a record up by its name: for one of ours the marker gives it. Alerts are not kept in a calendar. */
export async function find(
  client: CaldavClient,
  config: CaldavConfig,
  look: LookFor,
  signal: AbortSignal,
): Promise<(PatientRecord | AppointmentRecord)[]> {
  if (look.kind === 'patient_alert') return [];
  const foreignId = 'marker' in look ? nameOf(look.kind, look.marker) : look.foreignId;
  const [name = ''] = foreignId.split('#');
  const of = look.kind === 'patient' ? 'addressBook' : 'calendar';
  const item = (await client.get(of, [name], signal)).get(name);
  if (!item) return [];
  if (look.kind === 'patient') return [mapPatient(item)];
  return mapEvents(item, config.timeZone, Date.now()).records.filter((record) => record.foreignId === foreignId);
}
