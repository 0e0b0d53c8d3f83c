import { openConnection } from '../app.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { findRunningPostgres } from '../store/embedded-postgres.ts';
import { migrate } from '../store/migrate.ts';

/**
 * Opens the configured database, brings it up to date, runs `work` and closes everything again. The embedded one is
 * reached through the process that runs it, where one does, and started for the occasion otherwise.
 */
export async function withDatabase(config: Config, log: Logger, work: (db: Database) => Promise<void>): Promise<void> {
  const closing: (() => Promise<void>)[] = [];
  try {
    const running = config.databaseUrl === null ? await findRunningPostgres(config.dataDir) : null;
    const db = openDatabase(running ?? (await openConnection(config, log, closing)), 4, () => {});
    closing.push(() => db.close());
    await migrate(db.pool);
    await work(db);
  } finally {
    for (const close of closing.reverse()) await close();
  }
}
