/**
 * What arrives from HRS that open connections to us is stored before anybody reads it: one transaction at a time for
 * the whole process, with everything that has gathered while the one before it ran. Under load a commit is shared by
 * many messages, and a single one waits for nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Messages, Reception, WireMessage } from '../connectors/connector.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { autocommitAll, type Database, isDatabaseAway } from '../store/database.ts';
import { type Arrival, type Stored, storeMessages } from '../store/messages.ts';
import type { Seal } from '../store/seal.ts';

/** Senders give up after 5 s: they hear of our trouble before that. */
const ANSWER_MS = 4_000;
/**
 * Senders that wait for each acknowledgement send their next message as soon as they have it. A commit waits for the
 * disk, twice as long as this and longer, so it pays to have the messages of all of them in one.
 */
const GATHER_MS = 1;
const MAX_GATHERED = 32;
/** More at once makes the transaction no cheaper for each of them. */
const MAX_BATCH = 500;
const MAX_BATCH_BYTES = 8_000_000;
/** What waits: several seconds of work, and no more memory than that. Whoever comes beyond it is to try again. */
const MAX_WAITING = 5_000;
const MAX_WAITING_BYTES = 64_000_000;
/** While messages keep coming a connection is made due this often; the first of them makes it due at once. */
const MAKE_DUE_EVERY_MS = 200;

/** Senders that wait for each acknowledgement come back well within this. */
const CALM_MS = 20;
const MAX_UNREST_MS = 1_000;

export interface Receiver {
  /** Resolves when the message is durably stored, or cannot be; within 4 s, and never rejects. */
  receive(connectionId: number, message: WireMessage): Promise<Reception>;
  /**
   * Resolves when nothing has arrived for a moment, and after a second in any case: who sends waits for us, while what
   * is read has been acknowledged.
   */
  calm(): Promise<void>;
  /** Makes connections due: something of theirs has been stored. */
  makeDue(connectionIds: Iterable<number>): void;
  /** Resolves when everything that was received has been answered. */
  stop(): Promise<void>;
}

interface Waiting extends Arrival {
  answer(reception: Reception): void;
  /** Its sender has been told to try again. */
  answered: boolean;
}

/** Takes messages for every connection of this process until it is stopped; stores nothing while none comes. */
export function startReceiver(services: {
  db: Database;
  seal: Seal;
  log: Logger;
  wakeups: Pick<Wakeups, 'wake'>;
}): Receiver {
  const { db, seal, log } = services;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let storing: Promise<void> | null = null;
  let storedAtMs = Number.NEGATIVE_INFINITY;
  const due = makeDueSoon(services);

  function receive(connectionId: number, message: WireMessage): Promise<Reception> {
    if (waiting.length >= MAX_WAITING || waitingBytes + message.body.length > MAX_WAITING_BYTES) {
      return Promise.resolve('unstorable');
    }
    const { promise, resolve } = Promise.withResolvers<Reception>();
    const entry: Waiting = {
      connectionId,
      direction: 'in',
      message,
      answered: false,
      answer(reception) {
        clearTimeout(timer);
        entry.answered = true;
        resolve(reception);
      },
    };
    const timer = setTimeout(() => entry.answer('unstorable'), ANSWER_MS);
    waiting.push(entry);
    waitingBytes += message.body.length;
    storing ??= storeWaiting();
    return promise;
  }

  async function storeWaiting(): Promise<void> {
    for (let active = 1; ; ) {
      await gather(active);
      const taken = takeBatch();
      if (taken.length === 0) break;
      const batch = taken.filter(({ answered }) => !answered);
      if (batch.length > 0) await storeBatch(batch);
      active = Math.min(batch.length + waiting.length, MAX_GATHERED);
    }
    storing = null;
    storedAtMs = performance.now();
  }

  /** Waits for a message of each sender that is active, but hardly any time. */
  async function gather(active: number): Promise<void> {
    const untilMs = performance.now() + (active > 1 ? GATHER_MS : 0);
    do await new Promise(setImmediate);
    while (waiting.length < active && performance.now() < untilMs);
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { message } of waiting) {
      bytes += message.body.length;
      if (count > 0 && (count === MAX_BATCH || bytes > MAX_BATCH_BYTES)) break;
      waitingBytes -= message.body.length;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  }

  async function storeBatch(batch: Waiting[]): Promise<void> {
    try {
      const stored = await storeMessages(db, seal, batch);
      for (const [at, entry] of batch.entries()) entry.answer(receptionOf(stored[at]));
      due.make(new Set(batch.map(({ connectionId }) => connectionId)));
    } catch (error) {
      const { name, code } = error as { name?: string; code?: string };
      if (isDatabaseAway(error) || batch.length === 1) {
        log.warn({ name, code, messages: batch.length }, 'messages that arrived could not be stored');
        for (const entry of batch) entry.answer('unstorable');
      } else {
        // One of them is at fault: the others must not suffer for it.
        for (const entry of batch) await storeBatch([entry]);
      }
    }
  }

  async function calm(): Promise<void> {
    const untilMs = performance.now() + MAX_UNREST_MS;
    const isBusy = () => storing !== null || performance.now() < storedAtMs + CALM_MS;
    while (isBusy() && performance.now() < untilMs) await sleep(CALM_MS);
  }

  return {
    receive,
    calm,
    makeDue: (connectionIds) => due.make(connectionIds),
    async stop() {
      await storing;
      await due.stop();
    },
  };
}

/** Messages that are read only when `receiver` has a moment for it. */
export function readInCalm(messages: Messages, receiver: Pick<Receiver, 'calm'>): Messages {
  return {
    ...messages,
    async after(position, limit) {
      await receiver.calm();
      return messages.after(position, limit);
    },
  };
}

const receptionOf = (stored: Stored | undefined): Reception =>
  stored === 'stored' || stored === 'repeated' ? stored : 'unstorable';

/** Makes connections due outside of the transaction that stores, which must wait for nobody's reading. */
function makeDueSoon({ db, log, wakeups }: { db: Database; log: Logger; wakeups: Pick<Wakeups, 'wake'> }) {
  const asked = new Set<number>();
  const stopping = new AbortController();
  let running: Promise<void> | null = null;

  async function makeAllDue(): Promise<void> {
    const ids = [...asked];
    asked.clear();
    try {
      const locked = await autocommitAll(db, async (tx) => {
        // One that is due already and that nobody reads need not be written again. One whose row is locked is being
        // written by the pass over it, and has its turn next time.
        const { rows } = await sql<{ id: number }>`
          with free as (
            select id, sync_due_at <= now() and (sync_lease_until is null or sync_lease_until < now()) as due
            from connection where id = any(cast(${ids} as bigint[])) order by id for no key update skip locked
          ), made as (
            update connection set sync_due_at = clock_timestamp() from free where connection.id = free.id and not free.due
          )
          select id from connection where id = any(cast(${ids} as bigint[])) and id not in (select id from free)`.execute(
          tx,
        );
        return rows;
      });
      for (const { id } of locked) asked.add(id);
      wakeups.wake('sync');
    } catch (error) {
      for (const id of ids) asked.add(id);
      if (!isDatabaseAway(error)) log.error({ code: (error as { code?: string }).code }, 'no connection was made due');
    }
  }

  async function run(): Promise<void> {
    while (asked.size > 0) {
      await makeAllDue();
      await sleep(MAKE_DUE_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
    }
    running = null;
  }

  return {
    make(connectionIds: Iterable<number>): void {
      for (const id of connectionIds) asked.add(id);
      running ??= run();
    },
    async stop(): Promise<void> {
      stopping.abort();
      await running;
      if (asked.size > 0) await makeAllDue();
    },
  };
}
