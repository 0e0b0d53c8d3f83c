/** What a patient looks like in each version, and in which order a list of them comes. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { adoptPatient } from '../../src/commands/adoption.ts';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey, createPractice } from '../harness/practice.ts';

const nameOf = (row: { name: string }) => row.name;

suite('patients by version', () => {
  let api: Api;
  let scope: string;

  before(async () => {
    api = await startApi();
    scope = `subdomain=oak&location_id=${api.practice.locations.north}`;
  });
  after(() => api.close());

  test('have in each version its own fields', async () => {
    const { ada } = api.practice.providers;
    const { north } = api.practice.locations;
    const of = async (path: string, version: 'v2' | 'v3.0.0') =>
      (await api.get(`${path}?${scope}&name=pia`, { version })).body.data;
    const [v3] = await of('/patients', 'v3.0.0');
    const shared = Object.keys(v3).filter((name) => name !== 'hipaa');
    const [v2] = (await of('/patients', 'v2')).patients;
    for (const name of shared) assert.deepEqual(v2[name], v3[name], name);
    assert.equal(v3.hipaa, null);
    assert.equal(v3.provider_id, ada);
    for (const name of ['location_ids', 'balance', 'unsubscribe_sms']) assert.equal(name in v3, false, name);
    const extra = Object.fromEntries(Object.entries(v2).filter(([name]) => !shared.includes(name)));
    assert.deepEqual(extra, {
      preferred_locale: null,
      location_ids: [north],
      display_name: 'Pia Pine',
      doctor_name: null,
      meta_type: null,
      profile_url: null,
      npi: null,
      inst_ids: [api.institution.id],
      prov_ids: [ada],
      pcp_id: ada,
      contact_email: 'Pia@Example.com',
      invalid_email: false,
      unsubscribe_emails: false,
      email_unsubscribed_at: null,
      unsubscribe_sms: false,
      sms_unsubscribed_at: null,
      last_sync: null,
      balance: { amount: null, currency: 'USD' },
    });
    const path = `/patients/${api.practice.patients.pia}`;
    assert.deepEqual(await of(path, 'v2'), v2);
    assert.deepEqual(await of(path, 'v3.0.0'), { ...v3, location_ids: [north] }, 'one patient tells the locations');
  });

  test('are listed without includes in v3.0.0, which says so', async () => {
    const asked = `${scope}&name=pia&include[]=address&appointment_date_start=2020-01-01`;
    const v2 = await api.get(`/patients?${asked}`);
    assert.equal(v2.body.data.patients[0].address.line_1, '1 Oak Street');
    assert.deepEqual(v2.body.error, []);
    const v3 = await api.get(`/patients?${asked}`, { version: 'v3.0.0' });
    assert.equal('address' in v3.body.data[0], false);
    assert.equal(v3.body.description, 'Note that following parameters are ignored: include, appointment_date_start.');
    const one = await api.get(`/patients/${api.practice.patients.pia}?${asked}`, { version: 'v3.0.0' });
    assert.equal(one.body.data.address.line_1, '1 Oak Street');
  });

  test('are shown whatever location is named, with a note', async () => {
    const path = `/patients/${api.practice.patients.pia}?subdomain=oak&location_id=999999`;
    const note = 'Note that following parameters are ignored: location_id.';
    const v2 = await api.get(path);
    assert.deepEqual([v2.status, v2.body.code, v2.body.error], [200, true, [note]]);
    const v3 = await api.get(path, { version: 'v3.0.0' });
    assert.deepEqual([v3.status, v3.body.error, v3.body.description], [200, [], note]);
  });

  test('come in the order of their names, by number and by cursors that tell no name', async () => {
    const names = async (query: string): Promise<string[]> =>
      (await api.get(`/patients?${scope}&per_page=1000&sort=${query}`)).body.data.patients.map(nameOf);
    const sorted = await names('name');
    const lower = sorted.map((name) => name.toLowerCase());
    assert.ok(new Set(lower).size > 2);
    assert.deepEqual(await names('-name'), (await names('name,-id')).toReversed());
    const second = await api.get(`/patients?${scope}&sort=name&per_page=1&page=2`);
    assert.deepEqual(second.body.data.patients.map(nameOf), [sorted[1]]);
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; page < 100; page += 1) {
      const { body } = await api.get(`/patients?${scope}&per_page=1&sort=name${cursor}`, { version: null });
      seen.push(...body.data.map(nameOf));
      const text = Buffer.from(body.page_info.end_cursor.split('.')[0], 'base64url').toString();
      for (const word of nameOf(body.data[0]).split(' ')) assert.equal(text.includes(word), false);
      if (!body.page_info.has_next_page) break;
      cursor = `&end_cursor=${body.page_info.end_cursor}`;
    }
    assert.deepEqual(seen, sorted);
    const third = await api.get(`/patients?${scope}&per_page=1&sort=name&page=3`, { version: null });
    const back = `&start_cursor=${third.body.page_info.start_cursor}`;
    const before = await api.get(`/patients?${scope}&per_page=1000&sort=name${back}`, { version: null });
    assert.deepEqual(before.body.data.map(nameOf), sorted.slice(0, 2));
  });

  test('of another institution are no place to start from', async () => {
    const elm = await createPractice(api.db, 'elm');
    const { key } = await createKey(api.db, [elm.institution.id, api.institution.id]);
    for (const sort of ['id', 'name', '-updated_at']) {
      const of = (list: string, cursor = '') =>
        api.get(`/patients?${list}&sort=${sort}&per_page=1${cursor}`, { version: null, key });
      const { start_cursor, end_cursor } = (await of(`subdomain=elm&location_id=${elm.locations.north}&page=2`)).body
        .page_info;
      for (const cursor of [start_cursor, end_cursor]) {
        const { status, body } = await of(scope, `&end_cursor=${cursor}`);
        const text = 'Invalid parameter end_cursor: must be a cursor of this list, unchanged';
        assert.deepEqual([status, body.error], [400, [text]], sort);
      }
    }
  });

  test('are told of by events in each version’s own shape', async () => {
    const { north } = api.practice.locations;
    const created = await api.post(`/patients?${scope}`, {
      version: 'v3.0.0',
      body: {
        provider: { provider_id: api.practice.providers.ada },
        patient: {
          first_name: 'Noa',
          last_name: 'Nash',
          email: 'noa@example.com',
          bio: { date_of_birth: '1985-03-04', phone_number: '2125550177' },
        },
      },
    });
    const { user } = created.body.data;
    assert.deepEqual(user.location_ids, [north], 'whoever was just created has the short form of both versions');
    await forAll(api.db, (tx) =>
      adoptPatient(tx, api.institution.id, user.id, { foreignId: 'A77' }, Date.parse('2026-03-03T10:00:00.000Z')),
    );
    for (const version of ['v2', 'v3.0.0'] as const) {
      const events = (await api.get('/events?subdomain=oak', { version })).body.data;
      const [told] = events[0].data.patients;
      const shown = (await api.get(`/patients?${scope}&foreign_id=A77`, { version })).body.data;
      const [patient] = version === 'v2' ? shown.patients : shown;
      assert.equal(events.length, 1);
      assert.deepEqual(told, patient, version);
      assert.equal('hipaa' in told, version !== 'v2');
    }
  });
});
