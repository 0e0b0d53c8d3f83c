import { sql } from 'kysely';
import { type Database, forAll } from '../store/database.ts';

/** What must never be, each as a query that finds it. Read-only; safe on a database in use. */
const INVARIANTS: { name: string; query: string }[] = [
  {
    name: 'two live bookings of ours overlap on one provider or operatory before the HRS has decided',
    // Two of them may share a provider's time when the later one was booked to share it.
    query: `select a.id from claim a join claim b on b.resource = a.resource and b.resource_id = a.resource_id
      and b.id > a.id and a.start_at < b.end_at and b.start_at < a.end_at and b.appointment_id <> a.appointment_id
      join appointment one on one.id = a.appointment_id join appointment other on other.id = b.appointment_id
      where a.resource = 'operatory' or greatest(one.appointments_per_timeslot, other.appointments_per_timeslot) = 1`,
  },
  {
    name: 'a booking has neither ended nor anything that could end it',
    query: `select id from appointment a where marker is not null and foreign_id is null and deleted_at is null
      and not exists (select 1 from command c where c.appointment_id = a.id and (c.finished_at is null or c.state = 'incomplete'))`,
  },
  {
    name: 'an ended create has not exactly one appointment_insertion event',
    query: `select c.id from command c where c.kind = 'create' and c.finished_at > now() - interval '29 days'
      and (select count(*) from event e where e.institution_id = c.institution_id and e.resource_type = 'Appointment'
        and e.resource_id = c.appointment_id and e.event = 'appointment_insertion') <> 1`,
  },
  {
    name: 'an ended change of an appointment has no appointment_updated event',
    query: `select c.appointment_id as id from command c
      where c.appointment_id is not null and c.kind <> 'create' and c.finished_at > now() - interval '29 days'
      group by c.institution_id, c.appointment_id having count(*) > (select count(*) from event e
        where e.institution_id = c.institution_id and e.resource_type = 'Appointment'
          and e.resource_id = c.appointment_id and e.event = 'appointment_updated')`,
  },
  {
    name: 'a patient alert of ours is neither written nor has anything that could write it',
    query: `select id from patient_alert a where marker is not null and foreign_id is null and deleted_at is null
      and not exists (select 1 from command c where c.patient_alert_id = a.id
        and (c.finished_at is null or c.state = 'incomplete'))`,
  },
  {
    name: 'a command has ended without a finishing time, or the other way round',
    query: `select id from command where (finished_at is not null) <> (state in ('complete', 'failed', 'timed_out', 'incomplete'))`,
  },
  {
    name: 'events have gaps below their head',
    query: `select institution_id as id from event group by institution_id
      having max(position) - min(position) + 1 <> count(*)
        or max(position) <> (select position from event_head h where h.institution_id = event.institution_id)`,
  },
  {
    name: 'a credential of an HRS or a secret of a webhook stands in the open',
    query: `select id from connection where jsonb_typeof(config) <> 'string'
      union all select id from webhook_endpoint where secret_key not like 'sealed:%'`,
  },
  {
    name: 'a claim outlives its appointment’s commands',
    query: `select claim.id from claim where not exists (select 1 from command c
      where c.appointment_id = claim.appointment_id and (c.finished_at is null or c.state = 'incomplete'))`,
  },
];

/** Prints one line for each invariant; exit code 1 when one does not hold. */
export async function checkInvariants(db: Database): Promise<void> {
  for (const { name, query } of INVARIANTS) {
    const { rows } = await forAll(db, (tx) => sql<{ id: number }>`${sql.raw(query)} limit 10`.execute(tx));
    if (rows.length === 0) console.log(`holds: never ${name}`);
    else {
      console.log(`BROKEN: ${name} (ids ${rows.map((row) => row.id).join(', ')})`);
      process.exitCode = 1;
    }
  }
}
