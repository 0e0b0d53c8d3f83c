import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { writeCursor } from '../../src/api/pagination.ts';
import { forAll } from '../../src/store/database.ts';
import { type Api, type RequestOptions, startApi } from '../harness/api.ts';
import { createAppointment, createPractice } from '../harness/practice.ts';
import { addOperatory, addProvider, insertRow, queryText } from './schedule.ts';

const DAY = '2026-03-03';

suite('appointments', () => {
  let api: Api;

  before(async () => {
    api = await startApi();
  });
  after(() => api.close());

  type Asked = Parameters<typeof queryText>[0];
  const list = (asked: Asked, options?: RequestOptions) => {
    const { north } = api.practice.locations;
    const window = { start: DAY, end: `${DAY}T23:59:59` };
    return api.get(
      `/appointments?${queryText({ subdomain: 'oak', location_id: north, ...window, ...asked })}`,
      options,
    );
  };
  const ids = async (asked: Asked, options?: RequestOptions): Promise<number[]> => {
    const { status, body, text } = await list({ per_page: 1000, ...asked }, options);
    assert.equal(status, 200, text);
    return body.data.map((one: { id: number }) => one.id);
  };
  const create = (time: string, fields: object = {}) =>
    createAppointment(api.db, api.practice, time.includes('T') ? time : `${DAY}T${time}:00.000Z`, fields);

  test('need a window and a location or a foreign id, every missing one named at once', async () => {
    const refusal = async (query: string) => {
      const { status, body } = await api.get(`/appointments?subdomain=oak${query}`);
      assert.equal(status, 400);
      return body.error;
    };
    const { north } = api.practice.locations;
    const both = ['Missing parameter start', 'Missing parameter end'];
    assert.deepEqual(await refusal(''), both);
    assert.deepEqual(await refusal(`&location_id=${north}`), both);
    assert.deepEqual(await refusal(`&location_id=${north}&start=&end=`), both);
    assert.deepEqual(await refusal(`&location_id=${north}&start=${DAY}`), ['Missing parameter end']);
    assert.deepEqual(await refusal(`&location_id=${north}&start_date=${DAY}&end=${DAY}`), ['Missing parameter start']);
    assert.deepEqual(await refusal(`&start=${DAY}&end=${DAY}`), ['Missing parameter location_id']);
    assert.deepEqual(await refusal(`&location_id=${north}&start=soon&end=${DAY}`), [
      'Invalid parameter start: is not an ISO 8601 date or time such as 2026-12-01T09:00:00-05:00',
    ]);
    assert.deepEqual(await refusal(`&location_id=${north}&start=2026-03-04&end=2026-03-03T23:00:00`), [
      'Invalid parameter end: must not be before start',
    ]);
  });

  test('read a window without offset in the zone that is asked for, or else in the location’s', async () => {
    const early = await create('2026-05-05T04:30:00.000Z');
    const window = { start: '2026-05-05T00:00:00', end: '2026-05-05T01:00:00' };
    assert.deepEqual(await ids(window), [early], 'half past midnight in New York');
    assert.deepEqual(await ids({ ...window, timezone: 'America/Denver' }), []);
    const spelled: [string, string][] = [
      ['2026-05-05 00:00', '2026-05-05 01:00'],
      ['2026-05-05 00:00:00 -0400', '2026-05-05 01:00:00 -04:00'],
      ['2026-05-05 04:00:00 UTC', '2026-05-05 05:00:00.000 UTC'],
      ['2026-05-05T04:00:00 0000', '2026-05-05T05:00:00 00:00'],
    ];
    for (const [start, end] of spelled) assert.deepEqual(await ids({ start, end }), [early], start);
    assert.equal((await list({ ...window, timezone: 'Mars/Olympus' })).status, 400);
  });

  test('are shown with every field, each with its meaning', async () => {
    const room = await addOperatory(api);
    const id = await create('13:00', {
      patient_id: api.practice.patients.quin,
      operatory_id: room,
      appointment_type_id: api.practice.types.exam,
      descriptor_ids: [api.practice.descriptors.examCode],
      foreign_id: 'HRS-1',
      note: 'numb easily',
      confirmed: true,
      confirmed_at: '2026-03-01T10:00:00.000Z',
      patient_confirmed: true,
      patient_confirmed_at: '2026-03-01T09:00:00.000Z',
      patient_missed: true,
      checkin_at: '2026-03-03T12:55:00.000Z',
      checked_out: true,
      checked_out_at: '2026-03-03T13:40:00.000Z',
      referrer: 'a friend',
      sooner_if_possible: true,
      is_new_clients_patient: true,
      is_guardian: true,
      synced_at: '2026-03-03T14:00:00.000Z',
      created_at: '2026-02-01T00:00:00.000Z',
      updated_at: '2026-03-03T14:00:00.123Z',
    });
    const { data } = (await api.get(`/appointments/${id}?subdomain=oak`)).body;
    const { patient, ...fields } = data;
    assert.equal(patient.id, api.practice.patients.quin, 'the patient comes without asking');
    assert.deepEqual(fields, {
      id,
      patient_id: api.practice.patients.quin,
      provider_id: api.practice.providers.ada,
      provider_name: 'Ada Alder',
      start_time: '2026-03-03T13:00:00.000Z',
      end_time: '2026-03-03T13:30:00.000Z',
      confirmed: true,
      patient_missed: true,
      created_at: '2026-02-01T00:00:00.000Z',
      updated_at: '2026-03-03T14:00:00.123Z',
      note: 'numb easily',
      unavailable: false,
      cancelled: false,
      timezone: 'America/New_York',
      timezone_offset: '-5:00',
      institution_id: api.institution.id,
      appointment_type_id: api.practice.types.exam,
      checkin_at: '2026-03-03T12:55:00.000Z',
      location_id: api.practice.locations.north,
      foreign_id: 'HRS-1',
      foreign_id_type: `msg-sandbox-DataSource-${api.practice.connection.id}`,
      misc: { is_booked_on_nexhealth: false },
      last_sync_time: '2026-03-03T14:00:00.000Z',
      patient_confirmed: true,
      patient_confirmed_at: '2026-03-01T09:00:00.000Z',
      created_by_user_id: null,
      is_guardian: true,
      cancelled_at: null,
      is_new_clients_patient: true,
      confirmed_at: '2026-03-01T10:00:00.000Z',
      sooner_if_possible: true,
      operatory_id: room,
      deleted: false,
      checked_out: true,
      checked_out_at: '2026-03-03T13:40:00.000Z',
      referrer: 'a friend',
      is_past_patient: false,
    });
    const [listed] = (await list({ patient_ids: [fields.patient_id] })).body.data;
    assert.deepEqual(listed, fields, 'and in a list only when asked for');
  });

  test('of a block have nobody’s names, and of nothing else a type', async () => {
    const id = await create('2026-07-01T12:00:00.000Z', {
      patient_id: null,
      provider_id: null,
      unavailable: true,
      cancelled: true,
      cancelled_at: '2026-03-01T10:00:00.000Z',
      deleted_at: '2026-03-02T10:00:00.000Z',
    });
    const { data } = (await api.get(`/appointments/${id}?subdomain=oak`)).body;
    const { patient, patient_id, provider_id, provider_name, operatory_id, appointment_type_id } = data;
    assert.deepEqual([patient, patient_id, provider_id, provider_name, operatory_id], [null, null, null, null, null]);
    assert.equal(appointment_type_id, 0);
    const { cancelled, cancelled_at, deleted, timezone_offset } = data;
    assert.deepEqual(
      [cancelled, cancelled_at, deleted, timezone_offset],
      [true, '2026-03-01T10:00:00.000Z', true, '-4:00'],
    );
  });

  test('of a patient who was here before say so', async () => {
    const patient_id = await insertRow(api, 'patient', { first_name: 'Uma', last_name: 'Yew', foreign_id: 'A9' });
    await create('2026-04-01T12:00:00.000Z', { patient_id, cancelled: true });
    const past = async (id: number) => (await api.get(`/appointments/${id}?subdomain=oak`)).body.data.is_past_patient;
    const first = await create('2026-04-02T12:00:00.000Z', { patient_id });
    const second = await create('2026-04-03T12:00:00.000Z', { patient_id });
    assert.deepEqual([await past(first), await past(second)], [false, true]);
  });

  test('are found between two instants, the ends included, in the location’s time', async () => {
    const dee = await addProvider(api);
    const at = (time: string) => create(`2026-05-05T${time}Z`, { provider_id: dee });
    const found = (start: string, end: string) => ids({ provider_ids: [dee], start, end });
    const early = await at('03:59:59.999');
    const first = await at('04:00:00.000');
    const noon = await at('16:00:00.000');
    const last = await at('17:00:00.000');
    assert.deepEqual(await found('2026-05-05', '2026-05-05T13:00:00'), [first, noon, last]);
    assert.deepEqual(await found('2026-05-05T04:00:00Z', '2026-05-05T16:59:59.999Z'), [first, noon]);
    assert.deepEqual(await found('2026-05-05T03:59:59.999Z', '2026-05-05T03:59:59.999Z'), [early]);
    assert.deepEqual(
      await found('2026-05-05T00:00:00 0000', '2026-05-05T12:00:00+0000'),
      [early, first],
      'a lost plus',
    );
    assert.deepEqual(await found('1999-12-31', '2199-12-31'), [early, first, noon, last], 'two hundred years');
    assert.deepEqual(await found('2026-05-06', '2026-05-06'), []);
  });

  test('are filtered by what they are', async () => {
    const dee = await addProvider(api);
    const room = await addOperatory(api);
    const add = (time: string, fields: object = {}) => create(time, { provider_id: dee, ...fields });
    const plain = await add('10:00', { foreign_id: 'F-1', updated_at: '2026-03-01T00:00:00.000Z' });
    const off = await add('10:30', { cancelled: true, operatory_id: room, updated_at: '2026-03-01T00:00:00.001Z' });
    const block = await add('11:00', { unavailable: true, patient_id: null });
    const ours = await add('11:30', {
      marker: randomUUID(),
      created_by_user_id: api.apiUserId,
      appointment_type_id: api.practice.types.exam,
      patient_id: api.practice.patients.quin,
    });
    const { pia, quin } = api.practice.patients;
    const cases: [Asked, number[]][] = [
      [{}, [plain, off, block, ours]],
      [{ cancelled: 'True' }, [off]],
      [{ cancelled: false }, [plain, block, ours]],
      [{ unavailable: true }, [block]],
      [{ unavailable: 'False' }, [plain, off, ours]],
      [{ nex_only: true }, [ours]],
      [{ nex_only: false }, [plain, off, block]],
      [{ created_by: api.apiUserId }, [ours]],
      [{ created_by: 999_999 }, []],
      [{ appointment_type_id: api.practice.types.exam }, [ours]],
      [{ appointment_type_id: '' }, [plain, off, block, ours]],
      [{ patient_ids: [quin] }, [ours]],
      [{ patient_ids: [pia, quin] }, [plain, off, ours]],
      [{ patient_id: quin }, [ours]],
      [{ operatory_ids: [room] }, [off]],
      [{ operatory_id: room }, [off]],
      [{ provider_ids: undefined, provider_id: dee }, [plain, off, block, ours]],
      [{ foreign_id: 'F-1' }, [plain]],
      [{ foreign_id: 'F-1', location_id: undefined }, [plain]],
      [{ updated_since: '2026-03-01T00:00:00.001Z' }, [off, block, ours]],
      [{ updated_since: '2026-03-01' }, [block, ours]],
      [{ unheard_of: 'x', search: 'Pia' }, [plain, off, block, ours]],
      [{ timezone: 'America/New_York' }, [plain, off, block, ours]],
      [{ cancelled: false, unavailable: false, nex_only: false }, [plain]],
    ];
    for (const [asked, expected] of cases) {
      assert.deepEqual(await ids({ provider_ids: [dee], ...asked }), expected, JSON.stringify(asked));
    }
    const [booked] = (await list({ provider_ids: [dee], nex_only: true })).body.data;
    assert.deepEqual(booked.misc, { is_booked_on_nexhealth: true });
    const many = await list({ patient_ids: Array.from({ length: 26 }, (_, at) => at + 1) });
    assert.deepEqual(
      [many.status, many.body.error],
      [400, ['Invalid parameter patient_ids: must have at most 25 ids']],
    );
  });

  test('are those of the location, and never another practice’s', async () => {
    const elm = await createPractice(api.db, 'elm');
    const theirs = await createAppointment(api.db, elm, `${DAY}T15:00:00.000Z`, { foreign_id: 'F-2' });
    assert.deepEqual(await ids({ foreign_id: 'F-2', location_id: undefined }), []);
    const foreign = await list({ location_id: elm.locations.north });
    assert.deepEqual([foreign.status, foreign.body.error], [404, ['Resource not found']]);
    const shown = await api.get(`/appointments/${theirs}?subdomain=oak`);
    assert.deepEqual([shown.status, shown.body.error], [404, ['Resource not found']]);
    const south = await create('15:00', { location_id: api.practice.locations.south });
    assert.deepEqual(await ids({ location_id: api.practice.locations.south }), [south]);
    assert.ok(!(await ids({})).includes(south));
  });

  test('are sorted by start, and as asked', async () => {
    const dee = await addProvider(api);
    const add = (time: string, updated: string) =>
      create(time, { provider_id: dee, updated_at: `2026-03-01T00:00:0${updated}.000Z` });
    const [b, a, c] = [await add('11:00', '2'), await add('10:00', '3'), await add('11:00', '1')];
    const order = (sort?: string) => ids({ provider_ids: [dee], sort });
    assert.deepEqual(await order(), [a, b, c]);
    assert.deepEqual(await order('start_time'), [a, b, c]);
    assert.deepEqual(await order('-start_time'), [b, c, a]);
    assert.deepEqual(await order('-start_time,-id'), [c, b, a]);
    assert.deepEqual(await order('updated_at'), [c, b, a]);
    assert.deepEqual(await order('-updated_at'), [a, b, c]);
    assert.deepEqual(await order('id'), [b, a, c]);
    const { status, body } = await list({ sort: 'note' });
    assert.deepEqual(
      [status, body.error],
      [400, ['Invalid parameter sort: must be of start_time, updated_at, id, each with or without a leading dash']],
    );
  });

  test('carry what include[] asks for', async () => {
    const dee = await addProvider(api);
    const room = await addOperatory(api);
    const { quin, pia } = api.practice.patients;
    const { examCode, cleaningCode } = api.practice.descriptors;
    await create('10:00', {
      provider_id: dee,
      patient_id: quin,
      operatory_id: room,
      appointment_type_id: api.practice.types.cleaning,
      descriptor_ids: [cleaningCode, examCode],
    });
    await create('11:00', { provider_id: dee, patient_id: null, unavailable: true });
    const names = [
      'patient',
      'guarantor',
      'operatory',
      'appointment_type',
      'descriptors',
      'procedures',
      'booking_details',
    ];
    const { data } = (await list({ provider_ids: [dee], include: [...names, 'unheard_of'] })).body;
    const [full, block] = data;
    assert.deepEqual(
      [full.patient.id, full.patient.guarantor.id, full.guarantor.id, full.operatory.id, full.appointment_type.name],
      [quin, pia, pia, room, 'Cleaning'],
    );
    assert.deepEqual(
      full.descriptors.map((one: { code: string }) => one.code),
      ['D1110', 'EX'],
    );
    assert.deepEqual([full.procedures, full.booking_details], [[], null]);
    assert.deepEqual(
      [block.patient, block.guarantor, block.operatory, block.appointment_type, block.descriptors],
      [null, null, null, null, []],
    );
    const bare = (await list({ provider_ids: [dee] })).body.data[0];
    for (const name of names) assert.equal(name in bare, false, name);
    const one = await api.get(`/appointments/${full.id}?subdomain=oak&include[]=operatory`);
    assert.deepEqual([one.body.data.operatory.id, 'patient' in one.body.data], [room, false]);
    const codes = await api.get(`/appointments/${full.id}/appointment_descriptors?subdomain=oak`);
    assert.deepEqual(codes.body.data.map((code: { id: number }) => code.id).sort(), [examCode, cleaningCode].sort());
  });

  test('page by number in v2, five at a time, with the total in count', async () => {
    const dee = await addProvider(api);
    const all: number[] = [];
    for (let at = 0; at < 7; at += 1) all.push(await create('12:00', { provider_id: dee }));
    const page = async (asked: Asked) => {
      const { status, body } = await list({ provider_ids: [dee], ...asked });
      assert.equal(status, 200);
      assert.deepEqual(Object.keys(body), ['code', 'description', 'error', 'data', 'count']);
      assert.equal(body.count, 7);
      return body.data.map((one: { id: number }) => one.id);
    };
    assert.deepEqual(await page({}), all.slice(0, 5));
    assert.deepEqual(await page({ page: 2 }), all.slice(5));
    assert.deepEqual(await page({ page: '3', per_page: '2' }), all.slice(4, 6));
    assert.deepEqual(await page({ page: 99 }), []);
    assert.deepEqual(await page({ per_page: 1000 }), all);
  });

  test('page by cursor, forwards and backwards, over many that start together', async () => {
    const dee = await addProvider(api);
    for (let at = 0; at < 9; at += 1) await create(at < 6 ? '12:00' : '12:30', { provider_id: dee });
    const page = async (asked: Asked) =>
      (await list({ provider_ids: [dee], per_page: 2, ...asked }, { version: null })).body;
    for (const sort of ['start_time', '-start_time', 'updated_at,-id', '-id']) {
      const all = await ids({ provider_ids: [dee], sort });
      const walk = async (parameter: 'start_cursor' | 'end_cursor', side: 'start' | 'end', from?: string) => {
        const seen: number[] = [];
        let cursor = from;
        for (let pages = 0; pages < 10; pages += 1) {
          const { data, count, page_info } = await page({ sort, ...(cursor && { [parameter]: cursor }) });
          assert.equal(count, cursor ? null : 9);
          const found = data.map((one: { id: number }) => one.id);
          seen.splice(side === 'end' ? seen.length : 0, 0, ...found);
          cursor = page_info[`${side}_cursor`];
          if (!page_info[side === 'end' ? 'has_next_page' : 'has_previous_page']) return { seen, last: page_info };
        }
        throw new Error('the pages do not end');
      };
      const forwards = await walk('end_cursor', 'end');
      assert.deepEqual(forwards.seen, all, sort);
      assert.deepEqual((await walk('start_cursor', 'end')).seen, all, `${sort}: some clients go on with start_cursor`);
      const backwards = await walk('start_cursor', 'start', forwards.last.start_cursor);
      assert.deepEqual(backwards.seen, all.slice(0, 8), `${sort}: back from the last page, which had one`);
      assert.deepEqual([backwards.last.has_previous_page, backwards.last.has_next_page], [false, true]);
    }
    const none = await page({ provider_ids: [999_999] });
    const nothing = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };
    assert.deepEqual([none.data, none.count, none.page_info], [[], 0, nothing]);
  });

  test('take no cursor but their own', async () => {
    const dee = await addProvider(api);
    for (let at = 0; at < 3; at += 1) await create('12:00', { provider_id: dee });
    const asked = { provider_ids: [dee], per_page: 1 };
    const { end_cursor } = (await list(asked, { version: null })).body.page_info;
    const [side, owner, shape, [at, id]] = JSON.parse(Buffer.from(end_cursor.split('.')[0], 'base64url').toString());
    assert.equal(writeCursor([side, owner, shape, [at, id]]), end_cursor);
    const providers = await api.get('/providers?subdomain=oak&per_page=1', { version: null });
    const cursors = {
      'of another list': providers.body.page_info.end_cursor,
      'that is no cursor': 'next',
      'cut short': end_cursor.slice(0, -3),
      'with something after it': `${end_cursor}A`,
      'with another id': Buffer.from(JSON.stringify([side, owner, shape, [at, id + 1]])).toString('base64url'),
      'with another id and the old checksum': end_cursor.replace(/^[\w-]+/, () =>
        Buffer.from(JSON.stringify([side, owner, shape, [at, id + 1]])).toString('base64url'),
      ),
      'of another institution': writeCursor([side, 'institution 0', shape, [at, id]]),
      'with a text for an id': writeCursor([side, owner, shape, [at, 'x']]),
      'with an id beyond any': writeCursor([side, owner, shape, [at, 1e30]]),
      'with too few values': writeCursor([side, owner, shape, [at]]),
      'with an instant that cannot be': writeCursor([side, owner, shape, ['2026-02-30T99:00:00.000Z', id]]),
      'in a year that is not': writeCursor([side, owner, shape, ['0000-01-01T00:00:00.000Z', id]]),
      'on a day that is not': writeCursor([side, owner, shape, ['2026-02-30T00:00:00.000Z', id]]),
      'in a year far off': writeCursor([side, owner, shape, ['+010000-01-01T00:00:00.000Z', id]]),
      'with a third side': writeCursor(['middle', owner, shape, [at, id]]),
      'that is a number': writeCursor(1),
    };
    for (const [what, cursor] of Object.entries(cursors)) {
      const { status, body } = await list({ ...asked, end_cursor: cursor }, { version: null });
      assert.deepEqual(
        [status, body.error],
        [400, ['Invalid parameter end_cursor: must be a cursor of this list, unchanged']],
        `a cursor ${what}`,
      );
    }
    const sorted = await list({ ...asked, end_cursor, sort: '-start_time' }, { version: null });
    assert.equal(sorted.status, 400, 'a cursor of another order');
    const theirs = await createPractice(api.db, 'fir');
    await createAppointment(api.db, theirs, `${DAY}T12:00:00.000Z`);
    // A cursor is a place in the order and opens no door: with another list's conditions it shows that list's rows.
    assert.equal((await list({ ...asked, end_cursor }, { version: null })).body.data.length, 1);
    assert.deepEqual(await ids({ provider_ids: [theirs.providers.ada], end_cursor }, { version: null }), []);
    await forAll(api.db, (tx) => tx.deleteFrom('appointment').where('id', '=', id).execute());
    assert.equal((await list({ ...asked, end_cursor }, { version: null })).body.data.length, 1, 'its row has gone');
  });
});
