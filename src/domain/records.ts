/**
 * What a health record system (HRS) tells us, in our own words. A connector's `map.ts` produces these; vendor
 * words never get past it. References are the HRS's own ids (`…ForeignId`), instants are ISO strings in UTC with
 * milliseconds and `Z`, wall-clock times are `HH:MM`, calendar dates `YYYY-MM-DD`.
 */

export type RecordKind =
  | 'location'
  | 'provider'
  | 'operatory'
  | 'descriptor'
  | 'availability_label'
  | 'availability'
  | 'patient'
  | 'patient_alert'
  | 'insurance_plan'
  | 'insurance_coverage'
  | 'recall_type'
  | 'appointment'
  | 'patient_recall';

export interface LocationRecord {
  kind: 'location';
  foreignId: string;
  name: string;
  /** IANA zone. */
  timeZone: string;
  /** True when a booking must name its operatory. */
  mapByOperatory: boolean;
  inactive: boolean;
  streetAddress: string | null;
  city: string | null;
  state: string | null;
  zipCode: string | null;
  phoneNumber: string | null;
  email: string | null;
}

export interface ProviderRecord {
  kind: 'provider';
  foreignId: string;
  firstName: string;
  lastName: string;
  email: string | null;
  npi: string | null;
  specialty: string | null;
  inactive: boolean;
  locationForeignIds: string[];
  /** Of a provider we know already these stay as they are, as when an appointment gives only their id. */
  unsaid?: readonly ('firstName' | 'lastName')[];
}

export interface OperatoryRecord {
  kind: 'operatory';
  foreignId: string;
  locationForeignId: string;
  name: string;
  active: boolean;
}

/** The HRS's own procedure code or native visit type. */
export interface DescriptorRecord {
  kind: 'descriptor';
  foreignId: string;
  locationForeignId: string | null;
  descriptorType: 'Appointment Type' | 'Procedure Code';
  name: string;
  code: string | null;
  active: boolean;
  /** Whatever else the HRS says of it; shown as `data`. */
  data: Record<string, string | number | boolean | null>;
}

export interface Recurrence {
  num: number;
  unit: 'day' | 'week' | 'month';
  /** The date from which the count starts. */
  ref: string;
}

/** A name that the HRS gives to some of its hours, such as "New patients". */
export interface AvailabilityLabelRecord {
  kind: 'availability_label';
  foreignId: string;
  /** Null when it counts for all locations. */
  locationForeignId: string | null;
  name: string;
  active: boolean;
}

/** Hours of practice kept in the HRS. Exactly one of `days`, `specificDate`, `recurrence` is set. */
export interface AvailabilityRecord {
  kind: 'availability';
  foreignId: string;
  locationForeignId: string;
  providerForeignId: string;
  operatoryForeignId: string | null;
  beginLocal: string;
  endLocal: string;
  /** Weekdays, 0 = Sunday. */
  days: number[] | null;
  specificDate: string | null;
  recurrence: Recurrence | null;
  /** Null for base hours, and where the HRS has no labels. */
  labelForeignId: string | null;
  active: boolean;
}

export interface PatientRecord {
  kind: 'patient';
  foreignId: string;
  /** Our marker, when the HRS keeps it and this patient was written by us. */
  marker: string | null;
  firstName: string;
  middleName: string | null;
  lastName: string;
  email: string | null;
  dateOfBirth: string | null;
  gender: 'Male' | 'Female' | 'Other' | null;
  phoneNumber: string | null;
  cellPhoneNumber: string | null;
  homePhoneNumber: string | null;
  workPhoneNumber: string | null;
  addressLine1: string | null;
  addressLine2: string | null;
  city: string | null;
  state: string | null;
  zipCode: string | null;
  preferredLanguage: string | null;
  /** False when the patient has refused text messages. */
  smsConsent: boolean;
  inactive: boolean;
  /** In the HRS, yet not a patient of the practice (a guarantor, a contact). */
  nonPatient: boolean;
  guarantorForeignId: string | null;
  /** Whom they usually see; null where the HRS does not say. */
  providerForeignId: string | null;
  locationForeignIds: string[];
  /** The patient this one was merged into; this one is then inactive. */
  mergedIntoForeignId: string | null;
  /**
   * Of a patient we know already, these fields stay as they are: the HRS says nothing of them here, as when an
   * appointment mentions its patient in passing. For a new one what stands in them counts.
   */
  unsaid?: readonly PatientField[];
}

export type PatientField = Exclude<keyof PatientRecord, 'kind' | 'foreignId' | 'marker' | 'unsaid'>;

/** A note that staff see when they open the patient. */
export interface PatientAlertRecord {
  kind: 'patient_alert';
  foreignId: string;
  /** Our marker, when the HRS keeps it and this alert was written by us. */
  marker: string | null;
  patientForeignId: string;
  note: string;
  /** Since when it is no longer shown. */
  disabledAt: string | null;
}

export interface InsurancePlanRecord {
  kind: 'insurance_plan';
  foreignId: string;
  name: string | null;
  payerId: string | null;
  groupNum: string | null;
  employerName: string | null;
  address: string | null;
  address2: string | null;
  city: string | null;
  state: string | null;
  zipCode: string | null;
  countryCode: string | null;
}

/** What the insured patient is to the subscriber; NexHealth's words. */
export const SUBSCRIPTION_RELATIONS = [
  'self',
  'spouse',
  'child',
  'employee',
  'handicap_dep',
  'signif_other',
  'injured_plaintiff',
  'life_partner',
  'dependent',
  'other',
] as const;
export type SubscriptionRelation = (typeof SUBSCRIPTION_RELATIONS)[number];

export const INSURANCE_TYPES = ['dental', 'medical', 'vision'] as const;
export type InsuranceType = (typeof INSURANCE_TYPES)[number];

/** One patient's cover by one plan. */
export interface InsuranceCoverageRecord {
  kind: 'insurance_coverage';
  foreignId: string;
  patientForeignId: string;
  planForeignId: string | null;
  /** The patient whose insurance it is. */
  subscriberForeignId: string | null;
  subscriptionRelation: SubscriptionRelation;
  /** 1 is asked to pay first. */
  priority: number | null;
  subscriberNum: string | null;
  effectiveDate: string | null;
  expirationDate: string | null;
  insuranceType: InsuranceType | null;
  active: boolean;
}

/** Why and how often patients are asked to come back. */
export interface RecallTypeRecord {
  kind: 'recall_type';
  foreignId: string;
  locationForeignId: string | null;
  name: string;
  description: string | null;
  intervalNum: number;
  /** Days, weeks, months, years. */
  intervalUnit: 'D' | 'W' | 'M' | 'Y';
  active: boolean;
}

/** One patient is due to come back. */
export interface PatientRecallRecord {
  kind: 'patient_recall';
  foreignId: string;
  patientForeignId: string;
  recallTypeForeignId: string | null;
  locationForeignId: string | null;
  dateDue: string | null;
  /** The appointment that answers it, once there is one. */
  appointmentForeignId: string | null;
}

/** One entry of the schedule; with `unavailable` it is a block: time taken without a patient. */
export interface AppointmentRecord {
  kind: 'appointment';
  foreignId: string;
  marker: string | null;
  locationForeignId: string;
  patientForeignId: string | null;
  providerForeignId: string | null;
  operatoryForeignId: string | null;
  descriptorForeignIds: string[];
  startAt: string;
  endAt: string;
  unavailable: boolean;
  note: string | null;
  confirmed: boolean;
  confirmedAt: string | null;
  cancelled: boolean;
  cancelledAt: string | null;
  patientMissed: boolean;
  checkinAt: string | null;
  checkedOut: boolean;
  checkedOutAt: string | null;
}

/** The HRS says that it no longer has this record. */
export interface DeletionRecord {
  kind: 'deletion';
  of: RecordKind;
  foreignId: string;
}

export type HrsRecord =
  | LocationRecord
  | ProviderRecord
  | OperatoryRecord
  | DescriptorRecord
  | AvailabilityLabelRecord
  | AvailabilityRecord
  | PatientRecord
  | PatientAlertRecord
  | InsurancePlanRecord
  | InsuranceCoverageRecord
  | RecallTypeRecord
  | AppointmentRecord
  | PatientRecallRecord;

/**
 * Why a write did not happen, as it stands in `reason_code` on events and on `GET /appointments/{id}/writes`.
 * Stable: clients branch on it. Documented in `docs/errors.md`.
 */
export const REASONS = {
  slot_taken: 'The HRS already has something at that time.',
  patient_rejected: 'The HRS did not accept the patient.',
  refused_by_hrs: 'The HRS refused the write.',
  not_found_in_hrs: 'The HRS no longer has the record that was to be changed.',
  not_written: 'The HRS said yes, yet the record is not there.',
  mismatch: 'The HRS answered with a record that is not the one written.',
  overtaken: 'Somebody changed it in the HRS at the same time, and that stands.',
  hrs_unreachable: 'The HRS could not be reached in time: before the start, or within 48 hours for an alert.',
  connection_paused: 'The connection to the HRS was paused until it was too late.',
  outcome_unknown: 'The HRS never said how the write ended and it could not be looked up.',
  duplicate_suspected: 'The HRS holds more than one copy of this appointment.',
  cancelled_before_sent: 'It was cancelled before anything had been sent.',
  attempts_exhausted: 'Every allowed attempt failed.',
  not_supported: 'This HRS cannot take that write.',
} as const;

export type ReasonCode = keyof typeof REASONS;
