/** Coverages with the people and plans they name: one read of each kind, however many there are. */
import type { z } from 'zod';
import type { Tx } from '../../store/database.ts';
import type { InsuranceCoverageRow } from '../../store/schema.ts';
import {
  type insuranceCoverageWithPlanShape,
  type SubscriberView,
  viewInsuranceCoverage,
} from '../../views/insurance-coverage.ts';
import { viewInsurancePlan } from '../../views/insurance-plan.ts';
import { viewGroups } from '../groups.ts';
import { anyOf } from '../references.ts';

/** No patient has this many; it bounds what one answer can hold. */
const MAX_OF_PATIENT = 100;

/** Rows of `insurance_coverage`, the deleted ones included; the caller adds its conditions. */
export const selectCoverages = (tx: Tx) => tx.selectFrom('insurance_coverage').selectAll('insurance_coverage');

/** An HRS may leave out who subscribes where it is the patient. */
function subscriberIdOf(row: InsuranceCoverageRow): number | null {
  return row.subscriber_id ?? (row.subscription_relation === 'self' ? row.patient_id : null);
}

/** A function that finds the subscriber of each of these coverages; null where the HRS names none that it has. */
export async function readSubscribers(
  tx: Tx,
  coverages: readonly InsuranceCoverageRow[],
): Promise<(coverage: InsuranceCoverageRow) => SubscriberView | null> {
  const ids = coverages.map(subscriberIdOf).filter((id) => id !== null);
  const rows = await tx
    .selectFrom('patient')
    .select(['id', 'first_name', 'last_name', 'date_of_birth'])
    .where('id', '=', anyOf([...new Set(ids)]))
    .execute();
  const byId = new Map(
    rows.map(({ id, first_name, last_name, date_of_birth }) => [
      id,
      { id, name: `${first_name} ${last_name}`, date_of_birth },
    ]),
  );
  return (coverage) => byId.get(subscriberIdOf(coverage) ?? 0) ?? null;
}

/** What covers each of these patients now, whoever is asked to pay first before the others. */
export async function readCoveragesOf(
  tx: Tx,
  patientIds: readonly number[],
): Promise<Map<number, z.infer<typeof insuranceCoverageWithPlanShape>[]>> {
  const rows = await selectCoverages(tx)
    .where('patient_id', '=', anyOf(patientIds))
    .where('active', '=', true)
    .orderBy('priority', (order) => order.asc().nullsLast())
    .orderBy('id')
    .limit(MAX_OF_PATIENT * patientIds.length)
    .execute();
  const subscriberOf = await readSubscribers(tx, rows);
  const planIds = rows.map((row) => row.plan_id).filter((id) => id !== null);
  const plans = await tx
    .selectFrom('insurance_plan')
    .selectAll()
    .where('id', '=', anyOf([...new Set(planIds)]))
    .execute();
  const planById = new Map(plans.map((plan) => [plan.id, viewInsurancePlan(plan)]));
  return viewGroups(
    Map.groupBy(rows, (row) => row.patient_id),
    (row) => ({
      ...viewInsuranceCoverage(row),
      subscriber: subscriberOf(row),
      plan: planById.get(row.plan_id ?? 0) ?? null,
    }),
  );
}
