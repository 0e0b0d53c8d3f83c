import { toIso } from '../clock.ts';
import type { ConnectorKind } from '../connectors/connector.ts';
import type { Tx } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { recordEvents } from '../webhooks/event.ts';
import { eventsOfRecovery } from '../webhooks/sync-status.ts';

/**
 * Remembers whether the HRS takes writes. The change from red to green is an event, as at NexHealth; the way down
 * is only seen in GET /sync_status. The caller wakes `deliveries` after its commit.
 */
export async function setWriteStatus(
  tx: Tx,
  connection: ConnectionRow,
  status: 'green' | 'red',
  nowMs: number,
  kinds: ReadonlyMap<string, ConnectorKind>,
): Promise<void> {
  const turned = await tx
    .updateTable('connection')
    .set({ write_status: status, write_status_at: toIso(nowMs) })
    .where('id', '=', connection.id)
    .where('write_status', '<>', status)
    .returning('id')
    .executeTakeFirst();
  if (!turned || status === 'red') return;
  const before: ConnectionRow = { ...connection, write_status: 'red', read_status: 'green' };
  await recordEvents(tx, connection.institution_id, await eventsOfRecovery(tx, before, kinds));
}
