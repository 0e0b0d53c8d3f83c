/** Coverages and plans, by themselves and beside the patients they belong to. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';

const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);

suite('insurance', () => {
  let api: Api;
  let plans: { gold: number; retired: number };
  let coverages: { second: number; first: number; child: number; former: number };

  before(async () => {
    api = await startApi();
    const { patients, connection } = api.practice;
    const hrs = { institution_id: api.institution.id, connection_id: connection.id };
    await forAll(api.db, async (tx) => {
      const plan = async (name: string, more: object = {}) =>
        (
          await tx
            .insertInto('insurance_plan')
            .values({ ...hrs, name, foreign_id: name, ...more })
            .returning('id')
            .executeTakeFirstOrThrow()
        ).id;
      plans = {
        gold: await plan('Gold', { payer_id: '87726', group_num: 'G1', updated_at: '2026-02-01T00:00:00.000Z' }),
        retired: await plan('Retired', {
          group_num: 'G1',
          deleted_at: '2026-01-01T00:00:00.000Z',
          updated_at: '2026-01-01T00:00:00.000Z',
        }),
      };
      const coverage = async (foreign_id: string, more: object) =>
        (
          await tx
            .insertInto('insurance_coverage')
            .values({
              ...hrs,
              foreign_id,
              patient_id: patients.pia,
              subscription_relation: 'self',
              updated_at: '2026-02-01T00:00:00.000Z',
              ...more,
            })
            .returning('id')
            .executeTakeFirstOrThrow()
        ).id;
      coverages = {
        second: await coverage('C1', { plan_id: plans.retired, priority: 2 }),
        first: await coverage('C2', {
          plan_id: plans.gold,
          priority: 1,
          subscriber_num: 'S-1',
          effective_date: '2026-01-01',
          insurance_type: 'dental',
        }),
        child: await coverage('C3', {
          patient_id: patients.quin,
          plan_id: plans.gold,
          subscriber_id: patients.pia,
          subscription_relation: 'child',
          updated_at: '2026-03-01T00:00:00.000Z',
        }),
        former: await coverage('C4', { active: false }),
      };
    });
  });
  after(() => api.close());

  test('coverages are listed while they are active, and by patient', async () => {
    const list = async (query: string) =>
      idsOf((await api.get(`/insurance_coverages?subdomain=oak&${query}`)).body.data);
    assert.deepEqual(await list(''), [coverages.second, coverages.first, coverages.child]);
    assert.deepEqual(await list('active=True'), [coverages.second, coverages.first, coverages.child]);
    assert.deepEqual(await list('active=false'), [coverages.former]);
    assert.deepEqual(await list(`patient_id=${api.practice.patients.quin}`), [coverages.child]);
    assert.deepEqual(await list('updated_since=2026-03-01T00:00:00Z'), [coverages.child]);
    assert.equal((await api.get('/insurance_coverages?subdomain=oak&patient_id=987654')).status, 404);
  });

  test('coverages are paged by cursor both ways', async () => {
    const page = async (query: string) =>
      (await api.get(`/insurance_coverages?subdomain=oak&per_page=2${query}`, { version: 'v3.0.0' })).body;
    const first = await page('');
    assert.deepEqual(idsOf(first.data), [coverages.second, coverages.first]);
    assert.equal(first.page_info.has_next_page, true);
    const next = await page(`&end_cursor=${first.page_info.end_cursor}`);
    assert.deepEqual(idsOf(next.data), [coverages.child]);
    assert.equal(next.page_info.has_next_page, false);
    const back = await page(`&start_cursor=${next.page_info.start_cursor}`);
    assert.deepEqual(idsOf(back.data), idsOf(first.data));
  });

  test('one coverage names the person whose insurance it is', async () => {
    const { pia, quin } = api.practice.patients;
    const show = async (id: number) => (await api.get(`/insurance_coverages/${id}?subdomain=oak`)).body.data;
    const subscriber = { id: pia, name: 'Pia Pine', date_of_birth: '1990-02-28' };
    const child = await show(coverages.child);
    assert.deepEqual([child.patient_id, child.subscription_relation, child.subscriber], [quin, 'child', subscriber]);
    // The HRS left out who subscribes, and it is the patient.
    assert.deepEqual((await show(coverages.first)).subscriber, subscriber);
    assert.equal((await show(coverages.former)).active, false);
    assert.equal((await api.get('/insurance_coverages/987654?subdomain=oak')).status, 404);
  });

  test('plans are listed without the deleted ones, and in order of their changes', async () => {
    const list = async (query: string) => idsOf((await api.get(`/insurance_plans?subdomain=oak&${query}`)).body.data);
    assert.deepEqual(await list(''), [plans.gold]);
    assert.deepEqual(await list('include_deleted=true'), [plans.gold, plans.retired]);
    assert.deepEqual(await list('include_deleted=true&sort=updated_at'), [plans.retired, plans.gold]);
    assert.deepEqual(await list('include_deleted=true&sort=-updated_at'), [plans.gold, plans.retired]);
    assert.deepEqual(await list('include_deleted=true&payer_id=87726'), [plans.gold]);
    assert.deepEqual(await list('include_deleted=true&group_num=G1'), [plans.gold, plans.retired]);
    assert.deepEqual(await list('group_num=G2'), []);
    assert.deepEqual(await list('updated_since=2026-02-01T00:00:00Z'), [plans.gold]);
    assert.deepEqual(await list('updated_since=2026-02-01T00:00:00.001Z'), []);
    assert.equal((await api.get('/insurance_plans?subdomain=oak&sort=name')).status, 400);
  });

  test('one plan comes with whom it covers', async () => {
    const path = `/insurance_plans/${plans.gold}?subdomain=oak`;
    const plain = (await api.get(path)).body.data;
    assert.equal('subscribers' in plain, false);
    const { data } = (await api.get(`${path}&include[]=patient_coverages&include[]=subscribers&include[]=fee_schedule`))
      .body;
    assert.deepEqual(idsOf(data.patient_coverages), [coverages.first, coverages.child]);
    assert.deepEqual(idsOf(data.subscribers), [api.practice.patients.pia]);
    assert.equal(data.fee_schedule, null);
    const retired = (await api.get(`/insurance_plans/${plans.retired}?subdomain=oak`)).body.data;
    assert.equal(retired.deleted_at, '2026-01-01T00:00:00.000Z');
  });

  test('a patient’s coverages come with plan and subscriber, first the one that pays first', async () => {
    const { pia, quin, gone } = api.practice.patients;
    const { data } = (await api.get(`/patients/${pia}/insurance_coverages?subdomain=oak`)).body;
    assert.deepEqual(idsOf(data), [coverages.first, coverages.second]);
    assert.deepEqual(
      data.map((one: { plan: { name: string; deleted_at: string | null } }) => [one.plan.name, one.plan.deleted_at]),
      [
        ['Gold', null],
        ['Retired', '2026-01-01T00:00:00.000Z'],
      ],
    );
    assert.equal(data[0].subscriber.name, 'Pia Pine');
    assert.deepEqual((await api.get(`/patients/${gone}/insurance_coverages?subdomain=oak`)).body.data, []);
    assert.equal((await api.get('/patients/987654/insurance_coverages?subdomain=oak')).status, 404);

    for (const version of ['v2', 'v3.0.0'] as const) {
      const shown = await api.get(`/patients/${pia}?subdomain=oak&include[]=insurance_coverages`, { version });
      assert.deepEqual(shown.body.data.insurance_coverages, data);
    }
    const listed = await api.get(
      `/patients?subdomain=oak&location_id=${api.practice.locations.north}&include[]=insurance_coverages`,
    );
    const found = new Map<number, { insurance_coverages: { id: number }[] }>(
      listed.body.data.patients.map((one: { id: number }) => [one.id, one]),
    );
    assert.deepEqual(found.get(pia)?.insurance_coverages, data);
    assert.deepEqual(idsOf(found.get(quin)?.insurance_coverages ?? []), [coverages.child]);
  });

  test('a patient comes with the alerts that staff are shown', async () => {
    const { pia: patient_id } = api.practice.patients;
    const hrs = { institution_id: api.institution.id, connection_id: api.practice.connection.id, patient_id };
    const at = '2026-01-01T00:00:00.000Z';
    await forAll(api.db, (tx) =>
      tx
        .insertInto('patient_alert')
        .values([
          { ...hrs, note: 'Allergic to latex' },
          { ...hrs, note: 'disabled', disabled_at: at },
          { ...hrs, note: 'deleted', deleted_at: at },
        ])
        .execute(),
    );
    const { data } = (await api.get(`/patients/${patient_id}?subdomain=oak&include[]=patient_alerts`)).body;
    assert.deepEqual(
      data.patient_alerts.map((alert: { note: string }) => alert.note),
      ['Allergic to latex'],
    );
  });
});
