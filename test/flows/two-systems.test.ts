/** One institution that works in two health record systems of different kinds, each location in one of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Foreign,
  type ForeignServer,
  PRACTITIONER,
  seedPractice,
  startFhirServer,
  ZONE,
} from '../connectors/fhir-bench.ts';
import { bookSlot, endedWrite, openSlots } from '../harness/booking.ts';
import { type Body, type DemoProgram, type Reply, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;
let server: ForeignServer;
/** At the FHIR server. */
let locationId: number;
let providerId: number;
let patientId: number;

const scope = (query = '') => `subdomain=${program.demo.subdomain}${query}`;

before(async () => {
  [program, server] = await Promise.all([startDemoProgram(), startFhirServer()]);
  await seedPractice(server, 8);
  const stone = { name: [{ family: 'Stone', given: ['Ada'] }], birthDate: '1980-04-05', gender: 'female' };
  await server.create({ resourceType: 'Patient', id: 'pat-1', ...stone });
  const config = { baseUrl: server.url, auth: { type: 'none' }, timeZone: ZONE, overlapSeconds: 5 };
  const connection = { subdomain: program.demo.subdomain, kind: 'fhir', name: 'Harbour', sync_cycle_ms: 300, config };
  const made = await program.admin('POST', '/admin/connections', { connection });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await until(
    'the first sync',
    async () => (await program.admin('GET', `/admin/connections/${made.body.data.id}`)).body.data.first_synced_at,
  );
  const { api } = program;
  const { locations } = (await api('GET', `/locations?${scope()}`)).body.data[0];
  locationId = locations.find((one: Body) => one.foreign_id_type.startsWith('msg-fhir')).id;
  const providers = (await api('GET', `/providers?${scope('&per_page=100')}`)).body.data;
  providerId = providers.find((one: Body) => one.foreign_id === PRACTITIONER).id;
  const found = await api('GET', `/patients?${scope(`&location_id=${locationId}&name=Stone`)}`);
  patientId = found.body.data.patients[0].id;
});

after(async () => {
  await program?.end();
  await server?.close();
});

const FIRST_DAY = '2040-01-02';

async function bookThere(patient_id: number, over: object = {}) {
  const { api } = program;
  const query = `&start_date=${FIRST_DAY}&days=1&lids[]=${locationId}&pids[]=${providerId}&slot_length=30`;
  const [slot] = (await api('GET', `/appointment_slots?${scope(query)}`)).body.data[0].slots;
  const appt = { patient_id, provider_id: providerId, start_time: slot.time, end_time: slot.end_time, ...over };
  return api('POST', `/appointments?${scope(`&location_id=${locationId}`)}`, { appt });
}

test('what is booked at a location goes into the system it belongs to', async () => {
  const { api } = program;
  const { emrs } = (await api('GET', '/institutions')).body.data[0];
  assert.deepEqual(emrs.toSorted(), ['fhir', 'sandbox']);

  const there = await bookThere(patientId);
  assert.equal(there.status, 201, JSON.stringify(there.body));
  const [slot] = await openSlots(program);
  const here = await bookSlot(program, slot);
  assert.equal(here.status, 201, JSON.stringify(here.body));
  for (const { body } of [there, here]) {
    const { id } = body.data.appt;
    assert.equal((await until('the end', () => endedWrite(program, id))).state, 'complete');
  }
  const shown = (await api('GET', `/appointments/${there.body.data.appt.id}?${scope()}`)).body.data;
  const foreign: Foreign = await server.get(`Appointment/${shown.foreign_id}`);
  assert.equal(Date.parse(foreign.start), Date.parse(shown.start_time));
  const { body: visits } = await program.sandbox('GET', '/v1/visits?limit=1000');
  const at = (start: string) => visits.items.filter((one: Body) => Date.parse(one.start) === Date.parse(start));
  assert.equal(at(shown.start_time).length, 0);
  assert.equal(at(slot.time).filter((one: Body) => one.external_ref).length, 1);
});

test('one system’s patients, providers and codes cannot be booked in the other', async () => {
  const { api, demo } = program;
  const stranger = await bookThere(demo.patient_ids[0] as number);
  assert.deepEqual([stranger.status, stranger.body.error], [400, ['patient_id was not found']]);
  const provider = await bookThere(patientId, { provider_id: demo.provider_ids[0] });
  assert.deepEqual([provider.status, provider.body.error], [400, ['provider_id at this location was not found']]);
  const codes = (await api('GET', `/locations/${demo.location_id}/appointment_descriptors?${scope()}`)).body.data;
  const code = await bookThere(patientId, { descriptor_ids: [codes[0].id] });
  assert.deepEqual([code.status, code.body.error], [400, ['descriptor_ids was not found']]);
});

test('a type takes along only the codes of the system it is booked in', async () => {
  const { api, demo } = program;
  const typeId = demo.appointment_type_ids[0] as number;
  const hours = (
    await api('GET', `/availabilities?${scope(`&location_id=${locationId}&provider_id=${providerId}&per_page=100`)}`)
  ).body.data as Body[];
  const availability = { appointment_type_ids: [typeId] };
  for (const { id } of hours) {
    assert.equal((await api('PATCH', `/availabilities/${id}?${scope()}`, { availability })).status, 200);
  }
  const codesOf = async ({ status, body }: Reply) => {
    assert.equal(status, 201, JSON.stringify(body));
    const path = `/appointments/${body.data.appt.id}?${scope('&include[]=descriptors')}`;
    return (await api('GET', path)).body.data.descriptors;
  };
  assert.deepEqual(await codesOf(await bookThere(patientId, { appointment_type_id: typeId })), []);
  const [slot] = await openSlots(program);
  assert.equal((await codesOf(await bookSlot(program, slot, { appointment_type_id: typeId }))).length, 1);
});

test('one that is off or paused leaves the other alone', async () => {
  const connections = (await program.admin('GET', '/admin/connections')).body.data as Body[];
  const [sandbox, fhir] = connections.map(({ id }) => `/admin/connections/${id}`) as [string, string];
  await program.admin('PATCH', sandbox, { connection: { paused: true } });
  const before = (await program.admin('GET', fhir)).body.data.synced_at;
  await until('a later pass', async () => (await program.admin('GET', fhir)).body.data.synced_at > before);
  const booked = await bookThere(patientId);
  const write = await until('the end', () => endedWrite(program, booked.body.data.appt.id));
  assert.equal(write.state, 'complete');
  const paused = (await program.admin('GET', sandbox)).body.data;
  assert.deepEqual([paused.paused, paused.sync_due_at], [true, null]);
});
