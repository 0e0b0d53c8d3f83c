/** Made from openapi.json by `npm run generate`. */

export type Token = {
  token: string;
};

export type Institution = {
  id: number;
  name: string;
  created_at: string;
  updated_at: string;
  subdomain: string;
  phone_number: string | null;
  emrs: string[];
  country_code: string;
  appointment_types_location_scoped: boolean;
  is_sync_notifications: boolean;
  notify_insert_fails: boolean;
  locations: LocationBasic[];
};

export type LocationBasic = {
  id: number;
  name: string;
  street_address: string | null;
  street_address_2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  phone_number: string | null;
  email: string | null;
  inactive: boolean;
};

export type Location = {
  id: number;
  name: string;
  street_address: string | null;
  street_address_2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  phone_number: string | null;
  email: string | null;
  inactive: boolean;
  institution_id: number;
  country_code: string;
  created_at: string;
  updated_at: string;
  latitude: number | null;
  longitude: number | null;
  foreign_id: string | null;
  foreign_id_type: string;
  tz: string;
  last_sync_time: string | null;
  insert_appt_client: boolean;
  map_by_operatory: boolean;
  set_availability_by_operatory: boolean;
  specialty: {
    id: number;
    name: string;
  } | null;
};

export type LocationWithEhr = {
  id: number;
  name: string;
  street_address: string | null;
  street_address_2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  phone_number: string | null;
  email: string | null;
  inactive: boolean;
  institution_id: number;
  country_code: string;
  created_at: string;
  updated_at: string;
  latitude: number | null;
  longitude: number | null;
  foreign_id: string | null;
  foreign_id_type: string;
  tz: string;
  last_sync_time: string | null;
  insert_appt_client: boolean;
  map_by_operatory: boolean;
  set_availability_by_operatory: boolean;
  specialty: {
    id: number;
    name: string;
  } | null;
  ehr: {
    id: number;
    name: string;
    display_name: string;
    type: "cloud" | "onprem";
  } | null;
};

export type ProviderWithResources = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
  display_name: string;
  npi: string | null;
  tin: null;
  state_license: null;
  specialty_code: null;
  nexhealth_specialty: string | null;
  profile_url: null;
  inst_ids: number[];
  provider_requestables: ({
    location_id: number;
  })[];
  locations?: Location[];
  appointment_types?: AppointmentType[];
  availabilities?: WorkingHour[];
};

export type AppointmentType = {
  id: number;
  name: string;
  parent_type: "Institution" | "Location";
  parent_id: number;
  minutes: number;
  bookable_online: boolean;
};

export type WorkingHour = {
  id: number;
  provider_id: number;
  location_id: number;
  operatory_id: number | null;
  begin_time: string;
  end_time: string;
  days: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
  specific_date: string | null;
  custom_recurrence: {
    num: number;
    unit: "day" | "week" | "month";
    ref: string;
  } | null;
  tz_offset: string;
  active: boolean;
  appointment_types?: AppointmentType[];
  source: "manual" | "synced";
  label: WorkingHourLabel | null;
};

export type WorkingHourLabel = {
  id: number;
  location_id: number | null;
  name: string;
};

export type OperatoryWithTypes = {
  id: number;
  name: string;
  foreign_id: string | null;
  foreign_id_type: string;
  location_id: number;
  last_sync_time: string | null;
  created_at: string;
  updated_at: string;
  display_name: string | null;
  active: boolean;
  bookable_online: boolean;
  profile_url: null;
  rel_ids: number[];
  appointment_types: AppointmentType[];
};

export type Patient = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
  guarantor_id: number | null;
  billing_type: null;
  chart_id: null;
  preferred_language: string | null;
  provider_id: number | null;
  hipaa: null;
};

export type PostPatientsBody = {
  /** Who sees the new patient. */
  provider: {
    /** Which provider. */
    provider_id: number;
  };
  /** The patient as a record of its own. */
  patient: {
    /** First name. */
    first_name: string;
    /** Last name. */
    last_name: string;
    /** Middle name. */
    middle_name?: string;
    /** An e-mail address; letters of either case are the same. */
    email: string;
    /** Birthday, phones and address. */
    bio: {
      /** A birthday, YYYY-MM-DD. */
      date_of_birth: string;
      /** A phone number: ten digits, in any spelling. */
      phone_number: string;
      /** A mobile number: ten digits, in any spelling. */
      cell_phone_number?: string;
      /** A number at home: ten digits, in any spelling. */
      home_phone_number?: string;
      /** A number at work: ten digits, in any spelling. */
      work_phone_number?: string;
      /** As the health record system writes it. */
      gender?: "Male" | "Female" | "Other";
      /** Street and number. */
      street_address?: string;
      /** Street and number. */
      address_line_1?: string;
      /** What else the address needs. */
      address_line_2?: string;
      /** City. */
      city?: string;
      /** State, as two letters. */
      state?: string;
      /** ZIP code. */
      zip_code?: string;
    };
  };
  /** Answer the patient that is already there instead of refusing a second one. */
  return_existing_if_match?: boolean;
};

export type PatientBasic = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
  guarantor_id: number | null;
  billing_type: null;
  chart_id: null;
  preferred_language: string | null;
  provider_id: number | null;
  preferred_locale: null;
  location_ids: number[];
};

export type PatientWithIncludes = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
  guarantor_id: number | null;
  billing_type: null;
  chart_id: null;
  preferred_language: string | null;
  provider_id: number | null;
  hipaa: null;
  location_ids: number[];
  upcoming_appts?: AppointmentBasic[];
  last_visited_appointment?: AppointmentBasic | null;
  appointments?: AppointmentBasic[];
  children?: User[];
  guarantor?: User | null;
  provider?: User | null;
  address?: {
    line_1: string | null;
    line_2: string | null;
    postal_code: string | null;
    city: string | null;
    region: string | null;
  };
  procedures?: unknown[];
  insurance_coverages?: InsuranceCoverageWithPlan[];
  adjustments?: unknown[];
  charges?: unknown[];
  payments?: unknown[];
  patient_alerts?: PatientAlert[];
};

export type AppointmentBasic = {
  id: number;
  provider_id: number | null;
  provider_name: string | null;
  start_time: string;
  end_time: string;
  location_id: number;
  confirmed: boolean;
};

export type User = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
};

export type InsuranceCoverageWithPlan = {
  id: number;
  subscription_relation: "self" | "spouse" | "child" | "employee" | "handicap_dep" | "signif_other" | "injured_plaintiff" | "life_partner" | "dependent" | "other";
  patient_id: number;
  priority: number | null;
  plan_id: number | null;
  subscriber_num: string | null;
  effective_date: string | null;
  expiration_date: string | null;
  insurance_type: "dental" | "medical" | "vision" | null;
  updated_at: string;
  active: boolean;
  subscriber: InsuranceSubscriber | null;
  plan: InsurancePlan | null;
};

export type InsuranceSubscriber = {
  id: number;
  name: string;
  date_of_birth: string | null;
};

export type InsurancePlan = {
  id: number;
  payer_id: string | null;
  name: string | null;
  address: string | null;
  address2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  country_code: string | null;
  group_num: string | null;
  employer_name: string | null;
  foreign_id: string | null;
  updated_at: string;
  deleted_at: string | null;
};

export type PatientAlert = {
  id: number;
  patient_id: number;
  note: string;
  disabled_at: string | null;
  created_at: string;
  updated_at: string;
};

export type PostPatientsIdAlertsBody = {
  /** A note that staff see when they open the patient. */
  patient_alert: {
    /** A note to the staff. */
    note: string;
  };
};

export type PatchPatientsIdAlertsAlertIdBody = {
  /** A note that staff see when they open the patient. */
  patient_alert: {
    /** Whether it is disabled. */
    disabled: boolean;
  };
};

export type Write = {
  id: number;
  kind: "create" | "update" | "confirm" | "cancel" | "check_in" | "create_alert" | "change_alert";
  state: "queued" | "sent" | "unknown" | "settling" | "searched" | "complete" | "failed" | "timed_out" | "incomplete";
  states: ({
    state: "queued" | "sent" | "unknown" | "settling" | "searched" | "complete" | "failed" | "timed_out" | "incomplete";
    at: string;
  })[];
  attempts: number;
  reason_code: string | null;
  message: string | null;
  retryable: boolean | null;
  hrs_said: string | null;
  created_at: string;
  finished_at: string | null;
  next_attempt_at: string | null;
};

export type InsuranceCoverage = {
  id: number;
  subscription_relation: "self" | "spouse" | "child" | "employee" | "handicap_dep" | "signif_other" | "injured_plaintiff" | "life_partner" | "dependent" | "other";
  patient_id: number;
  priority: number | null;
  plan_id: number | null;
  subscriber_num: string | null;
  effective_date: string | null;
  expiration_date: string | null;
  insurance_type: "dental" | "medical" | "vision" | null;
  updated_at: string;
  active: boolean;
};

export type InsuranceCoverageWithSubscriber = {
  id: number;
  subscription_relation: "self" | "spouse" | "child" | "employee" | "handicap_dep" | "signif_other" | "injured_plaintiff" | "life_partner" | "dependent" | "other";
  patient_id: number;
  priority: number | null;
  plan_id: number | null;
  subscriber_num: string | null;
  effective_date: string | null;
  expiration_date: string | null;
  insurance_type: "dental" | "medical" | "vision" | null;
  updated_at: string;
  active: boolean;
  subscriber: InsuranceSubscriber | null;
};

export type InsurancePlanWithIncludes = {
  id: number;
  payer_id: string | null;
  name: string | null;
  address: string | null;
  address2: string | null;
  city: string | null;
  state: string | null;
  zip_code: string | null;
  country_code: string | null;
  group_num: string | null;
  employer_name: string | null;
  foreign_id: string | null;
  updated_at: string;
  deleted_at: string | null;
  patient_coverages?: InsuranceCoverage[];
  subscribers?: InsuranceSubscriber[];
  fee_schedule?: null;
};

export type PatientRecall = {
  id: number;
  appointment_id: number | null;
  date_due: string | null;
  foreign_id: string;
  foreign_id_type: string;
  recall_id: number | null;
  recall_type: RecallTypeBasic | null;
  patient_id: number;
  created_at: string;
  updated_at: string;
};

export type RecallTypeBasic = {
  id: number;
  name: string;
  description: string | null;
  interval_num: number;
  interval_unit: "D" | "W" | "M" | "Y";
};

export type RecallType = {
  id: number;
  name: string;
  description: string | null;
  interval_num: number;
  interval_unit: "D" | "W" | "M" | "Y";
  foreign_id: string;
  foreign_id_type: string;
  location_id: number | null;
  created_at: string;
  updated_at: string;
};

export type AppointmentTypeWithResources = {
  id: number;
  name: string;
  parent_type: "Institution" | "Location";
  parent_id: number;
  minutes: number;
  bookable_online: boolean;
  descriptors?: AppointmentDescriptor[];
  providers?: Provider[];
};

export type AppointmentDescriptor = {
  id: number;
  descriptor_type: string;
  name: string;
  code: string | null;
  location_id: number | null;
  foreign_id: string;
  foreign_id_type: string;
  data: Record<string, unknown>;
  active: boolean;
  last_sync_time: string;
  created_at: string;
  updated_at: string;
};

export type Provider = {
  id: number;
  email: string | null;
  first_name: string;
  middle_name: string | null;
  last_name: string;
  name: string;
  created_at: string;
  updated_at: string;
  institution_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  bio: Record<string, string | boolean | null>;
  inactive: boolean;
  last_sync_time: string | null;
  display_name: string;
  npi: string | null;
  tin: null;
  state_license: null;
  specialty_code: null;
  nexhealth_specialty: string | null;
  profile_url: null;
  inst_ids: number[];
};

export type PostAppointmentTypesBody = {
  /** Which location. */
  location_id?: number;
  /** The appointment type. */
  appointment_type: {
    /** A name, or part of one where it filters. */
    name: string;
    /** How long it takes. */
    minutes: number;
    /** Whose it is: of the institution or of one location. */
    parent_type?: "Institution" | "Location";
    /** The id of that institution or location. */
    parent_id?: number;
    /** May it be booked through this API? */
    bookable_online?: boolean;
    /** The health record system’s own codes that go with it. */
    emr_appt_descriptor_ids?: number[];
  };
};

export type PatchAppointmentTypesIdBody = {
  /** Which location. */
  location_id?: number;
  /** The appointment type. */
  appointment_type: {
    /** A name, or part of one where it filters. */
    name?: string;
    /** How long it takes. */
    minutes?: number;
    /** Whose it is: of the institution or of one location. */
    parent_type?: "Institution" | "Location";
    /** The id of that institution or location. */
    parent_id?: number;
    /** May it be booked through this API? */
    bookable_online?: boolean;
    /** The health record system’s own codes that go with it. */
    emr_appt_descriptor_ids?: number[];
  };
};

export type PostAppointmentCategoriesBody = {
  /** Which location. */
  location_id?: number;
  /** The appointment type, by its older name. */
  appointment_category: {
    /** A name, or part of one where it filters. */
    name: string;
    /** How long it takes. */
    minutes: number;
    /** Whose it is: of the institution or of one location. */
    parent_type?: "Institution" | "Location";
    /** The id of that institution or location. */
    parent_id?: number;
    /** May it be booked through this API? */
    bookable_online?: boolean;
    /** The health record system’s own codes that go with it. */
    emr_appt_descriptor_ids?: number[];
  };
};

export type Availability = {
  id: number;
  provider_id: number;
  location_id: number;
  operatory_id: number | null;
  begin_time: string;
  end_time: string;
  days: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
  specific_date: string | null;
  custom_recurrence: {
    num: number;
    unit: "day" | "week" | "month";
    ref: string;
  } | null;
  tz_offset: string;
  active: boolean;
  appointment_types?: AppointmentType[];
  synced: boolean;
};

export type PostAvailabilitiesBody = {
  /** Hours in which a provider can be booked. */
  availability: {
    /** Which provider. */
    provider_id: number;
    /** Start of the hours, as the clock of the location shows it: HH:MM. */
    begin_time: string;
    /** When it ends. Without an offset it is the location’s wall time. */
    end_time: string;
    /** Which operatory. */
    operatory_id?: number;
    /** Which appointment types. */
    appointment_type_ids?: number[];
    /** The older name of `appointment_type_ids`. */
    appointment_category_ids?: number[];
    /** How many days, counted from the first. In hours: the days of the week. */
    days?: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
    /** The one day the hours are for, YYYY-MM-DD. */
    specific_date?: string;
    /** Hours that come back every so many weeks. */
    custom_recurrence?: {
      /** Every how many. */
      num: number;
      /** Of what. */
      unit: "day" | "week" | "month";
      /** A day of the first time, YYYY-MM-DD. */
      ref: string;
    };
    /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
    active?: boolean;
  };
};

export type PatchAvailabilitiesIdBody = {
  /** Hours in which a provider can be booked. */
  availability: {
    /** Which provider. */
    provider_id?: number;
    /** Start of the hours, as the clock of the location shows it: HH:MM. */
    begin_time?: string;
    /** When it ends. Without an offset it is the location’s wall time. */
    end_time?: string;
    /** Which operatory. */
    operatory_id?: number | null;
    /** Which appointment types. */
    appointment_type_ids?: number[];
    /** The older name of `appointment_type_ids`. */
    appointment_category_ids?: number[];
    /** How many days, counted from the first. In hours: the days of the week. */
    days?: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
    /** The one day the hours are for, YYYY-MM-DD. */
    specific_date?: string;
    /** Hours that come back every so many weeks. */
    custom_recurrence?: {
      /** Every how many. */
      num: number;
      /** Of what. */
      unit: "day" | "week" | "month";
      /** A day of the first time, YYYY-MM-DD. */
      ref: string;
    };
    /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
    active?: boolean;
  };
};

export type PostWorkingHoursBody = {
  /** Hours in which a provider can be booked. */
  working_hour: {
    /** Which provider. */
    provider_id: number;
    /** Start of the hours, as the clock of the location shows it: HH:MM. */
    begin_time: string;
    /** When it ends. Without an offset it is the location’s wall time. */
    end_time: string;
    /** Which operatory. */
    operatory_id?: number;
    /** Which appointment types. */
    appointment_type_ids?: number[];
    /** The older name of `appointment_type_ids`. */
    appointment_category_ids?: number[];
    /** How many days, counted from the first. In hours: the days of the week. */
    days?: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
    /** The one day the hours are for, YYYY-MM-DD. */
    specific_date?: string;
    /** Hours that come back every so many weeks. */
    custom_recurrence?: {
      /** Every how many. */
      num: number;
      /** Of what. */
      unit: "day" | "week" | "month";
      /** A day of the first time, YYYY-MM-DD. */
      ref: string;
    };
    /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
    active?: boolean;
  };
};

export type PatchWorkingHoursIdBody = {
  /** Hours in which a provider can be booked. */
  working_hour: {
    /** Which provider. */
    provider_id?: number;
    /** Start of the hours, as the clock of the location shows it: HH:MM. */
    begin_time?: string;
    /** When it ends. Without an offset it is the location’s wall time. */
    end_time?: string;
    /** Which operatory. */
    operatory_id?: number | null;
    /** Which appointment types. */
    appointment_type_ids?: number[];
    /** The older name of `appointment_type_ids`. */
    appointment_category_ids?: number[];
    /** How many days, counted from the first. In hours: the days of the week. */
    days?: ("Sunday" | "Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday")[];
    /** The one day the hours are for, YYYY-MM-DD. */
    specific_date?: string;
    /** Hours that come back every so many weeks. */
    custom_recurrence?: {
      /** Every how many. */
      num: number;
      /** Of what. */
      unit: "day" | "week" | "month";
      /** A day of the first time, YYYY-MM-DD. */
      ref: string;
    };
    /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
    active?: boolean;
  };
};

export type AppointmentSlots = {
  lid: number;
  pid: number;
  operatory_id?: number | null;
  slots: AppointmentSlot[];
  next_available_date: string | null;
  /** When this location was last read from its health record system. */
  as_of: string | null;
  /** With explain=true: why the rest of the window is not offered. */
  explained?: ({
    from: string;
    to: string;
    reason: "inactive_provider" | "past" | "shorter_than_length" | "between_starts" | "appointment" | "block" | "claim" | "inactive_operatory" | "no_hours_for_type" | "outside_hours";
  })[];
};

export type AppointmentSlot = {
  time: string;
  end_time: string;
  operatory_id?: number;
};

export type AvailableSlots = {
  lid: number;
  pid: number;
  operatory_id?: number | null;
  slots: AvailableSlot[];
  next_available_date: string | null;
  /** When this location was last read from its health record system. */
  as_of: string | null;
  /** With explain=true: why the rest of the window is not offered. */
  explained?: ({
    from: string;
    to: string;
    reason: "inactive_provider" | "past" | "shorter_than_length" | "between_starts" | "appointment" | "block" | "claim" | "inactive_operatory" | "no_hours_for_type" | "outside_hours";
  })[];
};

export type AvailableSlot = {
  time: string;
  end_time: string;
  operatory_id?: number;
  provider_id: number;
  working_hour_label_id: number | null;
};

export type AppointmentWithIncludes = {
  id: number;
  patient_id: number | null;
  provider_id: number | null;
  provider_name: string | null;
  start_time: string;
  end_time: string;
  confirmed: boolean;
  patient_missed: boolean;
  created_at: string;
  updated_at: string;
  note: string | null;
  unavailable: boolean;
  cancelled: boolean;
  timezone: string;
  timezone_offset: string;
  institution_id: number;
  appointment_type_id: number;
  checkin_at: string | null;
  location_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  misc: {
    is_booked_on_nexhealth: boolean;
  };
  last_sync_time: string | null;
  patient_confirmed: boolean;
  patient_confirmed_at: string | null;
  created_by_user_id: number | null;
  is_guardian: boolean;
  cancelled_at: string | null;
  is_new_clients_patient: boolean;
  confirmed_at: string | null;
  sooner_if_possible: boolean;
  operatory_id: number | null;
  deleted: boolean;
  checked_out: boolean;
  checked_out_at: string | null;
  referrer: string | null;
  is_past_patient: boolean;
  patient?: {
    id: number;
    email: string | null;
    first_name: string;
    middle_name: string | null;
    last_name: string;
    name: string;
    created_at: string;
    updated_at: string;
    institution_id: number;
    foreign_id: string | null;
    foreign_id_type: string;
    bio: Record<string, string | boolean | null>;
    inactive: boolean;
    last_sync_time: string | null;
    guarantor_id: number | null;
    billing_type: null;
    chart_id: null;
    preferred_language: string | null;
    provider_id: number | null;
    preferred_locale: null;
    location_ids: number[];
    guarantor?: PatientBasic | null;
  } | null;
  guarantor?: PatientBasic | null;
  operatory?: Operatory | null;
  appointment_type?: AppointmentType | null;
  descriptors?: AppointmentDescriptor[];
  procedures?: unknown[];
  booking_details?: null;
};

export type Operatory = {
  id: number;
  name: string;
  foreign_id: string | null;
  foreign_id_type: string;
  location_id: number;
  last_sync_time: string | null;
  created_at: string;
  updated_at: string;
  display_name: string | null;
  active: boolean;
  bookable_online: boolean;
  profile_url: null;
  rel_ids: number[];
};

export type PostAppointmentsBody = {
  /** How many appointments a provider may have at the same time. */
  appointments_per_timeslot?: number;
  /** The appointment. */
  appt: {
    /** Which patient. */
    patient_id?: number;
    /** Which provider. */
    provider_id?: number;
    /** Which operatory. */
    operatory_id?: number;
    /** When it starts. Without an offset it is the location’s wall time. */
    start_time: string;
    /** When it ends. Without an offset it is the location’s wall time. */
    end_time?: string;
    /** Which appointment type. */
    appointment_type_id?: number;
    /** The older name of `appointment_type_id`. */
    category_id?: number;
    /** A note to the staff. */
    note?: string | null;
    /** Whether it is a block: time taken without a patient. */
    unavailable?: boolean;
    /** The booker is a guardian, and `patient` the child to be seen. */
    is_guardian?: boolean;
    /** Whether the patient is new to the practice. */
    is_new_clients_patient?: boolean;
    /** Where the booking came from. */
    referrer?: string | null;
    /** The patient as a record of its own. */
    patient?: {
      /** First name. */
      first_name: string;
      /** Last name. */
      last_name: string;
      /** Birthday, phones and address. */
      bio: {
        /** A birthday, YYYY-MM-DD. */
        date_of_birth: string;
        /** As the health record system writes it. */
        gender?: "Male" | "Female" | "Other";
      };
    };
    /** The health record system’s own codes that go with it. */
    descriptor_ids?: number[];
  };
};

export type Appointment = {
  id: number;
  patient_id: number | null;
  provider_id: number | null;
  provider_name: string | null;
  start_time: string;
  end_time: string;
  confirmed: boolean;
  patient_missed: boolean;
  created_at: string;
  updated_at: string;
  note: string | null;
  unavailable: boolean;
  cancelled: boolean;
  timezone: string;
  timezone_offset: string;
  institution_id: number;
  appointment_type_id: number;
  checkin_at: string | null;
  location_id: number;
  foreign_id: string | null;
  foreign_id_type: string;
  misc: {
    is_booked_on_nexhealth: boolean;
  };
  last_sync_time: string | null;
  patient_confirmed: boolean;
  patient_confirmed_at: string | null;
  created_by_user_id: number | null;
  is_guardian: boolean;
  cancelled_at: string | null;
  is_new_clients_patient: boolean;
  confirmed_at: string | null;
  sooner_if_possible: boolean;
  operatory_id: number | null;
  deleted: boolean;
  checked_out: boolean;
  checked_out_at: string | null;
  referrer: string | null;
  is_past_patient: boolean;
};

export type PatchAppointmentsIdBody = {
  /** The appointment. */
  appt: {
    /** Whether the patient has confirmed it. */
    confirmed?: boolean;
    /** Whether it is cancelled. */
    cancelled?: boolean;
    /** When the patient arrived. */
    checkin_at?: string;
    /** v3.0.0 only. Its new start, with `end_time`. */
    start_time?: string;
    /** v3.0.0 only. Its new end, with `start_time`. */
    end_time?: string;
    /** v3.0.0 only. Its new operatory. */
    operatory_id?: number;
    /** v3.0.0 only. Its new note; an empty one takes it away. */
    note?: string;
  };
};

export type SyncStatus = {
  institution_id: number;
  sync_source_type: string;
  sync_source_name: string;
  emr: {
    id: number;
    name: string;
    display_name: string;
    type: "cloud" | "onprem";
  };
  read_status: "green" | "red";
  read_status_at: string | null;
  write_status: "green" | "red";
  write_status_at: string | null;
  locations: LocationBasic[];
};

export type Onboarding = {
  id: string;
  created_at: string;
  subdomain: string | null;
  url: string;
  url_expires_at: string;
  status: "in_progress" | "complete" | "failed";
  booking_params: {
    location_id: number;
    appointment_type_ids: number[];
  } | null;
  availability_ready_at: string | null;
};

export type PostOnboardingsBody = {
  /** Who is to be connected. */
  onboarding: {
    /** The name of the practice. */
    institution_name?: string;
    /** The ZIP code of the practice. */
    institution_zip_code?: string;
    /** The website of the practice. */
    institution_website?: string;
    /** Where the practice is reached. */
    institution_email?: string;
    /** Which institution. */
    subdomain?: string;
    /** Which health record system it works in. */
    emr_name?: "sandbox" | "fhir" | "hl7v2" | "caldav" | "athena" | "curve2" | "cloud9" | "denticon" | "dentrix" | "dentrixascend" | "drchrono" | "eaglesoft" | "ecw" | "modmed" | "nextgen" | "opendental";
  };
};

export type Staff = {
  id: number;
  email: "";
  first_name: string;
  last_name: "";
  created_at: string;
  updated_at: string;
  patientable: false;
  inst_ids: number[];
  unsubscribe_emails: true;
  inactive: boolean;
  unsubscribe_sms: true;
  location_ids: number[];
};

export type WebhookEndpoint = {
  id: number;
  target_url: string;
  secret_key: string;
  active: boolean;
  created_at: string;
  updated_at: string;
};

export type PostWebhookEndpointsBody = {
  /** Where deliveries are sent. */
  target_url: string;
  /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
  active?: boolean;
};

export type PatchWebhookEndpointsIdBody = {
  /** Where deliveries are sent. */
  target_url?: string;
  /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
  active?: boolean;
};

export type WebhookSubscription = {
  id: number;
  webhook_endpoint_id: number;
  institution_id: number | null;
  resource_type: string;
  event: string;
  active: boolean;
  created_at: string;
  updated_at: string;
};

export type PostWebhookEndpointsIdWebhookSubscriptionsBody = {
  /** What the event is about, such as `Appointment`. */
  resource_type: string;
  /** The event’s name, such as `appointment_insertion`. */
  event: string;
  /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
  active?: boolean;
};

export type PatchWebhookEndpointsIdWebhookSubscriptionsSubscriptionIdBody = {
  /** The endpoint that takes the subscription over. */
  new_endpoint_id?: number;
  /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
  active?: boolean;
};

export type WebhookDelivery = {
  id: number;
  webhook_endpoint_id: number;
  webhook_subscription_id: number;
  event_id: string;
  event_name: string;
  resource_type: string;
  resource_id: number;
  state: "pending" | "delivered" | "failed" | "cancelled";
  next_attempt_at: string | null;
  created_at: string;
  finished_at: string | null;
  attempts: ({
    attempted_at: string;
    duration_ms: number;
    status_code: number | null;
    error_code: string | null;
  })[];
};

export type Event = {
  id: string;
  position: number;
  event_name: string;
  resource_type: string;
  resource_id: number;
  sequence: number;
  event_time: string;
  data: Record<string, unknown>;
};

export type PostAdminInstitutionsBody = {
  /** The institution. */
  institution: {
    /** A name, or part of one where it filters. */
    name: string;
    /** Which institution. */
    subdomain: string;
  };
};

export type AdminInstitution = {
  id: number;
  name: string;
  subdomain: string;
};

export type PostAdminKeysBody = {
  /** The API key. */
  key: {
    /** A name, or part of one where it filters. */
    name: string;
    /** The institutions that the key reaches. */
    subdomains?: string[];
    /** Whether the key may administer this server. */
    admin?: boolean;
  };
};

export type NewKey = {
  id: number;
  key: string;
};

export type PostAdminConnectionsBody = {
  /** The connection to a health record system. */
  connection: {
    /** Which institution. */
    subdomain: string;
    /** Which kind of health record system. */
    kind: string;
    /** A name, or part of one where it filters. */
    name: string;
    /** What the connector of that kind needs; see the README. */
    config: Record<string, unknown>;
    /** How often it is read, in milliseconds. */
    sync_cycle_ms?: number;
    /** How often everything is read anew, in milliseconds. */
    full_pass_every_ms?: number;
    /** How many calls the health record system allows in a minute; null for no limit. */
    calls_per_minute?: number | null;
    /** How many calls it allows in an hour; null for no limit. */
    calls_per_hour?: number | null;
    /** How many calls it allows in a calendar month; null for no limit. */
    calls_per_month?: number | null;
  };
};

export type Connection = {
  id: number;
  subdomain: string;
  kind: string;
  name: string;
  paused: boolean;
  sync_cycle_ms: number;
  read_status: "green" | "red";
  write_status: "green" | "red";
  first_synced_at: string | null;
  /** End of the last pass that saw everything there was to see. */
  synced_at: string | null;
  /** Since `synced_at`; null before the first complete pass. */
  lag_seconds: number | null;
  /** How often it is read: `sync_cycle_ms`, or as seldom as its limits of calls ask for. */
  promised_staleness_seconds: number;
  /** The same of `full_pass_every_ms`. */
  promised_full_pass_seconds: number;
  /** More than twice `promised_staleness_seconds` have gone by without a complete pass. */
  behind: boolean;
  quota: CallQuota;
  /** A pass is under way. */
  syncing: boolean;
  /** When the next pass may begin; null while paused. */
  sync_due_at: string | null;
  /** Writes that have not ended yet. */
  open_commands: number;
  /** When the oldest of them was asked for. */
  oldest_command_at: string | null;
  held_deletions: number;
  last_error_code: string | null;
  last_error: string | null;
  push_path: string;
};

/** Calls made in the minute, hour and month of UTC that are under way; null for what has no limit. */
export type CallQuota = {
  minute: CallWindow | null;
  hour: CallWindow | null;
  month: CallWindow | null;
};

export type CallWindow = {
  limit: number;
  used: number;
  resets_at: string;
};

export type ConnectionDetail = {
  id: number;
  subdomain: string;
  kind: string;
  name: string;
  paused: boolean;
  sync_cycle_ms: number;
  read_status: "green" | "red";
  write_status: "green" | "red";
  first_synced_at: string | null;
  /** End of the last pass that saw everything there was to see. */
  synced_at: string | null;
  /** Since `synced_at`; null before the first complete pass. */
  lag_seconds: number | null;
  /** How often it is read: `sync_cycle_ms`, or as seldom as its limits of calls ask for. */
  promised_staleness_seconds: number;
  /** The same of `full_pass_every_ms`. */
  promised_full_pass_seconds: number;
  /** More than twice `promised_staleness_seconds` have gone by without a complete pass. */
  behind: boolean;
  quota: CallQuota;
  /** A pass is under way. */
  syncing: boolean;
  /** When the next pass may begin; null while paused. */
  sync_due_at: string | null;
  /** Writes that have not ended yet. */
  open_commands: number;
  /** When the oldest of them was asked for. */
  oldest_command_at: string | null;
  held_deletions: number;
  last_error_code: string | null;
  last_error: string | null;
  push_path: string;
  /** What the last passes that did not end well ran into, newest first; at most 10. */
  last_errors: ({
    at: string;
    error_code: string;
    error: string | null;
  })[];
  /** When the last message of the HRS came, where it sends any. */
  last_message_at: string | null;
};

export type PatchAdminConnectionsIdBody = {
  /** The connection to a health record system. */
  connection: {
    /** A name, or part of one where it filters. */
    name?: string;
    /** Whether reading and writing rest. */
    paused?: boolean;
    /** Let the deletions go through that were held back. */
    accept_deletions?: boolean;
    /** What the connector of that kind needs; see the README. */
    config?: Record<string, unknown>;
    /** How often it is read, in milliseconds. */
    sync_cycle_ms?: number;
    /** How often everything is read anew, in milliseconds. */
    full_pass_every_ms?: number;
    /** How many calls the health record system allows in a minute; null for no limit. */
    calls_per_minute?: number | null;
    /** How many calls it allows in an hour; null for no limit. */
    calls_per_hour?: number | null;
    /** How many calls it allows in a calendar month; null for no limit. */
    calls_per_month?: number | null;
  };
};

export type ConnectionCheck = {
  ok: boolean;
  message: string;
};

export type SyncRun = {
  id: number;
  kind: "first" | "incremental" | "full";
  outcome: "complete" | "partial" | "failed" | null;
  records: number;
  changed: number;
  deleted: number;
  held: number;
  error_code: string | null;
  error: string | null;
  started_at: string;
  finished_at: string | null;
};

export type Message = {
  /** Its place among the messages of the connection, in the order of their arrival. */
  position: number;
  /** `out`: one of ours that was acknowledged. */
  direction: "in" | "out";
  type: string;
  control_id: string | null;
  /** When its sender says that it was made. */
  sent_at: string | null;
  stored_at: string;
  /** Why nothing could be made of it. */
  problem: string | null;
  /** Whether its content is still there. */
  kept: boolean;
};

export type MessageContent = {
  /** Its place among the messages of the connection, in the order of their arrival. */
  position: number;
  /** `out`: one of ours that was acknowledged. */
  direction: "in" | "out";
  type: string;
  control_id: string | null;
  /** When its sender says that it was made. */
  sent_at: string | null;
  stored_at: string;
  /** Why nothing could be made of it. */
  problem: string | null;
  /** Whether its content is still there. */
  kept: boolean;
  /** As it came: UTF-8, or else every byte a character. */
  content: string | null;
};

export type PostAdminConnectionsIdReplayBody = {
  /** Since when; without an offset in UTC. */
  from: string;
};

export type Replay = {
  /** How many are read again. */
  messages: number;
};

export type PageInfo = {
  has_previous_page: boolean;
  has_next_page: boolean;
  start_cursor: string | null;
  end_cursor: string | null;
};

export interface Operations {
  /** Exchange the API key in Authorization for a token that lasts an hour. */
  'POST /authenticates': {
    params: {};
    data: Token;
  };
  /** List the institutions that the key reaches, with their locations. */
  'GET /institutions': {
    params: {};
    data: Institution[];
  };
  /** Show one institution. */
  'GET /institutions/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: Institution;
  };
  /** List the locations that the key reaches, under their institutions. */
  'GET /locations': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** true: only the inactive ones; false: only the others. */
      inactive?: boolean;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Taken and without effect: there are no plans to subscribe to. */
      filter_by_subscription_feature?: "messaging" | "campaigns" | "reviews" | "recalls" | "reminders" | "online_booking" | "waitlist" | "forms" | "payments" | "ledger_sync" | "enterprise" | "insurance_verification";
    };
    data: ({
      id: number;
      name: string;
      subdomain: string;
      locations: Location[];
    })[];
  };
  /** Show one location. */
  'GET /locations/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: LocationWithEhr;
  };
  /** List providers. */
  'GET /providers': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Of updated_at, with commas between; a leading dash for descending. */
      sort?: string;
      /** Which location. */
      location_id?: number;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Only providers that can be booked online. */
      requestable?: boolean;
      /** true: only the inactive ones; false: only the others. */
      inactive?: boolean;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
      /** Only these. */
      ids?: number[];
    };
    data: ProviderWithResources[];
  };
  /** Show one provider. */
  'GET /providers/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: ProviderWithResources;
  };
  /** List the operatories of a location. */
  'GET /operatories': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which location. */
      location_id: number;
      /** Part of the name, whatever its case. */
      search_name?: string;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: OperatoryWithTypes[];
  };
  /** Show one operatory. */
  'GET /operatories/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: OperatoryWithTypes;
  };
  /** List the operatories in which an appointment category can be booked. @deprecated */
  'GET /appointment_categories/{id}/operatories': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which location. */
      location_id?: number;
    };
    data: OperatoryWithTypes[];
  };
  /** Search patients. All filters must hold. */
  'GET /patients': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which location. */
      location_id: number;
      /** A name, or part of one where it filters. */
      name?: string;
      /** An e-mail address; letters of either case are the same. */
      email?: string;
      /** A phone number: ten digits, in any spelling. */
      phone_number?: string;
      /** A birthday, YYYY-MM-DD. */
      date_of_birth?: string;
      /** true: only the inactive ones; false: only the others. */
      inactive?: boolean;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** Only patients that the health record system does not have yet, or only the others. */
      new_patient?: boolean;
      /** Only people who are no patients of the practice, such as guarantors, or only the others. */
      non_patient?: boolean;
      /** Only patients that the health record system has: no form could be filed with another. */
      forms_syncable?: boolean;
      /** Only patients of the location itself, rather than of its whole health record system. */
      location_strict?: boolean;
      /** Of id, updated_at, name, with commas between; a leading dash for descending. */
      sort?: string;
    };
    data: Patient[];
  };
  /** Create a patient. The health record system gets to know them with their first appointment. */
  'POST /patients': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id: number;
    } & PostPatientsBody;
    data: {
      user: PatientBasic;
    };
  };
  /** Show one patient. */
  'GET /patients/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: PatientWithIncludes;
  };
  /** The alerts of a patient that staff see, or all of them */
  'GET /patients/{id}/alerts': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Answer the disabled ones too. */
      include_disabled?: boolean;
    };
    data: PatientAlert[];
  };
  /** Make an alert of a patient whom the health record system has */
  'POST /patients/{id}/alerts': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PostPatientsIdAlertsBody;
    data: PatientAlert;
  };
  /** Show one alert of a patient */
  'GET /patients/{id}/alerts/{alert_id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which alert of the patient. */
      alert_id: number;
    };
    data: PatientAlert;
  };
  /** Disable an alert of a patient, or enable it again */
  'PATCH /patients/{id}/alerts/{alert_id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which alert of the patient. */
      alert_id: number;
    } & PatchPatientsIdAlertsAlertIdBody;
    data: PatientAlert;
  };
  /** What became of each write of this alert to the health record system */
  'GET /patients/{id}/alerts/{alert_id}/writes': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which alert of the patient. */
      alert_id: number;
    };
    data: Write[];
  };
  /** List what insurance covers the patients of an institution; only what is active, unless asked otherwise. */
  'GET /insurance_coverages': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which patient. */
      patient_id?: number;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** false: only those that are no longer active. Default true. */
      active?: boolean;
    };
    data: InsuranceCoverage[];
  };
  /** Show one coverage, with the person whose insurance it is. */
  'GET /insurance_coverages/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: InsuranceCoverageWithSubscriber;
  };
  /** List what insurance covers a patient now, with its plans. */
  'GET /patients/{id}/insurance_coverages': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: InsuranceCoverageWithPlan[];
  };
  /** List the insurance plans that the health record systems of an institution know. */
  'GET /insurance_plans': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Of updated_at, with commas between; a leading dash for descending. */
      sort?: string;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** The number by which claims reach the insurer. */
      payer_id?: string;
      /** The number of the group that is insured by the plan. */
      group_num?: string;
      /** true: also those that are gone from the health record system. */
      include_deleted?: boolean;
    };
    data: InsurancePlan[];
  };
  /** Show one insurance plan, also one that is deleted. */
  'GET /insurance_plans/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: InsurancePlanWithIncludes;
  };
  /** List which patients of a location are due to come back, and when. */
  'GET /patient_recalls': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which location. */
      location_id: number;
      /** Only recalls of this type. */
      recall_id?: number;
      /** Which patient. */
      patient_id?: number;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** Only what is due on this day or later. */
      due_after?: string;
      /** Of date_due, with commas between; a leading dash for descending. */
      sort?: string;
    };
    data: PatientRecall[];
  };
  /** Show one recall of a patient. */
  'GET /patient_recalls/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: PatientRecall;
  };
  /** List why and how often a location asks patients to come back. */
  'GET /recall_types': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id: number;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
    };
    data: RecallType[];
  };
  /** Show one recall type. */
  'GET /recall_types/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: RecallType;
  };
  /** List appointment types, those of the whole institution among them. */
  'GET /appointment_types': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id?: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: AppointmentTypeWithResources[];
  };
  /** Create an appointment type. */
  'POST /appointment_types': {
    params: {
      /** Which institution. */
      subdomain?: string;
    } & PostAppointmentTypesBody;
    data: AppointmentType;
  };
  /** Show one appointment type. */
  'GET /appointment_types/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which location. */
      location_id?: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: AppointmentTypeWithResources;
  };
  /** Delete an appointment type. Hours that carried it go on without it. */
  'DELETE /appointment_types/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which location. */
      location_id?: number;
    };
    data: AppointmentType;
  };
  /** Change an appointment type. A list of descriptors replaces the one it had. */
  'PATCH /appointment_types/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PatchAppointmentTypesIdBody;
    data: AppointmentType;
  };
  /** List appointment categorys, those of the whole institution among them. @deprecated */
  'GET /appointment_categories': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id?: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: AppointmentTypeWithResources[];
  };
  /** Create an appointment category. @deprecated */
  'POST /appointment_categories': {
    params: {
      /** Which institution. */
      subdomain?: string;
    } & PostAppointmentCategoriesBody;
    data: AppointmentType;
  };
  /** Show one appointment category. @deprecated */
  'GET /appointment_categories/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which location. */
      location_id?: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: AppointmentTypeWithResources;
  };
  /** Delete an appointment category. Hours that carried it go on without it. @deprecated */
  'DELETE /appointment_categories/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which location. */
      location_id?: number;
    };
    data: AppointmentType;
  };
  /** List the visit types and procedure codes that the health record system has at a location. */
  'GET /locations/{id}/appointment_descriptors': {
    params: {
      /** Its id. */
      id: number;
      /** Only descriptors of this type. */
      descriptor_type?: string;
    };
    data: AppointmentDescriptor[];
  };
  /** List what an appointment type is written as into the health record system. */
  'GET /appointment_types/{id}/appointment_descriptors': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Only descriptors of this type. */
      descriptor_type?: string;
      /** Which location. */
      location_id?: number;
    };
    data: AppointmentDescriptor[];
  };
  /** List what the health record system says an appointment is for. */
  'GET /appointments/{id}/appointment_descriptors': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Only descriptors of this type. */
      descriptor_type?: string;
    };
    data: AppointmentDescriptor[];
  };
  /** List the stored hours of a location. @deprecated */
  'GET /availabilities': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which location. */
      location_id: number;
      /** Which provider. */
      provider_id?: number;
      /** Which operatory. */
      operatory_id?: number;
      /** Only hours that carry this label. */
      label_id?: number;
      /** Only hours stored here, or only those read from the health record system. */
      source?: "manual" | "synced";
      /** Default true. */
      active?: boolean;
      /** Leave out hours of single days that have passed. */
      ignore_past_dates?: boolean;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: Availability[];
  };
  /** Store hours in which a provider can be booked, in wall-clock time of the location. @deprecated */
  'POST /availabilities': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id: number;
    } & PostAvailabilitiesBody;
    data: Availability;
  };
  /** Show stored hours. @deprecated */
  'GET /availabilities/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: Availability;
  };
  /** Change stored hours. A list of appointment types replaces the one they had; an empty list clears it. @deprecated */
  'PATCH /availabilities/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PatchAvailabilitiesIdBody;
    data: Availability;
  };
  /** Delete stored hours. @deprecated */
  'DELETE /availabilities/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: null;
  };
  /** List the stored hours of a location. */
  'GET /working_hours': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Which location. */
      location_id: number;
      /** Which provider. */
      provider_id?: number;
      /** Which operatory. */
      operatory_id?: number;
      /** Only hours that carry this label. */
      label_id?: number;
      /** Only hours stored here, or only those read from the health record system. */
      source?: "manual" | "synced";
      /** Default true. */
      active?: boolean;
      /** Leave out hours of single days that have passed. */
      ignore_past_dates?: boolean;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: WorkingHour[];
  };
  /** Store hours in which a provider can be booked, in wall-clock time of the location. */
  'POST /working_hours': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id: number;
    } & PostWorkingHoursBody;
    data: WorkingHour;
  };
  /** Show stored hours. */
  'GET /working_hours/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: WorkingHour;
  };
  /** Change stored hours. A list of appointment types replaces the one they had; an empty list clears it. */
  'PATCH /working_hours/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PatchWorkingHoursIdBody;
    data: WorkingHour;
  };
  /** Delete stored hours. */
  'DELETE /working_hours/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: null;
  };
  /** List the names that the health record system gives to stored hours. */
  'GET /working_hour_labels': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
      /** Only labels of this location, and those that count everywhere. */
      location_id?: number;
      /** Part of the name, whatever its case. */
      search_name?: string;
      /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
      active?: boolean;
    };
    data: WorkingHourLabel[];
  };
  /** Bookable times of providers at locations @deprecated */
  'GET /appointment_slots': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** The first day, YYYY-MM-DD, as the location’s calendar has it. */
      start_date: string;
      /** How many days, counted from the first. In hours: the days of the week. */
      days: number;
      /** Locations, by id. */
      lids: number[];
      /** Providers, by id. Without: everybody who can be booked there. */
      pids?: number[];
      /** Only these operatories. */
      operatory_ids?: number[];
      /** Which appointment type. */
      appointment_type_id?: number;
      /** Minutes of a slot. Default: the type’s, else 15. */
      slot_length?: number;
      /** Minutes between the starts of slots. Default: the length of a slot. */
      slot_interval?: number;
      /** Answer a slot for each operatory, also where their times are the same. */
      overlapping_operatory_slots?: boolean;
      /** Say also why the rest of the window is not offered. */
      explain?: boolean;
      /** The older name of `appointment_type_id`. */
      category_id?: number;
    };
    data: AppointmentSlots[];
  };
  /** Bookable times of providers at locations, by provider or by appointment type */
  'GET /available_slots': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** The first day, YYYY-MM-DD, as the location’s calendar has it. */
      start_date: string;
      /** How many days, counted from the first. In hours: the days of the week. */
      days: number;
      /** Locations, by id. */
      lids: number[];
      /** Providers, by id. Without: everybody who can be booked there. */
      pids?: number[];
      /** Only these operatories. */
      operatory_ids?: number[];
      /** Which appointment type. */
      appointment_type_id?: number;
      /** Minutes of a slot. Default: the type’s, else 15. */
      slot_length?: number;
      /** Minutes between the starts of slots. Default: the length of a slot. */
      slot_interval?: number;
      /** Answer a slot for each operatory, also where their times are the same. */
      overlapping_operatory_slots?: boolean;
      /** Say also why the rest of the window is not offered. */
      explain?: boolean;
      /** Only hours that carry this label. */
      working_hour_label_id?: number;
      /** Only hours stored here, or only those read from the health record system. */
      working_hour_source?: "manual" | "synced";
      /** How many appointments a provider may have at the same time. */
      appointments_per_timeslot?: number;
      /** Leave out providers that are inactive or do not work there. */
      only_active_providers?: boolean;
    };
    data: AvailableSlots[];
  };
  /** The schedule between two instants */
  'GET /appointments': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id?: number;
      /** Its id in the health record system. */
      foreign_id?: string;
      /** Appointments that start at or after this. Without an offset it is the location’s wall time. */
      start: string;
      /** Appointments that start at or before this. Without an offset it is the location’s wall time. */
      end: string;
      /** The IANA zone of times without an offset; default the location’s. */
      timezone?: string;
      /** Whether it is cancelled. */
      cancelled?: boolean;
      /** Whether it is a block: time taken without a patient. */
      unavailable?: boolean;
      /** Only what was made through this API. */
      nex_only?: boolean;
      /** Only what has changed at or after this instant. */
      updated_since?: string;
      /** Which appointment type. */
      appointment_type_id?: number;
      /** Only what this user has made, by id. */
      created_by?: number;
      /** Which patient. */
      patient_id?: number;
      /** Which provider. */
      provider_id?: number;
      /** Which operatory. */
      operatory_id?: number;
      /** Only these patients; at most 25. */
      patient_ids?: number[];
      /** Only these providers. */
      provider_ids?: number[];
      /** Only these operatories. */
      operatory_ids?: number[];
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
      /** Of start_time, updated_at, id, with commas between; a leading dash for descending. */
      sort?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
    };
    data: AppointmentWithIncludes[];
  };
  /** Book an appointment, or take time with a block */
  'POST /appointments': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which location. */
      location_id: number;
      /** Taken and without effect: no messages are sent from here. */
      notify_patient?: boolean;
      /** Taken and without effect: no messages are sent from here. */
      notify_practice?: boolean;
    } & PostAppointmentsBody;
    data: {
      appt: Appointment;
    };
  };
  /** One appointment */
  'GET /appointments/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What to answer beside the row itself. Names that are not known are left out. */
      include?: string[];
    };
    data: AppointmentWithIncludes;
  };
  /** Confirm, cancel or check in; in v3.0.0 also move, and change the note */
  'PATCH /appointments/{id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PatchAppointmentsIdBody;
    data: {
      appt: Appointment;
    };
  };
  /** What became of each write of this appointment to the health record system */
  'GET /appointments/{id}/writes': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    };
    data: Write[];
  };
  /** Tell how fresh each connection to a health record system is, and whether it takes writes. */
  'GET /sync_status': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Only these locations. */
      location_ids?: number[];
      /** Only connections whose reading is in this state. */
      read_status?: "green" | "red";
      /** Only connections whose writing is in this state. */
      write_status?: "green" | "red";
    };
    data: SyncStatus[];
  };
  /** List your onboardings, newest first */
  'GET /onboardings': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Only those in this state. */
      status?: "in_progress" | "complete" | "failed";
      /** Of created_at, status, subdomain, with commas between; a leading dash for descending. */
      sort?: string;
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
    };
    data: Onboarding[];
  };
  /** Make a link by which the staff of a practice connect their health record system */
  'POST /onboardings': {
    params: PostOnboardingsBody;
    data: Onboarding;
  };
  /** Show one onboarding */
  'GET /onboardings/{hashid}': {
    params: {
      /** The name of the onboarding in addresses. */
      hashid: string;
    };
    data: Onboarding;
  };
  /** List the API users that may speak for the institution */
  'GET /nex_staff': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** true: only the inactive ones; false: only the others. */
      inactive?: boolean;
      /** Only these locations. */
      location_ids?: number[];
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
    };
    data: Staff[];
  };
  /** List your webhook endpoints */
  'GET /webhook_endpoints': {
    params: {
      /** true: only the active ones; false: only the others. In a body: whether it is to be active. */
      active?: boolean;
    };
    data: WebhookEndpoint[];
  };
  /** Register a URL that webhooks are sent to */
  'POST /webhook_endpoints': {
    params: PostWebhookEndpointsBody;
    data: WebhookEndpoint;
  };
  /** Change a webhook endpoint, or switch it on or off */
  'PATCH /webhook_endpoints/{id}': {
    params: {
      /** Its id. */
      id: number;
    } & PatchWebhookEndpointsIdBody;
    data: WebhookEndpoint;
  };
  /** Delete a webhook endpoint, its subscriptions and its delivery log */
  'DELETE /webhook_endpoints/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: null;
  };
  /** List the subscriptions of a webhook endpoint */
  'GET /webhook_endpoints/{id}/webhook_subscriptions': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** What the event is about, such as `Appointment`. */
      resource_type?: string;
      /** The event’s name, such as `appointment_insertion`. */
      event?: string;
    };
    data: WebhookSubscription[];
  };
  /** Subscribe a webhook endpoint to one event; doing so again returns the subscription that exists */
  'POST /webhook_endpoints/{id}/webhook_subscriptions': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
    } & PostWebhookEndpointsIdWebhookSubscriptionsBody;
    data: WebhookSubscription;
  };
  /** Switch a subscription on or off, or move it to another webhook endpoint */
  'PATCH /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which subscription of the endpoint. */
      subscription_id: number;
    } & PatchWebhookEndpointsIdWebhookSubscriptionsSubscriptionIdBody;
    data: WebhookSubscription;
  };
  /** End a subscription; what it is still owed is cancelled */
  'DELETE /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Its id. */
      id: number;
      /** Which subscription of the endpoint. */
      subscription_id: number;
    };
    data: null;
  };
  /** List deliveries to your webhook endpoints with their attempts, newest first */
  'GET /webhook_deliveries': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Which webhook endpoint. */
      endpoint_id?: number;
      /** State, as two letters. */
      state?: "pending" | "delivered" | "failed" | "cancelled";
      /** Which page, from 1. Deep pages are slow: use cursors for long lists. */
      page?: number;
      /** Rows of a page. */
      per_page?: number;
      /** A cursor of an earlier answer: `start_cursor` leads back before that page, `end_cursor` goes on after it. */
      start_cursor?: string;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: string;
    };
    data: WebhookDelivery[];
  };
  /** Show one delivery with its attempts */
  'GET /webhook_deliveries/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: WebhookDelivery;
  };
  /** Send a delivery again: same body, same webhook-id, signed anew */
  'POST /webhook_deliveries/{id}/redeliver': {
    params: {
      /** Its id. */
      id: number;
    };
    data: WebhookDelivery;
  };
  /** Read the event log, oldest first; `after` is the position of the last event you have */
  'GET /events': {
    params: {
      /** Which institution. */
      subdomain?: string;
      /** Only events past this position. */
      after?: number;
      /** A cursor of an earlier answer: `end_cursor` goes on after that page, `start_cursor` leads back before it. */
      end_cursor?: number;
      /** Rows of a page. */
      per_page?: number;
    };
    data: Event[];
  };
  /** For the health record system: something has changed, read it now. */
  'POST /push/{token}': {
    params: {
      /** The secret part of the address that the health record system was given. */
      token: string;
    };
    data: null;
  };
  /** Add an institution */
  'POST /admin/institutions': {
    params: PostAdminInstitutionsBody;
    data: AdminInstitution;
  };
  /** All institutions */
  'GET /admin/institutions': {
    params: {};
    data: AdminInstitution[];
  };
  /** Make an API key; it is shown in this answer and never again */
  'POST /admin/keys': {
    params: PostAdminKeysBody;
    data: NewKey;
  };
  /** Revoke an API key; it is refused within a second */
  'DELETE /admin/keys/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: null;
  };
  /** Connect an institution to its health record system; the first sync starts at once */
  'POST /admin/connections': {
    params: PostAdminConnectionsBody;
    data: Connection;
  };
  /** All connections and how they are */
  'GET /admin/connections': {
    params: {};
    data: Connection[];
  };
  /** One connection, how it is, and what it last ran into */
  'GET /admin/connections/{id}': {
    params: {
      /** Its id. */
      id: number;
    };
    data: ConnectionDetail;
  };
  /** Change a connection: pause it, its cycle, its configuration */
  'PATCH /admin/connections/{id}': {
    params: {
      /** Its id. */
      id: number;
    } & PatchAdminConnectionsIdBody;
    data: Connection;
  };
  /** Can the health record system be reached and read? Waits for it */
  'POST /admin/connections/{id}/check': {
    params: {
      /** Its id. */
      id: number;
    };
    data: ConnectionCheck;
  };
  /** Read the health record system now; with full=true from the beginning */
  'POST /admin/connections/{id}/sync': {
    params: {
      /** Its id. */
      id: number;
      /** Read everything anew, rather than what has changed. */
      full?: boolean;
    };
    data: Connection;
  };
  /** The last passes over a connection, newest first */
  'GET /admin/connections/{id}/runs': {
    params: {
      /** Its id. */
      id: number;
    };
    data: SyncRun[];
  };
  /** The messages kept of a connection, newest first, without their content */
  'GET /admin/connections/{id}/messages': {
    params: {
      /** Its id. */
      id: number;
      /** true: only those of which nothing could be made; false: only the others. */
      problem?: boolean;
      /** Only the one that its sender calls so. */
      control_id?: string;
      /** Only those that arrived at or after this instant. */
      from?: string;
      /** Only those before this position. */
      before?: number;
      /** Rows of a page. */
      per_page?: number;
    };
    data: Message[];
  };
  /** One message with its content, which is patient data */
  'GET /admin/connections/{id}/messages/{position}': {
    params: {
      /** Its id. */
      id: number;
      /** Its place among the messages of the connection. */
      position: number;
    };
    data: MessageContent;
  };
  /** Read the messages again that arrived at or after an instant and are still kept */
  'POST /admin/connections/{id}/replay': {
    params: {
      /** Its id. */
      id: number;
    } & PostAdminConnectionsIdReplayBody;
    data: Replay;
  };
}
