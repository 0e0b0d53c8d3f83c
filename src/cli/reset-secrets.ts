import type { Database } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';
import { replaceLostSecrets } from '../store/sealing.ts';

/** For an installation whose key is lost: makes it start again, and says what is left to do. Harmless with the right key. */
export async function resetSecrets(db: Database, seal: Seal): Promise<void> {
  const lost = await replaceLostSecrets(db, seal);
  if (lost.length === 0) {
    console.log('Every secret opens under this key: nothing was changed.');
    return;
  }
  const idsOf = (table: string) =>
    lost.flatMap((row) => (row.startsWith(`${table} `) ? [row.split(' ')[1]] : [])).join(', ');
  const connections = idsOf('connection');
  const endpoints = idsOf('webhook_endpoint');
  console.log('The program can start under this key. Tokens that were given out are void.');
  if (connections !== '')
    console.log(`Enter the configuration anew (PATCH /admin/connections/:id) of: ${connections}.`);
  if (endpoints !== '')
    console.log(`Webhook endpoints with a new secret_key, which their owners must fetch: ${endpoints}.`);
}
