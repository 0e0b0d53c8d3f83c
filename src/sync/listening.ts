/**
 * Listens for the HRS that open connections to us: one listener for each connection whose kind has one, in the process
 * that gets hold of its port. Whoever finds a port taken (by another worker of this machine, more often than not) asks
 * again until it is free.
 */
import { sql } from 'kysely';
import type { ConnectorKind, Listener } from '../connectors/connector.ts';
import { followUp } from '../jobs/follow-up.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { type Database, readAll } from '../store/database.ts';
import type { ConnectionRow } from '../store/schema.ts';
import type { Seal } from '../store/seal.ts';
import { parseConfig } from './connectors.ts';
import type { Receiver } from './receiving.ts';

/** How soon a port that was taken is tried again, and the longest that a change goes unnoticed. */
const LOOK_EVERY_MS = 10_000;
/** The same fault of one connection is told once in this time, with how often it has been. */
const WARN_EVERY_MS = 60_000;

/** Null: its kind listens, but this one does not ask for it. */
type Open = { fingerprint: string; listener: Listener | null };

export function startListening(services: {
  db: Database;
  seal: Seal;
  log: Logger;
  wakeups: Pick<Wakeups, 'on' | 'wake'>;
  kinds: ReadonlyMap<string, ConnectorKind>;
  receiver: Receiver;
}): { stop(): Promise<void> } {
  const { db, seal, log, wakeups, kinds, receiver } = services;
  const names = [...kinds.values()].filter((kind) => kind.listen).map((kind) => kind.kind);
  const open = new Map<number, Open>();
  const warned = new Map<string, { count: number; atMs: number }>();
  let stopped = false;

  /** Logs a fault when it is new, and counts it otherwise. */
  function warn(connection: number, fault: string, details: Record<string, unknown>): void {
    const key = `${connection} ${fault}`;
    const before = warned.get(key);
    if (before && Date.now() - before.atMs < WARN_EVERY_MS) {
      before.count += 1;
      return;
    }
    warned.set(key, { count: 0, atMs: Date.now() });
    log.warn({ connection, fault, ...details, ...(before && { more: before.count }) }, 'a listener has trouble');
  }

  async function look(): Promise<void> {
    const rows = await readAll(db, (tx) =>
      tx
        .selectFrom('connection')
        .select(['id', sql<string>`md5(kind || config::text)`.as('fingerprint')])
        .where('paused', '=', false)
        .where('kind', 'in', names)
        .orderBy('id')
        .execute(),
    );
    const wanted = new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    // First, because what closes here may free a port for what opens below.
    const closing = [...open].filter(([id, { fingerprint }]) => wanted.get(id) !== fingerprint);
    for (const [id] of closing) open.delete(id);
    await Promise.all(closing.map(([, { listener }]) => listener?.close()));
    const missing = rows.filter(({ id }) => !open.has(id));
    if (missing.length > 0) await openAll(new Map(missing.map(({ id, fingerprint }) => [id, fingerprint])));
  }

  async function openAll(missing: Map<number, string>): Promise<void> {
    const rows = await readAll(db, (tx) =>
      tx
        .selectFrom('connection')
        .select(['id', 'kind', 'config'])
        .where('id', '=', sql<number>`any(cast(${[...missing.keys()]} as bigint[]))`)
        .orderBy('id')
        .execute(),
    );
    const opened: number[] = [];
    for (const row of rows) {
      if (stopped) return;
      const listener = await listen(row);
      if (listener === undefined) continue;
      open.set(row.id, { fingerprint: missing.get(row.id) as string, listener });
      if (listener) opened.push(row.id);
    }
    // What was stored by a process that died before it could say so waits to be read.
    if (opened.length > 0) receiver.makeDue(opened);
  }

  /** Undefined when it has to be tried again. */
  async function listen(row: Pick<ConnectionRow, 'id' | 'kind' | 'config'>): Promise<Listener | null | undefined> {
    const { id } = row;
    const kind = kinds.get(row.kind);
    if (!kind?.listen) return null;
    try {
      return await kind.listen(parseConfig(kind, seal, row), {
        receive: (message) => receiver.receive(id, message),
        warn: (fault, details) => warn(id, fault, details),
      });
    } catch (error) {
      const { name, code } = error as { name?: string; code?: string };
      warn(id, 'does not listen', { name, code });
    }
  }

  const lookAgain = followUp(look, (error) => {
    log.info({ code: (error as { code?: string }).code }, 'who is to be listened for is not known at the moment');
  });
  if (names.length === 0) return { stop: () => receiver.stop() };
  const unlisten = wakeups.on('sync', lookAgain.soon);
  const timer = setInterval(lookAgain.soon, LOOK_EVERY_MS);
  timer.unref();
  lookAgain.soon();
  return {
    async stop() {
      stopped = true;
      unlisten();
      clearInterval(timer);
      await lookAgain.stop();
      await Promise.all([...open.values()].map(({ listener }) => listener?.close()));
      await receiver.stop();
    },
  };
}
