/**
 * The database server of a bench run. Unlike the tests' server it waits for the disk at every commit, so what is
 * measured is what an installation gets. It is shared the way the test run shares its own, and the tests' harness
 * makes databases on it.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/store/embedded-postgres.ts';
import { migrate } from '../src/store/migrate.ts';
import { shareServer } from '../test/harness/server.ts';

/** A directory that PostgreSQL may pass through, also when it has to run as another user than we do. */
export async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'openchair-bench-'));
  await chmod(dataDir, 0o711);
  return dataDir;
}

/** Tries again while a server whose program died is still writing its last words. */
export function removeDataDir(dataDir: string): Promise<void> {
  return rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** Starts the server with the migrated template in it, and returns what stops it and removes everything. */
export async function startBenchServer(): Promise<() => Promise<void>> {
  const dataDir = await makeDataDir();
  const server = await startEmbeddedPostgres({ dataDir, fsync: true });
  const stop = async () => {
    await server.stop();
    await removeDataDir(dataDir);
  };
  const pool = new pg.Pool({ ...server.connection, max: 1 });
  try {
    await migrate(pool);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    await pool.end();
  }
  shareServer(server);
  return stop;
}
