/**
 * A bounded run in which everything goes wrong at once: apps book and change, staff edit, the practice fails in every
 * way its script knows, and processes are killed at random moments. Then the faults are lifted, and what is left
 * must be true. The seed decides what is done; the machine decides in which order it meets.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { randomFrom } from '../../src/seed/random.ts';
import { type Database, forAll, openDatabase } from '../../src/store/database.ts';
import { PASSES_TO_BE_GONE } from '../../src/store/mirror.ts';
import { startDemoProgram } from '../harness/program.ts';
import { type ReceivedRequest, startReceiver } from '../harness/receiver.ts';
import { actAsApp, actAsDesk, actAsFaults, actAsKiller, type Memory, type Stage, sleep } from './actors.ts';
import { type MemberName, startFleet } from './fleet.ts';
import { judgeAlerts, judgeBookings, judgeMirror, judgeWebhooks, readPractice } from './verdict.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));

const SUBSCRIBED: [string, string][] = [
  ['Appointment', 'appointment_insertion'],
  ['Appointment', 'appointment_created'],
  ['Appointment', 'appointment_updated'],
  ['Patient', 'patient_created'],
  ['Patient', 'patient_updated'],
  ['SyncStatus', 'sync_status_read_change'],
  ['SyncStatus', 'sync_status_write_change'],
];
/** One in so many webhooks is answered with 500. */
const REFUSED_WEBHOOKS = 30;
/** The longest wait of the machine is a backoff of 15 s, after a lease of 10 s and a doubt of 17 s. */
const REST_MS = 90_000;

export interface ChaosOptions {
  seed: number;
  durationMs: number;
  apps: number;
  members: MemberName[];
  kills: boolean;
}

export interface ChaosResult {
  /** What is wrong, with its evidence; empty when all is well. */
  findings: string[];
  /** What happened, for whoever reads along. */
  notes: string[];
}

export async function runChaos({ seed, durationMs, apps, members, kills }: ChaosOptions): Promise<ChaosResult> {
  const program = await startDemoProgram({ OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS: 'on' });
  const receiver = await startReceiver();
  const db = openDatabase(program.database.connection, 2, () => {});
  const fleet = await startFleet(program, members);
  try {
    const position = await subscribe(program, receiver.url, db);
    const memory: Memory = { idsByKey: new Map(), counts: new Map(), deskVisits: [], deskBlocks: [] };
    const endsAtMs = Date.now() + durationMs;
    const stage: Stage = { fleet, demo: program.demo, memory, goesOn: () => Date.now() < endsAtMs };
    const random = (actor: number) => randomFrom(seed * 1_000 + actor);
    const refusals = refuseSome(receiver, random(1), stage);
    await Promise.all([
      actAsFaults(stage, random(2)),
      actAsDesk(stage, random(3)),
      kills ? actAsKiller(stage, random(4)) : null,
      ...Array.from({ length: apps }, (_, n) => actAsApp(stage, random(10 + n))),
    ]);
    await refusals;
    receiver.reply(200);

    const findings: string[] = [];
    const restStartedMs = Date.now();
    await fetch(`${fleet.sandboxUrl()}/faults`, { method: 'DELETE' });
    await comeToRest(db).catch((error: Error) => findings.push(error.message));
    const restMs = Date.now() - restStartedMs;
    await confirmAbsences(db).catch((error: Error) => findings.push(error.message));
    const practice = await readPractice(fleet.sandboxUrl());
    findings.push(
      ...(await judgeInvariants(program.database.url, program.dataDir)),
      ...(await judgeBookings(db, practice, memory)),
      ...(await judgeAlerts(db, practice)),
      ...(await judgeMirror(db, practice)),
      ...(await judgeWebhooks(db, receiver.requests, eventNames, position)),
    );
    const notes = [...memory.counts].sort().map(([what, times]) => `${what}: ${times}`);
    notes.push(`webhooks received: ${receiver.requests.length}`, `came to rest within ${restMs} ms`);
    notes.push(...(await states(db)), ...errorsIn(fleet.output()));
    return { findings, notes };
  } finally {
    await fleet.stop();
    await db.close();
    await receiver.close();
    await program.end();
  }
}

const eventNames = SUBSCRIBED.map(([, event]) => event);

/** Returns the position up to which events are not subscribed to. */
async function subscribe(
  { api, demo }: Awaited<ReturnType<typeof startDemoProgram>>,
  url: string,
  db: Database,
): Promise<number> {
  const endpoint = await api('POST', '/webhook_endpoints', { target_url: `${url}/hook` });
  const path = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?subdomain=${demo.subdomain}`;
  for (const [resource_type, event] of SUBSCRIBED) {
    const { status, body } = await api('POST', path, { resource_type, event });
    if (status !== 201) throw new Error(`cannot subscribe to ${event}: ${JSON.stringify(body)}`);
  }
  const { rows } = await forAll(db, (tx) =>
    sql<{ position: number }>`select coalesce(max(position), 0) as position from event`.execute(tx),
  );
  return rows[0]?.position ?? 0;
}

async function refuseSome(
  receiver: { reply(...replies: number[]): void; requests: ReceivedRequest[] },
  random: () => number,
  stage: Stage,
): Promise<void> {
  while (stage.goesOn()) {
    receiver.reply(...Array.from({ length: 100 }, () => (random() < 1 / REFUSED_WEBHOOKS ? 500 : 200)), 200);
    await sleep(1_000);
  }
}

/**
 * A feed that was rebuilt has forgotten its deletions: only what two passes from the beginning have missed is gone,
 * and the second comes within the hour. Here it comes at once.
 */
async function confirmAbsences(db: Database): Promise<void> {
  for (let pass = 0; pass < PASSES_TO_BE_GONE; pass += 1) {
    const waiting = await forAll(db, async (tx) => {
      const { rows } =
        await sql`select 1 from appointment where deleted_at is null and missing_passes > 0 limit 1`.execute(tx);
      if (rows.length > 0) await sql`update connection set full_pass_due_at = now(), sync_due_at = now()`.execute(tx);
      return rows.length > 0;
    });
    if (!waiting) return;
    await comeToRest(db);
  }
}

/** Everything that is owed has been done, and a sync that began after that has ended. Throws what is left. */
async function comeToRest(db: Database): Promise<void> {
  const deadlineMs = Date.now() + REST_MS;
  let syncedSinceMs = Date.now();
  for (;;) {
    // Retries of webhooks are a matter of hours by design; here they come at once.
    const { rows } = await forAll(db, async (tx) => {
      await sql`update delivery set due_at = now() where state = 'pending' and due_at > now()`.execute(tx);
      return sql<{ commands: number; deliveries: number; synced: boolean }>`select
        (select count(*) from command where finished_at is null) as commands,
        (select count(*) from delivery where state = 'pending') as deliveries,
        exists (select 1 from sync_run where outcome = 'complete' and started_at > to_timestamp(${syncedSinceMs / 1000})) as synced`.execute(
        tx,
      );
    });
    const { commands, deliveries, synced } = rows[0] as { commands: number; deliveries: number; synced: boolean };
    if (commands > 0) syncedSinceMs = Date.now();
    else if (deliveries === 0 && synced) return;
    if (Date.now() > deadlineMs)
      throw new Error(
        `no rest after ${REST_MS} ms: ${commands} writes and ${deliveries} deliveries are open, synced: ${synced}`,
      );
    await sleep(250);
  }
}

function judgeInvariants(databaseUrl: string, dataDir: string): Promise<string[]> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? '', DATABASE_URL: databaseUrl, OPENCHAIR_DATA: dataDir };
    execFile(process.execPath, [BIN, 'invariants'], { env }, (error, stdout, stderr) =>
      resolve(error ? (stdout + stderr).split('\n').filter((line) => line !== '' && !line.startsWith('holds')) : []),
    );
  });
}

async function states(db: Database): Promise<string[]> {
  const { rows } = await forAll(db, (tx) =>
    sql<{ what: string; times: number }>`
      select 'ended ' || kind || ' ' || state || coalesce(' ' || reason_code, '') as what, count(*) as times
      from command group by 1 union all
      select 'passed through ' || passed.state, count(distinct command.id)
      from command, jsonb_to_recordset(history) as passed(state text)
      where passed.state in ('unknown', 'searched') group by 1 order by 1`.execute(tx),
  );
  return rows.map(({ what, times }) => `${what}: ${times}`);
}

/** The log's own errors, each message once with its number. */
function errorsIn(output: string): string[] {
  const messages = output.split('\n').flatMap((line) => {
    if (!line.startsWith('{"level":50')) return [];
    const { msg, name, code, errorName, stack } = JSON.parse(line);
    return [`log error: ${msg} ${name ?? errorName ?? ''} ${code ?? ''} ${stack ?? ''}`];
  });
  return [...Map.groupBy(messages, (message) => message)].map(([message, all]) => `${message} (${all.length} times)`);
}
