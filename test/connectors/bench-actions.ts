/** What the tests of the conformance suite do with a bench, again and again. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AppointmentChanges,
  type Batch,
  type Capabilities,
  type Connector,
  type Cursor,
  type NewAppointment,
  type NewPatient,
  OutcomeUnknown,
  type Write,
  type WriteResult,
} from '../../src/connectors/connector.ts';
import type { AppointmentRecord, DeletionRecord, HrsRecord, PatientAlertRecord } from '../../src/domain/records.ts';
import {
  BAD_ANSWERS,
  BAD_PAGES,
  type Bench,
  DOUBTS,
  type FaultName,
  type FreeTime,
  type Impossible,
  type Marked,
  OTHER_FAULTS,
} from './bench.ts';

const FAULTS: Record<FaultName, string> = { ...BAD_ANSWERS, ...BAD_PAGES, ...DOUBTS, ...OTHER_FAULTS };

/** An HRS that accepts first is asked this often, for as long as `ANSWERS` times the bench's time-out. */
const ASK_EVERY_MS = 20;
const ANSWERS = 4;

export type Actions = ReturnType<typeof actionsOn>;

export type Answered = Exclude<WriteResult, { outcome: 'accepted' }>;

/** `bench` gives the one that is running, with the id of a patient in it; tests that need a fault are made by `faulty`. */
export function actionsOn(bench: () => Bench & { patientId: string }, impossible: Impossible) {
  const connector = () => bench().connector;
  const capabilities = (): Capabilities => connector().capabilities;
  const now = () => AbortSignal.timeout(20_000);

  const bookingAt = (time: FreeTime): NewAppointment => ({
    ...time,
    patientForeignId: bench().patientId,
    descriptorForeignIds: [],
    unavailable: false,
    note: 'first visit',
    appointmentsPerTimeslot: 1,
  });

  const newPatient = (locationForeignId: string): NewPatient => ({
    firstName: 'Ada',
    middleName: null,
    lastName: 'Written',
    email: 'ada@example.org',
    dateOfBirth: '1990-02-28',
    gender: 'Female',
    phoneNumber: '2125550123',
    cellPhoneNumber: null,
    homePhoneNumber: null,
    workPhoneNumber: null,
    addressLine1: null,
    addressLine2: null,
    city: null,
    state: null,
    zipCode: null,
    guarantorForeignId: null,
    locationForeignId,
    providerForeignId: null,
  });

  /** Carries a write and, where the HRS only accepts it at first, waits for what it says in the end. */
  async function execute(write: Write, signal = now()): Promise<Answered> {
    const result = await connector().execute(write, signal);
    if (result.outcome !== 'accepted') return result;
    for (const until = performance.now() + ANSWERS * bench().timeoutMs; performance.now() < until; ) {
      const answer = await connector().answerTo?.(write, signal);
      if (answer) return answer;
      await delay(ASK_EVERY_MS);
    }
    throw new OutcomeUnknown('accepted, and never answered');
  }

  async function found(kind: Marked, foreignId: string) {
    const [record, ...others] = await connector().find({ kind, foreignId }, now());
    assert.ok(record && others.length === 0);
    return record;
  }

  /** What the bench's HRS holds, read on from the last time: some take a second to tell everything. */
  const known: { cursor: Cursor | null; state: Map<string, HrsRecord> } = { cursor: null, state: new Map() };
  async function readOn(): Promise<HrsRecord[]> {
    const { records, cursor } = await readAll(connector(), known.cursor);
    known.cursor = cursor;
    known.state = stateOf([...known.state.values(), ...records]);
    return [...known.state.values()];
  }

  /** A test of what only some kinds can do: for the others it says so. */
  function able(needs: readonly (keyof Capabilities)[], title: string, run: () => Promise<void>): void {
    it(title, async (context) => {
      const missing = needs.filter((need) => !capabilities()[need]);
      if (missing.length === 0) return run();
      context.diagnostic(`outside the capabilities of this kind: ${missing.join(', ')}`);
    });
  }

  const actions = {
    bench,
    capabilities,
    now,
    bookingAt,
    execute,
    createAt: (time: FreeTime, marker: string = randomUUID()): Write => {
      return { kind: 'create_appointment', marker, appointment: bookingAt(time) };
    },
    updateOf: (foreignId: string, changes: AppointmentChanges, appointmentsPerTimeslot = 1): Write => {
      return { kind: 'update', marker: randomUUID(), foreignId, changes, appointmentsPerTimeslot };
    },
    stepOn: (kind: 'confirm' | 'cancel', foreignId: string): Write => ({ kind, marker: randomUUID(), foreignId }),
    alertWrite: (marker: string = randomUUID()): Write => {
      const alert = { patientForeignId: bench().patientId, note: 'Allergic to latex.' };
      return { kind: 'create_alert', marker, alert };
    },
    patientWrite: async (marker: string = randomUUID()): Promise<Write> => {
      const { locationForeignId } = await bench().desk.takeFreeTime();
      return { kind: 'create_patient', marker, patient: newPatient(locationForeignId) };
    },
    book: async (time: FreeTime) => getDone(await execute(actions.createAt(time))).foreignId,
    getPatient: (foreignId: string) => found('patient', foreignId),
    getAppointment: async (foreignId: string) => (await found('appointment', foreignId)) as AppointmentRecord,
    getAlert: async (foreignId: string) => (await found('patient_alert', foreignId)) as PatientAlertRecord,
    findByMarker: (kind: Marked, marker: string) => connector().find({ kind, marker }, now()),
    liveAt: async (time: FreeTime): Promise<AppointmentRecord[]> => {
      return (await readOn())
        .filter((record) => record.kind === 'appointment')
        .filter((one) => !one.cancelled && one.startAt === time.startAt)
        .filter((one) => one.providerForeignId === time.providerForeignId);
    },

    able,

    /** A test that needs a fault, and capabilities. Where the fault cannot be made, the reason stands in its place. */
    faulty(
      fault: FaultName,
      title: string,
      run: () => Promise<void>,
      needs: readonly (keyof Capabilities)[] = [],
    ): void {
      const reason = impossible[fault];
      if (reason === undefined) able(needs, title, run);
      else it(`${title}: cannot happen here, for ${reason}`, () => assert.match(reason, /\w+ \w+/, FAULTS[fault]));
    },
  };
  return actions;
}

/** For one wait of `timeoutMs` with what lies around it, and far below the signal's time. */
export function tooLong(timeoutMs: number): number {
  return 5 * timeoutMs + 3_000;
}

/** Reads on from `cursor` to the end of the pass; throws unless it was complete. */
export async function readAll(
  connector: Connector,
  cursor: Cursor | null,
): Promise<{ batches: Batch[]; records: Batch['records']; cursor: Cursor | null; complete: boolean }> {
  const batches: Batch[] = [];
  await collect(connector, cursor, batches);
  const last = batches.at(-1);
  assert.equal(last?.complete, true, 'the pass was not complete');
  return { batches, records: batches.flatMap((batch) => batch.records), cursor: last.cursor, complete: last.complete };
}

/** Adds to `batches` as they come, so that those before an error are there too. */
export async function collect(
  connector: Connector,
  cursor: Cursor | null,
  batches: Batch[],
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<void> {
  for await (const batch of connector.changes(cursor, signal)) batches.push(batch);
}

/** What is known after these records, by kind and id: the last word about each, without what was deleted. */
export function stateOf(records: readonly (HrsRecord | DeletionRecord)[]): Map<string, HrsRecord> {
  const state = new Map<string, HrsRecord>();
  for (const record of records) {
    if (record.kind === 'deletion') state.delete(`${record.of} ${record.foreignId}`);
    else state.set(`${record.kind} ${record.foreignId}`, record);
  }
  return state;
}

export function getDone(result: WriteResult): { outcome: 'done'; foreignId: string } {
  assert.equal(result.outcome, 'done', JSON.stringify(result));
  return result as { outcome: 'done'; foreignId: string };
}

export function assertRefused(result: WriteResult, reason: string, message?: string): void {
  assert.equal(result.outcome === 'refused' ? result.reason : result.outcome, reason, message);
}

export function pick<Item extends object, Name extends keyof Item>(item: Item, ...names: Name[]): Pick<Item, Name> {
  return Object.fromEntries(names.map((name) => [name, item[name]])) as Pick<Item, Name>;
}
