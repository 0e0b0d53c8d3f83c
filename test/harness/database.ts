/** Databases for tests: each with the whole schema and nothing in it, made from a template in some 40 ms. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SocketConnection } from '../../src/store/embedded-postgres.ts';
import { findSharedServer, startTestServer, type TestServer } from './server.ts';

/** How long `drop` waits for connections to close by themselves. */
const GOODBYE_MS = 1000;

export interface TestDatabase {
  /** For `new pg.Pool(…)`, as the application's own role. */
  connection: SocketConnection;
  /** The same as text, for a child process's DATABASE_URL. */
  url: string;
  /** Removes the database; connections still open after a second are cut off. */
  drop(): Promise<void>;
}

let ownServer: ReturnType<typeof startTestServer> | undefined;
// A file run by hand has no global setup. Its server stops when nothing else is left to do: an `after` hook here
// would come before the file's own.
if (!findSharedServer()) process.once('beforeExit', async () => (await ownServer)?.stop());

async function getServer(): Promise<TestServer> {
  const shared = findSharedServer();
  if (shared) return shared;
  ownServer ??= startTestServer();
  return ownServer;
}

/** `template: 'template1'` gives a database without our schema. The caller drops it; what is forgotten goes with the server. */
export async function createTestDatabase(template: 'openchair' | 'template1' = 'openchair'): Promise<TestDatabase> {
  const { connection, adminConnection } = await getServer();
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client(adminConnection);
  await client.connect();
  await client
    .query(`CREATE DATABASE ${database} OWNER openchair TEMPLATE ${template} STRATEGY file_copy`)
    .finally(() => client.end());
  return {
    connection: { ...connection, database },
    url: `postgres://${connection.user}@${encodeURIComponent(connection.host)}:${connection.port}/${database}`,
    drop: () => drop(adminConnection, database),
  };
}

async function drop(adminConnection: SocketConnection, database: string): Promise<void> {
  const client = new pg.Client(adminConnection);
  await client.connect();
  try {
    // A pool that has been ended still says goodbye; cut off in the middle it would raise an error that no test expects.
    const deadlineAtMs = Date.now() + GOODBYE_MS;
    while (Date.now() < deadlineAtMs) {
      const { rowCount } = await client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [database]);
      if (rowCount === 0) break;
      await sleep(10);
    }
    await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}
