/**
 * Is a time free? What the HRS has, and what bookings of ours under way have claimed, in one condition; the locks
 * under which it is asked; and the claims that take it.
 */
import { type RawBuilder, sql } from 'kysely';
import { toIso } from '../clock.ts';
import { DAY_MS } from '../domain/zone.ts';
import { ApiError } from '../errors.ts';
import { prepared, type Tx } from '../store/database.ts';

/** Seats of one provider's time: as many as NexHealth's `appointments_per_timeslot` goes. */
export const MAX_PER_TIMESLOT = 5;

/** The time of a provider, an operatory or both. */
export interface Place {
  institutionId: number;
  locationId: number;
  /** Null only for a block of an operatory. */
  providerId: number | null;
  operatoryId: number | null;
  startMs: number;
  endMs: number;
  /**
   * With 1 the provider's time must be empty; with n, fewer than n other appointments may overlap it. Blocks close
   * the time at any n, and an operatory has room for one. What others were booked with does not count: an
   * appointment that was alone when it was booked is one appointment to the next.
   */
  appointmentsPerTimeslot: number;
  /** An appointment that is to be moved here stands in nobody's way, least of all its own. */
  exceptAppointmentId?: number;
}

/**
 * Rows exactly when the place cannot be had: live appointments and blocks of the HRS, bookings under way, blocks of
 * the whole location. An appointment that has both a row and a claim counts once.
 */
export function conflicts(place: Place): RawBuilder<unknown> {
  const { locationId, providerId, operatoryId, appointmentsPerTimeslot, exceptAppointmentId } = place;
  const from = toIso(place.startMs);
  const to = toIso(place.endMs);
  const isOther = (column: string) =>
    exceptAppointmentId === undefined ? sql`` : sql`and ${sql.ref(column)} <> ${exceptAppointmentId}`;
  const live = sql`not cancelled and deleted_at is null and end_at > ${from} and start_at < ${to} ${isOther('id')}`;
  const recent = sql`start_at > cast(${from} as timestamptz) - interval '1 day'`;
  const long = sql`institution_id = ${place.institutionId} and end_at - start_at > interval '1 day'`;
  const wholeLocation = sql`location_id = ${locationId} and provider_id is null and operatory_id is null`;
  const claimed = sql`end_at > ${from} and start_at < ${to} ${isOther('appointment_id')}`;
  const ofProvider = sql`resource = 'provider' and resource_id = ${providerId}`;
  const elsewhere = sql`
    select 1 from appointment where operatory_id = ${operatoryId} and ${recent} and ${live}
    union all
    select 1 from appointment where ${wholeLocation} and ${recent} and ${live}
    union all
    select 1 from claim where resource = 'operatory' and resource_id = ${operatoryId} and ${claimed}`;
  if (appointmentsPerTimeslot === 1) {
    return sql`
      select 1 from appointment where provider_id = ${providerId} and ${recent} and ${live}
      union all
      select 1 from appointment where ${long} and ${live}
        and (provider_id = ${providerId} or operatory_id = ${operatoryId} or (${wholeLocation}))
      union all
      select 1 from claim where ${ofProvider} and ${claimed}
      union all ${elsewhere}`;
  }
  return sql`
    select 1 from appointment where provider_id = ${providerId} and unavailable and ${recent} and ${live}
    union all
    select 1 from appointment where ${long} and ${live}
      and ((provider_id = ${providerId} and unavailable) or operatory_id = ${operatoryId} or (${wholeLocation}))
    union all
    select 1 from claim where ${ofProvider} and ${claimed}
      and (select unavailable from appointment where id = claim.appointment_id)
    union all
    select 1 from (
      select id from appointment where provider_id = ${providerId} and ${recent} and ${live}
      union
      select id from appointment where ${long} and provider_id = ${providerId} and ${live}
      union
      select appointment_id from claim where ${ofProvider} and ${claimed}
    ) as there having count(*) >= ${appointmentsPerTimeslot}
    union all ${elsewhere}`;
}

/** A look without the lock: turns most of a crowd away before it queues. What passes is looked at again. */
export async function isTaken(tx: Tx, place: Place): Promise<boolean> {
  const result = await sql`${prepared} select 1 where exists (${conflicts(place)})`.execute(tx);
  return result.rows.length > 0;
}

/** For whoever comes second. Clients know NexHealth's words in it. */
export const taken = () => new ApiError('slot_taken', 'The slot is taken: this time is no longer available');

/** Every booking takes its locks in the same order, so two of them can wait for each other but never in a ring. */
export async function lockDays(tx: Tx, { providerId, operatoryId, startMs, endMs }: Place): Promise<void> {
  const keys: string[] = [];
  for (let day = Math.floor(startMs / DAY_MS); day * DAY_MS < endMs; day += 1) {
    if (providerId !== null) keys.push(`provider:${providerId}:${day}`);
    if (operatoryId !== null) keys.push(`operatory:${operatoryId}:${day}`);
  }
  keys.sort();
  await sql`${prepared} select pg_advisory_xact_lock(hashtextextended(key, 0)) from unnest(cast(${keys} as text[])) as key`.execute(
    tx,
  );
}

/** How many claims a place takes. */
export const countClaims = ({ providerId, operatoryId }: Place): number =>
  Number(providerId !== null) + Number(operatoryId !== null);

/**
 * Of the resource `wanted`, the lowest seat in which no claim overlaps `time`; null where there is none. Only a
 * provider has more than one.
 */
function lowestFreeSeat(seats: number, time: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    select min(free.seat)
    from generate_series(1, case wanted.resource when 'provider' then ${seats}::integer else 1 end) as free (seat)
    where not exists (select from claim c where c.resource = wanted.resource and c.resource_id = wanted.resource_id
      and c.seat = free.seat and c.during && ${time}))`;
}

/**
 * The statement that takes the place's claims for a new appointment, which `ids` selects as `id`: in the lowest seat
 * of the provider that is free. Under the locks, and where nothing conflicts, it returns as many rows as
 * `countClaims` says; fewer mean that the place is taken, and that the transaction must not commit.
 */
export function insertClaims(place: Place, ids: RawBuilder<unknown>): RawBuilder<unknown> {
  const { providerId, operatoryId, appointmentsPerTimeslot: seats } = place;
  const startAt = toIso(place.startMs);
  const endAt = toIso(place.endMs);
  const resources = [
    ['provider', providerId],
    ['operatory', operatoryId],
  ].filter(([, id]) => id !== null);
  const time = sql`tstzrange(cast(${startAt} as timestamptz), cast(${endAt} as timestamptz))`;
  const freeSeat = seats === 1 ? sql`1` : lowestFreeSeat(seats, time);
  return sql`
    insert into claim (institution_id, appointment_id, resource, resource_id, seat, start_at, end_at)
    select ${place.institutionId}, made.id, resource, resource_id, free.seat, ${startAt}, ${endAt}
    from (${ids}) as made,
      unnest(cast(${resources.map(([kind]) => kind)} as text[]), cast(${resources.map(([, id]) => id)} as bigint[]))
        as wanted (resource, resource_id),
      lateral (select ${freeSeat} as seat) as free
    where free.seat is not null
    on conflict do nothing returning 1`;
}

/**
 * Claims what of this time the appointment has not claimed yet: a move by a quarter of an hour meets its own old
 * time, and must not collide with it. Returns false when somebody else's claim is in the way.
 */
export async function claimTime(
  tx: Tx,
  appointmentId: number,
  { providerId, operatoryId, startMs, endMs }: Pick<Place, 'providerId' | 'operatoryId' | 'startMs' | 'endMs'>,
  seats: number,
): Promise<boolean> {
  const result = await sql<{ wanted: number; claimed: number }>`
    with piece as (
      select wanted.resource, wanted.resource_id, piece, ${lowestFreeSeat(seats, sql`piece`)} as seat
      from (values ('provider', cast(${providerId} as bigint)), ('operatory', cast(${operatoryId} as bigint)))
          as wanted (resource, resource_id)
        cross join lateral unnest(
          tstzmultirange(tstzrange(cast(${toIso(startMs)} as timestamptz), cast(${toIso(endMs)} as timestamptz)))
          - coalesce((select range_agg(own.during) from claim own where own.appointment_id = ${appointmentId}
              and own.resource = wanted.resource and own.resource_id = wanted.resource_id), '{}'::tstzmultirange)) as piece
      where wanted.resource_id is not null),
    claimed as (
      insert into claim (institution_id, appointment_id, resource, resource_id, start_at, end_at, seat)
      select a.institution_id, a.id, resource, resource_id, lower(piece), upper(piece), seat
      from piece, appointment a where a.id = ${appointmentId} and seat is not null
      on conflict do nothing returning 1)
    select (select count(*) from piece) as wanted, (select count(*) from claimed) as claimed`.execute(tx);
  const counts = result.rows[0] as { wanted: number; claimed: number };
  return Number(counts.wanted) === Number(counts.claimed);
}
