import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { createPatient, newPatient } from '../../src/api/patients/creating.ts';
import { forAll, type Tx } from '../../src/store/database.ts';
import { type Api, type RequestOptions, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';

const DAY_MS = 86_400_000;

const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);

suite('patients', () => {
  let api: Api;
  let scope: string;

  before(async () => {
    api = await startApi();
    scope = `subdomain=oak&location_id=${api.practice.locations.north}`;
  });
  after(() => api.close());

  const body = (fields: object = {}, bio: object = {}) => ({
    provider: { provider_id: api.practice.providers.ada },
    patient: {
      first_name: 'Noa',
      last_name: 'Nash',
      email: 'noa@example.com',
      ...fields,
      bio: { date_of_birth: '1985-03-04', phone_number: '2125550177', ...bio },
    },
  });
  const create = (fields: object = {}, bio: object = {}, options: RequestOptions = {}) =>
    api.post(`/patients?${scope}`, { body: body(fields, bio), ...options });
  const find = async (query: string) =>
    (await api.get(`/patients?${scope}&${query}`)).body.data.patients.map((one: { id: number }) => one.id);

  test('are listed under data.patients in v2 and as data otherwise', async () => {
    const v2 = await api.get(`/patients?${scope}`);
    assert.equal(v2.body.data.patients.length, v2.body.count);
    assert.equal('page_info' in v2.body, false);
    for (const version of ['v3.0.0', null] as const) {
      const { body } = await api.get(`/patients?${scope}`, { version });
      assert.deepEqual(idsOf(body.data), idsOf(v2.body.data.patients));
      assert.equal(body.page_info.has_next_page, false);
    }
  });

  test('need a location', async () => {
    const { status, body } = await api.get('/patients?subdomain=oak');
    assert.deepEqual([status, body.error], [400, ['Missing parameter location_id']]);
  });

  test('are found by name in any order and case, by e-mail, phone, birthday and foreign id, all at once', async () => {
    const { pia, quin } = api.practice.patients;
    assert.deepEqual(await find('name=Pine'), [pia, quin]);
    assert.deepEqual(await find('name=PINE,%20pia'), [pia]);
    assert.deepEqual(await find('name=p%25e'), [], 'a % stands for itself');
    assert.deepEqual(await find('name=Pin_'), [], 'a _ stands for itself');
    assert.deepEqual(await find('email=pia@EXAMPLE.com'), [pia]);
    assert.deepEqual(await find('phone_number=2125550134'), [pia]);
    assert.deepEqual(await find('phone_number=%2B1%20(212)%20555-0134'), [pia]);
    assert.deepEqual(await find('phone_number=none'), []);
    assert.deepEqual(await find('phone_number=212555'), [], 'a part of a number is another number');
    assert.deepEqual(await find('date_of_birth=1990-02-28'), [pia]);
    assert.deepEqual(await find('foreign_id=A2'), [quin]);
    assert.deepEqual(await find('name=Pine&date_of_birth=2015-06-01'), [quin]);
    assert.deepEqual(await find('name=Pine&email=nobody@example.com'), []);
  });

  test('are found by a number however it is written, by them and by the HRS', async () => {
    const { gone } = api.practice.patients;
    const written = ['+1 (303) 555.0134', '(303) 555-0134', '303\u2011555\u20110134', '3035550134'];
    for (const work_phone_number of written) {
      await forAll(api.db, (tx) =>
        tx.updateTable('patient').set({ work_phone_number }).where('id', '=', gone).execute(),
      );
      for (const number of written) {
        assert.deepEqual(await find(`phone_number=${encodeURIComponent(number)}`), [gone], number);
      }
    }
  });

  test('are searched in the whole HRS unless location_strict', async () => {
    const south = `subdomain=oak&location_id=${api.practice.locations.south}`;
    const found = await api.get(`/patients?${south}&name=pia`);
    assert.equal(found.body.count, 1);
    const strict = await api.get(`/patients?${south}&name=pia&location_strict=True`);
    assert.equal(strict.body.count, 0);
  });

  test('that are inactive, merged or deleted come on request only', async () => {
    const { north } = api.practice.locations;
    const insert = (first_name: string, fields: object) =>
      forAll(api.db, async (tx) => {
        const { id } = await tx
          .insertInto('patient')
          .values({
            institution_id: api.institution.id,
            connection_id: api.practice.connection.id,
            first_name,
            last_name: 'Ghost',
            location_ids: [north],
            foreign_id: first_name,
            ...fields,
          } as never)
          .returning('id')
          .executeTakeFirstOrThrow();
        return id;
      });
    const live = await insert('Live', {});
    const inactive = await insert('Inactive', { inactive: true });
    const merged = await insert('Merged', { merged_into_id: live });
    const deleted = await insert('Deleted', { deleted_at: '2026-01-01T00:00:00Z' });
    assert.deepEqual(await find('name=ghost'), [live, inactive]);
    assert.deepEqual(await find('name=ghost&inactive=false'), [live]);
    assert.deepEqual(await find('name=ghost&inactive=true'), [inactive, merged, deleted]);
    const shown = await api.get(`/patients?${scope}&name=ghost&inactive=true`);
    assert.ok(shown.body.data.patients.every((one: { inactive: boolean }) => one.inactive));
  });

  test('page by number in v2, with the total in count', async () => {
    const all = await find('per_page=1000');
    const first = await api.get(`/patients?${scope}&per_page=2`);
    const second = await api.get(`/patients?${scope}&per_page=2&page=2`);
    const ids = [...first.body.data.patients, ...second.body.data.patients].map((one) => one.id);
    assert.deepEqual(ids, all.slice(0, 4));
    assert.equal(first.body.count, all.length);
    const backwards = await find('per_page=1000&sort=-id');
    assert.deepEqual(backwards, all.toReversed());
  });

  test('page by cursor without a gap or a repeat, also when sorted by an instant that many share', async () => {
    for (const sort of ['id', '-id', 'updated_at', '-updated_at']) {
      const seen: number[] = [];
      let cursor = '';
      for (let page = 0; page < 50; page += 1) {
        const { body } = await api.get(`/patients?${scope}&per_page=1&sort=${sort}${cursor}`, { version: null });
        seen.push(...body.data.map((one: { id: number }) => one.id));
        if (!body.page_info.has_next_page) break;
        cursor = `&end_cursor=${encodeURIComponent(body.page_info.end_cursor)}`;
      }
      assert.deepEqual(seen, await find(`per_page=1000&sort=${sort}`), sort);
    }
  });

  test('changed since an instant include those of that very instant', async () => {
    const { id } = (await create({ first_name: 'Since' }, { phone_number: '2125550111' })).body.data.user;
    const { updated_at } = (await api.get(`/patients/${id}?subdomain=oak`)).body.data;
    assert.deepEqual(await find(`updated_since=${updated_at}&name=since`), [id]);
    const plus = updated_at.replace('Z', '+0000');
    assert.deepEqual(await find(`updated_since=${plus}&name=since`), [id], 'a + that arrives as a space');
    const later = new Date(Date.parse(updated_at) + 1).toISOString();
    assert.deepEqual(await find(`updated_since=${later}&name=since`), []);
    const { body } = await api.get(`/patients?${scope}&updated_since=2026-02-30`);
    assert.match(body.error[0], /^Invalid parameter updated_since: names a day that is not in the calendar/);
  });

  test('carry what include[] asks for, and only that', async () => {
    const { pia, quin } = api.practice.patients;
    const now = Date.now();
    const at = (days: number) => new Date(now + days * DAY_MS).toISOString();
    const last = await createAppointment(api.db, api.practice, at(-10));
    await createAppointment(api.db, api.practice, at(-5), { patient_missed: true });
    await createAppointment(api.db, api.practice, at(-4), { cancelled: true });
    const soon = await createAppointment(api.db, api.practice, at(3), { confirmed: true });
    const later = await createAppointment(api.db, api.practice, at(300));
    await createAppointment(api.db, api.practice, at(400));
    await createAppointment(api.db, api.practice, at(4), { cancelled: true });

    const { data } = (await api.get(`/patients/${pia}?subdomain=oak&location_id=1`)).body;
    assert.equal('upcoming_appts' in data, false);
    const names = ['upcoming_appts', 'last_visited_appointment', 'children', 'guarantor', 'address', 'provider'];
    const billing = ['procedures', 'insurance_coverages', 'adjustments', 'charges', 'payments', 'patient_alerts'];
    const include = [...names, ...billing, 'unheard_of'].map((name) => `include[]=${name}`).join('&');
    const full = (await api.get(`/patients/${pia}?subdomain=oak&${include}`)).body.data;
    assert.deepEqual(
      full.upcoming_appts.map((one: { id: number }) => one.id),
      [soon, later],
    );
    assert.deepEqual(full.upcoming_appts[0], {
      id: soon,
      provider_id: api.practice.providers.ada,
      provider_name: 'Ada Alder',
      start_time: at(3),
      end_time: new Date(now + 3 * DAY_MS + 1_800_000).toISOString(),
      location_id: api.practice.locations.north,
      confirmed: true,
    });
    assert.equal(full.last_visited_appointment.id, last);
    assert.deepEqual(
      full.children.map((one: { id: number }) => one.id),
      [quin],
    );
    assert.equal(full.guarantor, null);
    assert.equal(full.provider.name, 'Ada Alder');
    assert.deepEqual(full.address, {
      line_1: '1 Oak Street',
      line_2: null,
      postal_code: '10001',
      city: null,
      region: null,
    });
    for (const name of billing) assert.deepEqual(full[name], [], name);

    const list = await api.get(`/patients?${scope}&name=pine&include[]=upcoming_appts&include[]=guarantor`);
    const [first, second] = list.body.data.patients;
    assert.equal(first.upcoming_appts.length, 2);
    assert.deepEqual(second.upcoming_appts, []);
    assert.equal(second.guarantor.id, pia);

    const window = `appointment_date_start=${at(2).slice(0, 10)}&appointment_date_end=${at(4).slice(0, 10)}`;
    const within = await api.get(`/patients?${scope}&name=pia&${window}`);
    assert.deepEqual(
      within.body.data.patients[0].appointments.map((one: { id: number }) => one.id),
      [soon],
    );
  });

  test('ignore a location on one patient, and say so', async () => {
    const path = `/patients/${api.practice.patients.pia}?subdomain=oak&location_id=1`;
    const note = 'Note that following parameters are ignored: location_id.';
    assert.deepEqual((await api.get(path)).body.error, [note]);
    assert.equal((await api.get(path, { version: 'v3.0.0' })).body.description, note);
  });

  test('are created as placeholders under data.user, with ten digits and a gender', async () => {
    const answer = await create({ first_name: ' Zoe\u0308 ' }, { phone_number: '+1 (212) 555-0199' });
    assert.equal(answer.status, 201);
    const { user } = answer.body.data;
    assert.equal(user.name, 'Zoë Nash');
    assert.equal(user.bio.phone_number, '2125550199');
    assert.equal(user.bio.gender, 'Female');
    assert.equal(user.bio.new_patient, true);
    assert.equal(user.foreign_id, null);
    assert.equal(user.foreign_id_type, 'nex');
    assert.deepEqual(user.location_ids, [api.practice.locations.north]);
    const row = await forAll(api.db, (tx) =>
      tx.selectFrom('patient').selectAll().where('id', '=', user.id).executeTakeFirstOrThrow(),
    );
    assert.match(row.marker ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(row.connection_id, api.practice.connection.id);
    assert.deepEqual(await find(`name=${encodeURIComponent('Zoë')}`), [user.id]);
    assert.deepEqual(await find('new_patient=true'), [], 'no appointment to come');
    const start = new Date(Date.now() + DAY_MS).toISOString();
    await createAppointment(api.db, api.practice, start, { patient_id: user.id, foreign_id: null });
    assert.deepEqual(await find('new_patient=true'), [user.id]);
    assert.equal((await find('new_patient=false&per_page=1000')).includes(user.id), false);
  });

  test('take subdomain and location from a form body too', async () => {
    const { north } = api.practice.locations;
    const form = new URLSearchParams({
      subdomain: 'oak',
      location_id: String(north),
      'provider[provider_id]': String(api.practice.providers.ada),
      'patient[first_name]': 'Form',
      'patient[last_name]': 'Filler',
      'patient[email]': 'form@example.com',
      'patient[bio][date_of_birth]': '1970-01-01',
      'patient[bio][phone_number]': '2125550122',
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await api.post('/patients', { body: form.toString(), headers })).status, 201);
  });

  test('name every parameter that is missing', async () => {
    const { status, body } = await api.post(`/patients?${scope}`, { body: { provider: {}, patient: { bio: {} } } });
    assert.equal(status, 400);
    assert.deepEqual(body.error, [
      'Missing parameter provider[provider_id]',
      'Missing parameter patient[first_name]',
      'Missing parameter patient[last_name]',
      'Missing parameter patient[email]',
      'Missing parameter patient[bio][date_of_birth]',
      'Missing parameter patient[bio][phone_number]',
    ]);
  });

  const refused: [string, object, object, RegExp][] = [
    ['a number of another country', {}, { phone_number: '+44 20 7946 0958' }, /^User phone number is invalid$/],
    ['an area code that cannot be', {}, { phone_number: '1234567890' }, /^User phone number is invalid$/],
    ['a number with an extension', {}, { phone_number: '212-555-0134 x9' }, /^User phone number is invalid$/],
    ['a number too long', {}, { phone_number: '21255501345' }, /^User phone number is invalid$/],
    [
      'a birthday tomorrow',
      {},
      { date_of_birth: new Date(Date.now() + 2 * DAY_MS).toISOString().slice(0, 10) },
      /future/,
    ],
    ['30 February', {}, { date_of_birth: '1990-02-30' }, /patient\[bio\]\[date_of_birth\]: must be a date that exists/],
    ['a birthday in 1800', {}, { date_of_birth: '1800-01-01' }, /date_of_birth/],
    ['an e-mail without a domain', { email: 'noa@localhost' }, {}, /patient\[email\]: must be an e-mail address/],
    ['an e-mail with a header in it', { email: 'a@b.org\r\nBcc: x@y.org' }, {}, /e-mail/],
    ['a name of spaces', { first_name: '   ' }, {}, /patient\[first_name\]: must not be empty/],
    ['a name with a bell', { first_name: 'No\u0007a' }, {}, /control characters/],
    ['a name that turns the text around', { last_name: 'N\u202eash' }, {}, /control characters/],
    ['a name of 101 letters', { last_name: 'n'.repeat(101) }, {}, /must have at most 100 characters/],
    ['an unknown gender', {}, { gender: 'X' }, /must be one of Male, Female, Other/],
  ];
  for (const [what, fields, bio, message] of refused) {
    test(`are refused with ${what}`, async () => {
      const { status, body } = await create(fields, bio);
      assert.equal(status, 400);
      assert.equal(body.error.length, 1);
      assert.match(body.error[0], message);
    });
  }

  test('keep names as people have them', async () => {
    for (const [at, last_name] of ["O'Brien", "Robert'); DROP", 'Null', '李', 'بن علي', 'Łęcki', '👩‍⚕️'].entries()) {
      const { status, body } = await create({ last_name }, { phone_number: `212556010${at}` });
      assert.equal(status, 201, last_name);
      assert.equal(body.data.user.last_name, last_name);
      assert.ok(
        (await find(`name=${encodeURIComponent(last_name.toLowerCase())}`)).includes(body.data.user.id),
        last_name,
      );
    }
  });

  test('with the same birthday, name and phone number exist already', async () => {
    const first = (await create({ first_name: 'Same' })).body.data.user.id;
    const again = await create({ first_name: 'SAME', email: 'other@example.com' }, { phone_number: '(212) 555-0177' });
    assert.equal(again.status, 400);
    assert.deepEqual(again.body.error, [`A patient with that information already exists - id=${first}`]);
    const sibling = await create({ first_name: 'Sib' });
    assert.equal(sibling.status, 201, 'siblings share a phone number');
    const synced = await create(
      { first_name: 'pia', last_name: 'PINE' },
      { date_of_birth: '1990-02-28', phone_number: '2125550134' },
    );
    assert.deepEqual(synced.body.error, [
      `A patient with that information already exists - id=${api.practice.patients.pia}`,
    ]);
  });

  test('come back when return_existing_if_match says so, except in v2', async () => {
    const wanted = { ...body({ first_name: 'Back' }), return_existing_if_match: true };
    const first = await api.post(`/patients?${scope}`, { body: wanted, version: null });
    assert.equal(first.status, 201);
    const again = await api.post(`/patients?${scope}`, { body: wanted, version: null });
    assert.deepEqual([again.status, again.body.data], [200, first.body.data]);
    assert.equal((await api.post(`/patients?${scope}`, { body: wanted, version: 'v2' })).status, 400);
  });

  test('are created once by equal requests at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => create({ first_name: 'Race' })));
    const created = answers.filter((one) => one.status === 201);
    assert.equal(created.length, 1);
    const id = created[0]?.body.data.user.id;
    for (const one of answers.filter((other) => other.status !== 201)) {
      assert.deepEqual(one.body.error, [`A patient with that information already exists - id=${id}`]);
    }
  });

  test('are created once even when the first has not committed yet', async () => {
    const location = await forAll(api.db, (tx) =>
      tx.selectFrom('location').selectAll().where('id', '=', api.practice.locations.north).executeTakeFirstOrThrow(),
    );
    const fields = newPatient.parse(body({ first_name: 'Slow' }).patient);
    const createIn = (tx: Tx) => createPatient(tx, location, api.practice.providers.ada, fields, Date.now());
    const inserted = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const first = forAll(api.db, async (tx) => {
      const result = await createIn(tx);
      inserted.resolve();
      await mayCommit.promise;
      return result;
    });
    await inserted.promise;
    let done = false;
    const second = forAll(api.db, createIn).finally(() => {
      done = true;
    });
    const isWaiting = async () =>
      (
        await api.db.pool.query(
          `select 1 from pg_locks where locktype = 'advisory' and not granted
             and database = (select oid from pg_database where datname = current_database())`,
        )
      ).rowCount;
    while (!done && !(await isWaiting()));
    mayCommit.resolve();
    const [one, other] = [await first, await second];
    assert.deepEqual([one.existing, other.existing], [false, true]);
    assert.equal(other.patient.id, one.patient.id);
  });

  test('are created once under an Idempotency-Key, and answered the same', async () => {
    const headers = { 'idempotency-key': 'booking-42' };
    const first = await create({ first_name: 'Once' }, {}, { headers });
    const again = await create({ first_name: 'Once' }, {}, { headers });
    assert.deepEqual([again.status, again.text], [201, first.text]);
    const other = await create({ first_name: 'Twice' }, {}, { headers });
    assert.equal(other.status, 422);
  });

  test('keep any ten digits however they are written', async () => {
    const digits = fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 0, max: 999_999_999 }));
    const { parsePhoneNumber } = await import('../../src/domain/phone.ts');
    fc.assert(
      fc.property(digits, fc.constantFrom('', '1', '+1', '+1 ', '1-'), ([area, rest], prefix) => {
        const ten = `${area}${String(rest).padStart(9, '0')}`;
        const [a, b, c] = [ten.slice(0, 3), ten.slice(3, 6), ten.slice(6)];
        for (const text of [ten, `(${a}) ${b}-${c}`, `${a}.${b}.${c}`, `${a} ${b} ${c}`]) {
          assert.equal(parsePhoneNumber(prefix + text), ten);
        }
        for (const text of [`${ten}0`, ten.slice(1), `${ten}x1`, `+44${ten}`])
          assert.equal(parsePhoneNumber(text), null);
      }),
    );
  });
});
