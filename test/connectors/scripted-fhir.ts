/** A FHIR server that answers whatever a test wants, and a practice of one of each for it to begin with. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Batch } from '../../src/connectors/connector.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import type { AppointmentRecord, AvailabilityRecord, HrsRecord, PatientRecord } from '../../src/domain/records.ts';
import { collect, stateOf } from './bench-actions.ts';
import { type Foreign, fhirConfig } from './fhir-bench.ts';

export const TYPES = ['Location', 'Practitioner', 'PractitionerRole', 'Schedule', 'Slot', 'Patient', 'Appointment'];
export const START = '2040-01-02T14:00:00Z';
export const END = '2040-01-02T14:30:00Z';

/** The practice that every case begins with: one of each. */
export function practice(): Record<string, Foreign[]> {
  const meta = { versionId: '1', lastUpdated: '2026-01-01T00:00:00Z' };
  const reference = (to: string) => ({ reference: to });
  return {
    Location: [{ resourceType: 'Location', id: 'site', meta, name: 'Harbour Street' }],
    Practitioner: [{ resourceType: 'Practitioner', id: 'dr', meta, name: [{ family: 'Grey' }] }],
    PractitionerRole: [],
    Schedule: [{ resourceType: 'Schedule', id: 'hours', meta, actor: [reference('Practitioner/dr')] }],
    Slot: [
      {
        resourceType: 'Slot',
        id: 's1',
        meta,
        schedule: reference('Schedule/hours'),
        status: 'free',
        start: START,
        end: END,
      },
    ],
    Patient: [{ resourceType: 'Patient', id: 'ada', meta, name: [{ family: 'Stone', given: ['Ada'] }] }],
    Appointment: [
      {
        ...{ resourceType: 'Appointment', id: 'visit', meta, status: 'booked', start: START, end: END },
        participant: [
          { actor: reference('Patient/ada'), status: 'accepted' },
          { actor: reference('Practitioner/dr'), status: 'accepted' },
        ],
      },
    ],
  };
}

/** What the server does for one case. */
export interface Script {
  rows: Record<string, Foreign[]>;
  /** The searchset of a type, before it is sent. */
  bundle: (bundle: Foreign, type: string, page: string | null) => unknown;
  /** Instead of everything else; true when it has answered. */
  answer: (path: string, response: ServerResponse) => boolean;
  fhirVersion: string;
}

export interface Reading {
  state: Map<string, HrsRecord>;
  complete: boolean;
  error: Error | null;
  visit: AppointmentRecord | undefined;
  ada: PatientRecord | undefined;
  hours: AvailabilityRecord[];
}

export interface ScriptedServer {
  url: string;
  /**
   * What is read of it when it answers so: the practice as it is, but for what `edit` changes. Everything is read, and
   * then what has changed since. `more` are settings.
   */
  read(edit: (script: Script) => void, more?: Parameters<typeof fhirConfig>[1]): Promise<Reading>;
  close(): void;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  let script: Script;
  let url = '';
  const server = createServer((request, response) => {
    const at = new URL(request.url ?? '/', url);
    const [, type = '', id] = at.pathname.split('/');
    if (script.answer(at.pathname, response)) return;
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/fhir+json' }).end(JSON.stringify(body));
    if (type === 'metadata') {
      const { fhirVersion } = script;
      return send(200, {
        resourceType: 'CapabilityStatement',
        fhirVersion,
        rest: [{ resource: TYPES.map((one) => ({ type: one })) }],
      });
    }
    const rows = script.rows[type] ?? [];
    if (id !== undefined) {
      const row = rows.find((one) => one.id === id);
      return send(
        row ? 200 : 404,
        row ?? { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found' }] },
      );
    }
    const entry = rows.map((resource) => ({
      fullUrl: `${url}/${type}/${resource?.id}`,
      resource,
      search: { mode: 'match' },
    }));
    const bundle = { resourceType: 'Bundle', type: 'searchset', total: rows.length, entry, link: [] };
    send(200, script.bundle(bundle, type, at.searchParams.get('page')));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async read(edit, more = {}) {
      script = { rows: practice(), bundle: (bundle) => bundle, answer: () => false, fhirVersion: '4.0.1' };
      edit(script);
      const connector = fhir.connect(fhirConfig(url, { requestTimeoutMs: 2_000, ...more }));
      const batches: Batch[] = [];
      let error: Error | null = null;
      try {
        await collect(connector, null, batches);
        const cursor = batches.at(-1)?.cursor;
        if (cursor) await collect(connector, cursor, batches);
      } catch (thrown) {
        error = thrown as Error;
      }
      await connector.close();
      const state = stateOf(batches.flatMap(({ records }) => records));
      const complete = error === null && batches.at(-1)?.complete === true;
      return {
        ...{ state, complete, error },
        visit: state.get('appointment visit') as AppointmentRecord | undefined,
        ada: state.get('patient ada') as PatientRecord | undefined,
        hours: [...state.values()].filter((record) => record.kind === 'availability'),
      };
    },
    close: () => server.close().closeAllConnections(),
  };
}
