/** One person's calendar and address book on a real CalDAV server, and that person at work in both. */
import { randomUUID } from 'node:crypto';
import { caldav } from '../../src/connectors/caldav/connector.ts';
import { ALONE, type Budget } from '../../src/connectors/connector.ts';
import { type Foreign, startForeign } from '../harness/debian.ts';
import { type FaultProxy, startFaultProxy } from '../harness/fault-proxy.ts';
import type { Bench, FreeTime, FrontDesk } from './bench.ts';
import { httpFaults, type PageShape } from './http-faults.ts';

/** How each server is started; both keep `/kim/` for the user of that name. */
export const SERVERS = {
  radicale: (port: number, folder: string) => [
    ...['--config', '', '--server-hosts', `127.0.0.1:${port}`, '--auth-type', 'none'],
    ...['--storage-filesystem-folder', folder, '--logging-level', 'critical'],
  ],
  xandikos: (port: number, folder: string) => [
    ...['--listen-address', '127.0.0.1', '--port', String(port), '-d', folder],
    ...['--current-user-principal', '/kim/', '--autocreate'],
  ],
};

const ZONE = 'America/New_York';
const TIMEOUT_MS = 1_000;
const SLOT_MS = 30 * 60_000;

/** 2 January 2040, 09:00 in New York: never past. */
const FIRST_MS = Date.parse('2040-01-02T14:00:00.000Z');

const SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav"';
const AUTHORIZATION = `Basic ${Buffer.from('kim:secret').toString('base64')}`;

const isWrite = ({ method }: { method: string }) => method === 'PUT' || method === 'DELETE';

/** Rows are the responses of a multistatus; without a right to see them there are none, save the collection itself. */
const PAGES: PageShape = {
  withRows(body, change) {
    const rows = body.match(ROW);
    if (!rows) return null;
    const [head = '', ...rest] = body.split(ROW);
    return head + change([...rows]).join('') + rest.at(-1);
  },
  emptied: (body) => body.replace(ROW, (row) => (/href>[^<]*\/<\//.test(row) ? row : '')),
};
const ROW = /<(?:\w+:)?response>.*?<\/(?:\w+:)?response>/gs;

export interface CaldavDesk extends FrontDesk {
  /** Puts an item into the calendar as it is, and answers with its name. */
  put(name: string, event: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export type CaldavBench = Bench & { desk: CaldavDesk; proxy: FaultProxy };

export async function startCaldavBench(
  program: keyof typeof SERVERS,
  budget: Budget = ALONE.budget,
): Promise<CaldavBench> {
  const server = await startForeign(program, SERVERS[program]);
  return benchOn(server, budget).catch(async (error) => {
    await server.stop();
    throw error;
  });
}

async function benchOn(server: Foreign, budget: Budget): Promise<CaldavBench> {
  const home = `http://127.0.0.1:${server.port}/kim/`;

  async function call(method: string, path: string, body: string | null = null, type = 'application/xml') {
    const headers = { authorization: AUTHORIZATION, 'content-type': type, depth: '1' };
    const response = await fetch(home + path, { method, headers, body });
    const text = await response.text();
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, text };
  }

  const collection = (type: string) =>
    `<D:mkcol ${SPACES}><D:set><D:prop><D:resourcetype><D:collection/>${type}</D:resourcetype></D:prop></D:set></D:mkcol>`;
  await call('PROPFIND', '');
  await call('MKCOL', 'practice/', collection('<C:calendar/>'));
  await call('MKCOL', 'patients/', collection('<A:addressbook/>'));

  const put = async (name: string, data: string) => void (await call('PUT', `practice/${name}`, data, 'text/calendar'));
  const putCard = (name: string, lastName: string) =>
    call('PUT', `patients/${name}`, card(name, lastName), 'text/vcard');
  let times = 0;
  const desk: CaldavDesk = {
    otherOperatoryForeignId: null,
    put,
    remove: async (name) => void (await call('DELETE', `practice/${name}`)),
    async addPatients(lastNames) {
      const people = lastNames.map((lastName) => ({ name: `${randomUUID()}.vcf`, lastName }));
      for (const { name, lastName } of people) await putCard(name, lastName);
      return people.map(({ name }) => name);
    },
    renamePatient: async (name, lastName) => void (await putCard(name, lastName)),
    async takeFreeTime() {
      const startMs = FIRST_MS + times++ * SLOT_MS;
      return {
        locationForeignId: 'practice',
        providerForeignId: 'owner',
        operatoryForeignId: null,
        startAt: new Date(startMs).toISOString(),
        endAt: new Date(startMs + SLOT_MS).toISOString(),
      };
    },
    async addAppointment(time, patientId) {
      const name = `${randomUUID()}.ics`;
      await put(name, event(name, time, patientId));
      return name;
    },
    addAppointmentAgain: (name, time, patientId) => put(name, event(name, time, patientId)),
    async cancelAppointment(name) {
      const { text } = await call('GET', `practice/${name}`);
      const others = text.replace(/^STATUS:.*\r?\n/m, '');
      await put(name, others.replace(/^END:VEVENT/m, 'STATUS:CANCELLED\r\nEND:VEVENT'));
    },
    deleteAppointment: async (name) => void (await call('DELETE', `practice/${name}`)),
    async countByMarker(kind, marker) {
      const path = kind === 'patient' ? 'patients/' : 'practice/';
      const { text } = await call('PROPFIND', path, `<D:propfind ${SPACES}><D:prop><D:getetag/></D:prop></D:propfind>`);
      return text.split(`${marker}.`).length - 1;
    },
  };

  const proxy = await startFaultProxy(`http://127.0.0.1:${server.port}`);
  const connector = caldav.connect(
    caldav.configSchema.parse({
      calendarUrl: `${proxy.url}/kim/practice/`,
      addressBookUrl: `${proxy.url}/kim/patients/`,
      username: 'kim',
      password: 'secret',
      timeZone: ZONE,
      locationName: 'Kim Grey',
      providerFirstName: 'Kim',
      providerLastName: 'Grey',
      requestTimeoutMs: TIMEOUT_MS,
    }),
    { ...ALONE, budget },
  );
  return {
    connector,
    timeoutMs: TIMEOUT_MS,
    morePatientsThanFit: 60,
    proxy,
    faults: httpFaults(proxy, TIMEOUT_MS, PAGES, isWrite),
    desk,
    async close() {
      await connector.close();
      await proxy.close();
      await server.stop();
    },
  };
}

function card(name: string, lastName: string): string {
  const lines = ['VERSION:3.0', `UID:${name}`, `FN:Pat ${lastName}`, `N:${lastName};Pat;;;`];
  return ['BEGIN:VCARD', ...lines, 'END:VCARD', ''].join('\r\n');
}

function event(name: string, { startAt, endAt }: FreeTime, patient: string): string {
  const basic = (instant: string) => instant.replace(/[-:]|\.\d+/g, '');
  return calendar(
    `UID:${name}`,
    `DTSTART:${basic(startAt)}`,
    `DTEND:${basic(endAt)}`,
    'SUMMARY:Somebody',
    `CONTACT;ALTREP="/kim/patients/${patient}":Somebody`,
  );
}

/** A calendar with one event of these lines. */
export function calendar(...lines: string[]): string {
  const all = ['VERSION:2.0', 'PRODID:-//Kim//EN', 'BEGIN:VEVENT', 'DTSTAMP:20260101T000000Z', ...lines, 'END:VEVENT'];
  return ['BEGIN:VCALENDAR', ...all, 'END:VCALENDAR', ''].join('\r\n');
}
