/** One practice with a row of everything that a request can point at. */
import { randomUUID } from 'node:crypto';
import { type Database, forAll } from '../../src/store/database.ts';
import { createAppointment, type Practice } from './practice.ts';

/** Ids that a request can carry. Those of one world all belong to one practice and one API user. */
export type Ids = Record<(typeof ID_NAMES)[number], number>;

const ID_NAMES = [
  'institution',
  'location',
  'provider',
  'operatory',
  'patient',
  'type',
  'descriptor',
  'availability',
  'label',
  'coverage',
  'plan',
  'recallType',
  'recall',
  'alert',
  'appointment',
  'endpoint',
  'otherEndpoint',
  'subscription',
  'delivery',
] as const;

export interface World {
  ids: Ids;
  subdomain: string;
  pushToken: string;
  /** Hashid of one that the API user has made. */
  onboarding: string;
}

/** A Monday on which Ada sees patients, far enough ahead of any run. 14:00 UTC is 9:00 at North. */
export const DAY = '2099-01-05';

/** Rows that requests point at, beside those of the practice. */
export function createWorld(db: Database, practice: Practice, apiUserId: number): Promise<World> {
  return forAll(db, async (tx) => {
    const endpoint = (target_url: string) =>
      tx
        .insertInto('webhook_endpoint')
        .values({ api_user_id: apiUserId, target_url, secret_key: 'whsec_c2VjcmV0' })
        .returning('id')
        .executeTakeFirstOrThrow();
    const institution_id = practice.institution.id;
    const first = await endpoint('https://receiver.example/one');
    const second = await endpoint('https://receiver.example/two');
    const subscription = await tx
      .insertInto('webhook_subscription')
      .values({
        endpoint_id: first.id,
        institution_id,
        resource_type: 'Appointment',
        event: 'appointment_updated',
        version: 'v2',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const delivery = await tx
      .insertInto('delivery')
      .values({
        institution_id,
        endpoint_id: first.id,
        subscription_id: subscription.id,
        event_id: randomUUID(),
        event_position: 1,
        event_name: 'appointment_updated',
        resource_type: 'Appointment',
        resource_id: 1,
        body: '{}',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const onboarding = randomUUID();
    await tx
      .insertInto('onboarding')
      .values({
        ...{ hashid: onboarding, api_user_id: apiUserId, institution_id, emr_name: 'dentrix' },
        ...{ url: `https://openchair.example/connect/${onboarding}`, url_expires_at: '2100-01-01T00:00:00.000Z' },
      })
      .execute();
    const appointment = await createAppointment(db, practice, `${DAY}T20:00:00.000Z`, {
      descriptor_ids: [practice.descriptors.examCode],
    });
    const hrs = { institution_id, connection_id: practice.connection.id };
    const label = await tx
      .insertInto('availability_label')
      .values({ ...hrs, location_id: practice.locations.north, name: 'New patients', foreign_id: 'W1' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const alert = await tx
      .insertInto('patient_alert')
      .values({ ...hrs, patient_id: practice.patients.pia, note: 'Comes late', foreign_id: 'N1' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const plan = await tx
      .insertInto('insurance_plan')
      .values({ ...hrs, name: 'Dental Gold', payer_id: '87726', group_num: '12345', foreign_id: 'I1' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const coverage = await tx
      .insertInto('insurance_coverage')
      .values({
        ...hrs,
        patient_id: practice.patients.pia,
        plan_id: plan.id,
        subscription_relation: 'self',
        priority: 1,
        effective_date: '2026-01-01',
        insurance_type: 'dental',
        foreign_id: 'C1',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const recallType = await tx
      .insertInto('recall_type')
      .values({ ...hrs, name: 'Checkup', interval_num: 6, interval_unit: 'M', foreign_id: 'T1' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const recall = await tx
      .insertInto('patient_recall')
      .values({
        ...hrs,
        location_id: practice.locations.north,
        patient_id: practice.patients.pia,
        recall_type_id: recallType.id,
        date_due: DAY,
        foreign_id: 'R1',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    return {
      subdomain: practice.institution.subdomain,
      pushToken: practice.connection.push_token,
      onboarding,
      ids: {
        institution: institution_id,
        location: practice.locations.north,
        provider: practice.providers.ada,
        operatory: practice.operatories.roomNorth,
        patient: practice.patients.pia,
        type: practice.types.cleaning,
        descriptor: practice.descriptors.examCode,
        availability: practice.availabilities.adaHours,
        label: label.id,
        coverage: coverage.id,
        plan: plan.id,
        recallType: recallType.id,
        recall: recall.id,
        alert: alert.id,
        appointment,
        endpoint: first.id,
        otherEndpoint: second.id,
        subscription: subscription.id,
        delivery: delivery.id,
      },
    };
  });
}
