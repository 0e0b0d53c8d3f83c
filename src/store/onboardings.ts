/** Reads of onboardings. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { Tx } from './database.ts';
import type { OnboardingRow } from './schema.ts';

/**
 * Onboardings with the name and subdomain of their institution, as a table called `onboarding` that conditions and
 * an order can be put on. One whose link expired before anybody used it has failed; nothing needs to happen for
 * that, so no row says it. `location_id` and `appointment_type_ids` are what can be booked, once something can.
 */
export function selectOnboardings(tx: Tx, nowMs: number) {
  return tx
    .selectFrom((from) =>
      from
        .selectFrom('onboarding as made')
        .innerJoin('institution', 'institution.id', 'made.institution_id')
        .select([
          'made.id',
          'made.hashid',
          'made.api_user_id',
          'made.institution_id',
          'made.connection_id',
          'made.emr_name',
          'made.url',
          'made.url_expires_at',
          'made.availability_ready_at',
          'made.sequence',
          'made.created_at',
          'institution.name as institution_name',
          'institution.subdomain',
          sql<OnboardingRow['status']>`case when made.status = 'in_progress' and made.url_expires_at <= ${toIso(nowMs)}
            then 'failed' else made.status end`.as('status'),
        ])
        .as('onboarding'),
    )
    .innerJoinLateral(
      sql<{ location_id: number | null }>`(
        select min(availability.location_id) as location_id from availability
        join location on location.id = availability.location_id
        where onboarding.availability_ready_at is not null and location.connection_id = onboarding.connection_id
          and availability.active)`.as('bookable'),
      (join) => join.onTrue(),
    )
    .selectAll()
    .select(
      sql<number[]>`array(
        select appointment_type.id from appointment_type
        where appointment_type.institution_id = onboarding.institution_id
          and coalesce(appointment_type.location_id, bookable.location_id) = bookable.location_id
        order by appointment_type.id)`.as('appointment_type_ids'),
    );
}
