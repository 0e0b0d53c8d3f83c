/**
 * What a feed of HL7 v2 messages costs: from the last byte of an SIU to its acknowledgement, with storing in between,
 * and what a thousand feeds cost that say nothing. The rival parses and acknowledges, and stores nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { type Database, forAll, openDatabase } from '../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../test/harness/database.ts';
import { siu } from '../test/harness/mllp.ts';
import { type Program, startProgram, until } from '../test/harness/program.ts';
import { SECRET_KEY } from '../test/harness/seal.ts';
import type { Figure } from './figure.ts';
import { residentMb } from './practice.ts';

const ROUNDS = 3;
const ROUND_MS = 3_000;
const CONNECTIONS = 8;
/** Messages of a sender that does not wait for each acknowledgement. */
const WINDOW = 16;
const IDLE_CONNECTIONS = 1_000;
/** What is started settles before it is looked at. */
const SETTLE_MS = 5_000;
const IDLE_MS = 30_000;
/** Below the ports that the system gives to outgoing connections. */
const FIRST_PORT = 21_000;
const PATIENCE_MS = 120_000;
/** The unit of /proc/PID/stat. */
const TICK_MS = 10;

export async function measure(): Promise<Figure[]> {
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 1, () => {});
  try {
    return [...(await measureRates(database, db)), ...(await measureIdle(database, db))];
  } finally {
    await db.close();
    await database.drop();
  }
}

/** A whole worker, which reads at the same time what it has stored; the rival acknowledges and forgets. */
async function measureRates(database: TestDatabase, db: Database): Promise<Figure[]> {
  const [rivalPort, ...ports] = (await findPorts(CONNECTIONS + 1)) as [number, ...number[]];
  await addConnections(db, ports);
  const rival = await start('hl7-rival.ts', String(rivalPort));
  try {
    const inTurn = async (window: number): Promise<Figure> => {
      const rounds: number[] = [];
      const rivals: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        rounds.push(await rateOf(ports, window));
        rivals.push(await rateOf(Array(CONNECTIONS).fill(rivalPort), window));
      }
      return {
        name: `SIU stored and acknowledged, ${CONNECTIONS} connections, ${window} at a time`,
        unit: '/s',
        rounds,
        target: { atLeast: 2_000 },
        rival: { name: '@medplum/hl7, storing nothing', rounds: rivals },
      };
    };
    const figures: Figure[] = [];
    const worker = await startWorker(database);
    try {
      await allListen(ports);
      for (const window of [1, WINDOW]) figures.push(await inTurn(window));
    } finally {
      await worker.stop();
    }
    return figures;
  } finally {
    rival.disconnect();
  }
}

async function start(script: string, argument: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), [argument]);
  await once(child, 'message');
  return child;
}

const startWorker = (database: TestDatabase): Promise<Program> =>
  startProgram('worker', { DATABASE_URL: database.url, LOG_LEVEL: 'warn', OPENCHAIR_SECRET_KEY: SECRET_KEY });

/** Acknowledged messages in a second, over one socket to each port, with `window` of each socket under way. */
async function rateOf(ports: number[], window: number): Promise<number> {
  const sockets = await Promise.all(ports.map(open));
  const endAtMs = performance.now() + ROUND_MS;
  let accepted = 0;
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let underWay = 0;
          const send = () => {
            underWay += 1;
            socket.write(`\x0b${siu(randomUUID().slice(0, 20))}\x1c\r`);
          };
          socket.on('data', (chunk: Buffer) => {
            for (const ack of chunk.toString('latin1').split('\x1c').slice(0, -1)) {
              if (!ack.includes('MSA|AA|')) return reject(new Error('a message was not accepted'));
              underWay -= 1;
              if (performance.now() < endAtMs) {
                accepted += 1;
                send();
              }
            }
            if (underWay === 0) resolve();
          });
          socket.once('close', () => reject(new Error('a connection was closed')));
          for (let at = 0; at < window; at += 1) send();
        }),
    ),
  );
  for (const socket of sockets) socket.removeAllListeners('close').destroy();
  return accepted / (ROUND_MS / 1_000);
}

/** What the process needs with the connections, less what it needs without. */
async function measureIdle(database: TestDatabase, db: Database): Promise<Figure[]> {
  await forAll(db, (tx) => tx.deleteFrom('institution').execute());
  const without = await costOf(database, []);
  const ports = await findPorts(IDLE_CONNECTIONS);
  await addConnections(db, ports);
  const with_ = await costOf(database, ports);
  return [
    {
      name: `${IDLE_CONNECTIONS} idle HL7 connections, memory`,
      unit: 'MB',
      rounds: [with_.memoryMb - without.memoryMb],
      target: { atMost: 150 },
    },
    {
      name: `${IDLE_CONNECTIONS} idle HL7 connections, share of a core`,
      unit: '%',
      rounds: [with_.cpuPercent - without.cpuPercent],
      target: { atMost: 10 },
    },
  ];
}

async function costOf(database: TestDatabase, ports: number[]): Promise<{ memoryMb: number; cpuPercent: number }> {
  const worker = await startWorker(database);
  try {
    await allListen(ports);
    const sockets = await Promise.all(ports.map(open));
    await allRead(database, ports.length);
    await sleep(SETTLE_MS);
    const pid = worker.process.pid as number;
    const beforeMs = cpuMs(pid);
    await sleep(IDLE_MS);
    const cost = { memoryMb: residentMb(pid), cpuPercent: ((cpuMs(pid) - beforeMs) / IDLE_MS) * 100 };
    for (const socket of sockets) socket.destroy();
    return cost;
  } finally {
    await worker.stop();
  }
}

function cpuMs(pid: number): number {
  // After the name, which may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') as string[];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function addConnections(db: Database, ports: number[]): Promise<void> {
  await forAll(db, (tx) =>
    sql`
      with practice as (insert into institution (name, subdomain) values ('Bench', ${randomUUID()}) returning id)
      insert into connection (institution_id, kind, name, config, sync_cycle_ms, push_token)
      select id, 'hl7v2', 'bench', json_build_object('listen', json_build_object('port', port), 'timeZone', 'UTC'), 3600000,
        gen_random_uuid()
      from practice, unnest(cast(${ports} as integer[])) as port`.execute(tx),
  );
}

const allRead = (database: TestDatabase, count: number) => {
  const db = openDatabase(database.connection, 1, () => {});
  const read = async () => {
    const { synced } = await forAll(db, (tx) =>
      tx
        .selectFrom('connection')
        .select((eb) => eb.fn.count<number>('synced_at').as('synced'))
        .executeTakeFirstOrThrow(),
    );
    return synced === count;
  };
  return until('every connection to be read once', read, PATIENCE_MS).finally(() => db.close());
};

const allListen = (ports: number[]) =>
  until(
    'every port to be listened on',
    async () => {
      const last = ports.at(-1);
      if (last === undefined) return true;
      return open(last).then(
        (socket) => socket.destroy(),
        () => null,
      );
    },
    PATIENCE_MS,
  );

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  return socket;
}

/** Ports of loopback that nobody listens on. */
async function findPorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let port = FIRST_PORT; found.length < count; port += 1) {
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (free) found.push(port);
    await new Promise((resolve) => server.close(resolve));
  }
  return found;
}
