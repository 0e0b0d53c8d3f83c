/**
 * An HRS in memory, and a connector to it that keeps the contract: a snapshot paged by key, then a feed of changes
 * whose stamps are coarse, so that many share one and the connector must read from its last stamp on once more.
 * Staff are the functions of `desk`; `faults` are what can go wrong between the HRS and us.
 */
import { z } from 'zod';
import {
  type Batch,
  type Capabilities,
  type Connector,
  type ConnectorKind,
  type Cursor,
  CursorRejected,
  HrsNonsense,
  Unavailable,
} from '../../src/connectors/connector.ts';
import type {
  AppointmentRecord,
  AvailabilityLabelRecord,
  AvailabilityRecord,
  DeletionRecord,
  HrsRecord,
  InsuranceCoverageRecord,
  InsurancePlanRecord,
  LocationRecord,
  PatientAlertRecord,
  PatientRecallRecord,
  PatientRecord,
  ProviderRecord,
  RecallTypeRecord,
  RecordKind,
} from '../../src/domain/records.ts';

const ORDER: RecordKind[] = [
  'location',
  'provider',
  'operatory',
  'descriptor',
  'availability_label',
  'availability',
  'patient',
  'patient_alert',
  'insurance_plan',
  'insurance_coverage',
  'recall_type',
  'appointment',
  'patient_recall',
];
const EDITS_PER_STAMP = 5;

export interface Faults {
  /** Reading throws after this many batches, once. */
  throwAfter: { batches: number; error: 'unavailable' | 'nonsense' | 'rejected' } | null;
  /** Reading ends after this many batches, once, without saying that it is complete. */
  stopAfter: number | null;
  /** Lists come back empty and whole: a permission was taken away. */
  blind: boolean;
  /** Kinds of which nothing is listed. */
  hidden: Set<RecordKind>;
  /** No answer at all, until the signal. */
  hang: boolean;
}

export interface MemoryHrs {
  kind: ConnectorKind;
  records: Map<string, HrsRecord>;
  faults: Faults;
  /** How many batches have been handed out. */
  batches: number;
  /** It takes writes now and answers later. */
  answersLater: boolean;
  put(record: HrsRecord): void;
  remove(of: RecordKind, foreignId: string): void;
  list<K extends RecordKind>(kind: K): Extract<HrsRecord, { kind: K }>[];
}

const key = (kind: RecordKind, foreignId: string) => `${10 + ORDER.indexOf(kind)}:${foreignId}`;

export function createMemoryHrs(options: { pageSize?: number; reportsDeletions?: boolean } = {}): MemoryHrs {
  const { pageSize = 100, reportsDeletions = true } = options;
  const records = new Map<string, HrsRecord>();
  const feed: { stamp: number; key: string; of: RecordKind; foreignId: string }[] = [];
  let edits = 0;
  const faults: Faults = { throwAfter: null, stopAfter: null, blind: false, hidden: new Set(), hang: false };

  const stampNow = () => Math.floor(edits / EDITS_PER_STAMP);
  function note(of: RecordKind, foreignId: string) {
    feed.push({ stamp: stampNow(), key: key(of, foreignId), of, foreignId });
    edits += 1;
  }

  function snapshotPage(after: string): { page: HrsRecord[]; last: string | null } {
    const keys = [...records.keys()]
      .filter((name) => name > after && !faults.hidden.has((records.get(name) as HrsRecord).kind))
      .sort()
      .slice(0, pageSize);
    const page = faults.blind ? [] : keys.map((name) => records.get(name) as HrsRecord);
    return { page, last: faults.blind || keys.length < pageSize ? null : (keys.at(-1) as string) };
  }

  async function* pass(cursor: Cursor | null): AsyncGenerator<Batch> {
    let after = cursor === null ? '' : (cursor.after as string | undefined);
    let stamp = cursor === null ? stampNow() : (cursor.stamp as number);
    while (after !== undefined) {
      const { page, last } = snapshotPage(after);
      if (last === null) {
        after = undefined;
        // What was edited while the snapshot was paged stands in the feed from its first stamp on.
        yield { records: structuredClone(page), cursor: { stamp }, complete: cursor === null };
        if (cursor === null) return;
      } else {
        after = last;
        yield { records: structuredClone(page), cursor: { stamp, after }, complete: false };
      }
    }
    const changes = [
      ...new Map(feed.filter((entry) => entry.stamp >= stamp).map((entry) => [entry.key, entry])).values(),
    ];
    const wanted = faults.blind ? [] : changes.filter(({ of }) => !faults.hidden.has(of));
    const head = stampNow();
    for (let from = 0; from < wanted.length - pageSize; from += pageSize) {
      yield { records: wanted.slice(from, from + pageSize).flatMap(tell), cursor: null, complete: false };
    }
    stamp = faults.blind ? stamp : head;
    const rest = wanted.length === 0 ? [] : wanted.slice(-(wanted.length % pageSize || pageSize)).flatMap(tell);
    yield { records: rest, cursor: { stamp }, complete: true };
  }

  function tell(entry: { key: string; of: RecordKind; foreignId: string }): (HrsRecord | DeletionRecord)[] {
    const record = records.get(entry.key);
    if (record) return [structuredClone(record)];
    return reportsDeletions ? [{ kind: 'deletion', of: entry.of, foreignId: entry.foreignId }] : [];
  }

  const hrs: MemoryHrs = {
    records,
    faults,
    batches: 0,
    get answersLater() {
      return connector.answerTo !== undefined;
    },
    set answersLater(does) {
      if (does) connector.answerTo = async () => null;
      else delete connector.answerTo;
    },
    put(record) {
      records.set(key(record.kind, record.foreignId), structuredClone(record));
      note(record.kind, record.foreignId);
    },
    remove(of, foreignId) {
      records.delete(key(of, foreignId));
      note(of, foreignId);
    },
    list: (kind) => [...records.values()].filter((record) => record.kind === kind) as never,
    kind: {
      kind: 'memory',
      displayName: 'In memory',
      type: 'onprem',
      configSchema: z.unknown(),
      identityOf: () => 'memory',
      connect: () => connector,
    },
  };

  const capabilities: Capabilities = {
    createAppointment: true,
    createPatient: true,
    createBlock: true,
    confirm: true,
    cancel: true,
    checkIn: true,
    reschedule: true,
    changeOperatory: true,
    changeNote: true,
    createAlert: true,
    changeAlert: true,
    appointmentsPerTimeslot: 1,
    marker: 'searchable',
    settleMs: 0,
    reportsDeletions,
    readsAvailabilities: true,
    readsCompletely: ORDER,
  };

  const connector: Connector = {
    capabilities,
    check: async () => ({ ok: true, message: 'fine' }),
    async *changes(cursor, signal) {
      if (faults.hang) {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
      }
      for await (const batch of pass(cursor)) {
        if (faults.throwAfter && faults.throwAfter.batches-- === 0) {
          const { error } = faults.throwAfter;
          faults.throwAfter = null;
          if (error === 'rejected') throw new CursorRejected('the cursor is too old');
          if (error === 'nonsense') throw new HrsNonsense('HTML where JSON was expected');
          throw new Unavailable('connection refused');
        }
        if (faults.stopAfter !== null && faults.stopAfter-- === 0) {
          faults.stopAfter = null;
          return;
        }
        hrs.batches += 1;
        yield batch;
      }
    },
    execute: () => Promise.reject(new Unavailable('not a part of this test')),
    find: async () => [],
    close: async () => {},
  };
  return hrs;
}

export const locationRecord = (foreignId: string, more: Partial<LocationRecord> = {}): LocationRecord => ({
  kind: 'location',
  foreignId,
  name: `Location ${foreignId}`,
  timeZone: 'America/New_York',
  mapByOperatory: false,
  inactive: false,
  streetAddress: null,
  city: null,
  state: null,
  zipCode: null,
  phoneNumber: null,
  email: null,
  ...more,
});

export const providerRecord = (foreignId: string, more: Partial<ProviderRecord> = {}): ProviderRecord => ({
  kind: 'provider',
  foreignId,
  firstName: 'Pat',
  lastName: `Provider ${foreignId}`,
  email: null,
  npi: null,
  specialty: null,
  inactive: false,
  locationForeignIds: ['L1'],
  ...more,
});

/** Mondays from 9:00 to 17:00, unless told otherwise. */
export const availabilityRecord = (foreignId: string, more: Partial<AvailabilityRecord> = {}): AvailabilityRecord => ({
  kind: 'availability',
  foreignId,
  locationForeignId: 'L1',
  providerForeignId: 'D1',
  operatoryForeignId: null,
  beginLocal: '09:00',
  endLocal: '17:00',
  days: [1],
  specificDate: null,
  recurrence: null,
  labelForeignId: null,
  active: true,
  ...more,
});

export const labelRecord = (
  foreignId: string,
  more: Partial<AvailabilityLabelRecord> = {},
): AvailabilityLabelRecord => ({
  kind: 'availability_label',
  foreignId,
  locationForeignId: null,
  name: 'New patients',
  active: true,
  ...more,
});

export const patientRecord = (foreignId: string, more: Partial<PatientRecord> = {}): PatientRecord => ({
  kind: 'patient',
  foreignId,
  marker: null,
  firstName: `First${foreignId}`,
  middleName: null,
  lastName: `Last${foreignId}`,
  email: null,
  dateOfBirth: '1980-01-01',
  gender: null,
  phoneNumber: null,
  cellPhoneNumber: null,
  homePhoneNumber: null,
  workPhoneNumber: null,
  addressLine1: null,
  addressLine2: null,
  city: null,
  state: null,
  zipCode: null,
  preferredLanguage: null,
  smsConsent: true,
  inactive: false,
  nonPatient: false,
  guarantorForeignId: null,
  providerForeignId: null,
  locationForeignIds: ['L1'],
  mergedIntoForeignId: null,
  ...more,
});

export const appointmentRecord = (foreignId: string, more: Partial<AppointmentRecord> = {}): AppointmentRecord => ({
  kind: 'appointment',
  foreignId,
  marker: null,
  locationForeignId: 'L1',
  patientForeignId: 'P1',
  providerForeignId: 'D1',
  operatoryForeignId: null,
  descriptorForeignIds: [],
  startAt: '2026-12-01T14:00:00.000Z',
  endAt: '2026-12-01T14:30:00.000Z',
  unavailable: false,
  note: null,
  confirmed: false,
  confirmedAt: null,
  cancelled: false,
  cancelledAt: null,
  patientMissed: false,
  checkinAt: null,
  checkedOut: false,
  checkedOutAt: null,
  ...more,
});

export const alertRecord = (foreignId: string, more: Partial<PatientAlertRecord> = {}): PatientAlertRecord => ({
  kind: 'patient_alert',
  foreignId,
  marker: null,
  patientForeignId: 'P1',
  note: 'Allergic to latex',
  disabledAt: null,
  ...more,
});

export const planRecord = (foreignId: string, more: Partial<InsurancePlanRecord> = {}): InsurancePlanRecord => ({
  kind: 'insurance_plan',
  foreignId,
  name: `Plan ${foreignId}`,
  payerId: '87726',
  groupNum: '12345',
  employerName: null,
  address: null,
  address2: null,
  city: null,
  state: null,
  zipCode: null,
  countryCode: null,
  ...more,
});

export const coverageRecord = (
  foreignId: string,
  more: Partial<InsuranceCoverageRecord> = {},
): InsuranceCoverageRecord => ({
  kind: 'insurance_coverage',
  foreignId,
  patientForeignId: 'P1',
  planForeignId: 'I1',
  subscriberForeignId: 'P1',
  subscriptionRelation: 'self',
  priority: 1,
  subscriberNum: 'S-1',
  effectiveDate: '2026-01-01',
  expirationDate: null,
  insuranceType: 'dental',
  active: true,
  ...more,
});

export const recallTypeRecord = (foreignId: string, more: Partial<RecallTypeRecord> = {}): RecallTypeRecord => ({
  kind: 'recall_type',
  foreignId,
  locationForeignId: null,
  name: `Recall ${foreignId}`,
  description: null,
  intervalNum: 6,
  intervalUnit: 'M',
  active: true,
  ...more,
});

export const recallRecord = (foreignId: string, more: Partial<PatientRecallRecord> = {}): PatientRecallRecord => ({
  kind: 'patient_recall',
  foreignId,
  patientForeignId: 'P1',
  recallTypeForeignId: 'T1',
  locationForeignId: 'L1',
  dateDue: '2027-01-15',
  appointmentForeignId: null,
  ...more,
});
