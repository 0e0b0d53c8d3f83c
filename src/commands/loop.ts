/** Takes up what is due, one command of an appointment or alert at a time and in the order of their sequence. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import { type Job, type Loop, startLoop } from '../jobs/loop.ts';
import { type Database, forAll } from '../store/database.ts';
import type { CommandRow } from '../store/schema.ts';
import { type CommandServices, runCommand } from './run.ts';

/** A worker that dies is replaced after this; one that lives renews long before. */
const LEASE_S = 10;
const RENEW_MS = 3_000;
const CONCURRENCY = 32;
/** One slow HRS may hold this many of the places. */
const PER_CONNECTION = 4;
const POLL_MS = 500;

/** Starts carrying commands out; any number of processes may do so on one database. */
export function startCommands(services: CommandServices): Loop {
  return startLoop({
    name: 'commands',
    channel: 'commands',
    concurrency: CONCURRENCY,
    pollMs: POLL_MS,
    wakeups: services.wakeups,
    log: services.log,
    claim: async () => {
      const command = await claimCommand(services.db, services.clock.nowMs());
      return command ? jobOf(services, command) : null;
    },
  });
}

/**
 * The command that is due longest, under a lease and a new fence: never one about something that has an earlier
 * command open, and of a paused connection only when there is nothing left to do but to end it. SKIP LOCKED lets
 * several workers ask at once.
 */
async function claimCommand(db: Database, nowMs: number): Promise<CommandRow | null> {
  // By the clock of whoever decides what becomes of it: another one could hand out the same command again and again.
  const expired = sql`command.expires_at <= ${toIso(nowMs)}`;
  return forAll(db, async (tx) => {
    const result = await sql<{ id: number }>`
      select command.id from command
        join connection on connection.id = command.connection_id and (not connection.paused or ${expired})
      where command.finished_at is null and command.due_at <= now()
        and (command.lease_until is null or command.lease_until < now())
        and not exists (select 1 from command earlier
          where earlier.appointment_id = command.appointment_id and earlier.finished_at is null
            and earlier.sequence < command.sequence)
        and not exists (select 1 from command earlier
          where earlier.patient_alert_id = command.patient_alert_id and earlier.finished_at is null
            and earlier.sequence < command.sequence)
        -- A patient the HRS does not have yet is written by the first of its bookings; the others wait for that, as long as they can.
        and (${expired} or not exists (select 1 from appointment booked
          join patient on patient.id = booked.patient_id and patient.foreign_id is null
          join appointment other on other.patient_id = booked.patient_id and other.id <> booked.id
          join command first on first.appointment_id = other.id and first.kind = 'create'
            and first.finished_at is null and first.id < command.id
          where booked.id = command.appointment_id and command.kind = 'create'))
        and (select count(*) from command held
          where held.connection_id = command.connection_id and held.finished_at is null
            and held.lease_until > now()) < ${PER_CONNECTION}
      order by command.due_at, command.id
      limit 1
      for update of command skip locked`.execute(tx);
    const found = result.rows[0];
    if (!found) return null;
    return tx
      .updateTable('command')
      .set((eb) => ({
        fence: eb('fence', '+', 1),
        lease_until: sql<string>`now() + make_interval(secs => ${LEASE_S})`,
      }))
      .where('id', '=', found.id)
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}

function jobOf(services: CommandServices, command: CommandRow): Job {
  return async (stopping) => {
    const renewing = setInterval(() => {
      forAll(services.db, (tx) =>
        tx
          .updateTable('command')
          .set({ lease_until: sql<string>`now() + make_interval(secs => ${LEASE_S})` })
          .where('id', '=', command.id)
          .where('fence', '=', command.fence)
          .where('finished_at', 'is', null)
          .execute(),
      ).catch(() => {});
    }, RENEW_MS);
    try {
      await runCommand(services, command, stopping);
    } finally {
      clearInterval(renewing);
    }
  };
}
