import { KINDS } from '../connectors/registry.ts';
import { type Database, forAll } from '../store/database.ts';

const TIMEOUT_MS = 20_000;

/** Asks the HRS behind a connection whether it can be read, and prints its answer in plain words. */
export async function checkConnection(db: Database, [id]: string[]): Promise<void> {
  if (!id || !/^\d+$/.test(id)) throw new Error('Use: check-connection ID');
  const row = await forAll(db, (tx) =>
    tx.selectFrom('connection').select(['kind', 'config', 'name']).where('id', '=', Number(id)).executeTakeFirst(),
  );
  if (!row) throw new Error(`There is no connection ${id}.`);
  const kind = KINDS.get(row.kind);
  if (!kind) throw new Error(`Connection ${id} is of kind ${row.kind}, which this program does not have.`);
  const connector = kind.connect(kind.configSchema.parse(row.config));
  try {
    const result = await connector.check(AbortSignal.timeout(TIMEOUT_MS));
    console.log(`${row.name}: ${result.message}`);
    if (!result.ok) process.exitCode = 1;
  } finally {
    await connector.close();
  }
}
