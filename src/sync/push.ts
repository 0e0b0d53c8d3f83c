/**
 * Asks each HRS that can to call us when something changes. A notice only shortens the wait for the next pass: a
 * practice whose notices are lost is read at its cycle like any other.
 */
import type { Connector } from '../connectors/connector.ts';
import { followUp } from '../jobs/follow-up.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';

/** How soon an HRS that was off is asked again. A new connection is asked as soon as it is first read. */
const EVERY_MS = 10_000;
const CALL_TIMEOUT_MS = 5_000;

export function startPushes(services: {
  db: Database;
  log: Logger;
  wakeups: Pick<Wakeups, 'on'>;
  connectors: (connection: ConnectionRow) => Connector;
  urlOf: (token: string) => string;
}): { stop(): Promise<void> } {
  const { db, log, wakeups, connectors, urlOf } = services;
  const asked = new Set<string>();
  const stopping = new AbortController();

  async function ask(connection: ConnectionRow): Promise<void> {
    const connector = connectors(connection);
    const key = `${connection.id} ${JSON.stringify(connection.config)}`;
    if (!connector.subscribe || asked.has(key)) return;
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
      await connector.subscribe(urlOf(connection.push_token), signal);
      asked.add(key);
    } catch (error) {
      log.info({ connection: connection.id, name: (error as Error).name }, 'no notices of changes yet');
    }
  }

  async function askAll(): Promise<void> {
    const rows = await forAll(db, (tx) =>
      tx.selectFrom('connection').selectAll().where('paused', '=', false).execute(),
    );
    await Promise.all(rows.map((row) => ask(row).catch(() => {})));
  }

  // When the database is away the next round asks again.
  const asking = followUp(askAll, () => {});
  asking.soon();
  const unlisten = wakeups.on('sync', asking.soon);
  const timer = setInterval(asking.soon, EVERY_MS);
  timer.unref();
  return {
    async stop() {
      unlisten();
      clearInterval(timer);
      stopping.abort();
      await asking.stop();
    },
  };
}
