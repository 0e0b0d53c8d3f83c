/** A practice in the foreign FHIR server: one site, two rooms, two practitioners, and slots of half an hour. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { z } from 'zod';
import { ALONE, type Budget } from '../../src/connectors/connector.ts';
import type { fhirConfigSchema } from '../../src/connectors/fhir/config.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { MARKER_SYSTEM } from '../../src/connectors/fhir/map.ts';
import { type FaultProxy, startFaultProxy } from '../harness/fault-proxy.ts';
import type { Bench, FreeTime, FrontDesk } from './bench.ts';
import { httpFaults, jsonPages } from './http-faults.ts';

// biome-ignore lint/suspicious/noExplicitAny: resources of every type, as the peer gives them
export type Foreign = any;

/** People's own access to the server, past connector and proxy. */
export interface ForeignServer {
  url: string;
  get(path: string): Promise<Foreign>;
  create(resource: object): Promise<Foreign>;
  edit(path: string, edit: (resource: Foreign) => Foreign): Promise<Foreign>;
  remove(path: string): Promise<void>;
  close(): Promise<void>;
}

export const ZONE = 'America/New_York';
export const SITE = 'site-1';
export const PRACTITIONER = 'dr-1';
export const ROOM = 'room-1';

const TIMEOUT_MS = 400;
const SLOT_MINUTES = 30;

/** 2 January 2040, 09:00 in New York: never past, and no clock change near. */
const FIRST_SLOT_MS = Date.parse('2040-01-02T14:00:00.000Z');
const SLOTS_PER_DAY = 16;

export async function startFhirServer(args: string[] = []): Promise<ForeignServer> {
  const script = new URL('../peers/fhir-server.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];

  async function call(method: string, path: string, body?: object): Promise<Foreign> {
    const response = await fetch(`${url}/${path}`, {
      method,
      headers: { 'content-type': 'application/fhir+json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const json = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(json)}`);
    return json;
  }

  return {
    url,
    get: (path) => call('GET', path),
    // An id of our own choice needs PUT in FHIR.
    create: (resource: Foreign) =>
      resource.id
        ? call('PUT', `${resource.resourceType}/${resource.id}`, resource)
        : call('POST', resource.resourceType, resource),
    edit: async (path, edit) => call('PUT', path, edit(await call('GET', path))),
    remove: (path) => call('DELETE', path),
    async close() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

export async function seedPractice(server: ForeignServer, slotCount: number): Promise<void> {
  await server.create({
    resourceType: 'Location',
    id: SITE,
    name: 'Harbour Street',
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: ZONE }],
  });
  for (const [id, name] of [
    [ROOM, 'Chair 1'],
    ['room-2', 'Chair 2'],
  ]) {
    await server.create({
      resourceType: 'Location',
      id,
      name,
      physicalType: { coding: [{ code: 'ro' }] },
      partOf: { reference: `Location/${SITE}` },
    });
  }
  for (const id of [PRACTITIONER, 'dr-2']) {
    const reference = `Practitioner/${id}`;
    await server.create({ resourceType: 'Practitioner', id, name: [{ family: 'Grey', given: ['Kim'] }] });
    await server.create({
      resourceType: 'PractitionerRole',
      id: `role-${id}`,
      practitioner: { reference },
      location: [{ reference: `Location/${SITE}` }],
    });
    await server.create({
      resourceType: 'Schedule',
      id: `schedule-${id}`,
      actor: [{ reference }, { reference: `Location/${SITE}` }],
    });
  }
  await Promise.all(
    Array.from({ length: slotCount }, (_, i) => {
      const dayMs = Math.floor(i / SLOTS_PER_DAY) * 86_400_000;
      const startMs = FIRST_SLOT_MS + dayMs + (i % SLOTS_PER_DAY) * SLOT_MINUTES * 60_000;
      return server.create({
        resourceType: 'Slot',
        id: `slot-${i}`,
        schedule: { reference: `Schedule/schedule-${PRACTITIONER}` },
        status: 'free',
        start: new Date(startMs).toISOString(),
        end: new Date(startMs + SLOT_MINUTES * 60_000).toISOString(),
      });
    }),
  );
}

export function fhirConfig(baseUrl: string, more: Partial<z.input<typeof fhirConfigSchema>> = {}) {
  return fhir.configSchema.parse({
    baseUrl,
    auth: { type: 'none' },
    timeZone: ZONE,
    requestTimeoutMs: TIMEOUT_MS,
    ...more,
  });
}

/** A front desk that marks the slot of what it books, as real systems do. */
function frontDesk(server: ForeignServer): FrontDesk {
  let nextSlot = 0;
  const slotIdAt = new Map<string, string>();

  async function addAppointment(time: FreeTime, patientId: string, id?: string): Promise<string> {
    const slotId = slotIdAt.get(time.startAt);
    await server.edit(`Slot/${slotId}`, (slot) => ({ ...slot, status: 'busy' }));
    const appointment = await server.create({
      resourceType: 'Appointment',
      ...(id ? { id } : {}),
      status: 'booked',
      start: time.startAt,
      end: time.endAt,
      slot: [{ reference: `Slot/${slotId}` }],
      participant: [`Patient/${patientId}`, `Practitioner/${time.providerForeignId}`, `Location/${ROOM}`].map(
        (reference) => ({ actor: { reference }, status: 'accepted' }),
      ),
    });
    return appointment.id;
  }

  async function freeSlotOf(appointment: Foreign): Promise<void> {
    const slot = appointment.slot?.[0]?.reference as string | undefined;
    if (slot) await server.edit(slot, (one) => ({ ...one, status: 'free' }));
  }

  return {
    otherOperatoryForeignId: 'room-2',
    addPatients: (lastNames) =>
      Promise.all(
        lastNames.map(
          async (family) => (await server.create({ resourceType: 'Patient', name: [{ family, given: ['Pat'] }] })).id,
        ),
      ),
    async renamePatient(id, family) {
      await server.edit(`Patient/${id}`, (patient) => ({ ...patient, name: [{ family, given: ['Pat'] }] }));
    },
    async takeFreeTime() {
      const slot = await server.get(`Slot/slot-${nextSlot++}`);
      slotIdAt.set(slot.start, slot.id);
      return {
        locationForeignId: SITE,
        providerForeignId: PRACTITIONER,
        operatoryForeignId: ROOM,
        startAt: slot.start,
        endAt: slot.end,
      };
    },
    addAppointment: (time, patientId) => addAppointment(time, patientId),
    addAppointmentAgain: async (id, time, patientId) => void (await addAppointment(time, patientId, id)),
    async deleteAppointment(id) {
      const appointment = await server.get(`Appointment/${id}`);
      await server.remove(`Appointment/${id}`);
      await freeSlotOf(appointment);
    },
    async cancelAppointment(id) {
      await freeSlotOf(await server.edit(`Appointment/${id}`, (one) => ({ ...one, status: 'cancelled' })));
    },
    async countByMarker(kind, marker) {
      const type = kind === 'patient' ? 'Patient' : 'Appointment';
      const found = await server.get(`${type}?identifier=${MARKER_SYSTEM}|${marker}&_total=accurate`);
      return found.total;
    },
  };
}

export type FhirBench = Bench & { server: ForeignServer; proxy: FaultProxy };

/** A server that shows us nothing says so with a total of none and no further page. */
const PAGES = jsonPages(['entry'], () => ({ total: 0, link: [] }));

export async function startFhirBench(
  args: string[] = [],
  slotCount = 260,
  config: Parameters<typeof fhirConfig>[1] = {},
  budget: Budget = ALONE.budget,
): Promise<FhirBench> {
  const server = await startFhirServer(args);
  const proxy = await startFaultProxy(server.url);
  // A server that is left running would keep the test file from ending.
  const connector = await connected().catch(async (error) => {
    await proxy.close();
    await server.close();
    throw error;
  });
  async function connected() {
    await seedPractice(server, slotCount);
    return fhir.connect(fhirConfig(proxy.url, config), { ...ALONE, budget });
  }
  return {
    server,
    connector,
    timeoutMs: TIMEOUT_MS,
    morePatientsThanFit: 120,
    proxy,
    faults: httpFaults(proxy, TIMEOUT_MS, PAGES),
    desk: frontDesk(server),
    async close() {
      await connector.close();
      await proxy.close();
      await server.close();
    },
  };
}
