/**
 * The contract between Openchair and one kind of health record system. Read this first, then one of the folders
 * beside it. A connector knows nothing of our database, our ids or our HTTP API: it reads records out of an HRS
 * in our words, and carries single writes into it.
 *
 * Obligations that every kind meets (the conformance suite checks them):
 * - Nothing is written by `check`, `changes` or `find`.
 * - A write outside `capabilities` is refused as `not_supported` before a byte of it is sent (`unable.ts` finds it).
 * - No call outlives its `signal`; every network wait has its own bound below that.
 * - A write that may have reached the HRS never ends in `Unavailable`: that error promises "not one byte of this
 *   request can have been acted upon". Doubt is `OutcomeUnknown`.
 * - Replies are hostile input: wrong shapes, HTML with 200, wrong content types and truncated bodies throw
 *   `HrsNonsense`, never an empty result.
 * - Error messages carry no patient data: they reach logs and `hrs_said`.
 */
import type { z } from 'zod';
import type { StoredMessage, WireMessage } from '../domain/message.ts';
import type {
  AppointmentRecord,
  DeletionRecord,
  HrsRecord,
  PatientAlertRecord,
  PatientRecord,
  ReasonCode,
  RecordKind,
} from '../domain/records.ts';

export type { StoredMessage, WireMessage };

/** Where reading got to. Opaque outside the connector that made it; at most 4 kB of JSON. */
export type Cursor = Record<string, unknown>;

export interface Batch {
  /** At most 1,000 records, locations and providers before what refers to them. */
  records: (HrsRecord | DeletionRecord)[];
  /**
   * The position that is true once exactly the records up to here are stored: storing both together is
   * consistent. `null` when this batch gives no safe position (the caller keeps the one it has).
   */
  cursor: Cursor | null;
  /**
   * True on the last batch, and only with positive evidence that the pass saw everything (no next page, totals
   * agree). A pass that ends without it keeps its upserts, moves no cursor and deletes nothing.
   */
  complete: boolean;
}

/** What this HRS can do: data, so that a write outside it is refused up front and never silently dropped. */
export interface Capabilities {
  createAppointment: boolean;
  createPatient: boolean;
  createBlock: boolean;
  confirm: boolean;
  cancel: boolean;
  checkIn: boolean;
  /** Can an appointment that stands be moved to another time, or to another operatory, or get another note? */
  reschedule: boolean;
  changeOperatory: boolean;
  changeNote: boolean;
  /** Patient alerts: can one be made, and can one be disabled and enabled again? */
  createAlert: boolean;
  changeAlert: boolean;
  /** How many appointments a provider may have at the same time; 1 where the HRS has no such thing. At most 5. */
  appointmentsPerTimeslot: number;
  /** Does the HRS keep our marker, and can it be searched by it? `unique`: it refuses a second record with one. */
  marker: 'unique' | 'searchable' | 'none';
  /** How long after the last byte of a lost request the HRS may still act on it, in ms. */
  settleMs: number;
  /** Its change feed tells of deletions; otherwise they are inferred from complete passes. */
  reportsDeletions: boolean;
  readsAvailabilities: boolean;
  /**
   * Record kinds a pass from the beginning covers completely: only these may be deleted by absence. What turns out
   * during a pass not to be covered is taken out before its last batch.
   */
  readsCompletely: RecordKind[];
}

export interface NewPatient
  extends Pick<
    PatientRecord,
    | 'firstName'
    | 'middleName'
    | 'lastName'
    | 'email'
    | 'dateOfBirth'
    | 'gender'
    | 'phoneNumber'
    | 'cellPhoneNumber'
    | 'homePhoneNumber'
    | 'workPhoneNumber'
    | 'addressLine1'
    | 'addressLine2'
    | 'city'
    | 'state'
    | 'zipCode'
    | 'guarantorForeignId'
  > {
  locationForeignId: string;
  providerForeignId: string | null;
}

export interface NewAppointment {
  locationForeignId: string;
  /** `null` only for a block. */
  patientForeignId: string | null;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  descriptorForeignIds: string[];
  startAt: string;
  endAt: string;
  unavailable: boolean;
  note: string | null;
  /** The provider may already have this many appointments at that time, less one. */
  appointmentsPerTimeslot: number;
}

/** What is to change of an appointment; what is absent stays as it is. Both times come together. */
export interface AppointmentChanges {
  startAt?: string;
  endAt?: string;
  operatoryForeignId?: string | null;
  note?: string | null;
}

/** One write. `marker` is a UUID that stays the same over every attempt of it. */
export type Write =
  | { kind: 'create_patient'; marker: string; patient: NewPatient }
  | { kind: 'create_appointment'; marker: string; appointment: NewAppointment }
  | { kind: 'confirm' | 'cancel'; marker: string; foreignId: string }
  | { kind: 'check_in'; marker: string; foreignId: string; checkinAt: string }
  | { kind: 'update'; marker: string; foreignId: string; changes: AppointmentChanges; appointmentsPerTimeslot: number }
  | { kind: 'create_alert'; marker: string; alert: { patientForeignId: string; note: string } }
  | { kind: 'change_alert'; marker: string; foreignId: string; disabled: boolean };

export type WriteResult =
  | { outcome: 'done'; foreignId: string }
  /**
   * The HRS has taken the write and will say later what became of it: `answerTo` gives that. It is not sent again, and
   * what was never answered by the appointment's start ends in doubt.
   */
  | { outcome: 'accepted' }
  | {
      outcome: 'refused';
      reason: ReasonCode;
      /** For the developer who reads the event; no patient data. */
      message: string;
      /** True when the same booking may succeed later without being changed. */
      retryable: boolean;
      /** What the HRS itself said, shortened to 500 characters; no patient data. */
      hrsSaid: string | null;
    };

/** What a write of ours can have made. */
type Written = 'patient' | 'appointment' | 'patient_alert';

export type LookFor = { kind: Written; marker: string } | { kind: Written; foreignId: string };

export interface CheckResult {
  ok: boolean;
  /** Plain words for the person who connects a practice. */
  message: string;
}

export interface Connector {
  capabilities: Capabilities;
  /** Can this HRS be reached and read with these credentials? Never throws for an HRS that is off. */
  check(signal: AbortSignal): Promise<CheckResult>;
  /**
   * Yields what has changed since `cursor`; `null` means everything, from the beginning. Records may repeat (the
   * overlap is the connector's duty: it re-reads far enough back that no late commit is lost). Throws
   * `CursorRejected` when the HRS no longer knows the position, and `Unavailable` or `HrsNonsense` when it
   * cannot go on; what was yielded until then stays valid.
   */
  changes(cursor: Cursor | null, signal: AbortSignal): AsyncIterable<Batch>;
  /** Carries one write. Throws `Unavailable` (nothing was done) or `OutcomeUnknown` (look before anything). */
  execute(write: Write, signal: AbortSignal): Promise<WriteResult>;
  /**
   * Looks in the HRS itself, never in a cache; several results mean duplicates, an empty array means "not
   * there". Throws `Unavailable` when it cannot look.
   */
  find(look: LookFor, signal: AbortSignal): Promise<(PatientRecord | AppointmentRecord | PatientAlertRecord)[]>;
  /** For an HRS that accepts first: what it has said since of this write, or null while it is silent. */
  answerTo?(write: Write, signal: AbortSignal): Promise<Exclude<WriteResult, { outcome: 'accepted' }> | null>;
  /** Asks the HRS to call `url` when something changes, where it can; forgets an earlier URL of ours. */
  subscribe?(url: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The messages of one connection that are still kept, theirs and ours. */
export interface Messages {
  /** Those that were kept after `position` and still have their content, in order; fewer than `limit` when large. */
  after(position: number, limit: number): Promise<StoredMessage[]>;
  /**
   * All about these, by `appointmentRef` or `patientRef`, in the order of their arrival: the newest 100 of each, and the
   * newest 1,000 of all. A body that is past its time is empty.
   */
  about(refs: { appointments?: string[]; patients?: string[] }): Promise<StoredMessage[]>;
  /** Keeps one of ours that the HRS has acknowledged; a second time does nothing. */
  keepSent(message: WireMessage): Promise<void>;
  /** Notes with a message why nothing could be made of it; `null` takes that back. No patient data. */
  noteProblem(position: number, problem: string | null): Promise<void>;
  /** Notes what a message is about, when it is read otherwise than at its arrival. */
  noteRefs(position: number, refs: Pick<WireMessage, 'appointmentRef' | 'patientRef'>): Promise<void>;
}

/**
 * What a call to the HRS is for, the most urgent first: when calls run short, the last are left undone. `write` is a
 * write and what it needs to look up, `near` reads what changes or lies in the coming days, `far` everything else.
 */
export type Purpose = 'write' | 'near' | 'far';

/** How many calls the HRS allows us. */
export interface Budget {
  /**
   * Counts one call before it is made. Throws `QuotaSpent`, with the time to wait, when there is none left for it; who
   * reads may be kept waiting for up to a minute before.
   */
  spend(purpose: Purpose): Promise<void>;
}

/** What a connector is given besides its configuration. */
export interface Surroundings {
  messages: Messages;
  budget: Budget;
}

/** Without limits and without messages: for looking at an HRS that is not connected yet. */
export const ALONE: Surroundings = {
  messages: {
    after: async () => [],
    about: async () => [],
    keepSent: async () => {},
    noteProblem: async () => {},
    noteRefs: async () => {},
  },
  budget: { spend: async () => {} },
};

/** What became of a message that arrived. `unstorable`: our trouble, and the sender should try again. */
export type Reception = 'stored' | 'repeated' | 'unstorable';

export interface Listener {
  /** Stops listening, lets messages under way be acknowledged for a moment, and closes every socket. */
  close(): Promise<void>;
}

/** What a listener needs. */
export interface Receiving {
  /** Resolves when the message is durably stored, or cannot be; within 4 s, and never rejects. */
  receive(message: WireMessage): Promise<Reception>;
  /** Something to be told to whoever runs the program: codes and counts, nothing of a message's content. */
  warn(fault: string, details: Record<string, string | number>): void;
}

/** One folder of `connectors/` exports one of these; `registry.ts` lists them. */
export interface ConnectorKind<Config = unknown> {
  /** Stable name: stands in `connection.kind` and in `foreign_id_type`. */
  kind: string;
  displayName: string;
  type: 'cloud' | 'onprem';
  /** Checks and types what `connection.config` holds. */
  configSchema: z.ZodType<Config>;
  /**
   * Names the HRS that `config` leads to: the same for every configuration that leads to the same one, whatever its
   * credentials. No secrets in it; it is stored and compared.
   */
  identityOf(config: Config): string;
  /** `ALONE` is what it is given when nobody says otherwise. */
  connect(config: Config, surroundings?: Surroundings): Connector;
  /**
   * For an HRS that opens connections to us: listens as `config` says, null when that says not to. Rejects with the
   * system's error (EADDRINUSE, say) when it cannot. A kind that listens is not polled: what arrives makes it due.
   */
  listen?(config: Config, receiving: Receiving): Promise<Listener | null>;
  /**
   * For an HRS that calls our address when something has changed: what is kept of such a call until it is read. Null
   * for a bare hint, `refused` for a call that is not the HRS's (a signature that does not fit).
   */
  notice?(config: Config, call: { headers: Record<string, string>; body: Buffer }): WireMessage | null | 'refused';
  /** The cursor that reads kept messages again from `position` on, for a kind that has messages. */
  replayFrom?(cursor: Cursor | null, position: number): Cursor | null;
}

/** The request did not reach the HRS, or it said that it did nothing (429, 503): safe to send again later. */
export class Unavailable extends Error {
  override name = 'Unavailable';
  /** How long the HRS asked us to wait, if it did. */
  readonly retryAfterMs: number | null;
  /** How an HRS that is there put it that it could not, as in `WriteResult`; then it is asked ever more seldom. */
  readonly hrsSaid: string | null;
  constructor(
    message: string,
    retryAfterMs: number | null = null,
    { hrsSaid = null, ...options }: ErrorOptions & { hrsSaid?: string | null } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.hrsSaid = hrsSaid;
  }
}

/** We have not asked, because our own limits leave no call for it now: says nothing about the HRS. */
export class QuotaSpent extends Unavailable {
  override name = 'QuotaSpent';
}

/** The HRS may or may not have done the work. Look it up; never send it again blindly. */
export class OutcomeUnknown extends Error {
  override name = 'OutcomeUnknown';
}

/** The HRS no longer knows the cursor: start again from `null`. */
export class CursorRejected extends Error {
  override name = 'CursorRejected';
}

/** The HRS answered with something that cannot be understood. Nothing may be concluded from it. */
export class HrsNonsense extends Error {
  override name = 'HrsNonsense';
}
