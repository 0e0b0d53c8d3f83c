import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import { pino } from 'pino';
import { ALONE, type ConnectorKind } from '../../src/connectors/connector.ts';
import { hl7v2 } from '../../src/connectors/hl7v2/connector.ts';
import type { Channel } from '../../src/jobs/wakeups.ts';
import { type Database, forAll, openDatabase, type Tx } from '../../src/store/database.ts';
import { messagesOf } from '../../src/store/messages.ts';
import { sealConfig, takeId } from '../../src/store/secrets.ts';
import { startListening } from '../../src/sync/listening.ts';
import { readInCalm, startReceiver } from '../../src/sync/receiving.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { connectMllp, framed, msaOf, siu } from '../harness/mllp.ts';
import { freePort } from '../harness/ports.ts';
import { type Program, startProgram, until } from '../harness/program.ts';
import { SEAL, SECRET_KEY } from '../harness/seal.ts';

const FAR = '2100-01-01T00:00:00.000Z';

let database: TestDatabase;
let db: Database;
const closing: (() => unknown)[] = [];

before(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.connection, 4, () => {});
});

afterEach(async () => {
  for (let close = closing.pop(); close; close = closing.pop()) await close();
  await forAll(db, (tx) => tx.deleteFrom('institution').execute());
});

after(async () => {
  await db.close();
  await database.drop();
});

/** What one process does; `wake` is what a change of a connection does there. */
function startProcess(on: Database = db) {
  const listeners = new Set<() => void>();
  const lines: string[] = [];
  const services = {
    db: on,
    seal: SEAL,
    log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
    wakeups: {
      wake: () => {},
      on(_: Channel, listener: () => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
  const receiver = startReceiver(services);
  const kinds = new Map([[hl7v2.kind, hl7v2 as unknown as ConnectorKind]]);
  const listening = startListening({ ...services, kinds, receiver });
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= listening.stop();
    return stopped;
  };
  closing.push(stop);
  return { stop, lines, receiver, wake: () => [...listeners].forEach((listener) => void listener()) };
}

const change = (work: (tx: Tx) => Promise<unknown>) => forAll(db, work);

/** A connection that nobody would read before the end of the century. */
async function connect(port: number): Promise<number> {
  return forAll(db, async (tx) => {
    const { id: institution_id } = await tx
      .insertInto('institution')
      .values({ name: 'Oak', subdomain: `oak-${randomUUID().slice(0, 8)}` })
      .returning('id')
      .executeTakeFirstOrThrow();
    const id = await takeId(tx, 'connection');
    const config = { listen: { port }, timeZone: 'America/New_York' };
    await tx
      .insertInto('connection')
      .values({
        ...{ id, institution_id, kind: 'hl7v2', name: 'feed', config: sealConfig(SEAL, id, config) },
        ...{ sync_cycle_ms: 3_600_000, push_token: randomUUID(), sync_due_at: FAR },
      })
      .execute();
    return id;
  });
}

/** Tries until somebody listens. */
async function peerOn(port: number, wake = () => {}) {
  const peer = await until(
    `a listener on ${port}`,
    () => {
      wake();
      return connectMllp(port).catch(() => null);
    },
    15_000,
  );
  closing.push(() => peer.close());
  return peer;
}

const silent = (port: number, wake = () => {}) =>
  until(`silence on ${port}`, async () => {
    wake();
    const peer = await connectMllp(port).catch(() => null);
    peer?.close();
    return peer === null;
  });

const bodiesOf = async (id: number) =>
  (await messagesOf(db, SEAL, id).after(0, 1_000)).map(({ body }) => body.toString());

const isDue = (id: number) => async () => {
  const row = await forAll(db, (tx) =>
    tx.selectFrom('connection').select('sync_due_at').where('id', '=', id).executeTakeFirstOrThrow(),
  );
  return Date.parse(row.sync_due_at) <= Date.now();
};

test('what is acknowledged is stored, once, and makes its connection due', async () => {
  const port = await freePort();
  const id = await connect(port);
  startProcess();
  const peer = await peerOn(port);
  await until('the connection to be due because somebody listens again', isDue(id));
  await change((tx) => tx.updateTable('connection').set({ sync_due_at: FAR }).execute());
  for (const body of [siu('M1'), siu('M1'), siu('M1', { note: 'another' }), siu('M2')]) {
    assert.equal(msaOf(await peer.send(body))[0], 'AA');
  }
  assert.deepEqual(await bodiesOf(id), [siu('M1'), siu('M1', { note: 'another' }), siu('M2')]);
  await until('the connection to be due', isDue(id));
});

test('follows connections that are made, paused, moved, taken up again and removed', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const { wake } = startProcess();
  const id = await connect(first);
  await peerOn(first, wake);
  const set = (values: object) =>
    change((tx) => tx.updateTable('connection').set(values).where('id', '=', id).execute());
  await set({ paused: true });
  await silent(first, wake);
  const moved = { listen: { port: second }, timeZone: 'America/New_York' };
  await set({ paused: false, config: sealConfig(SEAL, id, moved) });
  const peer = await peerOn(second, wake);
  assert.equal(msaOf(await peer.send(siu('M1')))[0], 'AA');
  await silent(first);
  await change((tx) => tx.deleteFrom('connection').where('id', '=', id).execute());
  await silent(second, wake);
});

test('two connections may exchange their ports', async () => {
  const ports = [await freePort(), await freePort()] as const;
  const ids = [await connect(ports[0]), await connect(ports[1])] as const;
  const { wake } = startProcess();
  await Promise.all(ports.map((port) => peerOn(port)));
  await change(async (tx) => {
    for (const [at, id] of ids.entries()) {
      const config = { listen: { port: ports[1 - at] }, timeZone: 'America/New_York' };
      await tx
        .updateTable('connection')
        .set({ config: sealConfig(SEAL, id, config) })
        .where('id', '=', id)
        .execute();
    }
  });
  wake();
  await until('the exchange', async () => {
    const peer = await connectMllp(ports[0]).catch(() => null);
    const ack = await peer?.send(siu(randomUUID().slice(0, 8))).catch(() => null);
    peer?.close();
    return ack && (await bodiesOf(ids[1])).length > 0;
  });
});

test('a second process waits for the port, and takes over when the first is gone', async () => {
  const port = await freePort();
  const id = await connect(port);
  const first = startProcess();
  const peer = await peerOn(port);
  await peer.send(siu('M1'));
  const second = startProcess();
  await until('the warning', async () => second.lines.some((line) => line.includes('EADDRINUSE')));
  for (let at = 0; at < 5; at += 1) second.wake();
  await first.stop();
  await peer.closed;
  const again = await peerOn(port, second.wake);
  assert.equal(msaOf(await again.send(siu('M1')))[0], 'AA');
  assert.equal(msaOf(await again.send(siu('M2')))[0], 'AA');
  assert.deepEqual(await bodiesOf(id), [siu('M1'), siu('M2')]);
  assert.equal(second.lines.filter((line) => line.includes('EADDRINUSE')).length, 1, 'told once');
});

test('what cannot be stored is answered in time, and stays with its sender', async () => {
  const port = await freePort();
  const id = await connect(port);
  const pool = openDatabase(database.connection, 1, () => {});
  closing.push(() => pool.close());
  startProcess(pool);
  const peer = await peerOn(port);
  await peer.send(siu('M0'));
  const startedMs = performance.now();
  // The only connection is in use for longer than anybody waits for one.
  const client = await pool.pool.connect();
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AE', 'M1']);
  assert.ok(performance.now() - startedMs < 5_000);
  client.release();
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AA', 'M1']);
  assert.deepEqual(await bodiesOf(id), [siu('M0'), siu('M1')]);
});

test('a worker that is killed has lost nothing that it has acknowledged', async () => {
  const port = await freePort();
  const id = await connect(port);
  const env = { DATABASE_URL: database.url, OPENCHAIR_SECRET_KEY: SECRET_KEY };
  const start = async (): Promise<Program> => {
    const worker = await startProgram('worker', env);
    closing.push(() => worker.kill());
    return worker;
  };
  const worker = await start();
  const peer = await peerOn(port);
  const all = Array.from({ length: 400 }, (_, at) => siu(`M${at}`));
  for (const body of all) peer.write(framed(body));
  const acknowledged: string[] = [];
  for (let at = 0; at < 100; at += 1) acknowledged.push(msaOf(await peer.next())[1]);
  await worker.kill();
  for (;;) {
    const ack = await peer.next().catch(() => null);
    if (ack === null) break;
    acknowledged.push(msaOf(ack)[1]);
  }
  const kept = new Set(await bodiesOf(id));
  assert.deepEqual(
    acknowledged.filter((controlId) => !kept.has(siu(controlId))),
    [],
  );
  await start();
  const again = await peerOn(port);
  for (const body of all) assert.equal(msaOf(await again.send(body))[0], 'AA');
  assert.deepEqual((await bodiesOf(id)).toSorted(), all.toSorted(), 'each of them once');
});

test('reading waits until senders have been answered, and not for ever', async () => {
  const port = await freePort();
  await connect(port);
  const { receiver } = startProcess();
  const messages = readInCalm(ALONE.messages, receiver);
  const waitedMs = async () => {
    const startedMs = performance.now();
    await messages.after(0, 1);
    return performance.now() - startedMs;
  };
  const peer = await peerOn(port);
  assert.ok((await waitedMs()) < 500, 'nothing has arrived');
  let sending = true;
  let answered = 0;
  const sent = (async () => {
    for (; sending; answered += 1) await peer.send(siu(`C${answered}`));
  })();
  await until('messages to flow', async () => answered > 5);
  const busyMs = await waitedMs();
  sending = false;
  await sent;
  assert.ok(busyMs > 900 && busyMs < 5_000, `${busyMs} ms`);
});
