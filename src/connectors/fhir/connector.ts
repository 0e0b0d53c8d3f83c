/** Any server that speaks FHIR R4 with Patient, Appointment and Location, and best with Schedule and Slot. */
import { canonicalAddress } from '../address.ts';
import type { Capabilities, CheckResult, Connector, ConnectorKind } from '../connector.ts';
import { findUnable } from '../unable.ts';
import { fhirClient } from './client.ts';
import { type FhirConfig, fhirConfigSchema } from './config.ts';
import { text } from './fields.ts';
import { changes, find } from './read.ts';
import { execute } from './write.ts';

/**
 * A server may work on after we hung up; as long again as we wait is taken as its limit, and never less than this.
 * What lands later still carries our marker, and the next pass finds it.
 */
const MIN_SETTLE_MS = 10_000;

export const fhir: ConnectorKind<FhirConfig> = {
  kind: 'fhir',
  displayName: 'FHIR R4',
  type: 'cloud',
  configSchema: fhirConfigSchema,
  // One address may serve many practices, told apart by credentials, which are no name: the site is.
  identityOf: ({ baseUrl, locationId }) =>
    canonicalAddress(baseUrl) + (locationId === undefined ? '' : `/Location/${locationId}`),
  connect,
};

function connect(config: FhirConfig): Connector {
  const client = fhirClient(config);

  async function check(signal: AbortSignal): Promise<CheckResult> {
    try {
      const version = text((await client.metadata(signal)).fhirVersion);
      if (!version?.startsWith('4.')) return { ok: false, message: `This server speaks FHIR ${version}, not R4.` };
      for (const type of ['Location', 'Patient', 'Appointment']) {
        if (!(await client.serves(type, signal))) return { ok: false, message: `This server has no ${type}.` };
        await client.search(type, [], signal).next();
      }
      return { ok: true, message: `Reached a FHIR ${version} server and read from it.` };
    } catch (error) {
      return { ok: false, message: `Cannot read from this FHIR server: ${(error as Error).message}.` };
    }
  }

  const capabilities: Capabilities = {
    createAppointment: true,
    createPatient: true,
    createBlock: true,
    confirm: true,
    cancel: true,
    // FHIR keeps no time of arrival.
    checkIn: false,
    reschedule: false,
    changeOperatory: false,
    changeNote: false,
    createAlert: false,
    changeAlert: false,
    appointmentsPerTimeslot: 1,
    // If-None-Exist makes it unique only where the server honours it.
    marker: 'searchable',
    settleMs: Math.max(MIN_SETTLE_MS, config.requestTimeoutMs),
    reportsDeletions: false,
    readsAvailabilities: true,
    readsCompletely: ['location', 'provider', 'operatory', 'availability', 'patient', 'appointment'],
  };

  return {
    capabilities,
    check,
    changes: (cursor, signal) => changes(client, config, cursor, signal),
    execute: async (write, signal) => findUnable(capabilities, write) ?? execute(client, write, signal),
    find: (look, signal) => find(client, config, look, signal),
    close: async () => {},
  };
}
