import { checkConnection as check } from '../api/admin/connecting.ts';
import { KINDS } from '../connectors/registry.ts';
import { type Database, forAll } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';

/** Asks the HRS behind a connection whether it can be read, and prints its answer in plain words. */
export async function checkConnection(db: Database, seal: Seal, [id]: string[]): Promise<void> {
  if (!id || !/^\d+$/.test(id)) throw new Error('Use: check-connection ID');
  const row = await forAll(db, (tx) =>
    tx
      .selectFrom('connection')
      .select(['id', 'kind', 'config', 'name'])
      .where('id', '=', Number(id))
      .executeTakeFirst(),
  );
  if (!row) throw new Error(`There is no connection ${id}.`);
  const { ok, message } = await check(KINDS, seal, row);
  console.log(`${row.name}: ${message}`);
  if (!ok) process.exitCode = 1;
}
