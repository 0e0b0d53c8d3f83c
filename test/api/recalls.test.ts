import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';

const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);

suite('recalls', () => {
  let api: Api;
  let types: { checkup: number; south: number; stopped: number };
  /** By when they are due. */
  let recalls: { may: number; never: number; june: number; alsoMay: number; south: number };

  before(async () => {
    api = await startApi();
    const { patients, connection, locations } = api.practice;
    const hrs = { institution_id: api.institution.id, connection_id: connection.id };
    await forAll(api.db, async (tx) => {
      const type = async (name: string, more: object = {}) =>
        (
          await tx
            .insertInto('recall_type')
            .values({ ...hrs, name, interval_num: 6, interval_unit: 'M', foreign_id: name, ...more })
            .returning('id')
            .executeTakeFirstOrThrow()
        ).id;
      types = {
        checkup: await type('Checkup', { description: 'Twice a year' }),
        south: await type('South', { location_id: locations.south, updated_at: '2026-01-01T00:00:00.000Z' }),
        stopped: await type('Stopped', { active: false }),
      };
      const recall = async (foreign_id: string, more: object) =>
        (
          await tx
            .insertInto('patient_recall')
            .values({ ...hrs, foreign_id, patient_id: patients.pia, recall_type_id: types.checkup, ...more })
            .returning('id')
            .executeTakeFirstOrThrow()
        ).id;
      const location_id = locations.north;
      recalls = {
        may: await recall('R1', { location_id, date_due: '2027-05-10', updated_at: '2026-01-01T00:00:00.000Z' }),
        never: await recall('R2', { date_due: null, recall_type_id: null, patient_id: patients.quin }),
        june: await recall('R3', { location_id, date_due: '2027-06-01', recall_type_id: types.stopped }),
        alsoMay: await recall('R4', { location_id, date_due: '2027-05-10' }),
        south: await recall('R5', { location_id: locations.south, date_due: '2027-01-01' }),
      };
    });
  });
  after(() => api.close());

  const list = async (query: string, version: 'v2' | 'v3.0.0' = 'v2') =>
    (await api.get(`/patient_recalls?subdomain=oak&location_id=${api.practice.locations.north}&${query}`, { version }))
      .body;

  test('are those of the location and of no location', async () => {
    const { may, never, june, alsoMay } = recalls;
    const { data, count } = await list('');
    assert.deepEqual([idsOf(data), count], [[may, never, june, alsoMay], 4]);
    assert.deepEqual(data[0], {
      id: may,
      appointment_id: null,
      date_due: '2027-05-10',
      foreign_id: 'R1',
      foreign_id_type: `msg-sandbox-DataSource-${api.practice.connection.id}`,
      recall_id: types.checkup,
      recall_type: {
        id: types.checkup,
        name: 'Checkup',
        description: 'Twice a year',
        interval_num: 6,
        interval_unit: 'M',
      },
      patient_id: api.practice.patients.pia,
      created_at: data[0].created_at,
      updated_at: '2026-01-01T00:00:00.000Z',
    });
    assert.deepEqual([data[1].recall_id, data[1].recall_type, data[1].date_due], [null, null, null]);
    assert.equal((await api.get('/patient_recalls?subdomain=oak')).status, 400);
  });

  test('are filtered', async () => {
    const { may, never, june, alsoMay } = recalls;
    const found = async (query: string) => idsOf((await list(query)).data);
    assert.deepEqual(await found(`recall_id=${types.stopped}`), [june]);
    assert.deepEqual(await found(`patient_id=${api.practice.patients.quin}`), [never]);
    assert.deepEqual(await found('foreign_id=R4'), [alsoMay]);
    assert.deepEqual(await found('updated_since=2026-01-02'), [never, june, alsoMay]);
    for (const due of ['2027-05-10', '2027-05-10T00:00:00Z', '2027-05-10T18:30:00-05:00']) {
      assert.deepEqual(await found(`due_after=${due}`), [may, june, alsoMay]);
    }
    assert.deepEqual(await found('due_after=2027-05-11'), [june]);
    assert.equal((await list('due_after=soon')).code, false);
  });

  test('are sorted by their due date, page by page, and those without one come last', async () => {
    const { may, never, june, alsoMay } = recalls;
    for (const [sort, wanted] of [
      ['date_due', [may, alsoMay, june, never]],
      ['-date_due', [never, june, may, alsoMay]],
    ] as const) {
      const found: number[] = [];
      let cursor = '';
      do {
        const page = await list(`sort=${sort}&per_page=1${cursor}`, 'v3.0.0');
        found.push(...idsOf(page.data));
        cursor = page.page_info.has_next_page ? `&end_cursor=${page.page_info.end_cursor}` : '';
      } while (cursor !== '');
      assert.deepEqual(found, wanted);
    }
  });

  test('are shown one by one', async () => {
    const { data } = (await api.get(`/patient_recalls/${recalls.june}?subdomain=oak`)).body;
    assert.deepEqual([data.id, data.recall_type.name], [recalls.june, 'Stopped']);
    assert.equal((await api.get('/patient_recalls/987654?subdomain=oak')).status, 404);
  });

  test('have types, of the location and of no location', async () => {
    const typesAt = async (location: number, query = '') =>
      idsOf((await api.get(`/recall_types?subdomain=oak&location_id=${location}${query}`)).body.data);
    const { north, south } = api.practice.locations;
    assert.deepEqual(await typesAt(north), [types.checkup]);
    assert.deepEqual(await typesAt(south), [types.checkup, types.south]);
    assert.deepEqual(await typesAt(south, '&updated_since=2026-01-02'), [types.checkup]);
    assert.deepEqual(await typesAt(south, '&foreign_id=South'), [types.south]);
    const { data } = (await api.get(`/recall_types/${types.south}?subdomain=oak`)).body;
    assert.deepEqual([data.location_id, data.interval_num, data.interval_unit], [south, 6, 'M']);
    assert.equal((await api.get('/recall_types/987654?subdomain=oak')).status, 404);
  });
});
