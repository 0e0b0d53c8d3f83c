/**
 * The demo practice: the sandbox as its own process, an institution that is connected to it, and `demo.json` with
 * everything a first program needs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { type Config, DEFAULT_PORT } from './config.ts';
import type { ConnectorKind } from './connectors/connector.ts';
import { sandbox } from './connectors/sandbox/connector.ts';
import type { Wakeups } from './jobs/wakeups.ts';
import type { Logger } from './logger.ts';
import { type Database, forAll, type Tx } from './store/database.ts';
import { createApiKey, newApiKey } from './store/keys.ts';
import type { Seal } from './store/seal.ts';
import { sealConfig } from './store/secrets.ts';
import { takeIdentity } from './sync/identity.ts';

const SUBDOMAIN = 'cedar-grove';
const SANDBOX_MAIN = fileURLToPath(new URL('../sandbox/main.ts', import.meta.url));
const SANDBOX_KEY = 'sandbox';
/** Room for a large seed: 50,000 visits are planted in some 5 s. */
const SANDBOX_START_MS = 60_000;
const FIRST_SYNC_MS = 30_000;
const SYNC_CYCLE_MS = 5_000;
const STOP_MS = 5_000;

/** What the demo offers online, with the sandbox's visit code that goes with it. */
const APPOINTMENT_TYPES = [
  { name: 'Exam', minutes: 30, code: 'EXAM' },
  { name: 'New patient exam', minutes: 60, code: 'NEWPT' },
  { name: 'Cleaning', minutes: 60, code: 'CLEAN' },
  { name: 'Urgent visit', minutes: 30, code: 'URGENT' },
];

/** What a start with a pretend practice needs; `url` is where the API answers. */
export interface DemoServices {
  config: Config;
  db: Database;
  seal: Seal;
  wakeups: Wakeups;
  log: Logger;
  url: string;
}

/** A port that is some places after the API's; any free one where the API takes any. */
export function portBeside(config: Config, places: number): number {
  return config.port === 0 ? 0 : (config.port ?? DEFAULT_PORT) + places;
}

interface Keys {
  api_key: string;
  admin_key: string;
}

/** Starts the sandbox and brings the demo up to date; returns what stops the sandbox. */
export async function startDemo(services: DemoServices): Promise<() => Promise<void>> {
  const { config, db, wakeups } = services;
  const dataDir = resolve(config.dataDir);
  await mkdir(dataDir, { recursive: true });
  // Beside the API, so that a bookmark of the front desk survives a restart.
  const sandbox = await startSandbox(join(dataDir, 'sandbox.sqlite'), 'demo', portBeside(config, 1));
  try {
    const file = join(dataDir, 'demo.json');
    const keys = await readKeys(file);
    const made = await forAll(db, (tx) => ensureInstitution(tx, services.seal, sandbox.url, keys));
    wakeups.wake('sync');
    await awaitFirstSync(db, made.connectionId, FIRST_SYNC_MS);
    await forAll(db, (tx) => ensureTypes(tx, made.institutionId));
    const handles = await forAll(db, (tx) => readHandles(tx, made.institutionId));
    await writeWhole(file, {
      base_url: services.url,
      ...made.keys,
      subdomain: SUBDOMAIN,
      ...handles,
      sandbox_url: sandbox.url,
    });
    return sandbox.stop;
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

export interface SandboxProcess {
  url: string;
  stop(): Promise<void>;
}

/** Starts the sandbox of one institution, on `wantedPort` where that is free. An empty `dataFile` gets the seed. */
export async function startSandbox(dataFile: string, seed: string, wantedPort: number): Promise<SandboxProcess> {
  const port = wantedPort > 0 && (await isFree(wantedPort)) ? wantedPort : 0;
  const options = ['--data', dataFile, '--port', String(port), '--key', SANDBOX_KEY, '--seed', seed];
  const child = spawn(
    process.execPath,
    [SANDBOX_MAIN, ...options, '--exit-with-parent'],
    // A group of its own: Ctrl-C reaches us, and the sandbox is stopped after the last write to it.
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  const stop = () => stopChild(child);
  try {
    return { url: await announcedUrl(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes the connection one to a sandbox that was started here, whose port may be another than before; it is read at once. */
export async function pointToSandbox(tx: Tx, seal: Seal, connectionId: number, sandboxUrl: string): Promise<void> {
  const config = { baseUrl: sandboxUrl, apiKey: SANDBOX_KEY };
  await takeIdentity(tx, connectionId, sandbox as ConnectorKind, config);
  await tx
    .updateTable('connection')
    .set({ config: sealConfig(seal, connectionId, config), sync_due_at: sql<string>`now()` })
    .where('id', '=', connectionId)
    .execute();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolveFree) => {
    const probe = createServer();
    probe.once('error', () => resolveFree(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolveFree(true)));
  });
}

function announcedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolveUrl, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error('The sandbox did not start in time.')), SANDBOX_START_MS);
    child.once('exit', (code) => reject(new Error(`The sandbox ended with code ${code} before it was ready.`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /listening on (http:\S+)/.exec(output)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolveUrl(url);
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** Keys are shown once and stored as hashes: the ones of the last start stand in the file it wrote. */
async function readKeys(file: string): Promise<Keys | null> {
  try {
    const { api_key, admin_key } = JSON.parse(await readFile(file, 'utf8'));
    return typeof api_key === 'string' && typeof admin_key === 'string' ? { api_key, admin_key } : null;
  } catch {
    return null;
  }
}

async function ensureInstitution(tx: Tx, seal: Seal, sandboxUrl: string, keys: Keys | null) {
  const known = await tx
    .selectFrom('institution')
    .innerJoin('connection', 'connection.institution_id', 'institution.id')
    .select(['institution.id as institutionId', 'connection.id as connectionId'])
    .where('institution.subdomain', '=', SUBDOMAIN)
    .where('connection.kind', '=', sandbox.kind)
    // The first is ours; others may have been added since.
    .orderBy('connection.id')
    .executeTakeFirst();
  if (known) {
    await pointToSandbox(tx, seal, known.connectionId, sandboxUrl);
    return { ...known, keys: keys ?? (await makeKeys(tx, known.institutionId)) };
  }
  const { id: institutionId } = await tx
    .insertInto('institution')
    .values({ name: 'Cedar Grove Dental', subdomain: SUBDOMAIN, phone_number: '2125550100' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const { id: connectionId } = await tx
    .insertInto('connection')
    .values({
      institution_id: institutionId,
      kind: sandbox.kind,
      name: 'Cedar Grove sandbox',
      config: '{}',
      sync_cycle_ms: SYNC_CYCLE_MS,
      push_token: randomBytes(24).toString('base64url'),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await pointToSandbox(tx, seal, connectionId, sandboxUrl);
  return { institutionId, connectionId, keys: await makeKeys(tx, institutionId) };
}

async function makeKeys(tx: Tx, institutionId: number): Promise<Keys> {
  const make = async (name: string, isAdmin: boolean) => {
    const key = newApiKey();
    await createApiKey(tx, { name, isAdmin, institutionIds: [institutionId], key });
    return key;
  };
  return { api_key: await make('Demo app', false), admin_key: await make('Demo administrator', true) };
}

/** Resolves when the connection has been read once; throws with what was in the way when that takes too long. */
export async function awaitFirstSync(db: Database, connectionId: number, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const row = await forAll(db, (tx) =>
      tx
        .selectFrom('connection')
        .select(['first_synced_at', 'last_error'])
        .where('id', '=', connectionId)
        .executeTakeFirstOrThrow(),
    );
    if (row.first_synced_at !== null) return;
    if (Date.now() > deadlineMs)
      throw new Error(`The sandbox could not be read: ${row.last_error ?? 'no worker runs'}`);
    await new Promise((wait) => setTimeout(wait, 20));
  }
}

/** Types are ours, not the sandbox's: made once, attached to all hours the practice has then. */
async function ensureTypes(tx: Tx, institutionId: number): Promise<void> {
  const count = await tx
    .selectFrom('appointment_type')
    .select('id')
    .where('institution_id', '=', institutionId)
    .executeTakeFirst();
  if (count) return;
  for (const { name, minutes, code } of APPOINTMENT_TYPES) {
    const { id } = await tx
      .insertInto('appointment_type')
      .values({ institution_id: institutionId, name, minutes })
      .returning('id')
      .executeTakeFirstOrThrow();
    await sql`insert into appointment_type_descriptor (institution_id, appointment_type_id, descriptor_id)
      select institution_id, ${id}, id from descriptor
      where institution_id = ${institutionId} and code = ${code} limit 1`.execute(tx);
    await sql`insert into availability_appointment_type (institution_id, availability_id, appointment_type_id)
      select institution_id, id, ${id} from availability where institution_id = ${institutionId}`.execute(tx);
  }
}

/** Ids of the first location, bookable ones first, and patients that exist in the sandbox. */
export async function readHandles(tx: Tx, institutionId: number) {
  const location = await tx
    .selectFrom('location')
    .select('id')
    .where('institution_id', '=', institutionId)
    .orderBy('id')
    .executeTakeFirstOrThrow();
  const ids = async (query: ReturnType<typeof sql<{ id: number }>>) =>
    (await query.execute(tx)).rows.map((row) => row.id);
  return {
    location_id: location.id,
    provider_ids: await ids(sql<{ id: number }>`
      select p.id from provider p join provider_location l on l.provider_id = p.id and l.location_id = ${location.id}
      order by p.inactive,
        exists (select 1 from availability a where a.provider_id = p.id and a.location_id = l.location_id and a.active) desc, p.id`),
    operatory_ids: await ids(sql<{ id: number }>`
      select id from operatory where location_id = ${location.id} order by active desc, id`),
    appointment_type_ids: await ids(sql<{ id: number }>`
      select id from appointment_type where institution_id = ${institutionId} order by id`),
    patient_ids: await ids(sql<{ id: number }>`
      select id from patient where institution_id = ${institutionId} and foreign_id is not null and not inactive
      order by (${location.id} = any(location_ids)) desc, id limit 50`),
  };
}

/** Readers see the old file or the new one. It holds keys: for its owner only. */
export async function writeWhole(file: string, content: object): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
