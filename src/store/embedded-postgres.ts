/** Runs a real PostgreSQL for this process, for installations that have no database server of their own. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { createCluster, prepareHome, readLockHolder, releaseLock, requireOwner } from './postgres-cluster.ts';
import { createSocketDir, type Server, SOCKET_PORT, spawnServer, stopServer } from './postgres-process.ts';
import { getServerUser } from './postgres-user.ts';

/** Replaying the log after a power cut takes seconds; a server that is silent for longer than this is stuck. */
const START_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 20;

/** Ready for `new pg.Pool(…)`. */
export interface SocketConnection {
  host: string;
  port: number;
  user: string;
  database: string;
  ssl: false;
}

export interface EmbeddedPostgres {
  /** The application's own role: it owns the database, and is no superuser, so row-level security (when forced) binds it. */
  connection: SocketConnection;
  /** `connection` as text, for a child process's DATABASE_URL. */
  url: string;
  /** The superuser, for creating further databases. */
  adminConnection: SocketConnection;
  /** The directory below which everything the server stores lies: `dataDir`, or a place outside when `dataDir` is closed to it. */
  home: string;
  pid: number;
  /** Resolves when the server has ended, whether it was stopped or fell. */
  ended: Promise<unknown>;
  /** Ends all connections and stops the server; safe to call twice. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Kept by one process at a time; created when absent. The cluster is `postgres/` in it. */
  dataDir: string;
  /** Receives each line PostgreSQL writes. Statements and their errors, which can hold patient data, are not among them. */
  log?: (line: string) => void;
  /** false only where losing the data at a power cut does not matter: tests and benchmarks. */
  fsync?: boolean;
}

/**
 * Starts the server on `dataDir`, creating cluster, role and database `openchair` the first time, and resolves when it takes connections.
 *
 * It listens on a unix socket only, in a directory nobody else may enter; that directory is the authentication. The server ends with this
 * process, however that ends, and does not keep it alive. A process that runs as root gives it the account `nobody`, because PostgreSQL refuses root.
 *
 * @throws Error with the next step: package missing or unfit for this system, data directory held by another process or by another user, or
 *   the server's last words when it does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const log = options.log ?? (() => {});
  const fsync = options.fsync ?? true;
  const user = await getServerUser();
  const home = await prepareHome(dataDir, user, log);
  const binaries = await findPostgresBinaries(home, user);
  const cluster = join(home, 'postgres');
  if (!existsSync(cluster)) await createCluster(binaries, cluster, user, fsync);
  await requireOwner(cluster, user);
  await releaseLock(cluster, dataDir);

  const socketDir = await createSocketDir(user);
  const server = spawnServer(
    [join(binaries, 'postgres'), '-D', cluster, ...settings(socketDir, fsync)],
    socketDir,
    user,
    log,
  );
  const adminConnection = {
    host: socketDir,
    port: SOCKET_PORT,
    user: 'postgres',
    database: 'postgres',
    ssl: false,
  } as const;
  try {
    const admin = await connectWhenReady(adminConnection, server);
    await createDatabase(admin).finally(() => admin.end());
  } catch (error) {
    await stopServer(server, () => readLockHolder(cluster));
    // Another process can have taken the lock between our look at it and the start: then its pid is the better answer.
    await releaseLock(cluster, dataDir);
    throw error;
  }

  let stopped: Promise<void> | undefined;
  return {
    connection: { ...adminConnection, user: 'openchair', database: 'openchair' },
    url: `postgres://openchair@${encodeURIComponent(socketDir)}:${SOCKET_PORT}/openchair`,
    adminConnection,
    home,
    pid: (await readLockHolder(cluster)) as number,
    ended: server.exited,
    stop: () => {
      stopped ??= stopServer(server, () => readLockHolder(cluster));
      return stopped;
    },
  };
}

/**
 * How to reach the server that another process runs on `dataDir`, or null when none does. Only the user who started
 * it (and root) can enter the socket's directory.
 */
export async function findRunningPostgres(dataDir: string): Promise<SocketConnection | null> {
  const pointer = join(resolve(dataDir), 'postgres-location');
  const home = existsSync(pointer) ? (await readFile(pointer, 'utf8')).trim() : resolve(dataDir);
  const lock = await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  // Lines 4 and 5 of the lock file are the port and the socket's directory.
  const [, , , port, host] = lock.split('\n');
  if (!host) return null;
  const connection = { host, port: Number(port), user: 'openchair', database: 'openchair', ssl: false } as const;
  const client = new pg.Client(connection);
  try {
    await client.connect();
    return connection;
  } catch {
    return null;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Settings for a modest machine. They are given at each start, so the program's version decides them, not the day the cluster was made. */
function settings(socketDir: string, fsync: boolean): string[] {
  const values: Record<string, string> = {
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    port: String(SOCKET_PORT),
    max_connections: '60',
    shared_buffers: '128MB',
    effective_cache_size: '512MB',
    // One query stays on one core; it also needs no /dev/shm, which containers keep at 64 MB.
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Messages of failed statements quote their values, which can be patient data; the client that sent one gets the error anyway.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
    ...(fsync ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function connectWhenReady(connection: SocketConnection, server: Server): Promise<pg.Client> {
  let ended = false;
  server.exited.then(() => {
    ended = true;
  });
  const deadlineAtMs = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const client = new pg.Client(connection);
    try {
      await client.connect();
      return client;
    } catch (cause) {
      if (ended || Date.now() > deadlineAtMs) {
        const what = ended ? 'did not start' : `was not ready after ${START_TIMEOUT_MS / 1000} s`;
        throw new Error(`The embedded PostgreSQL ${what}. It said:\n${server.output()}`, { cause });
      }
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

/** Looked for at each start, since the first one can have been cut short between cluster and database. */
async function createDatabase(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query(`SELECT
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'openchair') AS role,
    EXISTS (SELECT FROM pg_database WHERE datname = 'openchair') AS database`);
  if (!rows[0].role) {
    await admin.query(`CREATE ROLE openchair LOGIN NOSUPERUSER NOBYPASSRLS; ALTER ROLE openchair SET timezone = 'UTC'`);
  }
  if (!rows[0].database) await admin.query('CREATE DATABASE openchair OWNER openchair');
}
