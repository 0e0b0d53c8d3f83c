/**
 * An event is a fact about one resource of one institution. It is written in the transaction that makes it true,
 * together with a delivery for each subscription to it: neither can be lost, and neither exists without the other.
 */
import { sql } from 'kysely';
import type { Tx } from '../store/database.ts';
import type { Version } from '../views/version.ts';

export interface NewEvent {
  /** As NexHealth writes it: `Appointment`. */
  resourceType: string;
  resourceId: number;
  /** Version of the resource, growing with each of its events: a receiver may drop what is not newer. */
  sequence: number;
  /** What subscriptions name: `appointment_insertion`. */
  event: string;
  /** How a write to the HRS ended. An insertion always has one; an update only when it was not carried out. */
  outcome?: 'complete' | 'failed' | 'timed_out' | 'incomplete';
  /** NexHealth's `data`: the resource under its name, as v2 shows it. */
  data: object;
  /** The same as v3.0.0 shows it, where that differs. */
  dataV3?: object | undefined;
}

export interface LoggedEvent {
  id: string;
  position: number;
  event_name: string;
  resource_type: string;
  resource_id: number;
  sequence: number;
  event_time: string;
  /** JSON text. */
  data: string;
}

/** The whole body of a delivery stays below this. */
export const MAX_BODY_BYTES = 262_144;
/** Room for the other keys, whose values are all short. */
const MAX_DATA_BYTES = MAX_BODY_BYTES - 2_048;

/** What v3.0.0 shows, as text; null when it is what v2 shows. */
function textOfV3({ data, dataV3 }: NewEvent): string | null {
  const text = JSON.stringify(dataV3 ?? data);
  return text === JSON.stringify(data) ? null : text;
}

/**
 * Records `events`, in their order, and the deliveries they cause; returns how many deliveries there are. Call it as
 * the last thing of a transaction, and wake `deliveries` after the commit when there are any.
 *
 * Positions are gap-free and in the order of the commits, because taking them locks the institution's head row until
 * the transaction ends: whoever has read up to a position has missed nothing before it.
 *
 * The body of a delivery is composed here, once, and then sent and signed as it stands: in the version of its
 * subscription, whatever the endpoint's other subscriptions want. It has NexHealth's keys, and `id` and `sequence`
 * beside them. Data that would make it larger than 256 KB is left out, which `delivery_errors`
 * says; the event log has it. Subscriptions of a user who has lost the institution, and those on an endpoint that is
 * off, get nothing. Onboardings are told to whoever made them.
 */
export async function recordEvents(tx: Tx, institutionId: number, events: NewEvent[]): Promise<number> {
  if (events.length === 0) return 0;
  const head = await sql<{ position: number }>`
    insert into event_head (institution_id, position) values (${institutionId}, ${events.length})
    on conflict (institution_id) do update set position = event_head.position + excluded.position
    returning position`.execute(tx);
  const last = (head.rows[0] as { position: number }).position;
  const before = last - events.length;

  // Truncated to what the wire shows, so that the log and every body tell the same time.
  await sql`
    insert into event (institution_id, position, resource_type, resource_id, sequence, event_name, event, data, data_v3,
      created_at)
    select ${institutionId}, ${before} + n, resource_type, resource_id, sequence, event_name, event, data, data_v3,
      date_trunc('milliseconds', now())
    from unnest(
      ${events.map(({ resourceType }) => resourceType)}::text[],
      ${events.map(({ resourceId }) => resourceId)}::bigint[],
      ${events.map(({ sequence }) => sequence)}::integer[],
      ${events.map(({ event, outcome }) => (outcome ? `${event}.${outcome}` : event))}::text[],
      ${events.map(({ event }) => event)}::text[],
      ${events.map(({ data }) => JSON.stringify(data))}::text[],
      ${events.map(textOfV3)}::text[]
    ) with ordinality as fresh (resource_type, resource_id, sequence, event_name, event, data, data_v3, n)`.execute(tx);

  const deliveries = await sql`
    insert into delivery (institution_id, endpoint_id, subscription_id, event_id, event_position, event_name,
      resource_type, resource_id, body)
    select event.institution_id, subscription.endpoint_id, subscription.id, event.id, event.position, event.event_name,
      event.resource_type, event.resource_id,
      concat('{"id":"', event.id, '","resource_type":', to_json(event.resource_type),
        ',"event_name":', to_json(event.event_name),
        ',"event_time":"', to_char(event.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        '","institution_id":', institution.id, ',"subdomain":', to_json(institution.subdomain),
        ',"subscription_id":', subscription.id, ',"sequence":', event.sequence,
        case when octet_length(shown.data) <= ${MAX_DATA_BYTES} then concat(',"delivery_errors":[],"data":', shown.data)
          else ',"delivery_errors":["data is larger than 256 KB and was left out"],"data":{}' end,
        '}')
    from event
    join institution on institution.id = event.institution_id
    join webhook_subscription subscription
      on (subscription.institution_id = event.institution_id or subscription.institution_id is null)
      and subscription.event = event.event and subscription.active
    join webhook_endpoint endpoint on endpoint.id = subscription.endpoint_id and endpoint.active
    join api_user_institution reach
      on reach.api_user_id = endpoint.api_user_id and reach.institution_id = event.institution_id
    cross join lateral (
      select case subscription.version when 'v3.0.0' then coalesce(event.data_v3, event.data) else event.data end as data
    ) shown
    where event.institution_id = ${institutionId} and event.position > ${before} and event.position <= ${last}
      and (subscription.institution_id is not null
        or endpoint.api_user_id = (select api_user_id from onboarding where id = event.resource_id))
    order by event.position, subscription.id`.execute(tx);
  return Number(deliveries.numAffectedRows ?? 0);
}

/** At most `limit` events of one institution after `position` (0: from the beginning), oldest first, as `version` shows them. */
export async function findEvents(
  tx: Tx,
  institutionId: number,
  position: number,
  limit: number,
  version: Version,
): Promise<LoggedEvent[]> {
  return tx
    .selectFrom('event')
    .select([
      'id',
      'position',
      'event_name',
      'resource_type',
      'resource_id',
      'sequence',
      'created_at as event_time',
      version === 'v2' ? 'data' : sql<string>`coalesce(data_v3, data)`.as('data'),
    ])
    .where('institution_id', '=', institutionId)
    .where('position', '>', position)
    .orderBy('position')
    .limit(limit)
    .execute();
}
