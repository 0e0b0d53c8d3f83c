/**
 * The range reads behind slots and bookings: hours, and everything that takes time away from them.
 */
import { sql } from 'kysely';
import type { Availability } from '../domain/availability.ts';
import type { BusyInterval, BusyReason } from '../domain/slot.ts';
import { prepared, type Tx, unprepared } from './database.ts';

/**
 * Whose busy time is asked for: that of these providers wherever they work, of these operatories whoever works in
 * them, and of the location as a whole. What is taken from anybody else decides none of their slots.
 */
export interface BusyRange {
  institutionId: number;
  locationId: number;
  providerIds: readonly number[];
  /** Operatories of the location. */
  operatoryIds: readonly number[];
  startMs: number;
  endMs: number;
}

/** Order of the reasons in the rows of `readBusy`. */
const REASONS: BusyReason[] = ['appointment', 'block', 'pending', 'claim'];
const BYTES_OF_NUMBER = 8;

/**
 * All live busy time that touches the range. A fortnight of fifty providers is some ten thousand intervals, and as
 * rows or JSON they would cost more than everything else together: each provider in each operatory is one row, with
 * its appointments and instants as packed doubles.
 *
 * Appointments are found by their start, looking one day back; the few longer ones have an index of their own.
 */
export async function readBusy(tx: Tx, range: BusyRange): Promise<BusyInterval[]> {
  const from = new Date(range.startMs).toISOString();
  const to = new Date(range.endMs).toISOString();
  const recent = sql`start_at > cast(${from} as timestamptz) - interval '1 day' and start_at < ${to} and end_at > ${from}`;
  const theirs = sql`(provider_id = any(${[...range.providerIds]}) or operatory_id = any(${[...range.operatoryIds]}))`;
  const wholeLocation = sql`(location_id = ${range.locationId} and provider_id is null and operatory_id is null)`;
  const reason = sql`case when unavailable then 1 when foreign_id is null then 2 else 0 end as reason`;
  const live = sql`institution_id = ${range.institutionId} and not cancelled and deleted_at is null`;
  const result = await sql<{
    provider_id: number | null;
    operatory_id: number | null;
    reason: number;
    packed: Buffer;
  }>`${unprepared}
    with taken as (
      select id, start_at, end_at, provider_id, operatory_id, ${reason} from appointment where ${theirs} and ${recent} and ${live}
      union all
      select id, start_at, end_at, provider_id, operatory_id, ${reason} from appointment
      where ${wholeLocation} and ${recent} and ${live}
      union all
      select id, start_at, end_at, provider_id, operatory_id, ${reason} from appointment
      where end_at - start_at > interval '1 day' and end_at > ${from}
        and start_at <= cast(${from} as timestamptz) - interval '1 day' and (${theirs} or ${wholeLocation}) and ${live}
      union all
      select appointment_id, start_at, end_at,
        case when resource = 'provider' then resource_id end, case when resource = 'operatory' then resource_id end,
        case when (select unavailable from appointment where id = claim.appointment_id) then 1 else 3 end
      from claim
      where institution_id = ${range.institutionId} and end_at > ${from} and start_at < ${to}
        and ((resource = 'provider' and resource_id = any(${[...range.providerIds]}))
          or (resource = 'operatory' and resource_id = any(${[...range.operatoryIds]})))
    )
    select provider_id, operatory_id, reason, string_agg(float8send(id) ||
      float8send(date_part('epoch', start_at) * 1000) || float8send(date_part('epoch', end_at) * 1000), '') as packed
    from taken group by provider_id, operatory_id, reason
  `.execute(tx);
  const busy: BusyInterval[] = [];
  for (const { provider_id: providerId, operatory_id: operatoryId, reason, packed } of result.rows) {
    for (let at = 0; at < packed.length; at += 3 * BYTES_OF_NUMBER) {
      const appointmentId = packed.readDoubleBE(at);
      // A double of seconds times a thousand can miss the whole millisecond by a hair.
      const startMs = Math.round(packed.readDoubleBE(at + BYTES_OF_NUMBER));
      const endMs = Math.round(packed.readDoubleBE(at + 2 * BYTES_OF_NUMBER));
      busy.push({ startMs, endMs, appointmentId, providerId, operatoryId, reason: REASONS[reason] ?? 'appointment' });
    }
  }
  return busy;
}

/** Hours of the location, with the types each carries; of these providers only, when given. */
export async function readAvailabilities(
  tx: Tx,
  locationId: number,
  providerIds: readonly number[],
): Promise<Availability[]> {
  const rows = await tx
    .selectFrom('availability')
    .modifyFront(prepared)
    .select([
      'id',
      'provider_id',
      'operatory_id',
      'begin_minute',
      'end_minute',
      'days',
      'specific_date',
      'recurrence_num',
      'recurrence_unit',
      'recurrence_ref',
      'source',
      'label_id',
      sql<
        number[]
      >`array(select appointment_type_id from availability_appointment_type t where t.availability_id = availability.id)`.as(
        'type_ids',
      ),
    ])
    .where('location_id', '=', locationId)
    .where('provider_id', '=', sql<number>`any(${[...providerIds]})`)
    .where('active', '=', true)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    providerId: row.provider_id,
    operatoryId: row.operatory_id,
    beginMinute: row.begin_minute,
    endMinute: row.end_minute,
    days: row.days,
    specificDate: row.specific_date,
    recurrence:
      row.recurrence_num !== null && row.recurrence_unit !== null && row.recurrence_ref !== null
        ? { num: row.recurrence_num, unit: row.recurrence_unit, ref: row.recurrence_ref }
        : null,
    active: true,
    source: row.source,
    labelId: row.label_id,
    appointmentTypeIds: row.type_ids,
  }));
}
