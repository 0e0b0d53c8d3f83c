/** What the sandbox files beside its schedule, as our records: labels, alerts, insurance, recalls. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import type { Seed } from '../../sandbox/seed.ts';
import {
  type Batch,
  type Connector,
  type Cursor,
  HrsNonsense,
  OutcomeUnknown,
  type Write,
} from '../../src/connectors/connector.ts';
import { sandbox as kind } from '../../src/connectors/sandbox/connector.ts';
import { mapAlert, mapCoverage, mapPlan, mapRecall, mapRecallType } from '../../src/connectors/sandbox/map.ts';
import type { HrsRecord } from '../../src/domain/records.ts';
import { startFaultProxy } from '../harness/fault-proxy.ts';
import { startSandbox } from '../harness/sandbox.ts';
import { readAll } from './bench-actions.ts';

const PRACTICE: Seed = {
  sites: [
    { id: 1, name: 'North', zone: 'America/New_York', schedules_by: 'practitioner' },
    { id: 2, name: 'South', zone: 'America/Denver', schedules_by: 'room' },
  ],
  practitioners: [{ id: 11, first_name: 'Ada', last_name: 'Alder', site_ids: [1, 2] }],
  rooms: [{ id: 23, site_id: 2, name: 'South One' }],
  schedule_labels: [
    { id: 91, site_id: 1, name: 'New patients' },
    { id: 92, name: 'Evenings', active: false },
  ],
  schedules: [
    { id: 41, site_id: 1, practitioner_id: 11, weekday: 'mon', opens: '08:00', closes: '12:00' },
    { id: 42, site_id: 1, practitioner_id: 11, weekday: 'tue', opens: '08:00', closes: '12:00', label_id: 91 },
    { id: 43, site_id: 2, room_id: 23, weekday: 'wed', opens: '18:00', closes: '20:00', label_id: 92 },
  ],
  patients: [
    { id: 1_001, first_name: 'Pia', last_name: 'Pine', home_site_id: 1, usual_practitioner_id: 11 },
    { id: 1_002, first_name: 'Pip', last_name: 'Pine', home_site_id: 1, guarantor_id: 1_001 },
  ],
  alerts: [{ id: 701, patient_id: 1_001, note: 'Latex.', off_since: '2029-05-05T10:00:00.000Z' }],
  plans: [
    {
      id: 201,
      name: 'Heron Mutual',
      payer_code: 'HERON1',
      group_number: 'G-1',
      employer: 'Mill',
      street: '9 Row',
      city: 'Albany',
      state: 'NY',
      zip: '12207',
      country: 'US',
    },
    { id: 202, name: 'Evergreen' },
  ],
  coverages: [
    {
      id: 501,
      patient_id: 1_001,
      plan_id: 201,
      subscriber_id: 1_001,
      rank: 1,
      member_number: 'M1',
      starts: '2029-01-01',
      ends: '2029-12-31',
      covers: 'dental',
    },
    { id: 502, patient_id: 1_002, subscriber_id: 1_001, relation: 'partner', active: false },
  ],
  recall_types: [
    { id: 301, name: 'Check-up', description: 'Exam', every: 6, unit: 'month' },
    { id: 302, site_id: 1, name: 'Gum care', every: 12, unit: 'week', active: false },
  ],
  visits: [
    {
      id: 50_001,
      site_id: 1,
      patient_id: 1_001,
      practitioner_id: 11,
      start: '2031-01-06T15:00:00.000Z',
      end: '2031-01-06T16:00:00.000Z',
    },
  ],
  recalls: [
    { id: 601, patient_id: 1_001, recall_type_id: 301, site_id: 1, due: '2031-01-01', visit_id: 50_001 },
    { id: 602, patient_id: 1_002 },
  ],
};

const hrs = await startSandbox({ seed: PRACTICE });
after(() => hrs.stop());

const connect = (baseUrl = hrs.url): Connector =>
  kind.connect(kind.configSchema.parse({ baseUrl, apiKey: 'sandbox', requestTimeoutMs: 5_000 }));
const connector = connect();
const signal = () => AbortSignal.timeout(10_000);

async function ask(method: string, path: string, body?: object) {
  const answer = await hrs.call(method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const nowhere = { address: null, address2: null, city: null, state: null, zipCode: null, countryCode: null };

describe('sandbox papers: reading', () => {
  it('gives each kind out in our words, and completely', async () => {
    const { records } = await readAll(connector, null);
    const of = (wanted: HrsRecord['kind']) => records.filter((record) => record.kind === wanted);
    const labels = of('availability_label');
    assert.deepEqual(labels, [
      { kind: 'availability_label', foreignId: '91', locationForeignId: '1', name: 'New patients', active: true },
      { kind: 'availability_label', foreignId: '92', locationForeignId: null, name: 'Evenings', active: false },
    ]);
    assert.deepEqual(
      of('availability').map((record) => record.kind === 'availability' && [record.foreignId, record.labelForeignId]),
      [
        ['41', null],
        ['42', '91'],
        ['schedule/43/11', '92'],
      ],
    );
    assert.deepEqual(
      of('patient').map((record) => record.kind === 'patient' && record.providerForeignId),
      ['11', null],
    );
    assert.deepEqual(of('patient_alert'), [
      {
        kind: 'patient_alert',
        foreignId: '701',
        marker: null,
        patientForeignId: '1001',
        note: 'Latex.',
        disabledAt: '2029-05-05T10:00:00.000Z',
      },
    ]);
    assert.deepEqual(of('insurance_plan'), [
      {
        kind: 'insurance_plan',
        foreignId: '201',
        name: 'Heron Mutual',
        payerId: 'HERON1',
        groupNum: 'G-1',
        employerName: 'Mill',
        address: '9 Row',
        address2: null,
        city: 'Albany',
        state: 'NY',
        zipCode: '12207',
        countryCode: 'US',
      },
      {
        kind: 'insurance_plan',
        foreignId: '202',
        name: 'Evergreen',
        payerId: null,
        groupNum: null,
        employerName: null,
        ...nowhere,
      },
    ]);
    assert.deepEqual(of('insurance_coverage'), [
      {
        kind: 'insurance_coverage',
        foreignId: '501',
        patientForeignId: '1001',
        planForeignId: '201',
        subscriberForeignId: '1001',
        subscriptionRelation: 'self',
        priority: 1,
        subscriberNum: 'M1',
        effectiveDate: '2029-01-01',
        expirationDate: '2029-12-31',
        insuranceType: 'dental',
        active: true,
      },
      {
        kind: 'insurance_coverage',
        foreignId: '502',
        patientForeignId: '1002',
        planForeignId: null,
        subscriberForeignId: '1001',
        subscriptionRelation: 'life_partner',
        priority: null,
        subscriberNum: null,
        effectiveDate: null,
        expirationDate: null,
        insuranceType: null,
        active: false,
      },
    ]);
    assert.deepEqual(of('recall_type'), [
      {
        kind: 'recall_type',
        foreignId: '301',
        locationForeignId: null,
        name: 'Check-up',
        description: 'Exam',
        intervalNum: 6,
        intervalUnit: 'M',
        active: true,
      },
      {
        kind: 'recall_type',
        foreignId: '302',
        locationForeignId: '1',
        name: 'Gum care',
        description: null,
        intervalNum: 12,
        intervalUnit: 'W',
        active: false,
      },
    ]);
    assert.deepEqual(of('patient_recall'), [
      {
        kind: 'patient_recall',
        foreignId: '601',
        patientForeignId: '1001',
        recallTypeForeignId: '301',
        locationForeignId: '1',
        dateDue: '2031-01-01',
        appointmentForeignId: '50001',
      },
      {
        kind: 'patient_recall',
        foreignId: '602',
        patientForeignId: '1002',
        recallTypeForeignId: null,
        locationForeignId: null,
        dateDue: null,
        appointmentForeignId: null,
      },
    ]);
    const kinds = new Set(records.map((record) => record.kind));
    const missing = new Set<string>(connector.capabilities.readsCompletely).difference(kinds);
    // This practice has neither.
    assert.deepEqual([...missing], ['descriptor']);
  });

  it('tells of changes and deletions of each', async () => {
    const { cursor } = await readAll(connector, null);
    const made: [collection: string, of: string, id: number][] = [];
    for (const [collection, of, record] of [
      ['schedule_labels', 'availability_label', { name: 'Late' }],
      ['plans', 'insurance_plan', { name: 'New' }],
      ['coverages', 'insurance_coverage', { patient_id: 1_001 }],
      ['recall_types', 'recall_type', { name: 'New', every: 1, unit: 'year' }],
      ['recalls', 'patient_recall', { patient_id: 1_001 }],
      ['alerts', 'patient_alert', { patient_id: 1_001, note: 'New.' }],
    ] as const) {
      made.push([collection, of, (await ask('POST', `/desk/${collection}`, record)).id]);
    }
    const added = await readAll(connector, cursor);
    const names = (records: Batch['records']) =>
      records.map((record) => `${record.kind === 'deletion' ? `no ${record.of}` : record.kind} ${record.foreignId}`);
    assert.deepEqual(names(added.records).sort(), made.map(([, of, id]) => `${of} ${id}`).sort());
    for (const [collection, , id] of made) await ask('DELETE', `/desk/${collection}/${id}`);
    const { records } = await readAll(connector, added.cursor);
    assert.deepEqual(names(records).sort(), made.map(([, of, id]) => `no ${of} ${id}`).sort());
  });

  it('gives out the visit that answers a recall before a position that holds the recall', async () => {
    const since = (await readAll(connector, null)).cursor as Cursor;
    const place = { site_id: 1, patient_id: 1_001, practitioner_id: 11 };
    const span = { start: '2031-02-03T15:00:00.000Z', end: '2031-02-03T16:00:00.000Z' };
    const visit = await ask('POST', '/desk/visits', { ...place, ...span });
    const recall = await ask('POST', '/desk/recalls', { patient_id: 1_001, visit_id: visit.id });
    // So many changes later that the recall and the visit are pages apart.
    for (let at = 0; at < 1_050; at += 50) {
      const names = Array.from({ length: 50 }, (_, i) => ({ first_name: 'Pat', last_name: `Many${at + i}` }));
      await Promise.all(names.map((name) => ask('POST', '/desk/patients', name)));
    }
    await ask('PATCH', `/desk/visits/${visit.id}`, { note: 'Moved behind' });
    for (const cursor of [null, since]) {
      const stored = new Set<string>();
      let positions = 0;
      for await (const batch of connector.changes(cursor, signal())) {
        for (const record of batch.records) stored.add(`${record.kind} ${record.foreignId}`);
        if (batch.cursor === null || !stored.has(`patient_recall ${recall.id}`)) continue;
        positions += 1;
        assert.ok(stored.has(`appointment ${visit.id}`));
      }
      assert.ok(positions >= 2);
    }
  });

  it('does not believe what has a wrong shape', () => {
    const coverage = { ...PRACTICE.coverages?.[0], relation: 'self', active: true };
    const wrong: (() => unknown)[] = [
      () => mapCoverage({ ...coverage, relation: 'cousin' }),
      () => mapCoverage({ ...coverage, covers: 'teeth' }),
      () => mapCoverage({ ...coverage, covers: undefined }),
      () => mapCoverage({ ...coverage, rank: 'first' }),
      () => mapPlan({ id: 1, name: null }),
      () => mapRecallType({ ...PRACTICE.recall_types?.[0], site_id: null, active: true, unit: 'moon' }),
      () => mapRecall({ ...PRACTICE.recalls?.[0], visit_id: 'x' }),
      () => mapAlert({ ...PRACTICE.alerts?.[0], external_ref: null, off_since: 'yesterday' }),
    ];
    for (const map of wrong) assert.throws(map, HrsNonsense, String(map));
  });
});

describe('sandbox papers: writing', () => {
  const execute = (write: Write, through = connector) => through.execute(write, signal());
  const update = (foreignId: string, changes: Extract<Write, { kind: 'update' }>['changes']): Write => ({
    kind: 'update',
    marker: randomUUID(),
    foreignId,
    changes,
    appointmentsPerTimeslot: 1,
  });
  const reasonOf = async (write: Write) => {
    const result = await execute(write);
    return result.outcome === 'refused' && [result.reason, result.hrsSaid?.split(':')[0]];
  };

  it('moves a block and renames it', async () => {
    const span = { start: '2031-03-03T15:00:00.000Z', end: '2031-03-03T16:00:00.000Z' };
    const block = await ask('POST', '/desk/blocks', { site_id: 1, practitioner_id: 11, ...span });
    const foreignId = `block/${block.id}`;
    const changes = { startAt: '2031-03-04T15:00:00.000Z', endAt: '2031-03-04T16:00:00.000Z', note: ' Paint ' };
    assert.deepEqual(await execute(update(foreignId, changes)), { outcome: 'done', foreignId });
    const [moved] = await connector.find({ kind: 'appointment', foreignId }, signal());
    assert.deepEqual({ ...moved, ...changes, note: 'Paint' }, moved);
  });

  it('says why a change or an alert was refused', async () => {
    const note = update('50001', { note: 'x'.repeat(129) });
    assert.deepEqual(await reasonOf(note), ['refused_by_hrs', 'note_too_long']);
    const gone = update('block/99', { note: 'Nobody' });
    assert.deepEqual(await reasonOf(gone), ['not_found_in_hrs', 'unknown_block']);
    const noRoom = update('50001', { operatoryForeignId: 'west' });
    assert.deepEqual(await reasonOf(noRoom), ['refused_by_hrs', 'bad_field']);
    const alert = { patientForeignId: '999', note: 'Latex.' };
    const nobody: Write = { kind: 'create_alert', marker: randomUUID(), alert };
    assert.deepEqual(await reasonOf(nobody), ['refused_by_hrs', 'unknown_patient']);
  });

  it('keeps the marker of a change with the change', async () => {
    const write = update('50001', { note: 'Second thoughts' });
    await execute(write);
    assert.equal((await ask('GET', `/audit?ref=${write.marker}`)).items[0].action, 'change');
  });

  it('does not believe an answer that does not show what was wanted', async (t) => {
    const proxy = await startFaultProxy(hrs.url);
    t.after(() => proxy.close());
    const through = connect(proxy.url);
    const doubted: [Write, object][] = [
      [update('50001', { note: 'Third' }), { note: 'Second thoughts' }],
      [update('50001', { note: 'Fourth' }), { id: 50_002 }],
      [
        { kind: 'change_alert', marker: randomUUID(), foreignId: '701', disabled: false },
        { off_since: '2029-05-05T10:00:00.000Z' },
      ],
    ];
    for (const [write, edit] of doubted) {
      proxy.arm({ kind: 'edit', edit: (json) => ({ ...(json as object), ...edit }) });
      await assert.rejects(execute(write, through), OutcomeUnknown);
    }
  });
});
