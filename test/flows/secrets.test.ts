/** Credentials in a running installation: sealed in the table and in the dump, under a key that can change and be lost. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { forAll, openDatabase } from '../../src/store/database.ts';
import { readTables } from '../../src/store/tables.ts';
import { bookSlot, endedWrite, openSlots } from '../harness/booking.ts';
import {
  type Body,
  client,
  type DemoProgram,
  type Program,
  startDemoProgram,
  startProgram,
  until,
} from '../harness/program.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));
/** Found in whatever shows it in the open. */
const PASSWORD = 'canary-4711-of-the-clinic';

let program: DemoProgram;
let sandbox: Sandbox;
let running: Program | undefined;
let keyFile: string;
let connectionId: number;
let endpointSecret: string;

const newKey = () => randomBytes(32).toString('hex');
const admin = (method: string, path: string, body?: unknown) =>
  client(running?.url ?? program.url, program.demo.admin_key)(method, path, body);

/** The installation without its demo, so that nobody points the connection to the sandbox but a person. */
async function start(command: 'serve' | 'api' = 'serve', env: Record<string, string> = {}): Promise<Program> {
  const { database, dataDir } = program;
  running = await startProgram(command, {
    DATABASE_URL: database.url,
    OPENCHAIR_DATA: dataDir,
    OPENCHAIR_DEMO: 'off',
    ...env,
  });
  return running;
}

async function openchair(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? '', DATABASE_URL: program.database.url, OPENCHAIR_DATA: program.dataDir };
    const child = execFile(process.execPath, [BIN, ...args], { env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    );
  });
}

before(async () => {
  program = await startDemoProgram();
  keyFile = join(program.dataDir, 'secret.key');
  [{ id: connectionId }] = (await admin('GET', '/admin/connections')).body.data;
  endpointSecret = (await program.api('POST', '/webhook_endpoints', { target_url: `${program.url}/hook` })).body.data
    .secret_key;
  const config = {
    baseUrl: 'http://127.0.0.1:9/fhir',
    auth: { type: 'basic', username: 'clinic', password: PASSWORD },
    timeZone: 'UTC',
  };
  const connection = { subdomain: 'cedar-grove', kind: 'fhir', name: 'Clinic', config };
  assert.equal((await admin('POST', '/admin/connections', { connection })).status, 201);
  const changed = { ...config, auth: { ...config.auth, username: 'changed' } };
  const { id } = (await admin('GET', '/admin/connections')).body.data.find((one: Body) => one.name === 'Clinic');
  assert.equal((await admin('PATCH', `/admin/connections/${id}`, { connection: { config: changed } })).status, 200);
  await admin('PATCH', `/admin/connections/${id}`, { connection: { paused: true } });
  await program.stop();
  sandbox = await startSandbox({ dataFile: join(program.dataDir, 'sandbox.sqlite'), seed: 'none' });
});

after(async () => {
  await running?.stop();
  await sandbox?.stop();
  await program?.end();
});

test('neither the database nor its dump shows a credential', async () => {
  const file = join(program.dataDir, 'all.jsonl');
  const { code, output } = await openchair('export', '--everything', file);
  assert.equal(code, 0, output);
  assert.match(output, /the same secret key, which is not in it/);
  const db = openDatabase(program.database.connection, 1, () => {});
  const rows = await forAll(db, async (tx) => {
    const texts: string[] = [];
    for (const { name } of await readTables(tx)) {
      const found = await sql<{ line: string }>`select t::text as line from ${sql.table(name)} t`.execute(tx);
      texts.push(...found.rows.map(({ line }) => line));
    }
    return texts.join('\n');
  }).finally(() => db.close());
  const secrets = { PASSWORD, endpointSecret, sandbox: '"apiKey"', key: readFileSync(keyFile, 'utf8').trim() };
  for (const [what, secret] of Object.entries(secrets)) {
    for (const text of [rows, readFileSync(file, 'utf8')]) {
      for (const form of [
        secret,
        Buffer.from(secret).toString('base64').slice(0, -4),
        Buffer.from(secret).toString('hex'),
      ])
        assert.ok(!text.includes(form), what);
    }
  }
});

test('without the key, or with another, nothing starts, and it says what to do', async () => {
  await assert.rejects(start('serve', { OPENCHAIR_SECRET_KEY: newKey() }), /under another key.*OPENCHAIR_SECRET_KEY/);
  await assert.rejects(
    start('api', { OPENCHAIR_DATA: join(program.dataDir, 'elsewhere') }),
    /under a key that is not here.*OPENCHAIR_SECRET_KEY_FILE/,
  );
  const api = await start('api', {
    OPENCHAIR_DATA: join(program.dataDir, 'elsewhere'),
    OPENCHAIR_SECRET_KEY_FILE: keyFile,
  });
  assert.equal((await admin('GET', '/admin/connections')).body.data.length, 2);
  await api.stop();
});

test('a new key takes over while the old one is given, and then does without it', async () => {
  const oldKey = readFileSync(keyFile, 'utf8').trim();
  const key = newKey();
  await (await start('serve', { OPENCHAIR_SECRET_KEY: key, OPENCHAIR_SECRET_KEY_OLD: oldKey })).stop();
  writeFileSync(keyFile, key);
  await start();
  const [endpoint] = (await client(running?.url ?? '', program.demo.api_key)('GET', '/webhook_endpoints')).body.data;
  assert.equal(endpoint.secret_key, endpointSecret);
  const config = { baseUrl: sandbox.url, apiKey: 'sandbox' };
  assert.equal((await admin('PATCH', `/admin/connections/${connectionId}`, { connection: { config } })).status, 200);
  assert.equal((await admin('POST', `/admin/connections/${connectionId}/check`)).body.data.ok, true);
  await running?.stop();
  assert.match((await openchair('check-connection', String(connectionId))).output, /Cedar Grove sandbox: /);
});

test('a lost key: the program starts again, says what it cannot use, and takes the credentials anew', async () => {
  rmSync(keyFile);
  await assert.rejects(start(), /under a key that is not here.*The secret key is lost/);
  const reset = await openchair('reset-secrets');
  assert.equal(reset.code, 0, reset.output);
  assert.match(reset.output, new RegExp(`PATCH /admin/connections/:id\\) of: ${connectionId}, \\d+\\.`));

  const started = await start();
  const api = client(started.url, program.demo.api_key);
  const split = { ...program, api };
  const path = `/admin/connections/${connectionId}`;
  const check = (await admin('POST', `${path}/check`)).body.data;
  assert.equal(check.ok, false);
  assert.match(check.message, /cannot be opened: it was sealed under another key. Enter it anew/);
  await admin('POST', `${path}/sync`);
  const told = await until('the trouble is told', async () => {
    const one = (await admin('GET', path)).body.data;
    return one.last_error_code === 'unusable' && one;
  });
  assert.equal(told.last_error, check.message);

  const [slot] = await openSlots(split);
  const refused = await bookSlot(split, slot);
  assert.equal(refused.status, 400);
  assert.equal(refused.headers.get('openchair-error-code'), 'connection_unusable');

  assert.equal((await admin('PATCH', path, { connection: { name: 'Cedar Grove' } })).status, 200);
  const config = { baseUrl: sandbox.url, apiKey: 'sandbox' };
  assert.equal((await admin('PATCH', path, { connection: { config } })).status, 200);
  const { status, body } = await bookSlot(split, slot);
  assert.equal(status, 201, JSON.stringify(body));
  const write = await until('the booking', () => endedWrite(split, body.data.appt.id), 20_000);
  assert.equal(write.state, 'complete');
  const [endpoint] = (await api('GET', '/webhook_endpoints')).body.data;
  assert.match(endpoint.secret_key, /^[0-9a-f]{64}$/);
  assert.notEqual(endpoint.secret_key, endpointSecret);
});
