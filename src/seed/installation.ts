/** What this installation has, as a seed sees it: the skeleton of each practice, and of people only how many. */
import { sql } from 'kysely';
import { minuteOfDayText } from '../domain/minute-of-day.ts';
import type { Tx } from '../store/database.ts';
import { WEEKDAYS } from '../views/availability.ts';
import type { SeedKey, SeedLocation } from './format.ts';
import type { FoundInstitution } from './skeleton.ts';

/** The institutions with these subdomains, or all, in the order of their ids. Throws for a subdomain that is none. */
export async function readInstallation(
  tx: Tx,
  subdomains: readonly string[],
  nowMs: number,
): Promise<FoundInstitution[]> {
  const rows = await tx.selectFrom('institution').selectAll().orderBy('id').execute();
  const missing = subdomains.find((wanted) => !rows.some(({ subdomain }) => subdomain === wanted));
  if (missing !== undefined)
    throw new Error(
      `No institution here is called ${missing}; there is ${rows.map((row) => row.subdomain).join(', ')}.`,
    );
  const found: FoundInstitution[] = [];
  for (const row of rows) {
    if (subdomains.length === 0 || subdomains.includes(row.subdomain))
      found.push({ ...row, ...(await readPractice(tx, row.id, nowMs)) });
  }
  return found;
}

async function readPractice(tx: Tx, institutionId: number, nowMs: number) {
  const descriptors = await tx
    .selectFrom('descriptor')
    .selectAll()
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .execute();
  return {
    locations: await readLocations(tx, institutionId, nowMs),
    providers: await readProviders(tx, institutionId),
    operatories: await tx
      .selectFrom('operatory')
      .selectAll()
      .where('institution_id', '=', institutionId)
      .orderBy('id')
      .execute(),
    descriptors: descriptors.map((descriptor) => ({
      ...descriptor,
      minutes: typeof descriptor.data.minutes === 'number' ? descriptor.data.minutes : null,
    })),
    appointment_types: await readTypes(tx, institutionId),
    working_hour_labels: await tx
      .selectFrom('availability_label')
      .selectAll()
      .where('institution_id', '=', institutionId)
      .orderBy('id')
      .execute(),
    availabilities: await readAvailabilities(tx, institutionId),
  };
}

async function readProviders(tx: Tx, institutionId: number) {
  const rows = await tx
    .selectFrom('provider')
    .selectAll()
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .execute();
  const links = await tx
    .selectFrom('provider_location')
    .select(['provider_id as owner', 'location_id as id'])
    .where('institution_id', '=', institutionId)
    .execute();
  const idsOf = byOwner(links);
  return rows.map((row) => ({ ...row, location_ids: idsOf(row.id) }));
}

async function readTypes(tx: Tx, institutionId: number) {
  const rows = await tx
    .selectFrom('appointment_type')
    .selectAll()
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .execute();
  const links = await tx
    .selectFrom('appointment_type_descriptor')
    .select(['appointment_type_id as owner', 'descriptor_id as id'])
    .where('institution_id', '=', institutionId)
    .execute();
  const idsOf = byOwner(links);
  return rows.map((row) => ({ ...row, emr_appt_descriptor_ids: idsOf(row.id) }));
}

async function readAvailabilities(tx: Tx, institutionId: number) {
  const rows = await tx
    .selectFrom('availability')
    .selectAll()
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .execute();
  const links = await tx
    .selectFrom('availability_appointment_type')
    .select(['availability_id as owner', 'appointment_type_id as id'])
    .where('institution_id', '=', institutionId)
    .execute();
  const idsOf = byOwner(links);
  return rows.map(({ days, recurrence_num: num, recurrence_unit: unit, recurrence_ref: ref, ...row }) => ({
    ...row,
    days: WEEKDAYS.filter((_name, weekday) => ((days ?? 0) >> weekday) & 1),
    custom_recurrence: num === null || unit === null || ref === null ? null : { num, unit, ref },
    begin_time: minuteOfDayText(row.begin_minute),
    end_time: minuteOfDayText(row.end_minute),
    appointment_type_ids: idsOf(row.id),
    synced: row.source === 'synced',
  }));
}

function byOwner(links: readonly { owner: number; id: number }[]): (owner: number) => number[] {
  const groups = Map.groupBy(links, ({ owner }) => owner);
  return (owner) => (groups.get(owner) ?? []).map(({ id }) => id).sort((a, b) => a - b);
}

/** Locations with how many patients have their home there (the first of their locations), and how many appointments there are. */
async function readLocations(tx: Tx, institutionId: number, nowMs: number) {
  const rows = await tx
    .selectFrom('location')
    .selectAll()
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .execute();
  const patients = await sql<SeedLocation['patients'] & { id: number | null }>`
    select location_ids[1] as id, count(*) as count,
      count(*) filter (where not sms_consent) as without_sms_consent,
      count(*) filter (where coverages > 0) as with_coverage,
      count(*) filter (where coverages > 1) as with_two_coverages,
      count(*) filter (where has_recall) as with_recall,
      count(*) filter (where has_alert) as with_alert
    from (
      select location_ids, sms_consent,
        (select count(*) from insurance_coverage c where c.patient_id = p.id and c.deleted_at is null) as coverages,
        exists (select from patient_recall r where r.patient_id = p.id) as has_recall,
        exists (select from patient_alert a where a.patient_id = p.id and a.deleted_at is null
          and a.disabled_at is null) as has_alert
      from patient p
      where institution_id = ${institutionId} and foreign_id is not null and deleted_at is null and not non_patient
    ) people group by 1`.execute(tx);
  const appointments = await sql<SeedLocation['appointments'] & { id: number }>`
    select location_id as id,
      count(*) filter (where start_at <= ${new Date(nowMs)}) as past,
      count(*) filter (where start_at > ${new Date(nowMs)}) as future
    from appointment
    where institution_id = ${institutionId} and patient_id is not null and not unavailable and deleted_at is null
    group by 1`.execute(tx);
  return rows.map((row) => {
    const { id: _, ...people } = patients.rows.find(({ id }) => id === row.id) ?? { id: null };
    const { id: __, ...visits } = appointments.rows.find(({ id }) => id === row.id) ?? { id: null };
    return {
      ...row,
      patients: 'count' in people ? people : null,
      appointments: 'past' in visits ? visits : null,
    };
  });
}

/** Who may call, without the keys themselves: those that are not revoked and reach one of these institutions, or are administrators. */
export async function readKeys(tx: Tx, chosen: readonly { id: number; subdomain: string }[]): Promise<SeedKey[]> {
  const users = await tx
    .selectFrom('api_user')
    .select(['id', 'name', 'is_admin'])
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('api_key')
          .select('api_key.id')
          .whereRef('api_key.api_user_id', '=', 'api_user.id')
          .where('revoked_at', 'is', null),
      ),
    )
    .orderBy('id')
    .execute();
  const reach = await tx.selectFrom('api_user_institution').selectAll().execute();
  const names = new Set<string>();
  return users.flatMap(({ id, name, is_admin: admin }) => {
    const reached = chosen.filter((one) =>
      reach.some((link) => link.api_user_id === id && link.institution_id === one.id),
    );
    if (reached.length === 0 && !admin) return [];
    const unique = names.has(name) ? `${name} (${id})` : name;
    names.add(unique);
    const subdomains = reached.map(({ subdomain }) => subdomain);
    return [{ name: unique, admin, ...(reached.length < chosen.length && { subdomains }) }];
  });
}
