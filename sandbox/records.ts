/** What every record carries. Instants are ISO strings in UTC with milliseconds; revisions count up over all kinds. */
export interface Stamps {
  id: number;
  created_at: string;
  updated_at: string;
  created_revision: number;
  revision: number;
}

export interface Site extends Stamps {
  name: string;
  /** IANA zone of every wall time at the site. */
  zone: string;
  /** Whose hours say when the site can take a visit. */
  schedules_by: 'practitioner' | 'room';
  phone: string | null;
  street: string | null;
  city: string | null;
  state: string | null;
  zip: string | null;
}

export interface Practitioner extends Stamps {
  first_name: string;
  last_name: string;
  title: string | null;
  site_ids: number[];
  active: boolean;
}

export interface Room extends Stamps {
  site_id: number;
  name: string;
  active: boolean;
}

export interface Code extends Stamps {
  /** What visits refer to. */
  code: string;
  kind: 'visit_type' | 'procedure';
  description: string;
  minutes: number;
  active: boolean;
}

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** What some hours are kept for, such as new patients. */
export interface ScheduleLabel extends Stamps {
  /** Null when it counts for all sites. */
  site_id: number | null;
  name: string;
  active: boolean;
}

/** Hours in wall time of the site (`HH:MM`), weekly or on one `date`; dated rows add to the weekly ones. */
export interface Schedule extends Stamps {
  site_id: number;
  practitioner_id: number | null;
  room_id: number | null;
  weekday: Weekday | null;
  date: string | null;
  opens: string;
  closes: string;
  /** Null for ordinary hours. */
  label_id: number | null;
  active: boolean;
}

export interface Patient extends Stamps {
  first_name: string;
  middle_name: string | null;
  last_name: string;
  birth_date: string | null;
  sex: 'F' | 'M' | 'X' | null;
  phone_home: string | null;
  phone_cell: string | null;
  phone_work: string | null;
  email: string | null;
  street: string | null;
  city: string | null;
  state: string | null;
  zip: string | null;
  language: string | null;
  sms_ok: boolean;
  active: boolean;
  guarantor_id: number | null;
  home_site_id: number | null;
  usual_practitioner_id: number | null;
  /** The patient who took over this one's visits; a merged patient is inactive. */
  merged_into: number | null;
  external_ref: string | null;
}

/** A note that staff see when they open the patient. */
export interface Alert extends Stamps {
  patient_id: number;
  note: string;
  /** Since when it is no longer shown. */
  off_since: string | null;
  /** The caller's own marker: searchable, not unique. */
  external_ref: string | null;
}

export interface Plan extends Stamps {
  name: string;
  payer_code: string | null;
  group_number: string | null;
  employer: string | null;
  street: string | null;
  city: string | null;
  state: string | null;
  zip: string | null;
  country: string | null;
}

export const RELATIONS = ['self', 'spouse', 'partner', 'child', 'dependent', 'employee', 'other'] as const;
export const COVERED = ['dental', 'medical', 'vision'] as const;

/** A patient's insurance. */
export interface Coverage extends Stamps {
  patient_id: number;
  plan_id: number | null;
  /** The patient whose contract it is, who may be the same; null when they are no patient here. */
  subscriber_id: number | null;
  /** What the patient is to the subscriber. */
  relation: (typeof RELATIONS)[number];
  /** 1 pays first. */
  rank: number | null;
  member_number: string | null;
  starts: string | null;
  ends: string | null;
  covers: (typeof COVERED)[number] | null;
  active: boolean;
}

export const UNITS = ['day', 'week', 'month', 'year'] as const;

/** Why and how often patients are asked to come back. */
export interface RecallType extends Stamps {
  site_id: number | null;
  name: string;
  description: string | null;
  every: number;
  unit: (typeof UNITS)[number];
  active: boolean;
}

/** A patient is due to come back on this day. */
export interface Recall extends Stamps {
  patient_id: number;
  recall_type_id: number | null;
  site_id: number | null;
  due: string | null;
  /** The visit that answers it. */
  visit_id: number | null;
}

export type VisitState = 'scheduled' | 'arrived' | 'done' | 'broken' | 'noshow' | 'deleted';

export interface Visit extends Stamps {
  site_id: number;
  patient_id: number;
  practitioner_id: number;
  room_id: number | null;
  start: string;
  end: string;
  visit_code: string | null;
  note: string | null;
  state: VisitState;
  confirmation: 'none' | 'confirmed';
  confirmed_at: string | null;
  arrived_at: string | null;
  done_at: string | null;
  broken_at: string | null;
  /** The caller's own marker: searchable, not unique. */
  external_ref: string | null;
}

export interface Block extends Stamps {
  site_id: number;
  practitioner_id: number | null;
  room_id: number | null;
  start: string;
  end: string;
  reason: string | null;
  external_ref: string | null;
}

export interface Records {
  site: Site;
  practitioner: Practitioner;
  room: Room;
  code: Code;
  schedule_label: ScheduleLabel;
  schedule: Schedule;
  patient: Patient;
  alert: Alert;
  plan: Plan;
  coverage: Coverage;
  recall_type: RecallType;
  block: Block;
  visit: Visit;
  recall: Recall;
}
export type Kind = keyof Records;

/** Kind to table, which is also its collection in the API. In an order in which each refers only to those before it. */
export const COLLECTIONS: Record<Kind, string> = {
  site: 'sites',
  practitioner: 'practitioners',
  room: 'rooms',
  code: 'codes',
  schedule_label: 'schedule_labels',
  schedule: 'schedules',
  patient: 'patients',
  alert: 'alerts',
  plan: 'plans',
  coverage: 'coverages',
  recall_type: 'recall_types',
  block: 'blocks',
  visit: 'visits',
  recall: 'recalls',
};
export const KINDS = Object.keys(COLLECTIONS) as Kind[];
