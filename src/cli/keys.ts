import { parseArgs } from 'node:util';
import { type Database, forAll } from '../store/database.ts';
import { createApiKey, findInstitutionIds, newApiKey } from '../store/keys.ts';

/** `key create | list | revoke`. A new key is printed once and cannot be read again. */
export async function manageKeys(db: Database, args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      subdomain: { type: 'string', multiple: true, default: [] },
      admin: { type: 'boolean', default: false },
    },
  });
  const [action, id] = positionals;
  if (action === 'create' && values.name) return createKey(db, values.name, values.subdomain, values.admin);
  if (action === 'list') return listKeys(db);
  if (action === 'revoke' && id && /^\d+$/.test(id)) return revokeKey(db, Number(id));
  throw new Error('Use: key create --name N --subdomain S [--admin] | key list | key revoke ID');
}

async function createKey(db: Database, name: string, subdomains: string[], isAdmin: boolean): Promise<void> {
  const key = newApiKey();
  await forAll(db, async (tx) => {
    const institutionIds = await findInstitutionIds(tx, subdomains);
    if (!institutionIds)
      throw new Error(`Not every one of these is an institution's subdomain: ${subdomains.join(', ')}.`);
    await createApiKey(tx, { name, isAdmin, institutionIds, key });
  });
  console.log(key);
}

async function listKeys(db: Database): Promise<void> {
  const rows = await forAll(db, (tx) =>
    tx
      .selectFrom('api_key')
      .innerJoin('api_user', 'api_user.id', 'api_key.api_user_id')
      .select([
        'api_key.id',
        'api_user.name',
        'api_user.is_admin',
        'api_key.key_prefix',
        'api_key.created_at',
        'api_key.revoked_at',
      ])
      .orderBy('api_key.id')
      .execute(),
  );
  for (const row of rows) {
    const rights = row.is_admin ? 'administrator' : 'app';
    const end = row.revoked_at === null ? '' : `  revoked ${row.revoked_at}`;
    console.log(`${row.id}  ${row.key_prefix}…  ${rights}  ${row.name}  since ${row.created_at}${end}`);
  }
}

async function revokeKey(db: Database, id: number): Promise<void> {
  const revoked = await forAll(db, (tx) =>
    tx
      .updateTable('api_key')
      .set({ revoked_at: new Date().toISOString() })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .returning('id')
      .executeTakeFirst(),
  );
  if (!revoked) throw new Error(`No live key has the id ${id}; "key list" shows them.`);
  console.log(`Key ${id} is revoked; it is refused within a second.`);
}
