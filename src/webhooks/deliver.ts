/**
 * Sends what is owed. The cast: a *delivery* is the duty to tell one endpoint of one event, an *attempt* one HTTP
 * try of it. A loop claims one due delivery at a time under a lease, tries it with no transaction open, and records
 * the attempt and what follows from it in one transaction.
 *
 * Correctness rests on two things. The lease and its fence: a delivery that a dead worker held is claimed again, and
 * a worker that slept through its lease records nothing. The order: see `claimOf`. Turns and caps in `startDeliveries`
 * only keep receivers from getting in each other's way.
 */
import { sql } from 'kysely';
import { type Clock, toIso } from '../clock.ts';
import { type Job, type Loop, startLoop } from '../jobs/loop.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll, type Tx } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';
import { openEndpointSecret } from '../store/secrets.ts';
import type { AddressMode } from './addresses.ts';
import { closeOverdue } from './delivery.ts';
import { type Attempt, judgeDelivery, judgeEndpoint } from './schedule.ts';
import { createSender } from './sender.ts';

/** Twice the longest attempt: a lease that ends means a worker that is gone. */
const LEASE_MS = 30_000;
/** How long an event waits behind an earlier one of the same resource that the receiver does not take. */
export const OVERTAKE_AFTER_MS = 60_000;
/** Attempts under way in one process. They mostly wait, so this bounds sockets and memory rather than work. */
const CONCURRENCY = 20;
/** Of these, for one endpoint: a few that hang leave room for the others. */
const MAX_IN_FLIGHT = 4;
/** And for one whose last attempt failed: enough to find out whether it is back. */
const MAX_IN_FLIGHT_FAILING = 1;
const POLL_MS = 1_000;

interface Claimed {
  id: number;
  institution_id: number;
  endpoint_id: number;
  event_id: string;
  body: string;
  attempts: number;
  first_attempt_at: string | null;
  fence: number;
  target_url: string;
  secret_key: string;
}

/** Runs until stopped. Several processes may run it on one database. */
export function startDeliveries(services: {
  db: Database;
  clock: Clock;
  log: Logger;
  wakeups: Wakeups;
  seal: Seal;
  addresses: AddressMode;
}): Loop {
  const { db, clock, log, wakeups, seal } = services;
  const sender = createSender(services.addresses, clock);
  const inFlight = new Map<number, number>();
  // Endpoints in the order of their last turn, the longest ago first.
  const turns = new Set<number>();

  async function claim(): Promise<Job | null> {
    const nowMs = clock.nowMs();
    const full = [...inFlight].filter(([, count]) => count >= MAX_IN_FLIGHT).map(([id]) => id);
    const fullWhenFailing = [...inFlight].filter(([, count]) => count >= MAX_IN_FLIGHT_FAILING).map(([id]) => id);
    const claimed = await forAll(db, async (tx) => {
      const waiting = new Set(await findWaitingEndpoints(tx, full, fullWhenFailing, nowMs));
      const inTurn = [...waiting].filter((id) => !turns.has(id)).concat([...turns].filter((id) => waiting.has(id)));
      for (const endpointId of inTurn) {
        const found = await claimOf(tx, endpointId, nowMs);
        if (found) return found;
      }
      return null;
    });
    if (!claimed) return null;
    const { endpoint_id: endpointId } = claimed;
    turns.delete(endpointId);
    turns.add(endpointId);
    inFlight.set(endpointId, (inFlight.get(endpointId) ?? 0) + 1);
    return (signal) =>
      deliver(claimed, signal).finally(() => {
        const left = (inFlight.get(endpointId) ?? 1) - 1;
        if (left === 0) inFlight.delete(endpointId);
        else inFlight.set(endpointId, left);
      });
  }

  async function deliver(claimed: Claimed, signal: AbortSignal): Promise<void> {
    const attempt = await sender.send(
      {
        targetUrl: claimed.target_url,
        secretKey: openEndpointSecret(seal, { id: claimed.endpoint_id, secret_key: claimed.secret_key }),
        webhookId: claimed.event_id,
        body: Buffer.from(claimed.body),
      },
      signal,
    );
    const switchedOff = await forAll(db, (tx) => record(tx, claimed, attempt, clock.nowMs()));
    if (switchedOff) {
      const { statusCode, errorCode } = attempt;
      log.warn({ endpointId: claimed.endpoint_id, statusCode, errorCode }, 'a webhook endpoint was switched off');
    }
  }

  const loop = startLoop({
    name: 'deliveries',
    channel: 'deliveries',
    concurrency: CONCURRENCY,
    pollMs: POLL_MS,
    wakeups,
    log,
    claim,
  });
  return {
    async stop(graceMs) {
      await loop.stop(graceMs);
      await sender.close();
    },
  };
}

/**
 * Active endpoints with a delivery that is due, except those that have enough under way. The order within makes
 * PostgreSQL look into `delivery_due` once per endpoint, however long the backlog and whatever its statistics say:
 * with 60,000 waiting 0.1 ms, against 27 ms for `exists`.
 */
async function findWaitingEndpoints(
  tx: Tx,
  full: number[],
  fullWhenFailing: number[],
  nowMs: number,
): Promise<number[]> {
  const now = toIso(nowMs);
  const found = await sql<{ id: number }>`
    select endpoint.id from webhook_endpoint endpoint
    cross join lateral (
      select from delivery
      where endpoint_id = endpoint.id and state = 'pending' and due_at <= ${now}
        and (lease_until is null or lease_until <= ${now})
      order by due_at, id
      limit 1) due
    where endpoint.active
      and endpoint.id <> all(${full}::bigint[])
      and (endpoint.failing_since is null or endpoint.id <> all(${fullWhenFailing}::bigint[]))
    order by endpoint.id`.execute(tx);
  return found.rows.map(({ id }) => id);
}

/**
 * Claims the delivery of one endpoint that has been due the longest, save those that must wait for an earlier one of
 * the same resource: until that has been tried, and from then on, while it is not delivered, for OVERTAKE_AFTER_MS.
 * So a receiver never gets a later version of a resource before it was offered the earlier one.
 */
async function claimOf(tx: Tx, endpointId: number, nowMs: number): Promise<Claimed | undefined> {
  const now = toIso(nowMs);
  const claimed = await sql<Claimed>`
    update delivery set fence = delivery.fence + 1, lease_until = ${toIso(nowMs + LEASE_MS)}
    from webhook_endpoint endpoint
    where endpoint.id = delivery.endpoint_id and delivery.id = (
      select due.id from delivery due
      where due.endpoint_id = ${endpointId} and due.state = 'pending' and due.due_at <= ${now}
        and (due.lease_until is null or due.lease_until <= ${now})
        and not exists (
          select from delivery earlier
          where earlier.endpoint_id = due.endpoint_id and earlier.resource_type = due.resource_type
            and earlier.resource_id = due.resource_id and earlier.state = 'pending' and earlier.id < due.id
            and (earlier.first_attempt_at is null or earlier.first_attempt_at > ${toIso(nowMs - OVERTAKE_AFTER_MS)}))
      order by due.due_at, due.id
      limit 1
      for update skip locked)
    returning delivery.id, delivery.institution_id, delivery.endpoint_id, delivery.event_id, delivery.body,
      delivery.attempts, delivery.first_attempt_at, delivery.fence, endpoint.target_url, endpoint.secret_key`.execute(
    tx,
  );
  return claimed.rows[0];
}

/**
 * Writes down an attempt and what follows from it. What it says about the endpoint is true in any case; about the
 * delivery it counts only under the fence, for another worker may have claimed it since, or a person ended it.
 * Returns whether this attempt switched the endpoint off.
 */
async function record(tx: Tx, claimed: Claimed, attempt: Attempt, nowMs: number): Promise<boolean> {
  // The endpoint's row first, as everywhere: two transactions that lock in the same order cannot deadlock.
  const endpoint = await tx
    .selectFrom('webhook_endpoint')
    .select(['active', 'failing_since'])
    .where('id', '=', claimed.endpoint_id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!endpoint) return false;
  const health = judgeEndpoint(attempt, msOf(endpoint.failing_since));
  const switchesOff = endpoint.active && !health.staysActive;
  if (health.failingSinceMs !== msOf(endpoint.failing_since) || switchesOff) {
    await tx
      .updateTable('webhook_endpoint')
      .set({ failing_since: health.failingSinceMs === null ? null : toIso(health.failingSinceMs) })
      .$if(switchesOff, (query) => query.set({ active: false, updated_at: toIso(nowMs) }))
      .where('id', '=', claimed.endpoint_id)
      .execute();
  }

  const verdict = judgeDelivery(
    attempt,
    { attempts: claimed.attempts, firstAttemptAtMs: msOf(claimed.first_attempt_at) },
    Math.random(),
  );
  const recorded = await tx
    .updateTable('delivery')
    .set({
      state: verdict.state,
      attempts: claimed.attempts + 1,
      first_attempt_at: claimed.first_attempt_at ?? toIso(attempt.attemptedAtMs),
      lease_until: null,
      ...(verdict.state === 'pending' ? { due_at: toIso(verdict.dueAtMs) } : { finished_at: toIso(nowMs) }),
    })
    .where('id', '=', claimed.id)
    .where('fence', '=', claimed.fence)
    .where('state', '=', 'pending')
    .executeTakeFirst();
  if (recorded.numUpdatedRows === 1n) {
    await tx
      .insertInto('delivery_attempt')
      .values({
        institution_id: claimed.institution_id,
        delivery_id: claimed.id,
        attempted_at: toIso(attempt.attemptedAtMs),
        duration_ms: attempt.durationMs,
        status_code: attempt.statusCode,
        error_code: attempt.errorCode,
      })
      .execute();
  }
  if (switchesOff) await closeOverdue(tx, claimed.endpoint_id, nowMs);
  return switchesOff;
}

function msOf(instant: string | null): number | null {
  return instant === null ? null : Date.parse(instant);
}
