import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bookSlot, endedWrite, openSlots, writesOf } from '../harness/booking.ts';
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

/** The promise: a worker killed at any moment delays a command by at most this, and never doubles it. */
const PROMISED_MS = 35_000;

let program: DemoProgram;
let parts: Program[] = [];
let sandbox: Sandbox | undefined;

before(async () => {
  program = await startDemoProgram();
});

after(async () => {
  for (const part of parts) await part.stop();
  await sandbox?.stop();
  await program?.end();
});

test('kill -9 between "sent" and "recorded": one visit, one complete, in time', async () => {
  const { sandbox, demo } = program;
  const [slot] = await openSlots(program);
  // The practice does the work at once and answers late: the worker dies while it waits.
  await sandbox('POST', '/faults', { fault: 'slow_reply', ms: 5_000, match: 'write', times: 1 });
  const { body } = await bookSlot(program, slot);
  const id = body.data.appt.id;
  await until('the command to be sent', async () => (await writesOf(program, id))[0].state === 'sent', 5_000);
  await program.kill();
  const killedAtMs = Date.now();
  program = await program.restart();
  await program.sandbox('DELETE', '/faults');
  const write = await until('the command to end', () => endedWrite(program, id), PROMISED_MS);
  assert.equal(write.state, 'complete', JSON.stringify(write));
  assert.equal(write.attempts, 1, 'looked up, not sent again');
  assert.ok(Date.now() - killedAtMs < PROMISED_MS);

  const events = (await program.api('GET', `/events?subdomain=${demo.subdomain}&per_page=1000`)).body.data;
  const insertions = events.filter(
    (event: Body) => event.event_name.startsWith('appointment_insertion') && event.data.appointment.id === id,
  );
  assert.deepEqual(
    insertions.map((event: Body) => event.event_name),
    ['appointment_insertion.complete'],
  );
  const { body: visits } = await program.sandbox('GET', `/v1/visits?limit=1000`);
  const mine = visits.items.filter(
    (visit: Body) => Date.parse(visit.start) === Date.parse(slot.time) && visit.external_ref,
  );
  assert.equal(mine.length, 1);
});

test('another worker takes over what a killed one had in its hands', async () => {
  // From here on the parts run apart: the practice, the API, and first one worker alone.
  await program.stop();
  sandbox = await startSandbox({ dataFile: join(program.dataDir, 'sandbox.sqlite'), seed: 'none' });
  const env = { DATABASE_URL: program.database.url, OPENCHAIR_DATA: program.dataDir };
  const api = await startProgram('api', env);
  const dying = await startProgram('worker', env);
  parts = [api, dying];
  const split = { ...program, api: client(api.url, program.demo.api_key) };
  const admin = client(api.url, program.demo.admin_key);
  const [connection] = (await admin('GET', '/admin/connections')).body.data;
  const config = { baseUrl: sandbox.url, apiKey: 'sandbox' };
  assert.equal((await admin('PATCH', `/admin/connections/${connection.id}`, { connection: { config } })).status, 200);

  const [slot] = await openSlots(split);
  await sandbox.fault({ fault: 'slow_reply', ms: 5_000, match: 'write', times: 1 });
  const { status, body } = await bookSlot(split, slot);
  assert.equal(status, 201, JSON.stringify(body));
  const id = body.data.appt.id;
  await until('the command to be sent', async () => (await writesOf(split, id))[0].state === 'sent', 5_000);
  parts.push(await startProgram('worker', env));
  await dying.kill();
  const killedAtMs = Date.now();
  const write = await until('the command to end', () => endedWrite(split, id), PROMISED_MS);
  assert.equal(write.state, 'complete', JSON.stringify(write));
  assert.ok(Date.now() - killedAtMs < PROMISED_MS);
  assert.equal(write.attempts, 1, 'looked up, not sent again');
  const { body: visits } = await sandbox.call('GET', '/v1/visits?limit=1000');
  const mine = visits.items.filter(
    (visit: Body) => Date.parse(visit.start) === Date.parse(slot.time) && visit.external_ref,
  );
  assert.equal(mine.length, 1);
});
