/** The sandbox's records into ours. Its words end here; what we write stands in `write.ts`. Throws `HrsNonsense`. */
import type {
  AppointmentRecord,
  AvailabilityLabelRecord,
  AvailabilityRecord,
  DescriptorRecord,
  InsuranceCoverageRecord,
  InsurancePlanRecord,
  LocationRecord,
  OperatoryRecord,
  PatientAlertRecord,
  PatientRecallRecord,
  PatientRecord,
  ProviderRecord,
  RecallTypeRecord,
} from '../../domain/records.ts';
import {
  getCount,
  getFlag,
  getId,
  getIdOrNull,
  getIds,
  getInstant,
  getInstantOrNull,
  getOneOf,
  getText,
  getTextOrNull,
  type Json,
} from './fields.ts';

const STATES = ['scheduled', 'arrived', 'done', 'broken', 'noshow', 'deleted'] as const;
const GENDERS = { F: 'Female', M: 'Male', X: 'Other' } as const;
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const RELATIONS = {
  self: 'self',
  spouse: 'spouse',
  partner: 'life_partner',
  child: 'child',
  dependent: 'dependent',
  employee: 'employee',
  other: 'other',
} as const;
const RELATION_NAMES = Object.keys(RELATIONS) as (keyof typeof RELATIONS)[];
const UNITS = { day: 'D', week: 'W', month: 'M', year: 'Y' } as const;

export function mapSite(site: Json): LocationRecord {
  return {
    kind: 'location',
    foreignId: getId(site, 'id'),
    name: getText(site, 'name'),
    timeZone: getText(site, 'zone'),
    mapByOperatory: getOneOf(site, 'schedules_by', ['practitioner', 'room']) === 'room',
    inactive: false,
    streetAddress: getTextOrNull(site, 'street'),
    city: getTextOrNull(site, 'city'),
    state: getTextOrNull(site, 'state'),
    zipCode: getTextOrNull(site, 'zip'),
    phoneNumber: getTextOrNull(site, 'phone'),
    email: null,
  };
}

export function mapPractitioner(practitioner: Json): ProviderRecord {
  return {
    kind: 'provider',
    foreignId: getId(practitioner, 'id'),
    firstName: getText(practitioner, 'first_name'),
    lastName: getText(practitioner, 'last_name'),
    email: null,
    npi: null,
    specialty: null,
    inactive: !getFlag(practitioner, 'active'),
    locationForeignIds: getIds(practitioner, 'site_ids'),
  };
}

export function mapRoom(room: Json): OperatoryRecord {
  return {
    kind: 'operatory',
    foreignId: getId(room, 'id'),
    locationForeignId: getId(room, 'site_id'),
    name: getText(room, 'name'),
    active: getFlag(room, 'active'),
  };
}

/** Visits refer to a code by its text, so that is its id here. */
export function mapCode(code: Json): DescriptorRecord {
  const text = getText(code, 'code');
  const isVisitType = getOneOf(code, 'kind', ['visit_type', 'procedure']) === 'visit_type';
  return {
    kind: 'descriptor',
    foreignId: text,
    locationForeignId: null,
    descriptorType: isVisitType ? 'Appointment Type' : 'Procedure Code',
    name: getText(code, 'description'),
    code: text,
    active: getFlag(code, 'active'),
    data: { minutes: getCount(code, 'minutes') },
  };
}

export function mapScheduleLabel(label: Json): AvailabilityLabelRecord {
  return {
    kind: 'availability_label',
    foreignId: getId(label, 'id'),
    locationForeignId: getIdOrNull(label, 'site_id'),
    name: getText(label, 'name'),
    active: getFlag(label, 'active'),
  };
}

/**
 * Hours of a practitioner are one availability. Hours of a room say nothing of people: whoever of `providers` works
 * at the site can be booked in it, so they are an availability for each of them.
 */
export function mapSchedule(schedule: Json, providers: Iterable<ProviderRecord>): AvailabilityRecord[] {
  const id = getId(schedule, 'id');
  const locationForeignId = getId(schedule, 'site_id');
  const practitionerId = getIdOrNull(schedule, 'practitioner_id');
  const roomId = getIdOrNull(schedule, 'room_id');
  const weekday = schedule.weekday === null ? null : WEEKDAYS.indexOf(getOneOf(schedule, 'weekday', WEEKDAYS));
  const hours = {
    kind: 'availability' as const,
    locationForeignId,
    operatoryForeignId: roomId,
    beginLocal: getText(schedule, 'opens'),
    endLocal: getText(schedule, 'closes'),
    days: weekday === null ? null : [weekday],
    specificDate: getTextOrNull(schedule, 'date'),
    recurrence: null,
    labelForeignId: getIdOrNull(schedule, 'label_id'),
    active: getFlag(schedule, 'active'),
  };
  if (practitionerId !== null) return [{ ...hours, foreignId: id, providerForeignId: practitionerId }];
  return [...providers]
    .filter((provider) => provider.locationForeignIds.includes(locationForeignId))
    .map(({ foreignId }) => ({ ...hours, foreignId: roomHoursId(id, foreignId), providerForeignId: foreignId }));
}

/** The availability that stands for one practitioner's part in the hours of a room. */
export function roomHoursId(scheduleId: string, practitionerId: string): string {
  return `schedule/${scheduleId}/${practitionerId}`;
}

export function mapPatient(patient: Json): PatientRecord {
  const cell = getTextOrNull(patient, 'phone_cell');
  const home = getTextOrNull(patient, 'phone_home');
  const work = getTextOrNull(patient, 'phone_work');
  const homeSite = getIdOrNull(patient, 'home_site_id');
  return {
    kind: 'patient',
    foreignId: getId(patient, 'id'),
    marker: getTextOrNull(patient, 'external_ref'),
    firstName: getText(patient, 'first_name'),
    middleName: getTextOrNull(patient, 'middle_name'),
    lastName: getText(patient, 'last_name'),
    email: getTextOrNull(patient, 'email'),
    dateOfBirth: getTextOrNull(patient, 'birth_date'),
    gender: patient.sex === null ? null : GENDERS[getOneOf(patient, 'sex', ['F', 'M', 'X'])],
    phoneNumber: cell ?? home ?? work,
    cellPhoneNumber: cell,
    homePhoneNumber: home,
    workPhoneNumber: work,
    addressLine1: getTextOrNull(patient, 'street'),
    addressLine2: null,
    city: getTextOrNull(patient, 'city'),
    state: getTextOrNull(patient, 'state'),
    zipCode: getTextOrNull(patient, 'zip'),
    preferredLanguage: getTextOrNull(patient, 'language'),
    smsConsent: getFlag(patient, 'sms_ok'),
    inactive: !getFlag(patient, 'active'),
    nonPatient: false,
    guarantorForeignId: getIdOrNull(patient, 'guarantor_id'),
    providerForeignId: getIdOrNull(patient, 'usual_practitioner_id'),
    locationForeignIds: homeSite === null ? [] : [homeSite],
    mergedIntoForeignId: getIdOrNull(patient, 'merged_into'),
  };
}

export function mapAlert(alert: Json): PatientAlertRecord {
  return {
    kind: 'patient_alert',
    foreignId: getId(alert, 'id'),
    marker: getTextOrNull(alert, 'external_ref'),
    patientForeignId: getId(alert, 'patient_id'),
    note: getText(alert, 'note'),
    disabledAt: getInstantOrNull(alert, 'off_since'),
  };
}

export function mapPlan(plan: Json): InsurancePlanRecord {
  return {
    kind: 'insurance_plan',
    foreignId: getId(plan, 'id'),
    name: getText(plan, 'name'),
    payerId: getTextOrNull(plan, 'payer_code'),
    groupNum: getTextOrNull(plan, 'group_number'),
    employerName: getTextOrNull(plan, 'employer'),
    address: getTextOrNull(plan, 'street'),
    address2: null,
    city: getTextOrNull(plan, 'city'),
    state: getTextOrNull(plan, 'state'),
    zipCode: getTextOrNull(plan, 'zip'),
    countryCode: getTextOrNull(plan, 'country'),
  };
}

export function mapCoverage(coverage: Json): InsuranceCoverageRecord {
  return {
    kind: 'insurance_coverage',
    foreignId: getId(coverage, 'id'),
    patientForeignId: getId(coverage, 'patient_id'),
    planForeignId: getIdOrNull(coverage, 'plan_id'),
    subscriberForeignId: getIdOrNull(coverage, 'subscriber_id'),
    subscriptionRelation: RELATIONS[getOneOf(coverage, 'relation', RELATION_NAMES)],
    priority: coverage.rank === null ? null : getCount(coverage, 'rank'),
    subscriberNum: getTextOrNull(coverage, 'member_number'),
    effectiveDate: getTextOrNull(coverage, 'starts'),
    expirationDate: getTextOrNull(coverage, 'ends'),
    insuranceType:
      coverage.covers === null ? null : getOneOf(coverage, 'covers', ['dental', 'medical', 'vision'] as const),
    active: getFlag(coverage, 'active'),
  };
}

export function mapRecallType(type: Json): RecallTypeRecord {
  return {
    kind: 'recall_type',
    foreignId: getId(type, 'id'),
    locationForeignId: getIdOrNull(type, 'site_id'),
    name: getText(type, 'name'),
    description: getTextOrNull(type, 'description'),
    intervalNum: getCount(type, 'every'),
    intervalUnit: UNITS[getOneOf(type, 'unit', ['day', 'week', 'month', 'year'])],
    active: getFlag(type, 'active'),
  };
}

export function mapRecall(recall: Json): PatientRecallRecord {
  return {
    kind: 'patient_recall',
    foreignId: getId(recall, 'id'),
    patientForeignId: getId(recall, 'patient_id'),
    recallTypeForeignId: getIdOrNull(recall, 'recall_type_id'),
    locationForeignId: getIdOrNull(recall, 'site_id'),
    dateDue: getTextOrNull(recall, 'due'),
    appointmentForeignId: getIdOrNull(recall, 'visit_id'),
  };
}

export function mapVisit(visit: Json): AppointmentRecord {
  const state = getOneOf(visit, 'state', STATES);
  const code = getTextOrNull(visit, 'visit_code');
  const confirmedAt = getInstantOrNull(visit, 'confirmed_at');
  const brokenAt = getInstantOrNull(visit, 'broken_at');
  const doneAt = getInstantOrNull(visit, 'done_at');
  const isConfirmed = getOneOf(visit, 'confirmation', ['none', 'confirmed']) === 'confirmed';
  const isCancelled = state === 'broken' || state === 'deleted';
  return {
    kind: 'appointment',
    foreignId: getId(visit, 'id'),
    marker: getTextOrNull(visit, 'external_ref'),
    locationForeignId: getId(visit, 'site_id'),
    patientForeignId: getId(visit, 'patient_id'),
    providerForeignId: getId(visit, 'practitioner_id'),
    operatoryForeignId: getIdOrNull(visit, 'room_id'),
    descriptorForeignIds: code === null ? [] : [code],
    startAt: getInstant(visit, 'start'),
    endAt: getInstant(visit, 'end'),
    unavailable: false,
    note: getTextOrNull(visit, 'note'),
    confirmed: isConfirmed,
    confirmedAt: isConfirmed ? confirmedAt : null,
    cancelled: isCancelled,
    cancelledAt: isCancelled ? brokenAt : null,
    patientMissed: state === 'noshow',
    checkinAt: getInstantOrNull(visit, 'arrived_at'),
    checkedOut: state === 'done',
    checkedOutAt: state === 'done' ? doneAt : null,
  };
}

/** Visits and blocks are numbered apart there and are one kind here. */
export function blockForeignId(id: string): string {
  return `block/${id}`;
}

/** The sandbox's id of a block; `null` for the foreign id of a visit. */
export function findBlockId(foreignId: string): string | null {
  return /^block\/(.+)$/.exec(foreignId)?.[1] ?? null;
}

export function mapBlock(block: Json): AppointmentRecord {
  return {
    kind: 'appointment',
    foreignId: blockForeignId(getId(block, 'id')),
    marker: getTextOrNull(block, 'external_ref'),
    locationForeignId: getId(block, 'site_id'),
    patientForeignId: null,
    providerForeignId: getIdOrNull(block, 'practitioner_id'),
    operatoryForeignId: getIdOrNull(block, 'room_id'),
    descriptorForeignIds: [],
    startAt: getInstant(block, 'start'),
    endAt: getInstant(block, 'end'),
    unavailable: true,
    note: getTextOrNull(block, 'reason'),
    confirmed: false,
    confirmedAt: null,
    cancelled: false,
    cancelledAt: null,
    patientMissed: false,
    checkinAt: null,
    checkedOut: false,
    checkedOutAt: null,
  };
}
