/** Whether an HRS can be read and written, as GET /sync_status and the `sync_status_*_change` events tell it. */
import type { ConnectorKind } from '../connectors/connector.ts';
import type { Tx } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { viewLocationBasic } from '../views/location.ts';
import { viewSyncStatus } from '../views/sync-status.ts';
import type { NewEvent } from './event.ts';

type Turned = 'sync_status_read_change' | 'sync_status_write_change';

/**
 * The events of a connection that came back: only red to green is told, as NexHealth does. `before` is the row as
 * it was; the connection is read again here, so write it first. A connection's first sync tells nothing.
 */
export async function eventsOfRecovery(
  tx: Tx,
  before: ConnectionRow,
  kinds: ReadonlyMap<string, ConnectorKind>,
): Promise<NewEvent[]> {
  if (before.first_synced_at === null) return [];
  const now = await tx.selectFrom('connection').selectAll().where('id', '=', before.id).executeTakeFirstOrThrow();
  const turned: Turned[] = [];
  if (before.read_status === 'red' && now.read_status === 'green') turned.push('sync_status_read_change');
  if (before.write_status === 'red' && now.write_status === 'green') turned.push('sync_status_write_change');
  if (turned.length === 0) return [];
  const locations = await tx
    .selectFrom('location')
    .selectAll()
    .where('connection_id', '=', now.id)
    .orderBy('id')
    .execute();
  const syncstatus = viewSyncStatus({ ...now, locations: locations.map(viewLocationBasic) }, kinds.get(now.kind));
  return turned.map((event) => ({
    resourceType: 'SyncStatus',
    resourceId: now.id,
    // Grows with each pass, which is all that a receiver needs to drop what is old.
    sequence: now.sync_fence,
    event,
    data: { syncstatus },
  }));
}
