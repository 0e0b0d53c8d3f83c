/** The practice itself: where, who, in which rooms, for what, and when. */
import type {
  AvailabilityLabelRecord,
  AvailabilityRecord,
  DescriptorRecord,
  LocationRecord,
  OperatoryRecord,
  ProviderRecord,
} from '../domain/records.ts';
import { isZone } from '../domain/zone.ts';
import type { KindOf } from './kind.ts';

export const location: KindOf<LocationRecord> = {
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

export const provider: KindOf<ProviderRecord> = {
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
    sequenced: true,
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
  unsaid: (record) => record.unsaid?.map((field) => (field === 'firstName' ? 'first_name' : 'last_name')) ?? [],
};

export const operatory: KindOf<OperatoryRecord> = {
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

export const descriptor: KindOf<DescriptorRecord> = {
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

export const availabilityLabel: KindOf<AvailabilityLabelRecord> = {
  mirror: {
    table: 'availability_label',
    columns: { name: 'text', active: 'boolean' },
    references: [{ column: 'location_id', to: 'location' }],
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

const WALL_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const LAST_MINUTE = 1440;

/** Minutes of the local day. An end at midnight is the day's last minute, 1440, and not its first. */
function minuteOf(local: string): number {
  return Number(local.slice(0, 2)) * 60 + Number(local.slice(3, 5));
}

export const availability: KindOf<AvailabilityRecord> = {
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
      { column: 'label_id', to: 'availability_label' },
    ],
    live: 'true',
    gone: 'active = false',
    removed: true,
    sequenced: true,
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
    label_id: record.labelForeignId,
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
