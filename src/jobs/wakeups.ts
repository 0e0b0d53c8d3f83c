/**
 * "There is work": a hint, never the work itself. What has to be done stands in rows (commands, deliveries,
 * connections) with a time at which it is due; whoever makes such a row wakes the loop that does it. A lost hint
 * costs one poll interval and nothing else.
 *
 * Within this process a hint is a function call. Other processes hear it through NOTIFY, sent after the commit
 * and at most once in a while: a NOTIFY inside a transaction would make every commit of the database queue
 * behind one lock.
 */
import pg from 'pg';
import type { Logger } from '../logger.ts';

export type Channel = 'commands' | 'deliveries' | 'sync';

export interface Wakeups {
  /** Call it after the commit that made the work visible. */
  wake(channel: Channel): void;
  /** Returns a function that ends the listening. */
  on(channel: Channel, listener: () => void): () => void;
  close(): Promise<void>;
}

const PG_CHANNEL = 'openchair_wakeups';
const NOTIFY_GATHER_MS = 20;
const RECONNECT_MS = 1_000;

export async function openWakeups(connection: pg.ClientConfig, log: Logger): Promise<Wakeups> {
  const listeners: Record<Channel, Set<() => void>> = { commands: new Set(), deliveries: new Set(), sync: new Set() };
  const gathered = new Set<Channel>();
  let client: pg.Client | null = null;
  let gathering: NodeJS.Timeout | null = null;
  let reconnecting: NodeJS.Timeout | null = null;
  let closed = false;

  const call = (channel: Channel) => {
    for (const listener of listeners[channel]) listener();
  };

  async function connect(): Promise<void> {
    const next = new pg.Client(connection);
    next.on('error', () => lost(next));
    next.on('end', () => lost(next));
    next.on('notification', ({ payload, processId }) => {
      // Our own hints have been heard already.
      if (processId === (next as unknown as { processID: number }).processID) return;
      for (const channel of (payload ?? '').split(',')) if (channel in listeners) call(channel as Channel);
    });
    await next.connect();
    await next.query(`listen ${PG_CHANNEL}`);
    client = next;
  }

  function lost(which: pg.Client): void {
    if (client === which) client = null;
    if (closed || reconnecting) return;
    reconnecting = setTimeout(() => {
      reconnecting = null;
      connect().catch((error: Error) => {
        log.warn(
          { code: (error as { code?: string }).code },
          'wake-ups from other processes are not heard: no database',
        );
        lost(which);
      });
    }, RECONNECT_MS);
    reconnecting.unref();
  }

  await connect();

  return {
    wake(channel) {
      call(channel);
      gathered.add(channel);
      gathering ??= setTimeout(() => {
        gathering = null;
        const payload = [...gathered].join(',');
        gathered.clear();
        client?.query('select pg_notify($1, $2)', [PG_CHANNEL, payload]).catch(() => {});
      }, NOTIFY_GATHER_MS).unref();
    },
    on(channel, listener) {
      listeners[channel].add(listener);
      return () => listeners[channel].delete(listener);
    },
    async close() {
      closed = true;
      if (gathering) clearTimeout(gathering);
      if (reconnecting) clearTimeout(reconnecting);
      await client?.end().catch(() => {});
    },
  };
}
