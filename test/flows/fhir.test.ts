import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  type Foreign,
  type ForeignServer,
  PRACTITIONER,
  seedPractice,
  startFhirServer,
  ZONE,
} from '../connectors/fhir-bench.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type Body, client, type Program, startProgram, until } from '../harness/program.ts';
import { type Receiver, startReceiver } from '../harness/receiver.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));
/** The foreign practice has its hours in 2040, so that no test run is ever past them. */
const FIRST_DAY = '2040-01-02';

let server: ForeignServer;
let database: TestDatabase;
let dataDir: string;
let program: Program;
let receiver: Receiver;
let api: ReturnType<typeof client>;
let locationId: number;
let providerId: number;
let patientId: number;

const scope = (query = '') => `subdomain=harbour${query}`;

before(async () => {
  [server, database, receiver] = await Promise.all([
    startFhirServer(['--subscriptions']),
    createTestDatabase(),
    startReceiver(),
  ]);
  await seedPractice(server, 8);
  await server.create({
    resourceType: 'Patient',
    id: 'pat-1',
    name: [{ family: 'Stone', given: ['Ada'] }],
    birthDate: '1980-04-05',
    gender: 'female',
  });
  dataDir = mkdtempSync(join(tmpdir(), 'openchair-fhir-'));
  const env = { DATABASE_URL: database.url, OPENCHAIR_DATA: dataDir, OPENCHAIR_DEMO: 'off' };
  program = await startProgram('serve', { ...env, OPENCHAIR_ALLOW_PRIVATE_WEBHOOKS: 'on' });
  const { stdout: key } = await promisify(execFile)(
    process.execPath,
    [BIN, 'key', 'create', '--name', 'admin', '--admin'],
    {
      env: { PATH: process.env.PATH ?? '', ...env },
    },
  );
  api = client(program.url, key.trim());
  const institution = { name: 'Harbour Street', subdomain: 'harbour' };
  assert.equal((await api('POST', '/admin/institutions', { institution })).status, 201);
  // The right to the new institution is believed after a few seconds at the latest.
  await until('the right to the institution', async () => (await api('GET', '/institutions')).body.data.length === 1);
  const connection = {
    subdomain: 'harbour',
    kind: 'fhir',
    name: 'Harbour FHIR',
    sync_cycle_ms: 300,
    config: { baseUrl: server.url, auth: { type: 'none' }, timeZone: ZONE, overlapSeconds: 5 },
  };
  const made = await api('POST', '/admin/connections', { connection });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await until('the first sync', async () => (await api('GET', '/admin/connections')).body.data[0].first_synced_at);
  const endpoint = await api('POST', '/webhook_endpoints', { target_url: `${receiver.url}/hook` });
  for (const event of ['appointment_insertion', 'appointment_updated']) {
    const path = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?${scope()}`;
    assert.equal((await api('POST', path, { resource_type: 'Appointment', event })).status, 201);
  }
  locationId = (await api('GET', `/locations?${scope()}`)).body.data[0].locations[0].id;
  const providers = (await api('GET', `/providers?${scope('&per_page=100')}`)).body.data;
  providerId = providers.find((one: Body) => one.foreign_id === PRACTITIONER).id;
  patientId = (await api('GET', `/patients?${scope(`&location_id=${locationId}&name=Stone`)}`)).body.data.patients[0]
    .id;
});

after(async () => {
  await program?.stop();
  await Promise.all([receiver?.close(), server?.close(), database?.drop()]);
  if (dataDir) rmSync(dataDir, { recursive: true, force: true });
});

const heard = (name: string, matches: (data: Body) => boolean) =>
  until(`webhook ${name}`, async () =>
    receiver.requests
      .map(({ body }) => JSON.parse(body.toString()))
      .find((e) => e.event_name === name && matches(e.data)),
  );

async function slots(): Promise<Body[]> {
  const query = `&start_date=${FIRST_DAY}&days=1&lids[]=${locationId}&pids[]=${providerId}&slot_length=30`;
  return (await api('GET', `/appointment_slots?${scope(query)}`)).body.data[0].slots;
}

function book(slot: Body, patient: number) {
  const appt = { patient_id: patient, provider_id: providerId, start_time: slot.time, end_time: slot.end_time };
  return api('POST', `/appointments?${scope(`&location_id=${locationId}`)}`, { appt });
}

test('the loop against a FHIR server: slot, booking, webhook, confirm, the front desk, move, cancel', async () => {
  const open = await slots();
  assert.equal(open.length, 8);
  const booked = await book(open[2], patientId);
  assert.equal(booked.status, 201, JSON.stringify(booked.body));
  const id = booked.body.data.appt.id;
  const { data } = await heard('appointment_insertion.complete', (d) => d.appointment.id === id);
  const foreign: Foreign = await server.get(`Appointment/${data.appointment.foreign_id}`);
  assert.equal(foreign.status, 'booked');
  assert.equal(Date.parse(foreign.start), Date.parse(open[2].time));
  assert.equal((await server.get('Slot/slot-2')).status, 'busy');
  assert.equal((await slots()).length, 7);

  await api('PATCH', `/appointments/${id}?${scope()}`, { appt: { confirmed: true } });
  const { data: update } = await heard(
    'appointment_updated',
    (d) => d.appointment.id === id && d.appointment.confirmed,
  );
  assert.match(update.appointment.confirmed_at, /^20/, 'FHIR keeps no time of a confirmation; we do');
  const confirmed: Foreign = await server.get(`Appointment/${data.appointment.foreign_id}`);
  const patient = confirmed.participant.find((one: Foreign) => one.actor.reference === 'Patient/pat-1');
  assert.equal(patient.status, 'accepted');

  await server.edit(`Appointment/${data.appointment.foreign_id}`, (one) => ({ ...one, comment: 'bring X-rays' }));
  await heard('appointment_updated', (d) => d.appointment.id === id && d.appointment.note === 'bring X-rays');

  const move = { start_time: open[4].time, end_time: open[4].end_time };
  const asked = await api('PATCH', `/appointments/${id}?${scope()}`, { appt: move }, { 'nex-api-version': 'v3.0.0' });
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  await until('the move', async () => (await server.get('Slot/slot-2')).status === 'free');
  const moved: Foreign = await server.get(`Appointment/${data.appointment.foreign_id}`);
  assert.deepEqual([Date.parse(moved.start), moved.comment], [Date.parse(open[4].time), 'bring X-rays']);
  assert.equal((await server.get('Slot/slot-4')).status, 'busy');

  await api('PATCH', `/appointments/${id}?${scope()}`, { appt: { cancelled: true } });
  await heard('appointment_updated', (d) => d.appointment.id === id && d.appointment.cancelled);
  assert.equal((await server.get(`Appointment/${data.appointment.foreign_id}`)).status, 'cancelled');
  assert.equal((await server.get('Slot/slot-4')).status, 'free');
  await until('the slot is offered again', async () => (await slots()).length === 8);
});

test('a new patient is written with the first booking', async () => {
  const created = await api('POST', `/patients?${scope(`&location_id=${locationId}`)}`, {
    provider: { provider_id: providerId },
    patient: {
      first_name: 'Flora',
      last_name: 'Testwood',
      email: 'flora@example.com',
      bio: { date_of_birth: '1990-02-03', phone_number: '2125550177' },
    },
  });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const [slot] = await slots();
  const booked = await book(slot, created.body.data.user.id);
  await heard('appointment_insertion.complete', (d) => d.appointment.id === booked.body.data.appt.id);
  const found: Foreign = await server.get('Patient?family=Testwood');
  assert.equal(found.entry.length, 1);
});

test('a slot that staff take meanwhile ends in failed, with the reason', async () => {
  const open = await slots();
  const slot = open.at(-1);
  const name = `Slot/slot-${7}`;
  await server.edit(name, (one) => ({ ...one, status: 'busy' }));
  const booked = await book(slot, patientId);
  if (booked.status === 400) return assert.match(booked.body.error[0], /no longer available|working hours/);
  const id = booked.body.data.appt.id;
  const { data } = await heard('appointment_insertion.failed', (d) => d.appointment.id === id);
  assert.equal(data.reason_code, 'slot_taken');
  const { body } = await api('GET', `/appointments/${id}?${scope()}`);
  assert.equal(body.data.deleted, true);
});

test('what people delete in the FHIR server is heard of by its call, and is gone', async () => {
  const [open] = await slots();
  const visit: Foreign = await server.create({
    resourceType: 'Appointment',
    status: 'booked',
    start: new Date(Date.parse(open?.time) + 86_400_000).toISOString(),
    end: new Date(Date.parse(open?.end_time) + 86_400_000).toISOString(),
    participant: [
      { actor: { reference: 'Patient/pat-1' }, status: 'accepted' },
      { actor: { reference: `Practitioner/${PRACTITIONER}` }, status: 'accepted' },
    ],
  });
  const listed = async () => {
    const query = scope(`&location_id=${locationId}&start=2040-01-01&end=2040-01-31&per_page=100`);
    return (await api('GET', `/appointments?${query}`)).body.data.find((one: Body) => one.foreign_id === visit.id);
  };
  await until('the appointment', listed);
  await server.remove(`Appointment/${visit.id}`);
  await heard('appointment_updated', (d) => d.appointment.foreign_id === visit.id && d.appointment.deleted);
});
