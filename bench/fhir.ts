/**
 * How long the first load of a FHIR server takes, and how much of that is ours: the foreign server's pages through the
 * connector into PostgreSQL, against the same requests in the same order by a client that reads each answer and does
 * nothing with it. Server, client and database share the machine, so what we do also slows the server down.
 */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { fhir } from '../src/connectors/fhir/connector.ts';
import { type Database, forAll, forInstitution, openDatabase } from '../src/store/database.ts';
import { claimConnection } from '../src/sync/loop.ts';
import { runSync } from '../src/sync/run.ts';
import {
  type ForeignServer,
  fhirConfig,
  PRACTITIONER,
  SITE,
  seedPractice,
  startFhirServer,
} from '../test/connectors/fhir-bench.ts';
import { createTestDatabase } from '../test/harness/database.ts';
import { startFaultProxy } from '../test/harness/fault-proxy.ts';
import type { Figure } from './figure.ts';

const ROUNDS = 3;
const APPOINTMENTS = 10_000;
const PATIENTS = 2_000;
const SLOTS = 2_000;
/** Appointments lie evenly in the year behind and the three months ahead. */
const DAYS_BACK = 365;
const DAYS_AHEAD = 90;
const DAY_MS = 86_400_000;
/** What the server gives at once, whatever is asked for: Medplum's own default for our page size. */
const MAX_COUNT = 200;
const SEEDERS = 8;
const REQUEST_TIMEOUT_MS = 60_000;

export async function measure(): Promise<Figure[]> {
  const server = await startFhirServer(['--max-count', String(MAX_COUNT)]);
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 2, () => {});
  try {
    await seed(server);
    const urls = await urlsOfFirstLoad(server);
    const rounds: { ours: number; bare: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      // In turn, and in turn first: the machine is not the same for long.
      const [ours, bare] = [() => load(db, server), () => fetchAll(urls)];
      const seconds = round % 2 === 0 ? [await ours(), await bare()] : [await bare(), await ours()].reverse();
      rounds.push({ ours: seconds[0] as number, bare: seconds[1] as number });
    }
    return [
      {
        name: `FHIR first load, ${urls.length} requests`,
        unit: 's',
        rounds: rounds.map(({ ours }) => ours),
        rival: { name: 'the same requests alone', rounds: rounds.map(({ bare }) => bare) },
      },
      {
        name: 'FHIR first load, our share of it',
        unit: '%',
        rounds: rounds.map(({ ours, bare }) => Math.max(0, 100 * (1 - bare / ours))),
        target: { atMost: 20 },
      },
    ];
  } finally {
    await db.close();
    await database.drop();
    await server.close();
  }
}

async function seed(server: ForeignServer): Promise<void> {
  await seedPractice(server, SLOTS);
  const resources = [
    ...Array.from({ length: PATIENTS }, (_, n) => patientOf(n)),
    ...Array.from({ length: APPOINTMENTS }, (_, n) => appointmentOf(n)),
  ];
  let next = 0;
  const work = async () => {
    for (let resource = resources[next++]; resource !== undefined; resource = resources[next++]) {
      await server.create(resource);
    }
  };
  await Promise.all(Array.from({ length: SEEDERS }, work));
}

function patientOf(n: number): object {
  return {
    resourceType: 'Patient',
    id: `patient-${n}`,
    name: [{ family: `Pine ${n}`, given: ['Pia', 'Paula'] }],
    gender: 'female',
    birthDate: '1980-04-05',
    telecom: [
      { system: 'phone', use: 'mobile', value: '2125550101' },
      { system: 'email', value: `pia${n}@example.org` },
    ],
    address: [{ line: ['1 Harbour Street'], city: 'New York', state: 'NY', postalCode: '10004' }],
  };
}

function appointmentOf(n: number): object {
  const firstMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAYS_BACK * DAY_MS;
  const startMs = firstMs + Math.floor((n * (DAYS_BACK + DAYS_AHEAD) * DAY_MS) / APPOINTMENTS / 60_000) * 60_000;
  const actors = [`Patient/patient-${n % PATIENTS}`, `Practitioner/${PRACTITIONER}`, `Location/${SITE}`];
  return {
    resourceType: 'Appointment',
    id: `visit-${n}`,
    status: 'booked',
    start: new Date(startMs).toISOString(),
    end: new Date(startMs + 1_800_000).toISOString(),
    comment: 'first visit',
    participant: actors.map((reference) => ({ actor: { reference }, status: 'accepted' })),
  };
}

async function urlsOfFirstLoad(server: ForeignServer): Promise<string[]> {
  const proxy = await startFaultProxy(server.url);
  const connector = fhir.connect(fhirConfig(proxy.url, { requestTimeoutMs: REQUEST_TIMEOUT_MS }));
  for await (const batch of connector.changes(null, new AbortController().signal)) void batch;
  const urls = proxy.takeSeen().map(({ url }) => server.url + url);
  await proxy.close();
  return urls;
}

async function fetchAll(urls: string[]): Promise<number> {
  const startedMs = performance.now();
  for (const url of urls) await (await fetch(url)).arrayBuffer();
  return (performance.now() - startedMs) / 1_000;
}

/** Seconds for the first pass of a connection of its own. */
async function load(db: Database, server: ForeignServer): Promise<number> {
  const connector = fhir.connect(fhirConfig(server.url, { requestTimeoutMs: REQUEST_TIMEOUT_MS }));
  const institutionId = await connect(db);
  const claimed = await claimConnection(db);
  if (!claimed) throw new Error('the connection is not due');
  const startedMs = performance.now();
  const services = {
    db,
    clock: { nowMs: Date.now },
    log: pino({ level: 'silent' }),
    wakeups: { wake: () => {} },
    kinds: new Map([['fhir', fhir]]),
    connectors: () => connector,
  };
  const result = await runSync(services, claimed.id, claimed.fence, new AbortController().signal);
  const seconds = (performance.now() - startedMs) / 1_000;
  if (result?.outcome !== 'complete') throw new Error(`the first load ended ${result?.outcome}`);
  const { count } = await forInstitution(db, institutionId, (tx) =>
    tx
      .selectFrom('appointment')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow(),
  );
  if (Number(count) !== APPOINTMENTS) throw new Error(`${count} appointments stored, not ${APPOINTMENTS}`);
  return seconds;
}

/** An institution of its own, whose connection is the only one that is due. */
function connect(db: Database): Promise<number> {
  return forAll(db, async (tx) => {
    await tx.updateTable('connection').set({ paused: true }).execute();
    const { id } = await tx
      .insertInto('institution')
      .values({ name: 'Bench', subdomain: `bench-${randomUUID()}` })
      .returning('id')
      .executeTakeFirstOrThrow();
    const row = { name: 'bench', config: '{}', sync_cycle_ms: 1_000, push_token: randomUUID() };
    await tx
      .insertInto('connection')
      .values({ institution_id: id, kind: 'fhir', ...row })
      .execute();
    return id;
  });
}
