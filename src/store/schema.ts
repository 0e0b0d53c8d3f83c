/**
 * The tables of `migrations/` as Kysely sees them. Instants arrive as ISO strings with milliseconds and `Z`
 * (the parsers in `database.ts`), dates as `YYYY-MM-DD`, bigints as numbers (ids stay far below 2^53).
 */
import type { ColumnType, Generated, GeneratedAlways, Insertable, Selectable, Updateable } from 'kysely';
import type { InsuranceType, SubscriptionRelation } from '../domain/records.ts';

type WithDefault<T> = ColumnType<T, T | undefined, T>;

export interface InstanceTable {
  id: Generated<boolean>;
  token_secret: string;
  created_at: Generated<string>;
}

export interface InstitutionTable {
  id: Generated<number>;
  name: string;
  subdomain: string;
  phone_number: string | null;
  country_code: WithDefault<string>;
  appointment_types_location_scoped: WithDefault<boolean>;
  notify_insert_fails: WithDefault<boolean>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface ApiUserTable {
  id: Generated<number>;
  name: string;
  is_admin: WithDefault<boolean>;
  created_at: Generated<string>;
}

export interface ApiKeyTable {
  id: Generated<number>;
  api_user_id: number;
  key_hash: Buffer;
  key_prefix: string;
  created_at: Generated<string>;
  revoked_at: string | null;
}

export interface ApiUserInstitutionTable {
  api_user_id: number;
  institution_id: number;
}

export interface ConnectionTable {
  id: Generated<number>;
  institution_id: number;
  kind: string;
  name: string;
  /** See `secrets.ts`. */
  config: ColumnType<Record<string, unknown> | string, string, string>;
  hrs_identity: string | null;
  paused: WithDefault<boolean>;
  sync_cycle_ms: number;
  full_pass_every_ms: WithDefault<number>;
  push_token: string;
  cursor: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>;
  sync_due_at: WithDefault<string>;
  full_pass_due_at: WithDefault<string>;
  sync_lease_until: string | null;
  sync_fence: WithDefault<number>;
  first_synced_at: string | null;
  synced_at: string | null;
  held_deletions: WithDefault<number>;
  deletions_accepted: WithDefault<boolean>;
  told_kinds: WithDefault<string[]>;
  read_status: WithDefault<'green' | 'red'>;
  read_status_at: string | null;
  write_status: WithDefault<'green' | 'red'>;
  write_status_at: string | null;
  last_error_code: string | null;
  last_error: string | null;
  capabilities: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>;
  calls_per_minute: number | null;
  calls_per_hour: number | null;
  calls_per_month: number | null;
  created_at: Generated<string>;
}

export interface MessageHeadTable {
  institution_id: number;
  connection_id: number;
  position: WithDefault<number>;
}

export interface RawMessageTable {
  institution_id: number;
  connection_id: number;
  position: number;
  direction: 'in' | 'out';
  digest: Buffer;
  control_id: string | null;
  type: string;
  appointment_ref: string | null;
  patient_ref: string | null;
  sent_at: string | null;
  stored_at: WithDefault<string>;
  body: Buffer | null;
  problem: string | null;
}

export interface CallUseTable {
  institution_id: number;
  connection_id: number;
  minute_began_at: string;
  minute_calls: number;
  hour_began_at: string;
  hour_calls: number;
  month_began_at: string;
  month_calls: number;
  reads: number;
  pass_calls: number | null;
  full_pass_calls: number | null;
}

export interface LocationTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  name: string;
  street_address: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  phone_number: string | null;
  email: string | null;
  tz: string;
  map_by_operatory: WithDefault<boolean>;
  inactive: WithDefault<boolean>;
  foreign_id: string | null;
  missing_passes: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface ProviderTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  first_name: string;
  last_name: string;
  email: string | null;
  npi: string | null;
  specialty: string | null;
  inactive: WithDefault<boolean>;
  foreign_id: string | null;
  missing_passes: WithDefault<number>;
  sequence: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface ProviderLocationTable {
  institution_id: number;
  provider_id: number;
  location_id: number;
}

export interface OperatoryTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  location_id: number;
  name: string;
  active: WithDefault<boolean>;
  foreign_id: string | null;
  missing_passes: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface DescriptorTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  location_id: number | null;
  descriptor_type: string;
  name: string;
  code: string | null;
  data: ColumnType<Record<string, unknown>, string | undefined, string>;
  active: WithDefault<boolean>;
  foreign_id: string;
  missing_passes: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface AppointmentTypeTable {
  id: Generated<number>;
  institution_id: number;
  location_id: number | null;
  name: string;
  minutes: number;
  bookable_online: WithDefault<boolean>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface AppointmentTypeDescriptorTable {
  institution_id: number;
  appointment_type_id: number;
  descriptor_id: number;
}

export interface AvailabilityTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  location_id: number;
  provider_id: number;
  operatory_id: number | null;
  begin_minute: number;
  end_minute: number;
  days: number | null;
  specific_date: string | null;
  recurrence_num: number | null;
  recurrence_unit: 'day' | 'week' | 'month' | null;
  recurrence_ref: string | null;
  active: WithDefault<boolean>;
  source: WithDefault<'manual' | 'synced'>;
  label_id: number | null;
  foreign_id: string | null;
  missing_passes: WithDefault<number>;
  sequence: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface AvailabilityAppointmentTypeTable {
  institution_id: number;
  availability_id: number;
  appointment_type_id: number;
}

export interface PatientTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  foreign_id: string | null;
  marker: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  email: string | null;
  date_of_birth: string | null;
  gender: 'Male' | 'Female' | 'Other' | null;
  phone_number: string | null;
  cell_phone_number: string | null;
  home_phone_number: string | null;
  work_phone_number: string | null;
  address_line_1: string | null;
  address_line_2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  preferred_language: string | null;
  sms_consent: WithDefault<boolean>;
  inactive: WithDefault<boolean>;
  non_patient: WithDefault<boolean>;
  guarantor_id: number | null;
  provider_id: number | null;
  location_ids: WithDefault<number[]>;
  merged_into_id: number | null;
  deleted_at: string | null;
  missing_passes: WithDefault<number>;
  sequence: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
  email_key: GeneratedAlways<string | null>;
  phone_key: GeneratedAlways<string | null>;
  cell_phone_key: GeneratedAlways<string | null>;
  home_phone_key: GeneratedAlways<string | null>;
  work_phone_key: GeneratedAlways<string | null>;
}

export interface AppointmentTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  location_id: number;
  patient_id: number | null;
  provider_id: number | null;
  operatory_id: number | null;
  appointment_type_id: number | null;
  descriptor_ids: WithDefault<number[]>;
  foreign_id: string | null;
  marker: string | null;
  start_at: string;
  end_at: string;
  unavailable: WithDefault<boolean>;
  note: string | null;
  confirmed: WithDefault<boolean>;
  confirmed_at: string | null;
  patient_confirmed: WithDefault<boolean>;
  patient_confirmed_at: string | null;
  cancelled: WithDefault<boolean>;
  cancelled_at: string | null;
  patient_missed: WithDefault<boolean>;
  checkin_at: string | null;
  checked_out: WithDefault<boolean>;
  checked_out_at: string | null;
  is_guardian: WithDefault<boolean>;
  is_new_clients_patient: WithDefault<boolean>;
  sooner_if_possible: WithDefault<boolean>;
  referrer: string | null;
  appointments_per_timeslot: WithDefault<number>;
  created_by_user_id: number | null;
  deleted_at: string | null;
  missing_passes: WithDefault<number>;
  sequence: WithDefault<number>;
  command_sequence: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface ClaimTable {
  id: GeneratedAlways<number>;
  institution_id: number;
  appointment_id: number;
  resource: 'provider' | 'operatory';
  resource_id: number;
  start_at: string;
  end_at: string;
  seat: WithDefault<number>;
}

export type CommandKind = 'create' | 'update' | 'confirm' | 'cancel' | 'check_in' | 'create_alert' | 'change_alert';
export type CommandState =
  | 'queued'
  | 'sent'
  | 'unknown'
  | 'settling'
  | 'searched'
  | 'complete'
  | 'failed'
  | 'timed_out'
  | 'incomplete';

export interface CommandTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  /** Exactly one of the two is set: what the command is about. */
  appointment_id: number | null;
  patient_alert_id: number | null;
  sequence: number;
  kind: CommandKind;
  marker: string;
  state: WithDefault<CommandState>;
  step: 'patient' | 'appointment' | null;
  changes: ColumnType<Record<string, unknown>, string | undefined, string>;
  previous: ColumnType<Record<string, unknown>, string | undefined, string>;
  fence: WithDefault<number>;
  lease_until: string | null;
  attempts: WithDefault<number>;
  failures: WithDefault<number>;
  due_at: WithDefault<string>;
  expires_at: string;
  sent_at: string | null;
  settles_at: string | null;
  accepted_at: string | null;
  reason_code: string | null;
  message: string | null;
  retryable: boolean | null;
  hrs_said: string | null;
  history: ColumnType<{ state: CommandState; at: string }[], string | undefined, string>;
  created_at: Generated<string>;
  finished_at: string | null;
}

export interface EventHeadTable {
  institution_id: number;
  position: WithDefault<number>;
}

export interface EventTable {
  institution_id: number;
  position: number;
  id: Generated<string>;
  resource_type: string;
  resource_id: number;
  sequence: number;
  event_name: string;
  event: string;
  data: string;
  data_v3: string | null;
  created_at: Generated<string>;
}

export interface WebhookEndpointTable {
  id: Generated<number>;
  api_user_id: number;
  target_url: string;
  secret_key: string;
  active: WithDefault<boolean>;
  failing_since: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface WebhookSubscriptionTable {
  id: Generated<number>;
  endpoint_id: number;
  /** Null for onboardings: those of every institution. */
  institution_id: number | null;
  resource_type: string;
  event: string;
  active: WithDefault<boolean>;
  version: 'v2' | 'v3.0.0';
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface DeliveryTable {
  id: Generated<number>;
  institution_id: number;
  endpoint_id: number;
  subscription_id: number;
  event_id: string;
  event_position: number;
  event_name: string;
  resource_type: string;
  resource_id: number;
  body: string;
  state: WithDefault<'pending' | 'delivered' | 'failed' | 'cancelled'>;
  attempts: WithDefault<number>;
  first_attempt_at: string | null;
  due_at: WithDefault<string>;
  fence: WithDefault<number>;
  lease_until: string | null;
  created_at: Generated<string>;
  finished_at: string | null;
}

export interface DeliveryAttemptTable {
  id: Generated<number>;
  institution_id: number;
  delivery_id: number;
  attempted_at: string;
  duration_ms: number;
  status_code: number | null;
  error_code: string | null;
}

export interface IdempotencyTable {
  api_user_id: number;
  key: string;
  fingerprint: Buffer;
  status: number;
  body: string;
  error_code: string | null;
  created_at: Generated<string>;
}

export interface SyncRunTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  kind: 'first' | 'incremental' | 'full';
  outcome: 'complete' | 'partial' | 'failed' | null;
  records: WithDefault<number>;
  changed: WithDefault<number>;
  deleted: WithDefault<number>;
  held: WithDefault<number>;
  error_code: string | null;
  error: string | null;
  started_at: Generated<string>;
  finished_at: string | null;
}

export interface AvailabilityLabelTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  location_id: number | null;
  name: string;
  active: WithDefault<boolean>;
  foreign_id: string;
  missing_passes: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface InsurancePlanTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  name: string | null;
  payer_id: string | null;
  group_num: string | null;
  employer_name: string | null;
  address: string | null;
  address2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  country_code: string | null;
  foreign_id: string | null;
  deleted_at: string | null;
  missing_passes: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface InsuranceCoverageTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  patient_id: number;
  plan_id: number | null;
  subscriber_id: number | null;
  subscription_relation: SubscriptionRelation;
  priority: number | null;
  subscriber_num: string | null;
  effective_date: string | null;
  expiration_date: string | null;
  insurance_type: InsuranceType | null;
  active: WithDefault<boolean>;
  foreign_id: string | null;
  deleted_at: string | null;
  missing_passes: WithDefault<number>;
  sequence: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface RecallTypeTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  location_id: number | null;
  name: string;
  description: string | null;
  interval_num: number;
  interval_unit: 'D' | 'W' | 'M' | 'Y';
  active: WithDefault<boolean>;
  foreign_id: string;
  missing_passes: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface PatientRecallTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number;
  location_id: number | null;
  patient_id: number;
  recall_type_id: number | null;
  appointment_id: number | null;
  date_due: string | null;
  foreign_id: string;
  missing_passes: WithDefault<number>;
  synced_at: WithDefault<string>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface PatientAlertTable {
  id: Generated<number>;
  institution_id: number;
  connection_id: number | null;
  patient_id: number;
  note: string;
  disabled_at: string | null;
  foreign_id: string | null;
  marker: string | null;
  deleted_at: string | null;
  missing_passes: WithDefault<number>;
  command_sequence: WithDefault<number>;
  synced_at: string | null;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface OnboardingTable {
  id: Generated<number>;
  hashid: string;
  api_user_id: number;
  institution_id: number;
  emr_name: string | null;
  status: WithDefault<'in_progress' | 'complete' | 'failed'>;
  connection_id: number | null;
  url: string;
  url_expires_at: string;
  availability_ready_at: string | null;
  sequence: WithDefault<number>;
  created_at: Generated<string>;
  updated_at: WithDefault<string>;
}

export interface RateWindowTable {
  api_key_id: number;
  limit_name: string;
  started_at: string;
  requests: number;
}

export interface Schema {
  rate_window: RateWindowTable;
  availability_label: AvailabilityLabelTable;
  insurance_plan: InsurancePlanTable;
  insurance_coverage: InsuranceCoverageTable;
  recall_type: RecallTypeTable;
  patient_recall: PatientRecallTable;
  patient_alert: PatientAlertTable;
  onboarding: OnboardingTable;
  instance: InstanceTable;
  institution: InstitutionTable;
  api_user: ApiUserTable;
  api_key: ApiKeyTable;
  api_user_institution: ApiUserInstitutionTable;
  connection: ConnectionTable;
  message_head: MessageHeadTable;
  raw_message: RawMessageTable;
  call_use: CallUseTable;
  location: LocationTable;
  provider: ProviderTable;
  provider_location: ProviderLocationTable;
  operatory: OperatoryTable;
  descriptor: DescriptorTable;
  appointment_type: AppointmentTypeTable;
  appointment_type_descriptor: AppointmentTypeDescriptorTable;
  availability: AvailabilityTable;
  availability_appointment_type: AvailabilityAppointmentTypeTable;
  patient: PatientTable;
  appointment: AppointmentTable;
  claim: ClaimTable;
  command: CommandTable;
  event_head: EventHeadTable;
  event: EventTable;
  webhook_endpoint: WebhookEndpointTable;
  webhook_subscription: WebhookSubscriptionTable;
  delivery: DeliveryTable;
  delivery_attempt: DeliveryAttemptTable;
  idempotency: IdempotencyTable;
  sync_run: SyncRunTable;
}

export type InstitutionRow = Selectable<InstitutionTable>;
export type ConnectionRow = Selectable<ConnectionTable>;
export type CallUseRow = Selectable<CallUseTable>;
export type LocationRow = Selectable<LocationTable>;
export type ProviderRow = Selectable<ProviderTable>;
export type OperatoryRow = Selectable<OperatoryTable>;
export type DescriptorRow = Selectable<DescriptorTable>;
export type AppointmentTypeRow = Selectable<AppointmentTypeTable>;
export type AvailabilityRow = Selectable<AvailabilityTable>;
export type PatientRow = Selectable<PatientTable>;
export type NewPatientRow = Insertable<PatientTable>;
export type AppointmentRow = Selectable<AppointmentTable>;
export type NewAppointmentRow = Insertable<AppointmentTable>;
export type AppointmentUpdate = Updateable<AppointmentTable>;
export type CommandRow = Selectable<CommandTable>;
export type EventRow = Selectable<EventTable>;
export type WebhookEndpointRow = Selectable<WebhookEndpointTable>;
export type WebhookSubscriptionRow = Selectable<WebhookSubscriptionTable>;
export type DeliveryRow = Selectable<DeliveryTable>;
export type AvailabilityLabelRow = Selectable<AvailabilityLabelTable>;
export type InsurancePlanRow = Selectable<InsurancePlanTable>;
export type InsuranceCoverageRow = Selectable<InsuranceCoverageTable>;
export type RecallTypeRow = Selectable<RecallTypeTable>;
export type PatientRecallRow = Selectable<PatientRecallTable>;
export type PatientAlertRow = Selectable<PatientAlertTable>;
export type OnboardingRow = Selectable<OnboardingTable>;
