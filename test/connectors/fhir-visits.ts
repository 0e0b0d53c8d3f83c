/** A practice whose visits lie around today, in the foreign FHIR server; and what was read of it. */
import type { Batch, Connector, Surroundings } from '../../src/connectors/connector.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { type FaultProxy, startFaultProxy } from '../harness/fault-proxy.ts';
import {
  type Foreign,
  type ForeignServer,
  fhirConfig,
  PRACTITIONER,
  seedPractice,
  startFhirServer,
} from './fhir-bench.ts';

const DAY_MS = 86_400_000;
/** No test here waits for a server that is silent. */
const TIMEOUT_MS = 5_000;

export const inDays = (days: number): number => Date.now() + days * DAY_MS;

export function configOf(baseUrl: string, more: Parameters<typeof fhirConfig>[1] = {}) {
  return fhirConfig(baseUrl, { requestTimeoutMs: TIMEOUT_MS, ...more });
}

export function connect(
  baseUrl: string,
  more: Parameters<typeof fhirConfig>[1] = {},
  surroundings?: Surroundings,
): Connector {
  return fhir.connect(configOf(baseUrl, more), surroundings);
}

export function visit(id: string, startMs: number, more: object = {}): Foreign {
  return {
    resourceType: 'Appointment',
    id,
    status: 'booked',
    start: new Date(startMs).toISOString(),
    end: new Date(startMs + 1_800_000).toISOString(),
    participant: [
      { actor: { reference: 'Patient/ada' }, status: 'accepted' },
      { actor: { reference: `Practitioner/${PRACTITIONER}` }, status: 'accepted' },
    ],
    ...more,
  };
}

/** One that can also be reached through a proxy that sees what is asked. */
export async function startPractice(args: string[] = []): Promise<ForeignServer & { proxy: FaultProxy }> {
  const server = await startFhirServer(args);
  await seedPractice(server, 4);
  await server.create({ resourceType: 'Patient', id: 'ada', name: [{ family: 'Stone' }] });
  await server.create({ resourceType: 'Patient', id: 'unseen', name: [{ family: 'Away' }] });
  const proxy = await startFaultProxy(server.url);
  return {
    ...server,
    proxy,
    async close() {
      await proxy.close();
      await server.close();
    },
  };
}

export const deletionsIn = (records: Batch['records']) =>
  records.flatMap((record) => (record.kind === 'deletion' ? [`${record.of} ${record.foreignId}`] : [])).sort();
/** Around a slot that changed every slot that is no block, or no beginning of an hour, is told of as none. */
export const deletedVisits = (records: Batch['records']) =>
  deletionsIn(records).filter((one) => /^appointment (?!Slot)/.test(one));
export const idsIn = (records: Batch['records'], kind: string) =>
  records.flatMap((record) => (record.kind === kind ? [record.foreignId] : []));
