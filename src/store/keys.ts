/** API keys: shown once when they are made, stored as hashes. */
import { createHash, randomBytes } from 'node:crypto';
import type { Tx } from './database.ts';

/** `oc_` and 192 random bits, in letters, digits and nothing that a shell or a URL minds. */
export function newApiKey(): string {
  return `oc_${randomBytes(24).toString('base64url').replace(/[-_]/g, 'x')}`;
}

/** SHA-256: a fast hash is right for a key that nobody can guess. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

const PREFIX_LENGTH = 8;

/** Makes an API user with one key that reaches these institutions. `key` is the text it will be asked for by. */
export async function createApiKey(
  tx: Tx,
  user: { name: string; isAdmin: boolean; institutionIds: readonly number[]; key: string },
): Promise<{ id: number; apiUserId: number }> {
  const { id: apiUserId } = await tx
    .insertInto('api_user')
    .values({ name: user.name, is_admin: user.isAdmin })
    .returning('id')
    .executeTakeFirstOrThrow();
  for (const institution_id of user.institutionIds) {
    await tx.insertInto('api_user_institution').values({ api_user_id: apiUserId, institution_id }).execute();
  }
  const { id } = await tx
    .insertInto('api_key')
    .values({ api_user_id: apiUserId, key_hash: hashKey(user.key), key_prefix: user.key.slice(0, PREFIX_LENGTH) })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, apiUserId };
}

/** The institutions with these subdomains; null when one of them is not there. */
export async function findInstitutionIds(tx: Tx, subdomains: readonly string[]): Promise<number[] | null> {
  const wanted = [...new Set(subdomains)];
  if (wanted.length === 0) return [];
  const rows = await tx.selectFrom('institution').select('id').where('subdomain', 'in', wanted).execute();
  return rows.length === wanted.length ? rows.map(({ id }) => id) : null;
}
