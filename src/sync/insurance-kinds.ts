import type { InsuranceCoverageRecord, InsurancePlanRecord } from '../domain/records.ts';
import type { KindOf } from './kind.ts';

export const insurancePlan: KindOf<InsurancePlanRecord> = {
  mirror: {
    table: 'insurance_plan',
    columns: {
      name: 'text',
      payer_id: 'text',
      group_num: 'text',
      employer_name: 'text',
      address: 'text',
      address2: 'text',
      city: 'text',
      state: 'text',
      zip_code: 'text',
      country_code: 'text',
    },
    references: [],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2',
    tombstone: true,
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    name: record.name,
    payer_id: record.payerId,
    group_num: record.groupNum,
    employer_name: record.employerName,
    address: record.address,
    address2: record.address2,
    city: record.city,
    state: record.state,
    zip_code: record.zipCode,
    country_code: record.countryCode,
  }),
};

/** Nobody is asked to pay tenth. */
const MAX_PRIORITY = 9;

export const insuranceCoverage: KindOf<InsuranceCoverageRecord> = {
  mirror: {
    table: 'insurance_coverage',
    columns: {
      subscription_relation: 'text',
      priority: 'smallint',
      subscriber_num: 'text',
      effective_date: 'date',
      expiration_date: 'date',
      insurance_type: 'text',
      active: 'boolean',
    },
    references: [
      { column: 'patient_id', to: 'patient', required: true },
      { column: 'plan_id', to: 'insurance_plan' },
      { column: 'subscriber_id', to: 'patient' },
    ],
    live: 'deleted_at is null',
    gone: 'deleted_at = $2, active = false',
    tombstone: true,
    sequenced: true,
  },
  values: (record) => ({
    foreign_id: record.foreignId,
    subscription_relation: record.subscriptionRelation,
    priority: record.priority,
    subscriber_num: record.subscriberNum,
    effective_date: record.effectiveDate,
    expiration_date: record.expirationDate,
    insurance_type: record.insuranceType,
    active: record.active,
    patient_id: record.patientForeignId,
    plan_id: record.planForeignId,
    subscriber_id: record.subscriberForeignId,
  }),
  problem: ({ priority }) =>
    priority === null || (Number.isInteger(priority) && priority >= 1 && priority <= MAX_PRIORITY)
      ? null
      : `its priority is not 1 to ${MAX_PRIORITY}`,
  isAnother: (values, old, gone) => gone && values.patient_id !== old.patient_id,
};
