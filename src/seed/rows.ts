/** A seed as rows: under exactly its ids, with the foreign ids under which the sandbox has the same things. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import type { Tx } from '../store/database.ts';
import { createApiKey, hashKey, newApiKey } from '../store/keys.ts';
import { codeOf } from './codes.ts';
import type { Seed, SeedInstitution, SeedKey } from './format.ts';
import { weekdayBits } from './invent-visits.ts';

const SYNC_CYCLE_MS = 5_000;

/** Tables whose rows have ids from the file. */
const NUMBERED = [
  'institution',
  'location',
  'provider',
  'operatory',
  'descriptor',
  'appointment_type',
  'availability_label',
  'availability',
  'patient',
];

/**
 * Inserts every institution of the seed; the sequences go on beyond the highest of its ids. Its connections lead
 * nowhere yet.
 */
export async function insertSeed(tx: Tx, seed: Seed): Promise<void> {
  for (const institution of seed.institutions) await insertInstitution(tx, institution);
  for (const table of NUMBERED) {
    const sequence = sql`pg_get_serial_sequence(${table}, 'id')`;
    await sql`select setval(${sequence}, greatest(nextval(${sequence}), (select max(id) from ${sql.table(table)})))`.execute(
      tx,
    );
  }
}

async function insertInstitution(tx: Tx, seed: SeedInstitution): Promise<void> {
  const institution_id = seed.id;
  const { id, name, subdomain, phone_number, country_code, appointment_types_location_scoped, notify_insert_fails } =
    seed;
  await tx
    .insertInto('institution')
    .values({ id, name, subdomain, phone_number, country_code, appointment_types_location_scoped, notify_insert_fails })
    .execute();
  const { id: connection_id } = await tx
    .insertInto('connection')
    .values({
      institution_id,
      kind: 'sandbox',
      name: `${name} sandbox`,
      config: '{}',
      sync_cycle_ms: SYNC_CYCLE_MS,
      push_token: randomBytes(24).toString('base64url'),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const owned = { institution_id, connection_id };
  // As if they had been read already: the first sync finds each as the sandbox has it.
  const synced_at = sql<string>`now()`;
  const foreign = (id: number) => ({ ...owned, id, foreign_id: String(id), synced_at });

  for (const { patients: _, appointments: __, id, ...location } of seed.locations) {
    await tx
      .insertInto('location')
      .values({ ...foreign(id), ...location })
      .execute();
  }
  for (const { location_ids, id, ...provider } of seed.providers) {
    await tx
      .insertInto('provider')
      .values({ ...foreign(id), ...provider })
      .execute();
    const links = [...new Set(location_ids)].map((location_id) => ({ institution_id, provider_id: id, location_id }));
    await tx.insertInto('provider_location').values(links).execute();
  }
  for (const { id, ...operatory } of seed.operatories) {
    await tx
      .insertInto('operatory')
      .values({ ...foreign(id), ...operatory })
      .execute();
  }
  for (const descriptor of seed.descriptors) {
    const { id, name, descriptor_type, active, data } = descriptor;
    const code = codeOf(descriptor);
    await tx
      .insertInto('descriptor')
      .values({ ...owned, id, foreign_id: code, code, name, descriptor_type, active, data: JSON.stringify(data) })
      .execute();
  }
  for (const { emr_appt_descriptor_ids = [], ...type } of seed.appointment_types) {
    await tx
      .insertInto('appointment_type')
      .values({ ...type, institution_id })
      .execute();
    const links = [...new Set(emr_appt_descriptor_ids)].map((descriptor_id) => ({
      institution_id,
      appointment_type_id: type.id,
      descriptor_id,
    }));
    if (links.length > 0) await tx.insertInto('appointment_type_descriptor').values(links).execute();
  }
  for (const { id, ...label } of seed.working_hour_labels) {
    await tx
      .insertInto('availability_label')
      .values({ ...foreign(id), ...label })
      .execute();
  }
  for (const hours of seed.availabilities) {
    await tx
      .insertInto('availability')
      .values({
        ...(hours.synced ? { ...foreign(hours.id), source: 'synced' } : { institution_id, id: hours.id }),
        location_id: hours.location_id,
        provider_id: hours.provider_id,
        operatory_id: hours.operatory_id,
        begin_minute: parseMinuteOfDay(hours.begin_time) as number,
        end_minute: parseMinuteOfDay(hours.end_time) as number,
        days: weekdayBits(hours.days),
        specific_date: hours.specific_date,
        recurrence_num: hours.custom_recurrence?.num ?? null,
        recurrence_unit: hours.custom_recurrence?.unit ?? null,
        recurrence_ref: hours.custom_recurrence?.ref ?? null,
        label_id: hours.label_id,
        active: hours.active,
      })
      .execute();
    const types = [...new Set(hours.appointment_type_ids)].map((appointment_type_id) => ({
      institution_id,
      availability_id: hours.id,
      appointment_type_id,
    }));
    if (types.length > 0) await tx.insertInto('availability_appointment_type').values(types).execute();
  }
  // Their names and ids alone: the first sync brings the rest.
  for (const { id, first_name, last_name, location_id } of seed.patients) {
    await tx
      .insertInto('patient')
      .values({ ...foreign(id), first_name, last_name, location_ids: [location_id] })
      .execute();
  }
}

/**
 * Makes every key of `keys` work, and promises their texts by name. A key without a text keeps the one it has in
 * `remembered`, or gets a new one.
 */
export async function ensureKeys(
  tx: Tx,
  seed: Seed,
  keys: readonly SeedKey[],
  remembered: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const { name, key = remembered[name] ?? newApiKey(), admin, subdomains } of keys) {
    texts[name] = key;
    const known = await tx.selectFrom('api_key').select('id').where('key_hash', '=', hashKey(key)).executeTakeFirst();
    if (known) continue;
    const reached = seed.institutions.filter(({ subdomain }) => subdomains?.includes(subdomain) ?? true);
    await createApiKey(tx, { name, isAdmin: admin, institutionIds: reached.map(({ id }) => id), key });
  }
  return texts;
}
