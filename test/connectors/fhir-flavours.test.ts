/** One connector against servers that keep different halves of R4: nobody is booked twice by any of them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type NewAppointment, OutcomeUnknown, type Write } from '../../src/connectors/connector.ts';
import { QUIRKS } from '../../src/connectors/fhir/quirks.ts';
import type { FreeTime } from './bench.ts';
import { actionsOn, readAll } from './bench-actions.ts';
import { changingTests } from './conformance-changing.ts';
import { writingTests } from './conformance-writing.ts';
import { type FhirBench, type Foreign, type ForeignServer, startFhirBench } from './fhir-bench.ts';

const CLIENTS = 8;

interface Flavour {
  args: string[];
  /** Does the server itself let only one of several have a slot? */
  guardsPut: boolean;
  guardsPatch: boolean;
  keepsTransactions: boolean;
}

const FLAVOURS: Record<string, Flavour> = {
  strict: { args: ['--flavour', 'strict'], guardsPut: true, guardsPatch: true, keepsTransactions: true },
  lax: { args: ['--flavour', 'lax'], guardsPut: false, guardsPatch: false, keepsTransactions: false },
  'PATCH ignores If-Match': {
    ...{ args: ['--flavour', 'loose-patch'], guardsPut: true, guardsPatch: false, keepsTransactions: true },
  },
  'transactions never atomic': {
    ...{ args: ['--flavour', 'torn'], guardsPut: true, guardsPatch: true, keepsTransactions: false },
  },
  'no conditional create': {
    ...{ args: ['--no-conditional-create'], guardsPut: true, guardsPatch: true, keepsTransactions: true },
  },
};

type PatientBench = FhirBench & { patientId: string };

async function start(args: string[], config = {}): Promise<PatientBench> {
  const bench = await startFhirBench(args, 64, config);
  const [patientId] = (await bench.desk.addPatients(['Ordinary'])) as [string];
  return { ...bench, patientId };
}

for (const [flavour, { args, guardsPut, guardsPatch, keepsTransactions }] of Object.entries(FLAVOURS)) {
  describe(`fhir, ${flavour}`, () => {
    let bench: PatientBench;
    before(async () => {
      bench = await start(args);
    });
    after(() => bench?.close());

    const actions = actionsOn(() => bench, {});
    // Strict and lax servers have the whole suite to themselves.
    if (flavour !== 'strict' && flavour !== 'lax') {
      describe('writing', () => writingTests(actions));
      describe('changing', () => changingTests(actions));
    }

    it(`lets ${guardsPut ? 'exactly' : 'at most'} one of ${CLIENTS} have a slot`, async () => {
      for (let round = 0; round < 3; round++) {
        const time = await bench.desk.takeFreeTime();
        const writes = Array.from({ length: CLIENTS }, () => bookingAt(time, bench.patientId));
        const results = await Promise.allSettled(
          writes.map((write) => bench.connector.execute(write, AbortSignal.timeout(10_000))),
        );
        const won = results.filter((result) => result.status === 'fulfilled' && result.value.outcome === 'done').length;
        assert.equal(await liveAt(bench.server, time), won);
        assert.ok(guardsPut ? won === 1 : won <= 1, `${won} of ${CLIENTS} were booked`);
      }
    });

    it(`${guardsPatch ? 'guards' : 'ignores'} the version of a PATCH`, async () => {
      const headers = { 'content-type': 'application/json-patch+json', 'if-match': 'W/"older"' };
      const body = JSON.stringify([{ op: 'replace', path: '/status', value: 'free' }]);
      const response = await fetch(`${bench.server.url}/Slot/slot-63`, { method: 'PATCH', headers, body });
      assert.equal(response.status, guardsPatch ? 412 : 200);
    });

    it(`books ${keepsTransactions ? 'one' : 'all'} who take a slot and an appointment by transaction`, async () => {
      const time = await bench.desk.takeFreeTime();
      const body = JSON.stringify(await transactionAt(bench, time));
      const headers = { 'content-type': 'application/fhir+json' };
      const send = () => fetch(`${bench.server.url}/`, { method: 'POST', headers, body });
      await Promise.all(Array.from({ length: CLIENTS }, send));
      assert.equal(await liveAt(bench.server, time), keepsTransactions ? 1 : CLIENTS);
    });

    it('knows every copy that a repeating network makes', async () => {
      const write = bookingAt(await bench.desk.takeFreeTime(), bench.patientId);
      const copies = flavour === 'no conditional create' ? 2 : 1;
      bench.proxy.arm({ kind: 'repeat' }, { when: ({ method }) => method === 'POST' });
      const ended = bench.connector.execute(write, AbortSignal.timeout(10_000));
      if (copies > 1) await assert.rejects(ended, OutcomeUnknown);
      else assert.equal((await ended).outcome, 'done');
      const look = { kind: 'appointment', marker: write.marker } as const;
      assert.equal((await bench.connector.find(look, AbortSignal.timeout(10_000))).length, copies);
    });

    it('never sends a transaction', async () => {
      bench.proxy.takeSeen();
      const time = await bench.desk.takeFreeTime();
      const execute = (write: Write) => bench.connector.execute(write, AbortSignal.timeout(10_000));
      const made = await execute(bookingAt(time, bench.patientId));
      const foreignId = made.outcome === 'done' ? made.foreignId : '';
      const { startAt, endAt } = await bench.desk.takeFreeTime();
      const marker = randomUUID();
      await execute({ kind: 'update', marker, foreignId, changes: { startAt, endAt }, appointmentsPerTimeslot: 1 });
      await execute({ kind: 'cancel', marker, foreignId });
      const writes = bench.proxy.takeSeen().filter(({ method }) => method !== 'GET');
      assert.ok(writes.length >= 7);
      assert.deepEqual(
        writes.filter(({ url }) => !/^\/(Appointment|Slot)(\/[^/]+)?$/.test(url)),
        [],
      );
      assert.deepEqual([...new Set(writes.map(({ method }) => method))].sort(), ['POST', 'PUT']);
    });
  });
}

describe('fhir, a server that lets nothing but the status be changed', () => {
  let bench: PatientBench;
  before(async () => {
    bench = await start(['--status-only'], { vendor: 'oracle' });
  });
  after(() => bench?.close());

  const execute = (write: Write) => bench.connector.execute(write, AbortSignal.timeout(10_000));
  const visit = async (status: string) => {
    const id = await bench.desk.addAppointment(await bench.desk.takeFreeTime(), bench.patientId);
    await bench.server.edit(`Appointment/${id}`, (one) => ({ ...one, status }));
    return id;
  };

  it('cancels by PATCH under the version that was read, and twice as well', async () => {
    const foreignId = await visit('booked');
    bench.proxy.takeSeen();
    const cancel = { kind: 'cancel', marker: randomUUID(), foreignId } as const;
    for (let i = 0; i < 2; i++) assert.deepEqual(await execute(cancel), { outcome: 'done', foreignId });
    const writes = bench.proxy.takeSeen().filter(({ method }) => method !== 'GET');
    assert.deepEqual(writes, [{ method: 'PATCH', url: `/Appointment/${foreignId}` }]);
    assert.equal((await bench.server.get(`Appointment/${foreignId}`)).status, 'cancelled');
  });

  it('loses no race: what staff changed meanwhile is read again', async () => {
    const foreignId = await visit('booked');
    const arrive = () => bench.server.edit(`Appointment/${foreignId}`, (one) => ({ ...one, status: 'fulfilled' }));
    bench.proxy.arm(
      { kind: 'meanwhile', act: async () => void (await arrive()) },
      { when: ({ method }) => method === 'PATCH' },
    );
    const result = await execute({ kind: 'cancel', marker: randomUUID(), foreignId });
    assert.equal(result.outcome === 'refused' && result.reason, 'refused_by_hrs');
    assert.equal((await bench.server.get(`Appointment/${foreignId}`)).status, 'fulfilled');
  });

  it('refuses by name the moves that this vendor does not know', async () => {
    const moves = QUIRKS.oracle.statusMoves;
    for (const status of ['booked', 'arrived', 'checked-in', 'pending', 'waitlist', 'fulfilled', 'noshow']) {
      const result = await execute({ kind: 'cancel', marker: randomUUID(), foreignId: await visit(status) });
      const isKnown = (moves as Record<string, readonly string[]>)[status]?.includes('cancelled') === true;
      assert.equal(result.outcome, isKnown ? 'done' : 'refused', status);
      if (result.outcome === 'refused') assert.match(result.message, new RegExp(`from ${status} to cancelled`));
    }
  });

  it('sends no other write at all', async () => {
    const foreignId = await visit('booked');
    const time = await bench.desk.takeFreeTime();
    const marker = randomUUID();
    bench.proxy.takeSeen();
    const others: Write[] = [
      bookingAt(time, bench.patientId),
      { kind: 'confirm', marker, foreignId },
      { kind: 'update', marker, foreignId, changes: { note: 'x' }, appointmentsPerTimeslot: 1 },
    ];
    for (const write of others) {
      const result = await execute(write);
      assert.equal(result.outcome === 'refused' && result.reason, 'not_supported');
    }
    assert.deepEqual(bench.proxy.takeSeen(), []);
  });

  it('is found out by its own statement, too', async () => {
    const { connector, close, ...generic } = await start(['--status-only']);
    assert.equal(connector.capabilities.createAppointment, true);
    const write = bookingAt(await generic.desk.takeFreeTime(), generic.patientId);
    const result = await connector.execute(write, AbortSignal.timeout(10_000));
    const sent = generic.proxy.takeSeen().filter(({ method }) => method !== 'GET');
    assert.match((await connector.check(AbortSignal.timeout(10_000))).message, /takes no bookings/);
    await readAll(connector, null);
    const { createAppointment, cancel } = connector.capabilities;
    await close();
    assert.deepEqual([createAppointment, cancel], [false, true], 'known from the first reading on');
    assert.equal(result.outcome === 'refused' && result.reason, 'not_supported');
    assert.deepEqual(sent, []);
  });
});

function bookingAt(time: FreeTime, patientForeignId: string): Write {
  const appointment: NewAppointment = {
    ...time,
    patientForeignId,
    descriptorForeignIds: [],
    unavailable: false,
    note: null,
    appointmentsPerTimeslot: 1,
  };
  return { kind: 'create_appointment', marker: randomUUID(), appointment };
}

async function transactionAt({ server, patientId }: PatientBench, { startAt, endAt }: FreeTime): Promise<object> {
  const end = new Date(Date.parse(startAt) + 60_000).toISOString();
  const [{ resource }] = (await server.get(`Slot?start=ge${startAt}&start=lt${end}`)).entry;
  const { meta, ...slot } = resource;
  const participant = [{ actor: { reference: `Patient/${patientId}` }, status: 'accepted' }];
  const appointment = { resourceType: 'Appointment', status: 'booked', start: startAt, end: endAt, participant };
  const entry = [
    {
      request: { method: 'PUT', url: `Slot/${slot.id}`, ifMatch: `W/"${meta.versionId}"` },
      resource: { ...slot, status: 'busy' },
    },
    { request: { method: 'POST', url: 'Appointment' }, resource: appointment },
  ];
  return { resourceType: 'Bundle', type: 'transaction', entry };
}

async function liveAt(server: ForeignServer, { startAt }: FreeTime): Promise<number> {
  const found = await server.get(`Appointment?status=booked&date=ge${startAt}&_count=50`);
  return (found.entry ?? []).filter(({ resource }: Foreign) => resource.start === startAt).length;
}
