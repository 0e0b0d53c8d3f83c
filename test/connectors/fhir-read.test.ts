/** Reading from the foreign FHIR server: windows of days, limits, changes, deletions. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it, mock } from 'node:test';
import {
  ALONE,
  type Batch,
  type Connector,
  type Cursor,
  type Purpose,
  QuotaSpent,
} from '../../src/connectors/connector.ts';
import { collect, readAll, stateOf } from './bench-actions.ts';
import { SITE } from './fhir-bench.ts';
import { connect, deletionsIn, idsIn, inDays, startPractice, visit } from './fhir-visits.ts';

const now = () => AbortSignal.timeout(20_000);

/** The cursor to go on from after a pass that was cut off. */
const lastCursor = (batches: Batch[], otherwise: Cursor | null) =>
  batches.findLast(({ cursor }) => cursor !== null)?.cursor ?? otherwise;

describe('fhir: the first load', () => {
  /** Where it lies, in days from today. */
  const VISITS = {
    near: 3,
    soon: 60,
    ahead: 200,
    far: 3_000,
    yesterday: -1,
    recent: -50,
    year: -300,
    old: -700,
    older: -4_000,
  };
  let server: Awaited<ReturnType<typeof startPractice>>;
  let connector: Connector;
  before(async () => {
    server = await startPractice();
    for (const [id, days] of Object.entries(VISITS)) await server.create(visit(id, inDays(days)));
    connector = connect(server.proxy.url);
  });
  after(() => server?.close());
  afterEach(() => server.proxy.clear());

  it('brings every day, the near ones first and the oldest last', async () => {
    const { records } = await readAll(connector, null);
    const order = idsIn(records, 'appointment');
    assert.deepEqual([...order].sort(), Object.keys(VISITS).sort());
    assert.deepEqual(new Set(order.slice(0, 3)), new Set(['near', 'yesterday', 'soon']));
    assert.deepEqual(order.slice(3), ['ahead', 'far', 'recent', 'year', 'old', 'older']);
    const kinds = records.map((record) => record.kind);
    assert.ok(kinds.lastIndexOf('patient') < kinds.indexOf('appointment'));
  });

  it('goes on where it was cut off, at any request', async () => {
    server.proxy.takeSeen();
    const { records: whole } = await readAll(connector, null);
    const requests = server.proxy.takeSeen().length;
    for (let at = 0; at < requests; at += 3) {
      let position = 0;
      server.proxy.arm({ kind: 'cut' }, { when: () => position++ === at });
      const batches: Batch[] = [];
      await assert.rejects(collect(connector, null, batches), { name: 'Unavailable' });
      assert.ok(batches.every(({ complete }) => !complete));
      server.proxy.takeSeen();
      const cursor = lastCursor(batches, null);
      const rest = await readAll(connector, cursor);
      const asked = server.proxy.takeSeen().length;
      assert.deepEqual(stateOf([...batches.flatMap(({ records }) => records), ...rest.records]), stateOf(whole));
      if (at > requests / 2) assert.ok(asked < requests - at / 3, `${asked} requests for the rest after ${at}`);
    }
  });

  it('gets on, however short it is cut each time', async () => {
    const { records: whole } = await readAll(connector, null);
    const records: Batch['records'] = [];
    let cursor: Cursor | null = null;
    let passes = 0;
    for (let complete = false; !complete; passes += 1) {
      assert.ok(passes < 40, 'it never ends');
      const batches: Batch[] = [];
      let left = 14;
      server.proxy.arm({ kind: 'cut' }, { when: ({ url }) => !url.startsWith('/metadata') && left-- <= 0 });
      await collect(connector, cursor, batches).catch(() => {});
      server.proxy.clear();
      records.push(...batches.flatMap((batch) => batch.records));
      cursor = lastCursor(batches, cursor);
      complete = batches.at(-1)?.complete === true;
    }
    assert.ok(passes > 2);
    assert.deepEqual(stateOf(records), stateOf(whole));
  });

  it('is kept up to date while it is going on', async () => {
    server.proxy.arm(
      { kind: 'cut' },
      { when: ({ url }) => url.includes('date=lt') && url.startsWith('/Appointment?date=ge19') },
    );
    const batches: Batch[] = [];
    await assert.rejects(collect(connector, null, batches));
    await server.edit('Appointment/near', (one) => ({ ...one, comment: 'bring X-rays' }));
    const rest = await readAll(connector, lastCursor(batches, null));
    const near = rest.records.find((record) => record.kind === 'appointment' && record.foreignId === 'near');
    assert.equal((near as { note?: string }).note, 'bring X-rays');
    assert.deepEqual(idsIn(rest.records, 'appointment').includes('older'), true);
  });

  it('spends far days last, and does without them when calls run short', async () => {
    const spent: Purpose[] = [];
    let farLeft = 0;
    const limited = connect(
      server.url,
      {},
      {
        ...ALONE,
        budget: {
          async spend(purpose) {
            if (purpose === 'far' && farLeft-- <= 0) throw new QuotaSpent('no call is left', 1_000);
            spent.push(purpose);
          },
        },
      },
    );
    const batches: Batch[] = [];
    await assert.rejects(collect(limited, null, batches), { name: 'QuotaSpent' });
    assert.deepEqual(new Set(spent), new Set(['near']));
    const order = idsIn(
      batches.flatMap(({ records }) => records),
      'appointment',
    );
    assert.deepEqual(new Set(order), new Set(['near', 'yesterday', 'soon']));
    let cursor = lastCursor(batches, null);

    // Each hour a few more; meanwhile the near days stay fresh.
    await server.edit('Appointment/soon', (one) => ({ ...one, comment: 'moved chairs' }));
    const more: Batch[] = [];
    for (let hour = 0; more.at(-1)?.complete !== true && hour < 30; hour += 1) {
      farLeft = 3;
      more.splice(0);
      await collect(limited, cursor, more).catch((error) => assert.equal(error.name, 'QuotaSpent'));
      cursor = lastCursor(more, cursor);
      if (hour === 0)
        assert.ok(
          idsIn(
            more.flatMap(({ records }) => records),
            'appointment',
          ).includes('soon'),
        );
    }
    assert.equal(more.at(-1)?.complete, true);
    assert.ok(spent.lastIndexOf('near') > spent.indexOf('far'), 'near days are read before each part of the far ones');
  });

  it('counts what a write needs as the most urgent', async () => {
    const spent: Purpose[] = [];
    const counting = connect(
      server.url,
      {},
      {
        ...ALONE,
        budget: { spend: async (purpose) => void spent.push(purpose) },
      },
    );
    await counting.find({ kind: 'appointment', foreignId: 'near' }, now());
    await counting.execute({ kind: 'cancel', marker: crypto.randomUUID(), foreignId: 'nobody' }, now());
    assert.deepEqual(new Set(spent), new Set(['write']));
  });
});

describe('fhir: changes', () => {
  it('loses none of what several people change while it polls', async () => {
    const server = await startPractice();
    const connector = connect(server.url, { overlapSeconds: 5 });
    let { cursor, records } = await readAll(connector, null);
    const latest = new Map<string, string>();
    const person = async (name: number) => {
      for (let n = 0; n < 25; n += 1) {
        const id = `w${name}-${n}`;
        await server.create(visit(id, inDays(5 + n), { comment: 'one' }));
        latest.set(id, 'one');
        const earlier = `w${name}-${Math.floor(n / 2)}`;
        await server.edit(`Appointment/${earlier}`, (one) => ({ ...one, comment: `changed after ${n}` }));
        latest.set(earlier, `changed after ${n}`);
      }
    };
    let busy = true;
    const people = Promise.all([1, 2, 3, 4].map(person)).finally(() => {
      busy = false;
    });
    let polls = 0;
    for (let isLast = false; !isLast; polls += 1) {
      isLast = !busy;
      const next = await readAll(connector, cursor);
      records = [...records, ...next.records];
      cursor = next.cursor;
    }
    await people;
    const known = stateOf(records);
    const wrong = [...latest].filter(
      ([id, note]) => (known.get(`appointment ${id}`) as { note?: string })?.note !== note,
    );
    await server.close();
    assert.ok(polls > 2, `${polls} polls`);
    assert.deepEqual(wrong, []);
  });
});

describe('fhir: a server that tells of deletions', () => {
  it('tells of them at once, and not of what was made anew', async () => {
    const server = await startPractice(['--type-history']);
    const connector = connect(server.url);
    await server.create(visit('gone', inDays(3)));
    await server.create(visit('back', inDays(4)));
    await server.edit('Slot/slot-1', (slot) => ({ ...slot, status: 'busy-unavailable' }));
    const { cursor } = await readAll(connector, null);
    assert.equal(connector.capabilities.reportsDeletions, true);
    for (const path of ['Appointment/gone', 'Appointment/back', 'Patient/unseen', 'Slot/slot-1'])
      await server.remove(path);
    await server.create(visit('back', inDays(9)));
    const { records } = await readAll(connector, cursor);
    await server.close();
    const deleted = deletionsIn(records);
    for (const one of ['appointment Slot/slot-1', 'appointment gone', 'patient unseen'])
      assert.ok(deleted.includes(one), one);
    assert.equal(deleted.includes('appointment back'), false);
    assert.ok(idsIn(records, 'appointment').includes('back'));
  });

  it('has the hours of a near day anew when a slot of it is gone', async () => {
    const server = await startPractice(['--type-history']);
    const connector = connect(server.url);
    const startMs = Math.floor(inDays(5) / 3_600_000) * 3_600_000;
    for (const half of [0, 1, 2]) {
      const at = (count: number) => new Date(startMs + (half + count) * 1_800_000).toISOString();
      const schedule = { reference: 'Schedule/schedule-dr-2' };
      await server.create({
        resourceType: 'Slot',
        id: `half-${half}`,
        schedule,
        status: 'free',
        start: at(0),
        end: at(1),
      });
    }
    const first = await readAll(connector, null);
    await server.remove('Slot/half-0');
    const { records } = await readAll(connector, first.cursor);
    await server.close();
    const known = stateOf([...first.records, ...records]);
    const hours = [...known.values()].filter((one) => one.kind === 'availability' && one.foreignId.startsWith('half'));
    assert.deepEqual(
      hours.map(({ foreignId }) => foreignId),
      ['half-1'],
    );
  });
});

describe('fhir: a server that cannot say what has changed', () => {
  let server: Awaited<ReturnType<typeof startPractice>>;
  before(async () => {
    server = await startPractice(['--no-last-updated', '--date-required']);
    await server.create(visit('soon', inDays(10)));
    await server.create(visit('old', inDays(-500)));
  });
  after(() => server?.close());

  it('is read by days, with the patients who are in them', async () => {
    const connector = connect(server.proxy.url, { vendor: 'oracle' });
    await server.edit('Appointment/soon', (one) => ({
      ...one,
      participant: [...one.participant, { actor: { reference: `Location/${SITE}` }, status: 'accepted' }],
    }));
    const { cursor, records } = await readAll(connector, null);
    assert.equal(connector.capabilities.readsCompletely.includes('patient'), false);
    assert.deepEqual(idsIn(records, 'patient'), ['ada']);
    assert.deepEqual(idsIn(records, 'appointment'), ['soon']);
    await server.edit('Appointment/soon', (one) => ({ ...one, status: 'cancelled' }));
    await server.edit('Patient/ada', (one) => ({ ...one, name: [{ family: 'Steele' }] }));
    server.proxy.takeSeen();
    const next = await readAll(connector, cursor);
    assert.ok(server.proxy.takeSeen().every(({ url }) => !url.includes('_lastUpdated')));
    const known = stateOf(next.records);
    assert.equal((known.get('appointment soon') as { cancelled?: boolean }).cancelled, true);
    assert.equal((known.get('patient ada') as { lastName?: string }).lastName, 'Steele');
  });

  it('is found out when it refuses what it said that it can, and asked again after a day', async () => {
    const able = await startPractice();
    await able.create(visit('soon', inDays(10)));
    const connector = connect(able.proxy.url);
    const outcome = JSON.stringify({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code: 'invalid' }],
    });
    const fault = { kind: 'answer', status: 400, body: outcome } as const;
    able.proxy.arm(fault, { when: ({ url }) => url.includes('_lastUpdated'), times: 9 });
    await assert.rejects(readAll(connector, null), { name: 'NotUnderstood' });
    const { records, cursor } = await readAll(connector, null);
    assert.deepEqual([idsIn(records, 'patient'), idsIn(records, 'appointment')], [['ada'], ['soon']]);
    able.proxy.clear();
    await able.create({ resourceType: 'Patient', id: 'bob', name: [{ family: 'Pine' }] });
    assert.deepEqual(idsIn((await readAll(connector, cursor)).records, 'patient'), ['ada']);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 25 * 3_600_000 });
    const later = await readAll(connector, cursor).finally(() => mock.timers.reset());
    await able.close();
    assert.ok(idsIn(later.records, 'patient').includes('bob'));
    assert.ok(connector.capabilities.readsCompletely.includes('patient'));
  });
});
