/**
 * Writing. What we make is named after its marker and stored only if nothing has that name; what we change is stored
 * only over the version that was read. A calendar does not mind two events at one time, so whether a time is free is
 * looked up just before: writes of one connector wait for each other, and against people at work in the calendar in
 * that very second there is no guard.
 */
import { DAY_MS } from '../../domain/zone.ts';
import { type AppointmentChanges, OutcomeUnknown, Unavailable, type Write, type WriteResult } from '../connector.ts';
import { afterWriting, beforeWriting } from '../doubt.ts';
import type { CaldavClient, Collection, Item } from './client.ts';
import { changeEvent, composeCard, composeEvent } from './compose.ts';
import type { CaldavConfig } from './config.ts';
import { mapEvents, mapPatient, nameOf, parse } from './map.ts';

/** Somebody else's change in between is met by reading again; who changes that often is waited for. */
const MAX_TRIES = 4;

export interface Writer {
  client: CaldavClient;
  config: CaldavConfig;
  /** Runs one after the other what looks for a free time and then takes it. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Carries one write; see the contract for what it promises. */
export async function execute(writer: Writer, write: Write, signal: AbortSignal): Promise<WriteResult> {
  switch (write.kind) {
    case 'create_patient': {
      const name = nameOf('patient', write.marker);
      return create(writer, 'addressBook', name, composeCard(uidOf(name), write.patient), signal);
    }
    case 'create_appointment':
      return writer.inTurn(() => book(writer, write, signal));
    case 'confirm':
      return change(writer, write.foreignId, { status: 'CONFIRMED' }, signal);
    case 'cancel':
      return change(writer, write.foreignId, { status: 'CANCELLED' }, signal);
    case 'update': {
      const { operatoryForeignId: _, ...changes } = write.changes;
      return writer.inTurn(() => change(writer, write.foreignId, changes, signal));
    }
    default:
      throw new Unavailable('a calendar takes no such write');
  }
}

type Booking = Extract<Write, { kind: 'create_appointment' }>;

async function book(writer: Writer, { marker, appointment }: Booking, signal: AbortSignal): Promise<WriteResult> {
  const { client, config } = writer;
  const name = nameOf('appointment', marker);
  const before = await beforeWriting(async () => {
    if (await findItem(client, 'calendar', name, signal)) return 'there already';
    if (await isTaken(writer, name, appointment, signal)) return 'taken';
    const { patientForeignId } = appointment;
    if (patientForeignId === null) return null;
    return (await findItem(client, 'addressBook', patientForeignId, signal)) ?? 'nobody';
  });
  if (before === 'there already') return { outcome: 'done', foreignId: name };
  if (before === 'taken') return refused('slot_taken', 'the calendar already has something at that time');
  if (before === 'nobody') return refused('refused_by_hrs', 'the address book has no card of this patient');
  const visitor = before && {
    cardUrl: config.addressBookUrl + encodeURIComponent(before.name),
    name: fullName(before),
  };
  const event = composeEvent(uidOf(name), appointment, visitor, new Date().toISOString());
  return create(writer, 'calendar', name, event, signal);
}

async function create(
  { client }: Writer,
  of: Collection,
  name: string,
  data: string,
  signal: AbortSignal,
): Promise<WriteResult> {
  const ended = await client.put(of, { name, data, etag: null }, signal);
  if (typeof ended === 'object') return rejected(ended.refused);
  // Nobody else uses our names, so what stands there already is what an earlier try has stored.
  if (!(await afterWriting(() => findItem(client, of, name, signal)))) {
    throw new OutcomeUnknown('the calendar server said yes, and does not have it');
  }
  return { outcome: 'done', foreignId: name };
}

type Changes = Omit<AppointmentChanges, 'operatoryForeignId'> & { status?: 'CONFIRMED' | 'CANCELLED' };

async function change(writer: Writer, foreignId: string, changes: Changes, signal: AbortSignal): Promise<WriteResult> {
  const { client } = writer;
  for (let tries = 1; ; tries++) {
    const before = await beforeWriting(async () => {
      const [name = ''] = foreignId.split('#');
      const item = await findItem(client, 'calendar', name, signal);
      if (!item) return 'gone';
      const { records, isSeries } = mapEvents(item, writer.config.timeZone, Date.now());
      if (isSeries || !records[0]) return 'series';
      if (changes.status === 'CONFIRMED' && records[0].cancelled) return 'cancelled';
      const { startAt, endAt } = { ...records[0], ...changes };
      const isMove = changes.startAt !== undefined || changes.endAt !== undefined;
      if (isMove && (await isTaken(writer, name, { startAt, endAt }, signal))) return 'taken';
      return item;
    });
    if (before === 'gone') return refused('not_found_in_hrs', 'the calendar has no such event');
    if (before === 'series') return refused('refused_by_hrs', 'events of a series are changed in the calendar itself');
    if (before === 'cancelled') return refused('overtaken', 'the event was cancelled, and that stands');
    if (before === 'taken') return refused('slot_taken', 'the calendar already has something at that time');
    if (shows(writer, before, changes)) return { outcome: 'done', foreignId };
    const data = changeEvent(parse(before, 'vcalendar'), changes, new Date().toISOString());
    const ended = await client.put('calendar', { name: before.name, data, etag: before.etag }, signal);
    if (typeof ended === 'object') return rejected(ended.refused);
    if (ended === 'conflict') {
      if (tries < MAX_TRIES) continue;
      return { ...refused('overtaken', 'somebody changes this event all the time'), retryable: true };
    }
    const after = await afterWriting(() => findItem(client, 'calendar', before.name, signal));
    if (!after || !shows(writer, after, changes)) {
      throw new OutcomeUnknown('the calendar server said yes, and the event is not as it should be');
    }
    return { outcome: 'done', foreignId };
  }
}

/** Is the event already as it is wanted? */
function shows({ config }: Writer, item: Item, changes: Changes): boolean {
  const [record] = mapEvents(item, config.timeZone, Date.now()).records;
  if (!record) return false;
  const { status, startAt = record.startAt, endAt = record.endAt, note = record.note } = changes;
  if (record.startAt !== startAt || record.endAt !== endAt || record.note !== (note || null)) return false;
  // Somebody who is sure to come is not cancelled, and who is cancelled cannot be sure to come.
  return (
    status === undefined ||
    status === parse(item, 'vcalendar').getFirstSubcomponent('vevent')?.getFirstPropertyValue('status')
  );
}

async function isTaken(
  { client, config }: Writer,
  ownName: string,
  { startAt, endAt }: { startAt: string; endAt: string },
  signal: AbortSignal,
): Promise<boolean> {
  // What has no zone, whole days among it, a server takes to be in UTC or in any other zone: it is asked for more.
  const around = (instant: string, byMs: number) => new Date(Date.parse(instant) + byMs).toISOString();
  const items = await client.eventsAt(around(startAt, -DAY_MS), around(endAt, DAY_MS), signal);
  return items
    .filter(({ name }) => name !== ownName)
    .flatMap((item) => mapEvents(item, config.timeZone, Date.parse(startAt)).records)
    .some((record) => !record.cancelled && record.startAt < endAt && record.endAt > startAt);
}

async function findItem(client: CaldavClient, of: Collection, name: string, signal: AbortSignal): Promise<Item | null> {
  return (await client.get(of, [name], signal)).get(name) ?? null;
}

function refused(reason: Extract<WriteResult, { outcome: 'refused' }>['reason'], message: string) {
  return { outcome: 'refused', reason, message, retryable: false, hrsSaid: null } as const;
}

function rejected(status: number): WriteResult {
  return { ...refused('refused_by_hrs', 'the calendar server did not take this'), hrsSaid: `HTTP ${status}` };
}

function uidOf(name: string): string {
  return name.replace(/\.\w+$/, '');
}

function fullName(card: Item): string {
  const { firstName, lastName } = mapPatient(card);
  return [firstName, lastName].filter(Boolean).join(' ') || 'Patient';
}
