/** What is particular to FHIR, against the foreign server: its slots, its paging, its lax flavour. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  type Batch,
  type Connector,
  type Cursor,
  HrsNonsense,
  type NewAppointment,
  OutcomeUnknown,
  Unavailable,
  type Write,
} from '../../src/connectors/connector.ts';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import type { AppointmentRecord, AvailabilityRecord } from '../../src/domain/records.ts';
import { isWrite } from '../harness/fault-proxy.ts';
import { readAll } from './bench-actions.ts';
import {
  type FhirBench,
  type Foreign,
  type ForeignServer,
  fhirConfig,
  PRACTITIONER,
  ROOM,
  SITE,
  startFhirBench,
} from './fhir-bench.ts';

const now = () => AbortSignal.timeout(10_000);

function booking(more: Partial<NewAppointment> = {}): NewAppointment {
  return {
    locationForeignId: SITE,
    patientForeignId: 'patient-1',
    providerForeignId: PRACTITIONER,
    operatoryForeignId: ROOM,
    descriptorForeignIds: [],
    startAt: '2040-01-02T14:00:00.000Z',
    endAt: '2040-01-02T14:30:00.000Z',
    unavailable: false,
    note: 'Tooth 12',
    appointmentsPerTimeslot: 1,
    ...more,
  };
}

function create(more: Partial<NewAppointment> = {}): Write {
  return { kind: 'create_appointment', marker: randomUUID(), appointment: booking(more) };
}

async function pass(connector: Connector): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of connector.changes(null, now())) batches.push(batch);
  return batches;
}

describe('fhir, with a strict server', () => {
  let bench: FhirBench;
  let server: ForeignServer;
  let connector: Connector;
  before(async () => {
    bench = await startFhirBench([], 160);
    ({ server } = bench);
    connector = fhir.connect(fhirConfig(bench.proxy.url, { requestTimeoutMs: 5_000 }));
    await server.create({ resourceType: 'Patient', id: 'patient-1', name: [{ family: 'Ordinary' }] });
  });
  after(() => bench?.close());
  afterEach(() => bench.proxy.clear());

  const hoursOn = (records: Batch['records'], date: string) =>
    records
      .filter((record): record is AvailabilityRecord => record.kind === 'availability' && record.specificDate === date)
      .map((hour) => [hour.foreignId, hour.beginLocal, hour.endLocal, hour.providerForeignId, hour.locationForeignId]);

  it('reads the practice', async () => {
    const { records } = await readAll(connector, null);
    const ids = (kind: string) => records.filter((r) => r.kind === kind).map((r) => r.foreignId);
    assert.deepEqual(ids('location'), [SITE]);
    assert.deepEqual(ids('operatory'), [ROOM, 'room-2']);
    assert.deepEqual(ids('provider'), [PRACTITIONER, 'dr-2']);
    assert.deepEqual(hoursOn(records, '2040-01-02'), [['slot-0', '09:00', '17:00', PRACTITIONER, SITE]]);
    assert.equal(ids('availability').length, 10);
  });

  it('keeps hours while they are booked, and says nothing of them when nothing happened', async () => {
    const time = { startAt: '2040-01-03T14:00:00.000Z', endAt: '2040-01-03T14:30:00.000Z' };
    const { cursor } = await readAll(connector, null);
    assert.equal((await connector.execute(create(time), now())).outcome, 'done');
    assert.equal((await server.get('Slot/slot-16')).status, 'busy');
    const next = await readAll(connector, cursor);
    assert.deepEqual(hoursOn(next.records, '2040-01-03'), [['slot-16', '09:00', '17:00', PRACTITIONER, SITE]]);
    assert.deepEqual(hoursOn((await readAll(connector, null)).records, '2040-01-03').length, 1);
  });

  it('splits hours around closed time, makes it a block, and joins them again', async () => {
    const { cursor } = await readAll(connector, null);
    await server.edit('Slot/slot-36', (slot) => ({ ...slot, status: 'busy-unavailable' }));
    const closed = await readAll(connector, cursor);
    assert.deepEqual(
      hoursOn(closed.records, '2040-01-04').map((hour) => hour.slice(0, 3)),
      [
        ['slot-32', '09:00', '11:00'],
        ['slot-37', '11:30', '17:00'],
      ],
    );
    const block = closed.records.find((record) => record.foreignId === 'Slot/slot-36') as AppointmentRecord;
    assert.deepEqual([block.unavailable, block.startAt], [true, '2040-01-04T16:00:00.000Z']);

    await server.edit('Slot/slot-36', (slot) => ({ ...slot, status: 'free' }));
    const open = await readAll(connector, closed.cursor);
    assert.deepEqual(
      hoursOn(open.records, '2040-01-04').map((hour) => hour.slice(0, 3)),
      [['slot-32', '09:00', '17:00']],
    );
    const deleted = open.records.filter((record) => record.kind === 'deletion').map((r) => `${r.of} ${r.foreignId}`);
    assert.ok(deleted.includes('availability slot-37'));
    assert.ok(deleted.includes('appointment Slot/slot-36'));
  });

  it('sees no block in closed time that carries an appointment', async () => {
    await server.edit('Slot/slot-48', (slot) => ({ ...slot, status: 'busy-unavailable' }));
    await server.create({
      resourceType: 'Appointment',
      status: 'booked',
      start: '2040-01-05T14:00:00Z',
      end: '2040-01-05T14:30:00Z',
      slot: [{ reference: 'Slot/slot-48' }],
      participant: [{ actor: { reference: `Practitioner/${PRACTITIONER}` }, status: 'accepted' }],
    });
    const { records } = await readAll(connector, null);
    assert.equal(
      records.some((record) => record.foreignId === 'Slot/slot-48'),
      false,
    );
  });

  it('takes an appointment off the schedule when it loses its time', async () => {
    const visit = await server.create({
      resourceType: 'Appointment',
      status: 'booked',
      start: '2041-01-05T14:00:00Z',
      end: '2041-01-05T14:30:00Z',
      participant: [{ actor: { reference: 'Practitioner/dr-2' }, status: 'accepted' }],
    });
    const { cursor } = await readAll(connector, null);
    await server.edit(`Appointment/${visit.id}`, ({ start: _, end: __, ...rest }: Foreign) => ({
      ...rest,
      status: 'waitlist',
    }));
    const { records } = await readAll(connector, cursor);
    assert.deepEqual(
      records.filter((record) => record.foreignId === visit.id),
      [{ kind: 'deletion', of: 'appointment', foreignId: visit.id }],
    );
  });

  const positionOf = (cursor: Cursor | null) =>
    Date.parse((cursor as { positions: { Patient: string } }).positions.Patient);
  const askedSince = () => {
    const { url } = bench.proxy.takeSeen().find((request) => request.url.startsWith('/Patient?')) ?? { url: '' };
    return Date.parse(new URLSearchParams(url.split('?')[1]).get('_lastUpdated')?.replace(/^ge/, '') ?? '');
  };

  it('reads again a minute before its position: servers stamp before they show', async () => {
    const { cursor } = await readAll(connector, null);
    bench.proxy.takeSeen();
    await readAll(connector, cursor);
    assert.equal(askedSince(), positionOf(cursor) - 60_000);
  });

  it('comes back to the server’s time from a position in the future', async () => {
    const { cursor } = await readAll(connector, null);
    const types = Object.keys((cursor as { positions: object }).positions);
    const positions = Object.fromEntries(types.map((type) => [type, '2199-12-31T00:00:00.000Z']));
    bench.proxy.takeSeen();
    const next = await readAll(connector, { version: 1, positions });
    assert.ok(askedSince() <= Date.now() - 59_000);
    assert.ok(positionOf(next.cursor) <= Date.now());
  });

  it('asks for a fresh start with a cursor of another make', async () => {
    await assert.rejects(readAll(connector, { version: 99 }), { name: 'CursorRejected' });
  });

  it('follows no link that leaves the server, goes in a circle, or is no link', async () => {
    const withNext = (url: unknown) => (json: unknown) => ({ ...(json as object), link: [{ relation: 'next', url }] });
    const isPatients = ({ url }: { url: string }) => url.startsWith('/Patient');
    const loop = `${bench.proxy.url}/Patient?_count=1&_total=accurate`;
    for (const url of ['http://127.0.0.1:9/Patient', 'file:///etc/passwd', '', 5, 'x'.repeat(9_000), loop]) {
      bench.proxy.arm({ kind: 'edit', edit: withNext(url) }, { when: isPatients, times: 50 });
      await assert.rejects(pass(connector), HrsNonsense, String(url).slice(0, 40));
      bench.proxy.clear();
    }
  });

  it('makes nothing of a page with strange rows', async () => {
    const entries: Foreign[] = [
      [null],
      [{}],
      [{ resource: { resourceType: 'Observation', id: '1' } }],
      [{ resource: { resourceType: 'Appointment' } }],
      [{ resource: { resourceType: 'Appointment', id: '../Patient/1' } }],
      [{ search: { mode: 'outcome' }, resource: { resourceType: 'OperationOutcome', issue: [{ severity: 'error' }] } }],
      'none',
    ];
    const isAppointments = ({ url }: { url: string }) => url.startsWith('/Appointment?date');
    for (const entry of entries) {
      const edit = (json: unknown) => ({ ...(json as object), entry });
      bench.proxy.arm({ kind: 'edit', edit }, { when: isAppointments });
      await assert.rejects(pass(connector), HrsNonsense, JSON.stringify(entry));
      bench.proxy.clear();
    }
  });

  it('is not complete while rows are missing from the total', async () => {
    const edit = (json: unknown) => ({ ...(json as object), total: 1_000_000 });
    bench.proxy.arm({ kind: 'edit', edit }, { when: ({ url }) => url.startsWith('/Patient'), times: 10 });
    const batches = await pass(connector);
    assert.deepEqual([batches.at(-1)?.complete, batches.at(-1)?.cursor], [false, null]);
    assert.ok(batches.some((batch) => batch.records.some((record) => record.kind === 'patient')));
  });

  it('concludes nothing from a part of the places or of the slots', async () => {
    const edit = (json: unknown) => ({ ...(json as object), total: 1_000_000 });
    bench.proxy.arm({ kind: 'edit', edit }, { when: ({ url }) => url.startsWith('/Location'), times: 10 });
    await assert.rejects(pass(connector), HrsNonsense);
    bench.proxy.clear();
    bench.proxy.arm({ kind: 'edit', edit }, { when: ({ url }) => url.startsWith('/Slot'), times: 100 });
    const batches = await pass(connector);
    assert.equal(batches.at(-1)?.complete, false);
    const kinds = new Set(batches.flatMap((batch) => batch.records.map((record) => record.kind)));
    assert.deepEqual([kinds.has('availability'), kinds.has('appointment')], [false, true]);
  });

  it('reads again when a row that moved hid another one', async () => {
    let hidden: unknown;
    const edit = (json: unknown) => {
      const bundle = json as { entry?: unknown[] };
      hidden = bundle.entry?.shift();
      return bundle;
    };
    bench.proxy.arm({ kind: 'edit', edit }, { when: ({ url }) => url.startsWith('/Patient') });
    const { records } = await readAll(connector, null);
    const { id } = (hidden as { resource: { id: string } }).resource;
    assert.ok(records.some((record) => record.kind === 'patient' && record.foreignId === id));
  });

  it('does not believe a search that ignored what was searched for', async () => {
    const marker = randomUUID();
    const unasked = (json: unknown) => ({
      ...(json as object),
      total: 1,
      entry: [{ resource: { resourceType: 'Appointment', id: 'other', status: 'booked' } }],
    });
    bench.proxy.arm({ kind: 'edit', edit: unasked }, { when: ({ url }) => url.startsWith('/Appointment') });
    assert.deepEqual(await connector.find({ kind: 'appointment', marker }, now()), []);
  });

  it('takes every slot of a longer visit or none, and knows its own again', async () => {
    const long = { startAt: '2040-01-06T14:00:00.000Z', endAt: '2040-01-06T15:30:00.000Z' };
    await server.edit('Slot/slot-66', (slot) => ({ ...slot, status: 'busy-tentative' }));
    const lost = await connector.execute(create(long), now());
    assert.equal(lost.outcome === 'refused' && lost.reason, 'slot_taken');
    await server.edit('Slot/slot-66', (slot) => ({ ...slot, status: 'free' }));
    const statuses = async () => [
      (await server.get('Slot/slot-64')).status,
      (await server.get('Slot/slot-65')).status,
      (await server.get('Slot/slot-66')).status,
    ];
    assert.deepEqual(await statuses(), ['free', 'free', 'free']);

    // Interrupted after the second slot: in doubt, then finished by the same booking, closed to any other.
    const write = create(long);
    let puts = 0;
    bench.proxy.arm({ kind: 'cut' }, { when: ({ method }) => method === 'PUT' && ++puts === 3 });
    await assert.rejects(connector.execute(write, now()), OutcomeUnknown);
    assert.deepEqual(await statuses(), ['busy', 'busy', 'free']);
    const other = await connector.execute(create(long), now());
    assert.equal(other.outcome === 'refused' && other.reason, 'slot_taken');
    const mine = await connector.execute(write, now());
    assert.equal(mine.outcome, 'done');
    assert.deepEqual(await statuses(), ['busy', 'busy', 'busy']);
  });

  it('gives its slots back when the appointment is refused, or not taken', async () => {
    const time = { startAt: '2040-01-08T14:00:00.000Z', endAt: '2040-01-08T14:30:00.000Z' };
    const isCreate = ({ method }: { method: string }) => method === 'POST';
    const issue = [{ severity: 'error', code: 'business-rule', diagnostics: 'Ordinary may not book' }];
    const body = JSON.stringify({ resourceType: 'OperationOutcome', issue });
    bench.proxy.arm({ kind: 'answer', status: 422, body }, { when: isCreate });
    const result = await connector.execute(create(time), now());
    assert.equal(result.outcome === 'refused' && result.reason, 'refused_by_hrs');
    assert.equal(result.outcome === 'refused' && result.hrsSaid, 'HTTP 422, error/business-rule');
    assert.equal((await server.get('Slot/slot-96')).status, 'free');
    assert.equal((await server.get('Slot/slot-96')).identifier, undefined);

    bench.proxy.arm({ kind: 'answer', status: 503, headers: { 'retry-after': '1' } }, { when: isCreate });
    await assert.rejects(connector.execute(create(time), now()), Unavailable);
    assert.equal((await server.get('Slot/slot-96')).status, 'free');

    // Not even given back: then something of it is in the HRS.
    let writes = 0;
    bench.proxy.arm(
      { kind: 'answer', status: 503, headers: { 'retry-after': '1' } },
      { when: (request) => isWrite(request) && ++writes > 1, times: 9 },
    );
    await assert.rejects(connector.execute(create(time), now()), OutcomeUnknown);
  });

  it('books where there are no slots unless something overlaps, also under a role or in the room', async () => {
    const at = (hour: number) => ({
      startAt: `2041-03-01T${hour}:00:00.000Z`,
      endAt: `2041-03-01T${hour}:30:00.000Z`,
    });
    const visit = (hour: number, ...references: string[]) =>
      server.create({
        resourceType: 'Appointment',
        status: 'booked',
        start: `2041-03-01T${hour}:15:00Z`,
        end: `2041-03-01T${hour}:45:00Z`,
        participant: references.map((reference) => ({ actor: { reference }, status: 'accepted' })),
      });
    await visit(15, `PractitionerRole/role-${PRACTITIONER}`);
    await visit(16, 'Practitioner/dr-2', `Location/${ROOM}`);
    await visit(17, 'Practitioner/dr-2', 'Location/room-2');
    const outcomes = [];
    for (const hour of [14, 15, 16, 17]) outcomes.push((await connector.execute(create(at(hour)), now())).outcome);
    assert.deepEqual(outcomes, ['done', 'refused', 'refused', 'done']);
  });

  it('merges a confirmation with what somebody else just changed', async () => {
    const time = { startAt: '2040-01-09T14:00:00.000Z', endAt: '2040-01-09T14:30:00.000Z' };
    const made = await connector.execute(create(time), now());
    const id = made.outcome === 'done' ? made.foreignId : '';
    let isFirst = true;
    const edit = async () => {
      await server.edit(`Appointment/${id}`, (one) => ({ ...one, comment: 'moved to chair 2', priority: 3 }));
    };
    // The proxy lets the front desk in between our reading and our writing.
    let edited: Promise<void> = Promise.resolve();
    bench.proxy.arm(
      { kind: 'slow', delayMs: 50 },
      {
        when: ({ method }) => {
          if (method !== 'PUT' || !isFirst) return false;
          isFirst = false;
          edited = edit();
          return true;
        },
      },
    );
    assert.equal(
      (await connector.execute({ kind: 'confirm', marker: randomUUID(), foreignId: id }, now())).outcome,
      'done',
    );
    await edited;
    const stored = await server.get(`Appointment/${id}`);
    assert.deepEqual([stored.comment, stored.priority], ['moved to chair 2', 3]);
    const [record] = await connector.find({ kind: 'appointment', foreignId: id }, now());
    assert.equal((record as AppointmentRecord).confirmed, true);
  });

  it('refuses to confirm what is cancelled and to cancel what is over', async () => {
    for (const [status, kind] of [
      ['cancelled', 'confirm'],
      ['noshow', 'confirm'],
      ['fulfilled', 'cancel'],
    ] as const) {
      const visit = await server.create({
        resourceType: 'Appointment',
        status,
        start: '2041-05-01T15:00:00Z',
        end: '2041-05-01T15:30:00Z',
        participant: [{ actor: { reference: 'Patient/patient-1' }, status: 'needs-action' }],
      });
      const result = await connector.execute({ kind, marker: randomUUID(), foreignId: visit.id }, now());
      assert.equal(result.outcome === 'refused' && result.reason, 'refused_by_hrs');
    }
  });

  it('frees closed time of the practice, and makes a block of its own vanish', async () => {
    await server.edit('Slot/slot-130', (slot) => ({ ...slot, status: 'busy-unavailable' }));
    const open = await connector.execute({ kind: 'cancel', marker: randomUUID(), foreignId: 'Slot/slot-130' }, now());
    assert.deepEqual(open, { outcome: 'done', foreignId: 'Slot/slot-130' });
    assert.equal((await server.get('Slot/slot-130')).status, 'free');
    const noBlock = await connector.execute({ kind: 'cancel', marker: randomUUID(), foreignId: 'Slot/slot-16' }, now());
    assert.equal(noBlock.outcome, 'refused');

    const nowhere = create({ unavailable: true, patientForeignId: null, providerForeignId: 'nobody' });
    const refused = await connector.execute(nowhere, now());
    assert.equal(refused.outcome === 'refused' && refused.reason, 'refused_by_hrs');
  });

  it('checks the version of FHIR and the credentials', async () => {
    const isMetadata = ({ url }: { url: string }) => url === '/metadata';
    const edit = (json: unknown) => ({ ...(json as object), fhirVersion: '5.0.0' });
    bench.proxy.arm({ kind: 'edit', edit }, { when: isMetadata });
    const fresh = fhir.connect(fhirConfig(bench.proxy.url));
    assert.deepEqual(await fresh.check(now()), { ok: false, message: 'This server speaks FHIR 5.0.0, not R4.' });
    bench.proxy.arm({ kind: 'answer', status: 401 }, { when: ({ url }) => url.startsWith('/Location') });
    assert.match((await connector.check(now())).message, /credentials/);
  });

  it('sends its credentials with every request', async () => {
    const seen: (string | undefined)[] = [];
    const { createServer } = await import('node:http');
    const listener = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const baseUrl = `http://127.0.0.1:${(listener.address() as { port: number }).port}/r4/`;
    for (const auth of [
      { type: 'bearer', token: 't0ken' },
      { type: 'basic', username: 'user', password: 'päss' },
    ] as const) {
      await fhir.connect(fhirConfig(baseUrl, { auth })).check(now());
    }
    listener.close().closeAllConnections();
    const basic = `Basic ${Buffer.from('user:päss').toString('base64')}`;
    assert.deepEqual(seen, ['Bearer t0ken', basic]);
  });
});

describe('fhir, with a server that ignores If-Match', () => {
  let bench: FhirBench;
  before(async () => {
    bench = await startFhirBench(['--flavour', 'lax', '--paging', 'none', '--max-count', '40'], 24);
  });
  after(() => bench?.close());

  it('never books one time twice', async () => {
    for (let i = 0; i < 12; i++) {
      const { startAt, endAt } = await bench.desk.takeFreeTime();
      const results = await Promise.allSettled(
        [1, 2, 3].map(() => bench.connector.execute(create({ startAt, endAt }), now())),
      );
      const won = results.filter((result) => result.status === 'fulfilled' && result.value.outcome === 'done');
      const found = await bench.server.get('Appointment?status=booked&_count=40');
      const live = (found.entry ?? []).filter(({ resource }: Foreign) => resource.start === startAt);
      assert.ok(won.length <= 1 && live.length === won.length, `${won.length} won, ${live.length} are booked`);
    }
  });

  it('is not complete where results are cut off without a link', async () => {
    assert.equal((await pass(bench.connector)).at(-1)?.complete, true);
    await bench.desk.addPatients(Array.from({ length: 41 }, (_, i) => `P${i}`));
    const last = (await pass(bench.connector)).at(-1);
    assert.deepEqual([last?.complete, last?.cursor], [false, null]);
  });
});

describe('fhir, its settings', () => {
  const isValid = (more: object) =>
    fhir.configSchema.safeParse({ baseUrl: 'https://e.org/r4', auth: { type: 'none' }, timeZone: 'UTC', ...more })
      .success;

  it('accepts what can work and nothing else', () => {
    assert.equal(isValid({}), true);
    for (const baseUrl of ['ftp://e.org', 'https://u:p@e.org', 'https://e.org/?x=1', 'https://e.org/#x', 'e.org', '']) {
      assert.equal(isValid({ baseUrl }), false, baseUrl);
    }
    assert.equal(isValid({ timeZone: 'EST' }), false);
    assert.equal(isValid({ overlapSeconds: 0 }), false);
    assert.equal(isValid({ locationId: '../x' }), false);
    assert.equal(isValid({ unknown: 1 }), false);
  });
});
