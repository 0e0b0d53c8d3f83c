/** Any server that speaks FHIR R4 with Patient, Appointment and Location, and best with Schedule and Slot. */
import { canonicalAddress } from '../address.ts';
import {
  ALONE,
  type Capabilities,
  type CheckResult,
  type Connector,
  type ConnectorKind,
  HrsNonsense,
  type Surroundings,
} from '../connector.ts';
import { findUnable } from '../unable.ts';
import { changes, type Reader } from './changes.ts';
import { fhirClient } from './client.ts';
import { type FhirConfig, fhirConfigSchema } from './config.ts';
import { replayFrom } from './cursor.ts';
import { noticeOf, subscribe } from './notice.ts';
import { QUIRKS } from './quirks.ts';
import { find } from './read.ts';
import { execute, writesOf } from './write.ts';

/**
 * A server may work on after we hung up; as long again as we wait is taken as its limit, and never less than this.
 * What lands later still carries our marker, and the next pass finds it.
 */
const MIN_SETTLE_MS = 10_000;

/** For so long a refusal to search by `_lastUpdated` is believed: one may have been a proxy's, or a mishap. */
const REFUSAL_MS = 24 * 3_600_000;

export const fhir: ConnectorKind<FhirConfig> = {
  kind: 'fhir',
  displayName: 'FHIR R4',
  type: 'cloud',
  configSchema: fhirConfigSchema,
  // One address may serve many practices, told apart by credentials, which are no name: the site is.
  identityOf: ({ baseUrl, locationId }) =>
    canonicalAddress(baseUrl) + (locationId === undefined ? '' : `/Location/${locationId}`),
  connect,
  notice: noticeOf,
  replayFrom,
};

/** Everything that a pass from the beginning covers. */
const READ_COMPLETELY: Capabilities['readsCompletely'] = [
  'location',
  'provider',
  'operatory',
  'availability',
  'patient',
  'appointment',
];

function connect(config: FhirConfig, { messages, budget }: Surroundings = ALONE): Connector {
  const client = fhirClient(config, budget);
  let refusedMs = Number.NEGATIVE_INFINITY;

  async function check(signal: AbortSignal): Promise<CheckResult> {
    try {
      const { fhirVersion: version } = await client.statement(signal);
      if (!version?.startsWith('4.')) return { ok: false, message: `This server speaks FHIR ${version}, not R4.` };
      for (const type of ['Location', 'Patient', 'Appointment']) {
        if (!(await client.serves(type, signal))) return { ok: false, message: `This server has no ${type}.` };
        // Those are only given for certain days.
        const isLimited = type === 'Appointment' && QUIRKS[config.vendor].dateRequired;
        if (!isLimited) await client.search(type, [], signal).next();
      }
      const { createAppointment } = writesOf(await client.abilities(signal));
      const limit = createAppointment ? '' : ' It takes no bookings.';
      return { ok: true, message: `Reached a FHIR ${version} server and read from it.${limit}` };
    } catch (error) {
      return { ok: false, message: `Cannot read from this FHIR server: ${(error as Error).message}.` };
    }
  }

  const capabilities: Capabilities = {
    ...writesOf(QUIRKS[config.vendor]),
    // FHIR keeps no time of arrival.
    checkIn: false,
    createAlert: false,
    changeAlert: false,
    appointmentsPerTimeslot: 1,
    // If-None-Exist makes it unique only where the server honours it.
    marker: 'searchable',
    settleMs: Math.max(MIN_SETTLE_MS, config.requestTimeoutMs),
    // Where the server keeps a history; it is asked at the first reading.
    reportsDeletions: false,
    readsAvailabilities: true,
    readsCompletely: readCompletely(QUIRKS[config.vendor].lastUpdatedSearch),
  };

  const reader: Reader = {
    client,
    config,
    messages,
    async abilities(signal) {
      const near = client.for('near');
      const { fhirVersion } = await near.statement(signal);
      if (fhirVersion !== null && !fhirVersion.startsWith('4.')) {
        throw new HrsNonsense(`the server speaks another FHIR than R4 (${fhirVersion.slice(0, 20)})`);
      }
      const abilities = await near.abilities(signal);
      const lastUpdatedSearch = abilities.lastUpdatedSearch && Date.now() - refusedMs > REFUSAL_MS;
      // From now on what the server says that it cannot do is refused before anybody asks it.
      Object.assign(capabilities, writesOf(abilities));
      capabilities.reportsDeletions = abilities.typeHistory && lastUpdatedSearch;
      capabilities.readsCompletely = readCompletely(lastUpdatedSearch);
      return { ...abilities, lastUpdatedSearch };
    },
    onNotSearchable() {
      refusedMs = Date.now();
    },
  };

  return {
    capabilities,
    check,
    changes: (cursor, signal) => changes(reader, cursor, signal),
    execute: async (write, signal) =>
      findUnable(capabilities, write) ?? execute(client, config, capabilities, write, signal),
    find: (look, signal) => find(client, config, look, signal),
    subscribe: (url, signal) => subscribe(client.for('near'), config, url, signal),
    close: async () => {},
  };
}

/** Where changes cannot be searched, only those patients are read who have appointments. */
function readCompletely(lastUpdatedSearch: boolean): Capabilities['readsCompletely'] {
  return READ_COMPLETELY.filter((kind) => kind !== 'patient' || lastUpdatedSearch);
}
