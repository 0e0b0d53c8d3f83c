/** A seed as rows: under exactly its ids, with the foreign ids under which the sandbox has the same things. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import type { Tx } from '../store/database.ts';
import { createApiKey, hashKey, newApiKey } from '../store/keys.ts';
import type { Seed, SeedInstitution, SeedKey } from './format.ts';
import { codeOf, weekdayBits } from './invent.ts';

const SYNC_CYCLE_MS = 5_000;

/** Inserts every institution of the seed; the sequences go on beyond the highest of its ids. */
export async function insertSeed(tx: Tx, seed: Seed, configOf: (subdomain: string) => string): Promise<void> {
  for (const institution of seed.institutions)
    await insertInstitution(tx, institution, configOf(institution.subdomain));
  for (const table of ['institution', 'location', 'provider', 'operatory', 'appointment_type', 'availability']) {
    const sequence = sql`pg_get_serial_sequence(${table}, 'id')`;
    await sql`select setval(${sequence}, greatest(nextval(${sequence}), (select max(id) from ${sql.table(table)})))`.execute(
      tx,
    );
  }
}

async function insertInstitution(tx: Tx, seed: SeedInstitution, config: string): Promise<void> {
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
      config,
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
  for (const type of seed.appointment_types) {
    await tx
      .insertInto('appointment_type')
      .values({ ...type, institution_id })
      .execute();
    const descriptor = await tx
      .insertInto('descriptor')
      .values({
        ...owned,
        foreign_id: codeOf(type.id),
        descriptor_type: 'Appointment Type',
        name: type.name,
        code: codeOf(type.id),
        data: JSON.stringify({ minutes: type.minutes }),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await tx
      .insertInto('appointment_type_descriptor')
      .values({ institution_id, appointment_type_id: type.id, descriptor_id: descriptor.id })
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
