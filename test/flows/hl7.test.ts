/** The program between an app and two foreign schedulers that speak HL7 v2: one acknowledges, one answers by its feed. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readHead } from '../../src/connectors/hl7v2/head.ts';
import { freePort } from '../connectors/hl7v2-bench.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type Body, client, type Program, startProgram, until } from '../harness/program.ts';
import { type Receiver, startReceiver } from '../harness/receiver.ts';
import { type Scheduler, startScheduler } from '../peers/hl7-scheduler.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));
const DAY = '2040-01-04';
const ADA = { patient: '900^^^SCHED^MR', name: 'Stone^Ada', provider: '7^Okafor^Nina', room: 'Chair 1' };

interface Practice {
  subdomain: string;
  scheduler: Scheduler;
  connectionId: number;
  locationId: number;
  providerId: number;
  patientId: number;
}

let database: TestDatabase;
let dataDir: string;
let program: Program;
let receiver: Receiver;
const schedulers: Scheduler[] = [];
let api: ReturnType<typeof client>;
/** Its acknowledgement ends a write. */
let harbour: Practice;
/** Its own message about the appointment does. */
let mill: Practice;

before(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  dataDir = mkdtempSync(join(tmpdir(), 'openchair-hl7-'));
  const env = { DATABASE_URL: database.url, OPENCHAIR_DATA: dataDir, OPENCHAIR_DEMO: 'off' };
  program = await startProgram('serve', { ...env, OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS: 'on' });
  const { stdout: key } = await promisify(execFile)(
    process.execPath,
    [BIN, 'key', 'create', '--name', 'admin', '--admin'],
    { env: { PATH: process.env.PATH ?? '', ...env } },
  );
  api = client(program.url, key.trim());
  harbour = await openPractice('harbour', { answer: 'acknowledgment' });
  mill = await openPractice('mill', { answer: 'echo' });
});

after(async () => {
  await program?.stop();
  await Promise.all([receiver?.close(), database?.drop(), ...schedulers.map((one) => one.close())]);
  if (dataDir) rmSync(dataDir, { recursive: true, force: true });
});

/** A practice whose scheduler has told of one appointment of Ada Stone, with hours on one morning. */
async function openPractice(subdomain: string, send: object): Promise<Practice> {
  const scheduler = await startScheduler();
  schedulers.push(scheduler);
  const scope = `subdomain=${subdomain}`;
  assert.equal((await api('POST', '/admin/institutions', { institution: { name: subdomain, subdomain } })).status, 201);
  await until('the right to the institution', async () =>
    (await api('GET', '/institutions')).body.data.some((one: Body) => one.subdomain === subdomain),
  );
  const port = await freePort();
  const config = {
    listen: { port },
    send: { host: '127.0.0.1', port: scheduler.port, responseTimeoutMs: 500, newPatients: true, ...send },
    timeZone: 'America/New_York',
  };
  const made = await api('POST', '/admin/connections', {
    connection: { subdomain, kind: 'hl7v2', name: 'Schedule', config },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  scheduler.feedTo(port);
  const first = { filler: '100', ...ADA, start: '20400104080000', end: '20400104083000' };
  const code = await until('the listener', () => scheduler.tell('S12', first).catch(() => null));
  assert.equal(code, 'AA');
  const locations = async () => (await api('GET', `/locations?${scope}`)).body.data[0]?.locations ?? [];
  const providers = async () => (await api('GET', `/providers?${scope}`)).body.data;
  const provider = await until('the provider', async () => (await providers())[0]);
  assert.equal(provider.last_name, 'Okafor');
  const location = await until('the location', async () => (await locations())[0]);
  const patients = async () =>
    (await api('GET', `/patients?${scope}&location_id=${location.id}&name=Stone`)).body.data.patients;
  const patient = await until('the patient', async () => (await patients())[0]);
  const hours = { provider_id: provider.id, begin_time: '09:00', end_time: '12:00', specific_date: DAY };
  const path = `/availabilities?${scope}&location_id=${location.id}`;
  const stored = await api('POST', path, { availability: hours });
  assert.equal(stored.status, 201, JSON.stringify(stored.body));
  const endpoint = await api('POST', '/webhook_endpoints', { target_url: `${receiver.url}/${subdomain}` });
  for (const event of ['appointment_created', 'appointment_insertion', 'appointment_updated']) {
    const subscription = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?${scope}`;
    assert.equal((await api('POST', subscription, { resource_type: 'Appointment', event })).status, 201);
  }
  return {
    ...{ subdomain, scheduler, connectionId: made.body.data.id },
    ...{ locationId: location.id, providerId: provider.id, patientId: patient.id },
  };
}

const heard = (name: string, matches: (data: Body) => boolean) =>
  until(`webhook ${name}`, async () =>
    receiver.requests
      .map(({ body }) => JSON.parse(body.toString()))
      .find((event) => event.event_name === name && matches(event.data)),
  );

async function slots({ subdomain, locationId, providerId }: Practice): Promise<Body[]> {
  const query = `start_date=${DAY}&days=1&lids[]=${locationId}&pids[]=${providerId}&slot_length=30`;
  return (await api('GET', `/appointment_slots?subdomain=${subdomain}&${query}`)).body.data[0].slots;
}

async function book(practice: Practice, patientId = practice.patientId): Promise<Body> {
  const [slot] = await slots(practice);
  const appt = {
    ...{ patient_id: patientId, provider_id: practice.providerId, operatory_id: slot.operatory_id },
    ...{ start_time: slot.time, end_time: slot.end_time, note: 'first & only visit' },
  };
  const path = `/appointments?subdomain=${practice.subdomain}&location_id=${practice.locationId}`;
  const booked = await api('POST', path, { appt });
  assert.equal(booked.status, 201, JSON.stringify(booked.body));
  return { ...booked.body.data.appt, slot };
}

const change = ({ subdomain }: Practice, id: number, appt: object) =>
  api('PATCH', `/appointments/${id}?subdomain=${subdomain}`, { appt });
const ended = (name: 'complete' | 'failed', id: number) =>
  heard(`appointment_insertion.${name}`, (data) => data.appointment.id === id);

test('what staff do is heard', async () => {
  const { scheduler, subdomain } = harbour;
  const entry = { filler: '101', ...ADA, start: '20400105090000', end: '20400105093000' };
  assert.equal(await scheduler.tell('S12', entry), 'AA');
  const { data } = await heard('appointment_created', ({ appointments: [one] }) => one.foreign_id === '101@SCHED');
  const { id } = data.appointments[0];
  const { body } = await api('GET', `/appointments/${id}?subdomain=${subdomain}`);
  assert.equal(Date.parse(body.data.start_time), Date.parse('2040-01-05T14:00:00Z'));
  assert.equal(body.data.patient_id, harbour.patientId);

  await scheduler.tell('S13', { filler: '101', start: '20400105100000', end: '20400105103000' });
  const moved = await heard('appointment_updated', (one) => one.appointment.id === id);
  assert.equal(Date.parse(moved.data.appointment.start_time), Date.parse('2040-01-05T15:00:00Z'));
  await scheduler.tell('S17', { filler: '101', status: 'Deleted' });
  await heard('appointment_updated', (one) => one.appointment.id === id && one.appointment.cancelled);
});

test('booking, confirming, moving and cancelling, each proven by its acknowledgement', async () => {
  const { scheduler } = harbour;
  scheduler.feedTo(null);
  const { id, slot } = await book(harbour);
  const { data } = await ended('complete', id);
  const entry = scheduler.entries.find(({ placer }) => placer.startsWith(data.appointment.foreign_id));
  assert.equal(entry?.start.slice(0, 12), '204001040900');
  assert.equal(entry?.patient.startsWith('900^'), true);
  assert.ok(!(await slots(harbour)).some(({ time }) => time === slot.time));

  await change(harbour, id, { confirmed: true });
  await heard('appointment_updated', (one) => one.appointment.id === id && one.appointment.confirmed);
  assert.equal(entry?.status, 'Confirmed');
  await change(harbour, id, { cancelled: true });
  await heard('appointment_updated', (one) => one.appointment.id === id && one.appointment.cancelled);
  assert.equal(entry?.status, 'Cancelled');
  await until('the slot again', async () => (await slots(harbour)).some(({ time }) => time === slot.time));
});

test('a refusal ends the booking with its reason, and the slot is open again', async () => {
  harbour.scheduler.fail('AR');
  const { id, slot } = await book(harbour);
  const { data } = await ended('failed', id);
  assert.equal(data.reason_code, 'refused_by_hrs');
  assert.ok((await slots(harbour)).some(({ time }) => time === slot.time));
});

test('a lost acknowledgement: sent again under the same MSH-10, and one appointment is made', async () => {
  const { scheduler } = harbour;
  const before = { messages: scheduler.received.length, entries: scheduler.entries.length };
  scheduler.fail('lost');
  const { id } = await book(harbour);
  await ended('complete', id);
  const ids = scheduler.received.slice(before.messages).map((text) => readHead(Buffer.from(text))?.controlId);
  assert.equal(ids.length, 2);
  assert.equal(ids[0], ids[1]);
  assert.equal(scheduler.entries.length, before.entries + 1);
});

test('a new patient goes first, by ADT, and then the booking', async () => {
  const { scheduler, subdomain, locationId, providerId } = harbour;
  const created = await api('POST', `/patients?subdomain=${subdomain}&location_id=${locationId}`, {
    provider: { provider_id: providerId },
    patient: {
      ...{ first_name: 'Flora', last_name: 'Testwood', email: 'flora@example.com' },
      bio: { date_of_birth: '1990-02-03', phone_number: '2125550177' },
    },
  });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const { id } = await book(harbour, created.body.data.user.id);
  await ended('complete', id);
  const types = scheduler.received.slice(-2).map((text) => readHead(Buffer.from(text))?.type);
  assert.deepEqual(types, ['ADT^A28', 'SIU^S12']);
  assert.ok([...scheduler.patients.values()].some((pid) => pid.includes('|Testwood^Flora|')));
});

test('where the HRS decides, a booking waits for what its feed says', async () => {
  const { scheduler, connectionId } = mill;
  const { id } = await book(mill);
  const { data } = await ended('complete', id);
  const entry = scheduler.entries.find(({ placer }) => placer.startsWith(data.appointment.foreign_id));
  assert.ok(entry, 'it is known by our own id');
  assert.equal(data.appointment.note, 'first & only visit');
  const [provider] = (await api('GET', `/providers?subdomain=${mill.subdomain}`)).body.data;
  assert.equal(provider.last_name, 'Okafor', 'also after a message that gave the id alone');

  await scheduler.tell('S13', { filler: entry.filler, start: '20400104110000', end: '20400104113000' });
  await heard('appointment_updated', (one) => {
    return one.appointment.id === id && Date.parse(one.appointment.start_time) === Date.parse('2040-01-04T16:00:00Z');
  });
  await change(mill, id, { cancelled: true });
  await heard('appointment_updated', (one) => one.appointment.id === id && one.appointment.cancelled);
  assert.equal(entry.status, 'Cancelled');

  const { body } = await api('POST', `/admin/connections/${connectionId}/check`);
  assert.match(JSON.stringify(body), /Takes messages on port \d+\. Can connect to 127\.0\.0\.1/);
});

test('no message and no name of a patient reaches the log', () => {
  assert.doesNotMatch(program.output(), /Stone|Testwood|MSH\|/);
});
