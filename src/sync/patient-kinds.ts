/** Patients, and what staff note of them. */
import type {
  PatientAlertRecord,
  PatientField,
  PatientRecallRecord,
  PatientRecord,
  RecallTypeRecord,
} from '../domain/records.ts';
import type { KindOf } from './kind.ts';

const sameText = (a: unknown, b: unknown) => String(a).toLowerCase() === String(b).toLowerCase();

const COLUMN_OF: Record<PatientField, string> = {
  firstName: 'first_name',
  middleName: 'middle_name',
  lastName: 'last_name',
  email: 'email',
  dateOfBirth: 'date_of_birth',
  gender: 'gender',
  phoneNumber: 'phone_number',
  cellPhoneNumber: 'cell_phone_number',
  homePhoneNumber: 'home_phone_number',
  workPhoneNumber: 'work_phone_number',
  addressLine1: 'address_line_1',
  addressLine2: 'address_line_2',
  city: 'city',
  state: 'state',
  zipCode: 'zip_code',
  preferredLanguage: 'preferred_language',
  smsConsent: 'sms_consent',
  inactive: 'inactive',
  nonPatient: 'non_patient',
  guarantorForeignId: 'guarantor_id',
  mergedIntoForeignId: 'merged_into_id',
  providerForeignId: 'provider_id',
  locationForeignIds: 'location_ids',
};

export const patient: KindOf<PatientRecord> = {
  mirror: {
    table: 'patient',
    columns: {
      first_name: 'text',
      middle_name: 'text',
      last_name: 'text',
      email: 'text',
      date_of_birth: 'date',
      gender: 'text',
      phone_number: 'text',
      cell_phone_number: 'text',
      home_phone_number: 'text',
      work_phone_number: 'text',
      address_line_1: 'text',
      address_line_2: 'text',
      city: 'text',
      state: 'text',
      zip_code: 'text',
      preferred_language: 'text',
      sms_consent: 'boolean',
      inactive: 'boolean',
      non_patient: 'boolean',
    },
    references: [
      { column: 'guarantor_id', to: 'patient' },
      { column: 'merged_into_id', to: 'patient' },
      { column: 'provider_id', to: 'provider' },
      { column: 'location_ids', to: 'location', many: true },
    ],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2, inactive = true',
    tombstone: true,
    marked: true,
    sequenced: true,
    asks: { provider_id: 'coalesce(provider_id_of.id, t.provider_id)' },
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    ...Object.fromEntries(Object.entries(COLUMN_OF).map(([field, column]) => [column, record[field as PatientField]])),
    inactive: record.inactive || record.mergedIntoForeignId !== null,
  }),
  unsaid: (record) => record.unsaid?.map((field) => COLUMN_OF[field]) ?? [],
  complete: (values, old) => ({ ...values, provider_id: values.provider_id ?? old?.provider_id ?? null }),
  /**
   * An id that was deleted is the same person again only with the birth date and a name unchanged. An id that is
   * in use is another person only when nothing at all agrees: names are corrected, and people marry.
   */
  isAnother: (values, old, gone) => {
    const sameBirth = values.date_of_birth === old.date_of_birth;
    const sameName = sameText(values.first_name, old.first_name) || sameText(values.last_name, old.last_name);
    if (gone) return !(sameBirth && sameName);
    return !sameBirth && !sameName && values.date_of_birth !== null && old.date_of_birth !== null;
  },
};

export const patientAlert: KindOf<PatientAlertRecord> = {
  mirror: {
    table: 'patient_alert',
    columns: { note: 'text', disabled_at: 'timestamptz' },
    references: [{ column: 'patient_id', to: 'patient', required: true }],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2',
    tombstone: true,
    marked: true,
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    note: record.note,
    disabled_at: record.disabledAt,
    patient_id: record.patientForeignId,
  }),
  isAnother: (values, old, gone) => gone && values.patient_id !== old.patient_id,
};

const MAX_INTERVAL = 10_000;

export const recallType: KindOf<RecallTypeRecord> = {
  mirror: {
    table: 'recall_type',
    columns: {
      name: 'text',
      description: 'text',
      interval_num: 'integer',
      interval_unit: 'text',
      active: 'boolean',
    },
    references: [{ column: 'location_id', to: 'location' }],
    live: 'active',
    gone: 'active = false',
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    name: record.name,
    description: record.description,
    interval_num: record.intervalNum,
    interval_unit: record.intervalUnit,
    active: record.active,
    location_id: record.locationForeignId,
  }),
  problem: ({ intervalNum }) =>
    Number.isInteger(intervalNum) && intervalNum >= 0 && intervalNum <= MAX_INTERVAL
      ? null
      : `its interval is not a whole number up to ${MAX_INTERVAL}`,
};

export const patientRecall: KindOf<PatientRecallRecord> = {
  mirror: {
    table: 'patient_recall',
    columns: { date_due: 'date' },
    references: [
      { column: 'patient_id', to: 'patient', required: true },
      { column: 'recall_type_id', to: 'recall_type' },
      { column: 'location_id', to: 'location' },
      { column: 'appointment_id', to: 'appointment' },
    ],
    live: 'true',
    gone: null,
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    date_due: record.dateDue,
    patient_id: record.patientForeignId,
    recall_type_id: record.recallTypeForeignId,
    location_id: record.locationForeignId,
    appointment_id: record.appointmentForeignId,
  }),
};
