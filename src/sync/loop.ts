/** Keeps every connection fresh: each is read when its cycle or a push says so, by one worker at a time. */
import { sql } from 'kysely';
import { type Job, type Loop, startLoop } from '../jobs/loop.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import { type Database, forAll, type Tx } from '../store/database.ts';
import { runSync, type SyncServices } from './run.ts';

/** How many connections one process reads at a time; the HRS is what they wait for. */
const CONCURRENCY = 4;
/** Well below the shortest useful cycle, and one indexed look. */
const POLL_MS = 250;
/** After a worker's death its connections are taken up by another one in this time. */
const LEASE_MS = 30_000;
const HEARTBEAT_MS = 10_000;

/** Starts reading. `stop` lets passes that run end by themselves for as long as it is given, then cuts them off. */
export function startSync(services: SyncServices & { wakeups: Wakeups }): Loop {
  const { db, log, wakeups } = services;
  return startLoop({
    name: 'sync',
    channel: 'sync',
    concurrency: CONCURRENCY,
    pollMs: POLL_MS,
    wakeups,
    log,
    claim: async () => {
      const claimed = await claimConnection(db);
      return claimed && jobOf(services, claimed);
    },
  });
}

/**
 * Makes the connection due now, as a push from the HRS or a person asks; with `full` it is read from the beginning.
 * The caller wakes `sync` after its commit.
 */
export async function requestSync(tx: Tx, connectionId: number, full = false): Promise<void> {
  await tx
    .updateTable('connection')
    .set({ sync_due_at: sql`clock_timestamp()`, ...(full && { full_pass_due_at: sql`clock_timestamp()` }) })
    .where('id', '=', connectionId)
    .execute();
}

export interface ClaimedConnection {
  id: number;
  fence: number;
}

/** Takes the connection that has been due the longest, under a new fence, or null when none is due. */
export async function claimConnection(db: Database): Promise<ClaimedConnection | null> {
  return forAll(db, async (tx) => {
    const { rows } = await sql<ClaimedConnection>`
      update connection set sync_fence = sync_fence + 1, sync_lease_until = ${leaseEnd()}
      where id = (
        select id from connection
        where not paused and sync_due_at <= now() and (sync_lease_until is null or sync_lease_until < now())
        order by sync_due_at limit 1 for update skip locked)
      returning id, sync_fence as fence`.execute(tx);
    return rows[0] ?? null;
  });
}

const leaseEnd = () => sql`now() + ${LEASE_MS} * interval '1 millisecond'`;

function jobOf(services: SyncServices, { id, fence }: ClaimedConnection): Job {
  return async (signal) => {
    const lost = new AbortController();
    const heartbeat = setInterval(() => {
      renewLease(services.db, { id, fence }).then(
        (ours) => ours || lost.abort(),
        // The database is away: the lease, or the fence, decides what becomes of this pass.
        () => {},
      );
    }, HEARTBEAT_MS);
    try {
      await runSync(services, id, fence, AbortSignal.any([signal, lost.signal]));
    } finally {
      clearInterval(heartbeat);
    }
  };
}

async function renewLease(db: Database, { id, fence }: ClaimedConnection): Promise<boolean> {
  return forAll(db, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('connection')
      .set({ sync_lease_until: leaseEnd() as never })
      .where('id', '=', id)
      .where('sync_fence', '=', fence)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  });
}
