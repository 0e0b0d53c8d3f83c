/** For each kind of record: its table, and which field goes into which column. The one place where they meet. */
import type {
  AppointmentRecord,
  AvailabilityRecord,
  DescriptorRecord,
  HrsRecord,
  LocationRecord,
  OperatoryRecord,
  PatientRecord,
  ProviderRecord,
  RecordKind,
} from '../domain/records.ts';
import { isZone } from '../domain/zone.ts';
import { columnsOf } from '../store/appointments.ts';
import type { IncomingValues, MirrorTable, StoredRow } from '../store/mirror.ts';

export interface KindOf<R extends HrsRecord> {
  mirror: MirrorTable;
  values(record: R): IncomingValues;
  /** Why this record cannot be a row, or null. What it says reaches the log, so it names fields and no values. */
  problem?(record: R): string | null;
  /** Fills in what the HRS is silent on, given the row as it is now (null: there is none). */
  complete?(values: Record<string, unknown>, old: StoredRow | null, nowIso: string): Record<string, unknown>;
  /** The row is gone, or may be, and the HRS has a record under its id: is this another thing altogether? */
  isAnother?(values: Record<string, unknown>, old: StoredRow, gone: boolean): boolean;
}

const MAX_FOREIGN_ID_LENGTH = 255;
const DATE = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const location: KindOf<LocationRecord> = {
  mirror: {
    table: 'location',
    columns: {
      name: 'text',
      street_address: 'text',
      city: 'text',
      state: 'text',
      zip_code: 'text',
      phone_number: 'text',
      email: 'text',
      tz: 'text',
      map_by_operatory: 'boolean',
      inactive: 'boolean',
    },
    references: [],
    live: 'not inactive',
    gone: 'inactive = true',
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    name: record.name,
    street_address: record.streetAddress,
    city: record.city,
    state: record.state,
    zip_code: record.zipCode,
    phone_number: record.phoneNumber,
    email: record.email,
    tz: record.timeZone,
    map_by_operatory: record.mapByOperatory,
    inactive: record.inactive,
  }),
  problem: (record) => (isZone(record.timeZone) ? null : 'its time zone is not an IANA zone'),
};

const provider: KindOf<ProviderRecord> = {
  mirror: {
    table: 'provider',
    columns: {
      first_name: 'text',
      last_name: 'text',
      email: 'text',
      npi: 'text',
      specialty: 'text',
      inactive: 'boolean',
    },
    references: [{ column: 'location_ids', to: 'location', many: true, link: 'provider_location' }],
    live: 'not inactive',
    gone: 'inactive = true',
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    first_name: record.firstName,
    last_name: record.lastName,
    email: record.email,
    npi: record.npi,
    specialty: record.specialty,
    inactive: record.inactive,
    location_ids: record.locationForeignIds,
  }),
};

const operatory: KindOf<OperatoryRecord> = {
  mirror: {
    table: 'operatory',
    columns: { name: 'text', active: 'boolean' },
    references: [{ column: 'location_id', to: 'location', required: true }],
    live: 'active',
    gone: 'active = false',
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    name: record.name,
    active: record.active,
    location_id: record.locationForeignId,
  }),
};

const descriptor: KindOf<DescriptorRecord> = {
  mirror: {
    table: 'descriptor',
    columns: { descriptor_type: 'text', name: 'text', code: 'text', data: 'jsonb', active: 'boolean' },
    references: [{ column: 'location_id', to: 'location' }],
    live: 'active',
    gone: 'active = false',
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    descriptor_type: record.descriptorType,
    name: record.name,
    code: record.code,
    data: record.data,
    active: record.active,
    location_id: record.locationForeignId,
  }),
};

const WALL_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const LAST_MINUTE = 1440;

/** Minutes of the local day. An end at midnight is the day's last minute, 1440, and not its first. */
function minuteOf(local: string): number {
  return Number(local.slice(0, 2)) * 60 + Number(local.slice(3, 5));
}

const availability: KindOf<AvailabilityRecord> = {
  mirror: {
    table: 'availability',
    columns: {
      begin_minute: 'smallint',
      end_minute: 'smallint',
      days: 'smallint',
      specific_date: 'date',
      recurrence_num: 'integer',
      recurrence_unit: 'text',
      recurrence_ref: 'date',
      active: 'boolean',
    },
    references: [
      { column: 'location_id', to: 'location', required: true },
      { column: 'provider_id', to: 'provider', required: true },
      { column: 'operatory_id', to: 'operatory' },
    ],
    live: 'true',
    gone: null,
    whenNew: { source: "'synced'" },
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    begin_minute: minuteOf(record.beginLocal),
    end_minute: minuteOf(record.endLocal) || LAST_MINUTE,
    days: record.days?.reduce((bits, day) => bits | (1 << day), 0) ?? null,
    specific_date: record.specificDate,
    recurrence_num: record.recurrence?.num ?? null,
    recurrence_unit: record.recurrence?.unit ?? null,
    recurrence_ref: record.recurrence?.ref ?? null,
    active: record.active,
    location_id: record.locationForeignId,
    provider_id: record.providerForeignId,
    operatory_id: record.operatoryForeignId,
  }),
  problem: (record) => {
    if (!WALL_TIME.test(record.beginLocal)) return 'its begin is not HH:MM';
    if (!WALL_TIME.test(record.endLocal) && record.endLocal !== '24:00') return 'its end is not HH:MM';
    const rules = [record.days, record.specificDate, record.recurrence].filter((rule) => rule !== null);
    if (rules.length !== 1 || record.days?.length === 0) return 'it does not say, in one way, on which days';
    const num = record.recurrence?.num ?? 1;
    return num >= 1 && num <= 1000 ? null : 'it recurs at a distance that is not 1 to 1000';
  },
};

const sameText = (a: unknown, b: unknown) => String(a).toLowerCase() === String(b).toLowerCase();

const patient: KindOf<PatientRecord> = {
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
      { column: 'location_ids', to: 'location', many: true },
    ],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2, inactive = true',
    tombstone: true,
    sequenced: true,
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    first_name: record.firstName,
    middle_name: record.middleName,
    last_name: record.lastName,
    email: record.email,
    date_of_birth: record.dateOfBirth,
    gender: record.gender,
    phone_number: record.phoneNumber,
    cell_phone_number: record.cellPhoneNumber,
    home_phone_number: record.homePhoneNumber,
    work_phone_number: record.workPhoneNumber,
    address_line_1: record.addressLine1,
    address_line_2: record.addressLine2,
    city: record.city,
    state: record.state,
    zip_code: record.zipCode,
    preferred_language: record.preferredLanguage,
    sms_consent: record.smsConsent,
    inactive: record.inactive || record.mergedIntoForeignId !== null,
    non_patient: record.nonPatient,
    guarantor_id: record.guarantorForeignId,
    merged_into_id: record.mergedIntoForeignId,
    location_ids: record.locationForeignIds,
  }),
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

const appointment: KindOf<AppointmentRecord> = {
  mirror: {
    table: 'appointment',
    columns: {
      start_at: 'timestamptz',
      end_at: 'timestamptz',
      unavailable: 'boolean',
      note: 'text',
      confirmed: 'boolean',
      confirmed_at: 'timestamptz',
      cancelled: 'boolean',
      cancelled_at: 'timestamptz',
      patient_missed: 'boolean',
      checkin_at: 'timestamptz',
      checked_out: 'boolean',
      checked_out_at: 'timestamptz',
    },
    references: [
      { column: 'location_id', to: 'location', required: true },
      { column: 'patient_id', to: 'patient' },
      { column: 'provider_id', to: 'provider' },
      { column: 'operatory_id', to: 'operatory' },
      { column: 'descriptor_ids', to: 'descriptor', many: true },
    ],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2, cancelled = true, cancelled_at = coalesce(cancelled_at, $2)',
    tombstone: true,
    sequenced: true,
    asks: {
      confirmed_at: 'case when x.confirmed then coalesce(x.confirmed_at, t.confirmed_at) end',
      // As NexHealth has it, cancelled_at stays when an appointment is taken back from its cancellation.
      cancelled_at: 'coalesce(x.cancelled_at, t.cancelled_at)',
    },
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    ...columnsOf(record),
    location_id: record.locationForeignId,
    patient_id: record.patientForeignId,
    provider_id: record.providerForeignId,
    operatory_id: record.operatoryForeignId,
    descriptor_ids: record.descriptorForeignIds,
  }),
  problem: (record) => (record.startAt < record.endAt ? null : 'its end is not after its start'),
  complete: (values, old, nowIso) => ({
    ...values,
    confirmed_at: values.confirmed ? since(values, old, 'confirmed', nowIso) : null,
    cancelled_at: values.cancelled
      ? since(values, old, 'cancelled', nowIso)
      : (values.cancelled_at ?? old?.cancelled_at ?? null),
  }),
  isAnother: (values, old, gone) => gone && values.patient_id !== old.patient_id,
};

/** When the HRS says no instant for a change of state that we watched, that is when it was seen. */
function since(
  values: Record<string, unknown>,
  old: StoredRow | null,
  state: 'confirmed' | 'cancelled',
  nowIso: string,
): unknown {
  const said = values[`${state}_at`];
  if (said !== null || old === null) return said;
  return old[state] ? old[`${state}_at`] : nowIso;
}

/** In the order in which they are applied: what is referred to comes before what refers to it. */
export const KINDS: { readonly [K in RecordKind]: KindOf<Extract<HrsRecord, { kind: K }>> } = {
  location,
  provider,
  operatory,
  descriptor,
  availability,
  patient,
  appointment,
};

export const RECORD_KINDS = Object.keys(KINDS) as RecordKind[];

/**
 * The columns of a record. Characters that no text of PostgreSQL can hold (NUL, half a surrogate pair) are
 * replaced here, before anything is compared: a record must come out the same each time it is read.
 */
export function valuesOf(record: HrsRecord): IncomingValues {
  const values = kindOf(record.kind).values(record);
  for (const [column, value] of Object.entries(values)) {
    if (typeof value === 'string') values[column] = storable(value);
    else if (column === 'data') values[column] = JSON.parse(JSON.stringify(value), (_, part) => storable(part));
  }
  return values;
}

function storable<T>(value: T): T {
  if (typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))) return value;
  return value.toWellFormed().replaceAll('\0', '\ufffd') as T;
}

/** The kind without the type of its records: for code that treats all seven alike. */
export function kindOf(kind: RecordKind): KindOf<HrsRecord> {
  return KINDS[kind] as unknown as KindOf<HrsRecord>;
}

/** A record that cannot be a row, found before it can fail the batch that it came in. */
export function problemOf(record: HrsRecord, values: IncomingValues): string | null {
  const { length } = record.foreignId;
  if (length === 0 || length > MAX_FOREIGN_ID_LENGTH) return 'its id is empty or longer than 255 characters';
  const { mirror, problem } = kindOf(record.kind);
  for (const [column, type] of Object.entries(mirror.columns)) {
    const value = values[column];
    if (value === null || !(type in READABLE)) continue;
    if (!READABLE[type as keyof typeof READABLE](String(value))) return `its ${column} is not a ${type}`;
  }
  return problem?.(record) ?? null;
}

const READABLE = {
  timestamptz: (text: string) => INSTANT.test(text) && isInCalendar(text, text),
  date: (text: string) => DATE.test(text) && isInCalendar(`${text}T00:00:00.000Z`, text),
};

/** 30 February is read as 2 March by Date and refused by PostgreSQL; the year 0 is only refused there. */
function isInCalendar(instant: string, text: string): boolean {
  const ms = Date.parse(instant);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === instant && text >= '0001';
}
