/** Looking single records up, in the server itself. */
import type { AppointmentRecord, PatientRecord } from '../../domain/records.ts';
import type { LookFor } from '../connector.ts';
import type { FhirClient, Resource } from './client.ts';
import type { FhirConfig } from './config.ts';
import { identifierValue, referenceTarget } from './fields.ts';
import {
  type Directory,
  GUARD_SYSTEM,
  MARKER_SYSTEM,
  mapAppointment,
  mapDirectory,
  mapPatient,
  markerOf,
} from './map.ts';
import { mapBlock } from './slots.ts';

/** The directory is held in memory; more places and people than this is not one practice. */
export const MAX_DIRECTORY_ROWS = 20_000;

/** Ids in one search: keeps the URL below 4 kB. */
export const IDS_PER_SEARCH = 50;

/** Which of these slots an appointment stands on: some servers close a slot when it is booked. */
export async function bookedSlots(client: FhirClient, slotIds: string[], signal: AbortSignal): Promise<Set<string>> {
  const booked = new Set<string>();
  for (let i = 0; i < slotIds.length; i += IDS_PER_SEARCH) {
    const ids = slotIds.slice(i, i + IDS_PER_SEARCH).map((id) => `Slot/${id}`);
    for (const appointment of await client.searchAll('Appointment', [['slot', ids.join(',')]], signal)) {
      for (const id of slotIdsOf(appointment, client.baseUrl)) booked.add(id);
    }
  }
  return booked;
}

export function slotIdsOf(appointment: Resource, baseUrl: string): string[] {
  const references = Array.isArray(appointment.slot) ? appointment.slot : [];
  return references.map((slot) => referenceTarget(slot, baseUrl)).flatMap((to) => (to?.type === 'Slot' ? [to.id] : []));
}

/** Looks records up in the server. Its answer is checked: a server may ignore a parameter and send everything. */
export async function find(
  client: FhirClient,
  config: FhirConfig,
  look: LookFor,
  signal: AbortSignal,
): Promise<(PatientRecord | AppointmentRecord)[]> {
  const resources = await findResources(client, look, signal);
  if (resources.length === 0) return [];
  const directory = await readDirectory(client, config, signal);
  const records = resources.map((resource) => {
    if (resource.resourceType === 'Patient') return mapPatient(resource, directory);
    if (resource.resourceType === 'Appointment') return mapAppointment(resource, directory);
    const schedule = directory.schedules.get(referenceTarget(resource.schedule, client.baseUrl)?.id ?? '');
    return schedule ? mapBlock(resource, schedule) : null;
  });
  return records.filter((record) => record !== null);
}

async function findResources(client: FhirClient, look: LookFor, signal: AbortSignal): Promise<Resource[]> {
  // None was ever written: FHIR's Flag is not what staff see when they open a patient.
  if (look.kind === 'patient_alert') return [];
  if ('marker' in look) {
    if (look.kind === 'patient') return copiesOf(client, 'Patient', look.marker, signal);
    const appointments = await copiesOf(client, 'Appointment', look.marker, signal);
    return [...appointments, ...(await copiesOf(client, 'Slot', look.marker, signal))];
  }
  const slotId = /^Slot\/(.+)$/.exec(look.foreignId)?.[1];
  const type = look.kind === 'patient' ? 'Patient' : slotId === undefined ? 'Appointment' : 'Slot';
  const resource = await client.read(type, slotId ?? look.foreignId, signal);
  return resource === null ? [] : [resource];
}

/** Everything of that type that carries our marker. */
export async function copiesOf(
  client: FhirClient,
  type: 'Patient' | 'Appointment' | 'Slot',
  marker: string,
  signal: AbortSignal,
): Promise<Resource[]> {
  if (!(await client.serves(type, signal))) return [];
  const found = await client.searchAll(type, [['identifier', `${MARKER_SYSTEM}|${marker}`]], signal);
  return found.filter((resource) => markerOf(resource) === marker);
}

export function isGuardedBy(slot: Resource, marker: string): boolean {
  return identifierValue(slot, GUARD_SYSTEM) === marker;
}

async function readDirectory(client: FhirClient, config: FhirConfig, signal: AbortSignal): Promise<Directory> {
  const [locations, practitioners, roles, schedules] = await Promise.all(
    (['Location', 'Practitioner', 'PractitionerRole', 'Schedule'] as const).map(async (type) =>
      (await client.serves(type, signal)) ? client.searchAll(type, [], signal, MAX_DIRECTORY_ROWS) : [],
    ),
  );
  return mapDirectory(
    { locations: locations ?? [], practitioners: practitioners ?? [], roles: roles ?? [], schedules: schedules ?? [] },
    { ...config, baseUrl: client.baseUrl },
  );
}
