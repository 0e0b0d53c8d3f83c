/** What staff file by hand: labels of hours, insurance, recalls; and a file from before there were such things. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import type { Alert, Coverage, Patient, Plan, Recall, Schedule, Visit } from '../../sandbox/records.ts';
import type { Seed } from '../../sandbox/seed.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

const PAPERS: Seed = {
  ...SMALL_PRACTICE,
  schedule_labels: [{ id: 91, site_id: 1, name: 'New patients' }],
  schedules: [
    ...(SMALL_PRACTICE.schedules ?? []),
    { id: 42, site_id: 1, practitioner_id: 11, weekday: 'tue', opens: '17:00', closes: '19:00', label_id: 91 },
  ],
  plans: [{ id: 201, name: 'Heron Mutual' }],
  coverages: [{ id: 501, patient_id: 101, plan_id: 201, subscriber_id: 101, rank: 1 }],
  recall_types: [{ id: 301, name: 'Check-up', every: 6, unit: 'month' }],
  recalls: [{ id: 601, patient_id: 101, recall_type_id: 301, due: '2030-02-01' }],
  alerts: [{ id: 701, patient_id: 101, note: 'Latex.' }],
};

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ seed: PAPERS });
});
after(() => sandbox.stop());

async function ask(method: string, path: string, body?: object, status = method === 'POST' ? 201 : 200) {
  const answer = await sandbox.call(method, path, body);
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer.body;
}

async function refusal(method: string, path: string, body?: unknown) {
  const { status, body: answer } = await sandbox.call(method, path, body);
  return [status, answer.error];
}

test('each kind is filed, changed and erased at the desk, read through the API, and told of in the feed', async () => {
  const samples: [collection: string, kind: string, record: object, change: object][] = [
    ['schedule_labels', 'schedule_label', { name: 'Evenings' }, { name: 'Late' }],
    [
      'schedules',
      'schedule',
      { site_id: 1, practitioner_id: 12, date: '2030-03-04', opens: '18:00', closes: '20:00', label_id: 91 },
      { label_id: null },
    ],
    ['plans', 'plan', { name: 'Evergreen', payer_code: 'EV' }, { employer: 'Mill' }],
    [
      'coverages',
      'coverage',
      { patient_id: 102, plan_id: 201, subscriber_id: 101, relation: 'child', covers: 'dental', starts: '2029-01-01' },
      { active: false, ends: '2029-12-31' },
    ],
    ['recall_types', 'recall_type', { name: 'Gum care', every: 12, unit: 'week', site_id: 1 }, { active: false }],
    ['recalls', 'recall', { patient_id: 102, recall_type_id: 301, due: '2030-01-01' }, { due: '2030-06-01' }],
  ];
  for (const [collection, kind, record, change] of samples) {
    const since = (await ask('GET', '/health')).revision;
    const made = await ask('POST', `/desk/${collection}`, record);
    assert.deepEqual({ ...made, ...record }, made);
    const path = `/${collection}/${made.id}`;
    const changed = await ask('PATCH', `/desk${path}`, change);
    assert.deepEqual({ ...changed, ...change }, changed);
    assert.deepEqual(await ask('GET', `/v1${path}`), changed);
    assert.deepEqual((await ask('GET', `/v1/${collection}?after=${made.id - 1}&limit=1`)).items, [changed]);
    const told = async () => (await ask('GET', `/v1/changes?since=${since}`)).changes;
    const { revision } = changed;
    assert.deepEqual(await told(), [{ revision, kind, id: made.id, deleted: false, record: changed }]);
    await ask('DELETE', `/desk${path}`);
    assert.deepEqual(await told(), [{ revision: revision + 1, kind, id: made.id, deleted: true, record: null }]);
    assert.deepEqual(await refusal('GET', `/v1${path}`), [404, `unknown_${kind}`]);
  }
});

test('what does not fit is refused with its reason', async () => {
  const tries: [string, object, number, string][] = [
    ['coverages', { plan_id: 201 }, 422, 'bad_field'],
    ['coverages', { patient_id: 999 }, 404, 'unknown_patient'],
    ['coverages', { patient_id: 101, plan_id: 999 }, 404, 'unknown_plan'],
    ['coverages', { patient_id: 101, relation: 'cousin' }, 422, 'bad_field'],
    ['coverages', { patient_id: 101, rank: 0 }, 422, 'bad_field'],
    ['recalls', { patient_id: 101, recall_type_id: 999 }, 404, 'unknown_recall_type'],
    ['recalls', { patient_id: 101, visit_id: 999 }, 404, 'unknown_visit'],
    ['recall_types', { name: 'Never', every: 0, unit: 'day' }, 422, 'bad_field'],
    ['schedules', { site_id: 1, weekday: 'mon', opens: '08:00', closes: '09:00' }, 422, 'bad_field'],
    [
      'schedules',
      { site_id: 1, practitioner_id: 11, weekday: 'mon', opens: '08:00', closes: '09:00', label_id: 9 },
      404,
      'unknown_schedule_label',
    ],
    ['plans', { name: 'Red', colour: 'red' }, 422, 'unknown_field'],
  ];
  for (const [collection, record, status, code] of tries) {
    const answer = await refusal('POST', `/desk/${collection}`, record);
    assert.deepEqual(answer, [status, code], JSON.stringify(record));
  }
  for (const collection of ['plans', 'coverages', 'recalls', 'schedule_labels']) {
    assert.deepEqual(await refusal('POST', `/v1/${collection}`, {}), [404, 'no_such_path']);
  }
});

test('whatever names an erased record names nothing, and the hours of a label go with it', async () => {
  const visit = await ask('POST', '/v1/visits', booking(0));
  await ask('PATCH', '/desk/recalls/601', { visit_id: visit.id });
  await ask('DELETE', `/desk/visits/${visit.id}`);
  await ask('DELETE', '/desk/recall_types/301');
  const recall = await ask('GET', '/v1/recalls/601');
  assert.deepEqual([recall.visit_id, recall.recall_type_id], [null, null]);
  await ask('DELETE', '/desk/plans/201');
  assert.equal((await ask('GET', '/v1/coverages/501')).plan_id, null);
  await ask('DELETE', '/desk/schedule_labels/91');
  assert.deepEqual(
    (await ask('GET', '/v1/schedules')).items.map(({ id }: Schedule) => id),
    [41],
  );
});

test('what is filed about a merged patient moves to the other', async () => {
  const twin = await ask('POST', '/desk/patients', { first_name: 'Pia', last_name: 'Pine' });
  const papers = [
    ['coverages', { patient_id: twin.id, subscriber_id: twin.id }],
    ['recalls', { patient_id: twin.id }],
    ['alerts', { patient_id: twin.id, note: 'Mine.' }],
  ] as const;
  const filed = [];
  for (const [collection, record] of papers) {
    filed.push([collection, (await ask('POST', `/desk/${collection}`, record)).id]);
  }
  await ask('POST', `/desk/patients/${twin.id}/merge`, { into: 102 }, 200);
  for (const [collection, id] of filed) {
    const moved = await ask('GET', `/v1/${collection}/${id}`);
    assert.deepEqual([moved.patient_id, moved.subscriber_id ?? 102], [102, 102]);
    if (collection === 'alerts') continue;
    assert.deepEqual(await refusal('PATCH', `/desk/${collection}/${id}`, { patient_id: twin.id }), [
      422,
      'patient_merged',
    ]);
  }
});

test('a file from before there were labels opens, and takes them from then on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandbox-old-'));
  const dataFile = join(folder, 'practice.sqlite');
  const first = await startSandbox({ seed: SMALL_PRACTICE, dataFile });
  await first.stop();
  const db = new DatabaseSync(dataFile);
  db.exec('ALTER TABLE schedules DROP COLUMN label_id');
  for (const table of ['schedule_labels', 'alerts', 'coverages', 'plans', 'recalls', 'recall_types']) {
    db.exec(`DROP TABLE ${table}; DELETE FROM sqlite_sequence WHERE name = '${table}'`);
  }
  db.close();
  const again = await startSandbox({ dataFile });
  try {
    const [hours] = (await again.call('GET', '/v1/schedules')).body.items;
    assert.equal(hours.label_id, null);
    const { body: label } = await again.call('POST', '/desk/schedule_labels', { name: 'Evenings' });
    const labelled = await again.call('PATCH', '/desk/schedules/41', { label_id: label.id });
    assert.equal(labelled.body.label_id, label.id);
    assert.equal((await again.call('POST', '/v1/alerts', { patient_id: 101, note: 'Latex.' })).status, 201);
  } finally {
    await again.stop();
    rmSync(folder, { recursive: true });
  }
});

test('the demo files something of everything, the same every time, and keeps labelled hours apart', async () => {
  const args = ['--seed-now', '2030-03-06T15:00:00Z'];
  const [one, two] = await Promise.all([startSandbox({ args }), startSandbox({ args })]);
  try {
    const read = async <T extends object>(collection: string, from = one): Promise<T[]> => {
      const { body } = await from.call('GET', `/v1/${collection}?limit=1000`);
      return body.items.map(({ created_at, updated_at, ...record }: Record<string, unknown>) => record);
    };
    for (const collection of ['coverages', 'recalls', 'alerts', 'schedules']) {
      assert.deepEqual(await read(collection), await read(collection, two));
    }
    const coverages = await read<Coverage>('coverages');
    const counts = [...Map.groupBy(coverages, (one) => one.patient_id).values()].map(({ length }) => length);
    assert.ok(counts.includes(1) && counts.includes(2) && Math.max(...counts) === 2);
    assert.ok((await read<Patient>('patients')).length > counts.length);
    const children = coverages.filter(({ relation }) => relation === 'child');
    assert.ok(children.length > 0);
    for (const child of children) {
      const own = coverages.find((one) => one.patient_id === child.subscriber_id && one.rank === 1);
      assert.deepEqual([child.plan_id, child.member_number], [own?.plan_id, own?.member_number]);
    }
    assert.ok(coverages.some(({ subscriber_id, relation }) => subscriber_id === null && relation === 'spouse'));
    const used = new Set(coverages.map(({ plan_id }) => plan_id));
    assert.ok((await read<Plan>('plans')).some(({ id }) => !used.has(id)));

    const recalls = await read<Recall>('recalls');
    const visits = await read<Visit>('visits');
    const due = recalls.map((recall) => recall.due ?? '');
    assert.ok(due.some((date) => date < '2030-03-06') && due.some((date) => date > '2030-03-06'));
    const answered = recalls.filter(({ visit_id }) => visit_id !== null);
    assert.ok(answered.length > 0 && answered.length < recalls.length);
    for (const { visit_id, patient_id } of answered) {
      assert.equal(visits.find(({ id }) => id === visit_id)?.patient_id, patient_id);
    }
    const alerts = await read<Alert>('alerts');
    assert.ok(alerts.some(({ off_since }) => off_since === null) && alerts.some(({ off_since }) => off_since !== null));
    assert.ok(visits.some(({ visit_code }) => visit_code?.startsWith('P-')));

    const hours = await read<Schedule>('schedules');
    const labelled = hours.filter(({ label_id }) => label_id !== null);
    assert.ok(new Set(labelled.map(({ label_id }) => label_id)).size >= 2);
    for (const kept of labelled) {
      const beside = hours.filter(
        (row) =>
          row.id !== kept.id &&
          row.weekday === kept.weekday &&
          row.practitioner_id === kept.practitioner_id &&
          row.room_id === kept.room_id,
      );
      assert.ok(beside.every(({ opens, closes }) => closes <= kept.opens || opens >= kept.closes));
    }
  } finally {
    await Promise.all([one.stop(), two.stop()]);
  }
});

test('an order for papers that cannot be invented says what is wrong', async () => {
  const order = (papers: object, seed: Seed = PAPERS): Promise<Sandbox> => {
    return startSandbox({ seed: { ...seed, generate: [{ site_id: 1, patients: 0, visits: 0, ...papers }] } });
  };
  // Two patients: the second gets another coverage.
  await assert.rejects(order({ coverages: 4 }), /site 1: its patients take only 3 coverages/);
  await assert.rejects(order({ coverages: 1 }, SMALL_PRACTICE), /site 1: coverages need plans/);
  await assert.rejects(order({ recalls: 1 }, SMALL_PRACTICE), /site 1: recalls need recall types/);
  await assert.rejects(order({ alerts: 1, site_id: 2 }, SMALL_PRACTICE), /site 2: .* need active patients/);
});
