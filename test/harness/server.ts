/** The database server that tests share. Kept apart from database.ts, whose hooks belong in the test processes and not in the runner. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type SocketConnection, startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { migrate } from '../../src/store/migrate.ts';

/** Tells the test processes, which inherit it, how to reach the server of the whole run. */
const SERVER_VARIABLE = 'OPENCHAIR_TEST_SERVER';

export interface TestServer {
  connection: SocketConnection;
  adminConnection: SocketConnection;
}

/** Starts a server whose data nobody will miss, with the migrations applied to database `openchair`, the template of all others. */
export async function startTestServer(): Promise<TestServer & { stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'openchair-test-'));
  // For root: the server runs as another user, who must get through. The cluster within stays closed to everyone else.
  await chmod(dataDir, 0o711);
  const server = await startEmbeddedPostgres({ dataDir, fsync: false });
  const stop = async () => {
    await server.stop();
    await rm(server.home, { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
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
  return { connection: server.connection, adminConnection: server.adminConnection, stop };
}

/** Makes the server known to every process started from now on. */
export function shareServer({ connection, adminConnection }: TestServer): void {
  process.env[SERVER_VARIABLE] = JSON.stringify({ connection, adminConnection });
}

/** The server of the whole run; undefined when a test file runs by hand, without the global setup. */
export function findSharedServer(): TestServer | undefined {
  const shared = process.env[SERVER_VARIABLE];
  return shared ? JSON.parse(shared) : undefined;
}
