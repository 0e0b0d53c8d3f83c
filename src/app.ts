/** The one file that knows everyone: opens the parts, hands them to each other, and closes them in order. */
import { resolve } from 'node:path';
import { fastify } from 'fastify';
import type pg from 'pg';
import { createAuthentication } from './api/authentication.ts';
import type { Services } from './api/context.ts';
import { addConnectPage } from './api/onboardings/connect.ts';
import { addOperations } from './api/operations.ts';
import { addPages } from './api/pages.ts';
import { createRateLimiter, parseRateLimits } from './api/rate-limits.ts';
import { countRequests } from './api/request-metrics.ts';
import { routes } from './api/routes.ts';
import { createServer } from './api/server.ts';
import { systemClock } from './clock.ts';
import { submitRemoval } from './commands/change.ts';
import { startCommands } from './commands/loop.ts';
import { type Config, DEFAULT_PORT } from './config.ts';
import { KINDS } from './connectors/registry.ts';
import { startDemo } from './demo.ts';
import { startHousekeeping } from './jobs/housekeeping.ts';
import type { Loop } from './jobs/loop.ts';
import { openWakeups } from './jobs/wakeups.ts';
import type { Logger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import { startSeed } from './seed/start.ts';
import { type Database, openDatabase } from './store/database.ts';
import { startEmbeddedPostgres } from './store/embedded-postgres.ts';
import { messagesOf } from './store/messages.ts';
import { migrate } from './store/migrate.ts';
import { getTokenSecret, openSeal, sealSecrets } from './store/sealing.ts';
import { openBudgets } from './sync/budget.ts';
import { openConnectors } from './sync/connectors.ts';
import { identifyConnections } from './sync/identity.ts';
import { startListening } from './sync/listening.ts';
import { startSync } from './sync/loop.ts';
import { startPushes } from './sync/push.ts';
import { readInCalm, startReceiver } from './sync/receiving.ts';
import { startDeliveries } from './webhooks/deliver.ts';

/** Two cores answer no faster with more connections; the workers have their own. */
const API_CONNECTIONS = 16;
const WORKER_CONNECTIONS = 12;
/** Requests and jobs under way get this long to end when the program is told to stop. */
const GRACE_MS = 10_000;

export interface App {
  url: string;
  stop(): Promise<void>;
}

/** What one process does: `serve` all, `api` and `worker` their part of an installation with many processes. */
export interface Parts {
  api: boolean;
  worker: boolean;
  /** With a pretend practice: the demo, or what OPENCHAIR_SEED describes. */
  demo: boolean;
}

/** Things to close, the last opened first; a start that fails half-way closes what it had opened. */
type Closing = (() => Promise<void>)[];

/** Starts the parts, and promises an app that is ready; when a part does not start, what had started is closed again. */
export async function startApp(config: Config, parts: Parts, log: Logger): Promise<App> {
  const closing: Closing = [];
  const stop = async () => {
    for (let close = closing.pop(); close; close = closing.pop()) {
      await close().catch((error: Error) =>
        log.error({ name: error.name, code: codeOf(error) }, 'a part did not stop'),
      );
    }
  };
  try {
    const url = await start(config, parts, log, closing);
    return { url, stop };
  } catch (error) {
    await stop();
    if (codeOf(error as Error) !== 'EADDRINUSE') throw error;
    throw new Error(
      `Port ${config.port ?? DEFAULT_PORT} on ${config.host} is taken by another program. Stop that one, or choose another port with PORT.`,
    );
  }
}

const codeOf = (error: Error) => (error as { code?: string }).code;

/** Where the database is: the server of DATABASE_URL, or an embedded one that is started here. */
export async function openConnection(config: Config, log: Logger, closing: Closing): Promise<pg.PoolConfig> {
  if (config.databaseUrl !== null) return { connectionString: config.databaseUrl };
  const embedded = await startEmbeddedPostgres({
    dataDir: resolve(config.dataDir),
    log: (line) => log.debug({ postgres: line }, 'postgres'),
  });
  let stopping = false;
  closing.push(() => {
    stopping = true;
    return embedded.stop();
  });
  embedded.ended.then(() => {
    if (stopping) return;
    // Whoever supervises this process starts it again, and with it the database.
    log.fatal('the embedded PostgreSQL has ended by itself');
    process.exit(1);
  });
  return embedded.connection;
}

async function start(config: Config, parts: Parts, log: Logger, closing: Closing): Promise<string> {
  // First of all: what is mistyped should leave nothing behind.
  const limits = parseRateLimits(config.rateLimits ?? (parts.demo ? 'off' : 'nexhealth'));
  const connection = await openConnection(config, log, closing);
  const onPoolError = (error: Error) => log.warn({ code: codeOf(error) }, 'an idle database connection was lost');
  const open = (size: number): Database => {
    const db = openDatabase(connection, size, onPoolError);
    closing.push(() => db.close());
    return db;
  };
  const db = open(API_CONNECTIONS);
  const workerDb = open(WORKER_CONNECTIONS);
  await migrate(db.pool);
  // Who runs alone makes the key; one of several would make a key that the others do not have.
  const seal = await openSeal(db, config, parts.api && parts.worker, log);
  const tokenSecret = await getTokenSecret(db, seal);
  const lost = await sealSecrets(db, seal);
  if (lost.length > 0) log.error({ rows: lost }, 'secrets that do not open: see docs/operating.md');
  await identifyConnections(db, KINDS, seal, log);
  await warnOfUnboundRole(db, log);
  const wakeups = await openWakeups(connection as pg.ClientConfig, log);
  closing.push(() => wakeups.close());
  const budgets = openBudgets(workerDb);
  const receiver = startReceiver({ db: workerDb, seal, log, wakeups });
  const connectors = openConnectors(KINDS, seal, (id) => ({
    messages: readInCalm(messagesOf(workerDb, seal, id), receiver),
    budget: budgets.of(id),
  }));
  closing.push(() => connectors.close());
  const metrics = createMetrics();
  const webhookAddresses = config.allowPrivateWebhooks ? 'any' : parts.demo ? 'loopback' : 'public';
  let url = '';
  const rateLimiter = limits === null ? null : createRateLimiter(db, limits, systemClock);
  const services: Services = {
    db,
    clock: systemClock,
    log,
    tokenSecret,
    seal,
    wakeups,
    connectorKinds: KINDS,
    capabilitiesOf: connectors.capabilitiesOf,
    webhookAddresses,
    rateLimiter,
    baseUrl: () => config.publicUrl ?? url,
  };

  if (parts.api) {
    const authentication = createAuthentication(db, tokenSecret, systemClock);
    const server = createServer(services, authentication, routes);
    countRequests(server, metrics);
    await addPages(server, routes);
    addConnectPage(server, services);
    addOperations(server, db, metrics.registry);
    await server.listen({ port: config.port ?? DEFAULT_PORT, host: config.host });
    closing.push(() => server.close());
    url = urlOf(config, server.server.address());
  } else if (config.port !== null) {
    // A worker answers the same questions about itself, on a port of its own.
    const server = fastify();
    addOperations(server, db, metrics.registry);
    await server.listen({ port: config.port, host: config.host });
    closing.push(() => server.close());
  }
  if (parts.worker) {
    const worker = { clock: systemClock, log, wakeups, db: workerDb };
    const loops: Loop[] = [
      startCommands({ ...worker, connectorOf: (row) => connectors.get(row), kinds: KINDS, metrics }),
      startSync({
        ...worker,
        connectors: (row) => connectors.get(row),
        kinds: KINDS,
        onDuplicate: (tx, { duplicateId }) => submitRemoval(tx, duplicateId, systemClock.nowMs()),
      }),
      startDeliveries({ ...worker, seal, addresses: webhookAddresses }),
    ];
    const housekeeping = startHousekeeping(workerDb, log);
    const urlOfPush = pushUrlOf(config, url);
    if (urlOfPush) {
      const pushes = startPushes({ ...worker, connectors: (row) => connectors.get(row), urlOf: urlOfPush });
      closing.push(() => pushes.stop());
    }
    closing.push(async () => {
      budgets.close();
      await Promise.all([housekeeping.stop(), ...loops.map((loop) => loop.stop(GRACE_MS))]);
    });
    const listening = startListening({ ...worker, seal, kinds: KINDS, receiver });
    closing.push(() => listening.stop());
  }
  if (parts.demo) {
    const practice = { config, db, seal, wakeups, log, url };
    closing.push(await (config.seedFile === null ? startDemo(practice) : startSeed(practice, config.seedFile)));
  }
  return url;
}

function urlOf(config: Config, address: unknown): string {
  const { port } = address as { port: number };
  const host = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** How the HRS reaches this installation with "something has changed"; null when nobody has said. */
function pushUrlOf(config: Config, url: string): ((token: string) => string) | null {
  const base = config.publicUrl ?? (url === '' ? null : url);
  return base === null ? null : (token) => new URL(`/push/${token}`, base).href;
}

/** A superuser walks past row-level security: everything works, and one of two walls between practices is missing. */
async function warnOfUnboundRole(db: Database, log: Logger): Promise<void> {
  const { rows } = await db.pool.query<{ unbound: boolean }>(
    'select rolsuper or rolbypassrls as unbound from pg_roles where rolname = current_user',
  );
  if (rows[0]?.unbound) {
    log.warn(
      'the role of DATABASE_URL is not bound by row-level security: use one that is neither superuser nor BYPASSRLS',
    );
  }
}
