/**
 * Which HRS a connection leads to. A second connection to the same one would show every appointment twice, and each
 * would take the bookings of the other for the front desk's: it is refused.
 */
import { sql } from 'kysely';
import type { ConnectorKind } from '../connectors/connector.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll, type Tx } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { type Seal, SealBroken } from '../store/seal.ts';
import { openConfig } from '../store/secrets.ts';

export interface OtherConnection {
  id: number;
  name: string;
  subdomain: string;
}

/**
 * Notes that the connection leads to the HRS that `config`, which is one of its kind, names. When another connection,
 * of whichever institution, leads there already, it is returned, and this one has no identity: the caller refuses it,
 * or leaves it so. `tx` must see all institutions.
 */
export async function takeIdentity(
  tx: Tx,
  connectionId: number,
  kind: ConnectorKind,
  config: unknown,
): Promise<OtherConnection | null> {
  const identity = kind.identityOf(kind.configSchema.parse(config));
  // Of two connections that are made at the same time, the later one must see the earlier one.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`hrs:${kind.kind}:${identity}`}, 0))`.execute(tx);
  const other = await tx
    .selectFrom('connection')
    .innerJoin('institution', 'institution.id', 'connection.institution_id')
    .select(['connection.id', 'connection.name', 'institution.subdomain'])
    .where('connection.kind', '=', kind.kind)
    .where('connection.hrs_identity', '=', identity)
    .where('connection.id', '<>', connectionId)
    .executeTakeFirst();
  await tx
    .updateTable('connection')
    .set({ hrs_identity: other ? null : identity })
    .where('id', '=', connectionId)
    .execute();
  return other ?? null;
}

/**
 * Gives connections that an older program made their identity, the oldest first. Those that turn out to lead to one
 * HRS both stay, because only a person can say which one should; the log names them at every start.
 */
export async function identifyConnections(
  db: Database,
  kinds: ReadonlyMap<string, ConnectorKind>,
  seal: Seal,
  log: Logger,
): Promise<void> {
  const rows = await forAll(db, (tx) =>
    tx
      .selectFrom('connection')
      .select(['id', 'kind', 'config'])
      .where('hrs_identity', 'is', null)
      .orderBy('id')
      .execute(),
  );
  for (const row of rows) {
    const { id } = row;
    const kind = kinds.get(row.kind);
    const config = kind && findUsableConfig(kind, seal, row);
    // What cannot be used does not lead anywhere.
    if (!config) continue;
    const other = await forAll(db, (tx) => takeIdentity(tx, id, kind, config));
    if (other)
      log.warn({ connection: id, other: other.id }, 'two connections lead to one HRS: pause or re-address one');
  }
}

function findUsableConfig(
  kind: ConnectorKind,
  seal: Seal,
  connection: Pick<ConnectionRow, 'id' | 'config'>,
): object | null {
  try {
    const config = openConfig(seal, connection);
    return kind.configSchema.safeParse(config).success ? config : null;
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    return null;
  }
}
