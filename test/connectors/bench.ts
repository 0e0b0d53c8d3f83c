/**
 * What a kind of HRS brings to the conformance suite: a connector, people at work in the HRS itself, and a way to make
 * each fault with its own transport. The faults are named in our words; how one is made over HTTP says
 * `http-faults.ts`, and a kind with another transport says it in its own bench.
 */
import type { Connector, NewAppointment } from '../../src/connectors/connector.ts';

export interface Bench {
  /** Talks to the HRS through `faults`, and gives up waiting after `timeoutMs`. */
  connector: Connector;
  /** Short: the faults that never answer take this long each. */
  timeoutMs: number;
  /** So many that reading them takes more than one page, where there are pages. */
  morePatientsThanFit: number;
  faults: Faults;
  desk: FrontDesk;
  close(): Promise<void>;
}

/** What may answer a read in place of the HRS. None of it may pass for "that was everything". */
export const BAD_ANSWERS = {
  cutRead: 'a cut connection',
  maintenance: 'HTML with 200',
  halfAnswer: 'half an answer',
  answerCutOff: 'an answer cut off',
  serverError: 'a server error',
  redirect: 'a redirect',
  quotaAnswer: 'a request to wait',
  unauthorised: 'refused credentials',
  emptyList: 'an empty list',
  emptyObject: 'an empty object',
  nullAnswer: 'null',
  emptyAnswer: 'an empty body',
  endlessNesting: 'nesting without end',
} as const;

/** What may become of the rows of a page, or of messages, on their way. The rest of the page claims to be whole. */
export const BAD_PAGES = {
  shortPage: 'a page without its second half',
  repeatedPage: 'a page given twice',
  reorderedPage: 'a page in reverse',
} as const;

/** What may become of a write after its first byte has left: all of it is doubt. */
export const DOUBTS = {
  cutBeforeWork: 'a cut before the work',
  lostReply: 'a cut after the work',
  errorAfterWork: 'an error after the work',
  yesWithoutWork: 'a yes without the work',
  maintenanceForWork: 'HTML with 200 for a write',
  halfReply: 'half a reply',
  replyCutOff: 'a reply cut off',
  silence: 'no reply ever',
  lateWork: 'work done later',
} as const;

/** What else can happen to a conversation. */
export const OTHER_FAULTS = {
  poweredOff: 'an HRS that is off',
  silentRead: 'a read that is never answered',
  strangerNotFound: 'a 404 by somebody in between',
  movingPage: 'rows that move while they are read',
  emptyScope: 'a scope shrunk to nothing: every list is empty, with 200',
  slowReply: 'a slow reply',
  repeatedWork: 'a write that the network repeats',
  /** As `lateWork`, yet so late that its repetition comes first. */
  overtakenWork: 'work done after its repetition',
  quotaForWork: 'a request to wait in answer to a write',
  clockAhead: 'a clock of theirs 15 minutes ahead',
  clockBehind: 'a clock of theirs 15 minutes behind',
  recreatedId: 'an id deleted and made again',
  deletion: 'a deletion by people',
  race: 'bookings of one time at one moment',
  crossing: 'a cancellation by people while a write of ours is under way',
} as const;

export type FaultName =
  | keyof typeof BAD_ANSWERS
  | keyof typeof BAD_PAGES
  | keyof typeof DOUBTS
  | keyof typeof OTHER_FAULTS;

/** Why a fault cannot be made, by fault; each stands in the output as a test of its own. */
export type Impossible = Partial<Record<FaultName, string>>;

/** What `arm` can make: the rest is made by the front desk, by `turnOff`, by `meanwhile` or by setting our own clock. */
export type ArmableFault = Exclude<
  FaultName,
  'poweredOff' | 'movingPage' | 'crossing' | 'clockAhead' | 'clockBehind' | 'recreatedId' | 'deletion' | 'race'
>;

export interface Armed {
  /** How many requests or messages it has hit. */
  hits(): number;
  /** Resolves when work that was put off has been done. */
  done: Promise<void>;
}

export interface Faults {
  /**
   * Does this to number `at`, from 0, of what we send from now on, or to all of it. Faults of writes count only what
   * writes, all others only what reads. Where messages come to us, a fault of pages is done to the messages that the
   * front desk causes from now on.
   */
  arm(fault: ArmableFault, at: number | 'every'): Armed;
  /** Does `act` when number `at` of what reads, or of what writes, has been sent, before the HRS sees it. */
  meanwhile(of: 'reads' | 'writes', at: number, act: () => Promise<void>): Armed;
  /** Forgets every fault that is still armed. */
  clear(): void;
  /** Nobody listens there until `turnOn`. */
  turnOff(): Promise<void>;
  turnOn(): Promise<void>;
  /** How many requests or messages of ours there were since the last call. */
  takeSent(): number;
}

/** People at work in the HRS itself: past the connector and past the faults. What they did can be read when it resolves. */
export interface FrontDesk {
  /** Foreign ids, in order; all at the same moment, as nearly as the HRS can. */
  addPatients(lastNames: string[]): Promise<string[]>;
  renamePatient(foreignId: string, lastName: string): Promise<void>;
  /** A bookable half hour in the future that was never given out before. */
  takeFreeTime(): Promise<FreeTime>;
  addAppointment(time: FreeTime, patientForeignId: string): Promise<string>;
  cancelAppointment(foreignId: string): Promise<void>;
  deleteAppointment(foreignId: string): Promise<void>;
  /** Under the id of one that was deleted. */
  addAppointmentAgain(foreignId: string, time: FreeTime, patientForeignId: string): Promise<void>;
  /** How many records carry this marker, whatever became of them. */
  countByMarker(kind: Marked, marker: string): Promise<number>;
  /** Another operatory of the location of every free time; null where there are none. */
  otherOperatoryForeignId: string | null;
}

export type Marked = 'patient' | 'appointment' | 'patient_alert';

export type FreeTime = Pick<
  NewAppointment,
  'locationForeignId' | 'providerForeignId' | 'operatoryForeignId' | 'startAt' | 'endAt'
>;
