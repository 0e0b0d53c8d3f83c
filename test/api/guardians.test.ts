import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { ALL_CAPABILITIES, type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { addProvider, book, booked, insertRow } from './schedule.ts';

/** A Monday, 7:00 in New York. */
const NOW = '2026-03-02T12:00:00.000Z';

suite('a guardian’s bookings', () => {
  let api: Api;
  let capabilities = ALL_CAPABILITIES;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse(NOW) }, services: { capabilitiesOf: () => capabilities } });
  });
  after(() => api.close());

  const child = (fields: object = {}, bio: object = {}) => ({
    is_guardian: true,
    patient: { first_name: 'Kim', last_name: 'Pine', ...fields, bio: { date_of_birth: '2018-05-05', ...bio } },
  });
  const patientOf = (id: number) =>
    forAll(api.db, (tx) => tx.selectFrom('patient').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
  const countPatients = async () =>
    (await forAll(api.db, (tx) => tx.selectFrom('patient').select('id').execute())).length;

  test('are for the child, who is created once', async () => {
    const { pia } = api.practice.patients;
    const before = await countPatients();
    const dee = await addProvider(api, {});
    const first = await booked(api, { provider_id: dee, ...child() });
    assert.equal(first.is_guardian, true);
    const kim = await patientOf(first.patient_id);
    assert.deepEqual(
      [kim.first_name, kim.last_name, kim.date_of_birth, kim.gender, kim.guarantor_id, kim.foreign_id, kim.provider_id],
      ['Kim', 'Pine', '2018-05-05', 'Female', pia, null, dee],
    );
    assert.deepEqual([kim.email, kim.phone_number], ['Pia@Example.com', '2125550134'], 'reached through the guardian');
    assert.deepEqual(kim.location_ids, [api.practice.locations.north]);
    assert.match(kim.marker ?? '', /^[0-9a-f-]{36}$/);
    const again = { ...child({ first_name: ' kim ', last_name: 'PINE' }), start_time: '2026-03-03T15:00:00Z' };
    assert.equal((await booked(api, { provider_id: dee, ...again })).patient_id, kim.id);
    assert.equal(await countPatients(), before + 1);
  });

  test('find a child that the HRS has already', async () => {
    const { quin } = api.practice.patients;
    const known = child({ first_name: 'Quin' }, { date_of_birth: '2015-06-01' });
    const appt = await booked(api, { provider_id: await addProvider(api, {}), ...known });
    assert.equal(appt.patient_id, quin);
  });

  test('create a child once when two come at the same time', async () => {
    const before = await countPatients();
    const answers = await Promise.all(
      Array.from({ length: 6 }, async () =>
        booked(api, { provider_id: await addProvider(api, {}), ...child({ first_name: 'Twice' }) }),
      ),
    );
    assert.equal(new Set(answers.map((appt) => appt.patient_id)).size, 1);
    assert.equal(await countPatients(), before + 1);
  });

  test('tell siblings apart by name, by birthday and by guardian', async () => {
    const ids = new Set<number>();
    const others = [child({ first_name: 'Lou' }), child({}, { date_of_birth: '2018-05-06', gender: 'Male' }), child()];
    for (const one of others) {
      ids.add((await booked(api, { provider_id: await addProvider(api, {}), ...one })).patient_id);
    }
    const guardian = await insertRow(api, 'patient', { first_name: 'Gil', last_name: 'Pine' });
    const theirs = await booked(api, { provider_id: await addProvider(api, {}), ...child(), patient_id: guardian });
    ids.add(theirs.patient_id);
    assert.equal(ids.size, 4);
  });

  test('keep a child’s name as people write it', async () => {
    const appt = await booked(api, { provider_id: await addProvider(api, {}), ...child({ first_name: 'Zoe\u0308' }) });
    assert.equal((await patientOf(appt.patient_id)).first_name, 'Zo\u00eb');
    const again = await booked(api, { provider_id: await addProvider(api, {}), ...child({ first_name: 'zo\u00eb' }) });
    assert.equal(again.patient_id, appt.patient_id);
  });

  const refused: [string, object, string][] = [
    [
      'a child without a name',
      child({ first_name: ' ' }),
      'Invalid parameter appt[patient][first_name]: must not be empty',
    ],
    [
      'a name with a bell',
      child({ last_name: 'P\u0007ine' }),
      'Invalid parameter appt[patient][last_name]: must be text without control characters',
    ],
    [
      'a birthday tomorrow',
      child({}, { date_of_birth: '2026-03-03' }),
      'Invalid parameter appt[patient][bio][date_of_birth]: must not be in the future',
    ],
    [
      'a birthday in 1800',
      child({}, { date_of_birth: '1800-01-01' }),
      'Invalid parameter appt[patient][bio][date_of_birth]: must be a date that exists, YYYY-MM-DD',
    ],
    [
      'an unknown gender',
      child({}, { gender: 'X' }),
      'Invalid parameter appt[patient][bio][gender]: must be one of Male, Female, Other',
    ],
    ['no birthday', child({}, { date_of_birth: '' }), 'Missing parameter appt[patient][bio][date_of_birth]'],
    ['a guardian nobody has', { ...child(), patient_id: 999_999 }, 'patient_id was not found'],
  ];
  for (const [what, appt, text] of refused) {
    test(`are refused with ${what}`, async () => {
      const contents = await watchContents(api.db);
      const { status, body } = await book(api, appt);
      assert.deepEqual([status, body.error], [400, [text]]);
      assert.equal(await contents.hasChanged(), false);
    });
  }

  test('are refused with a guardian who is inactive', async () => {
    const { status, headers, body } = await book(api, { ...child(), patient_id: api.practice.patients.gone });
    assert.deepEqual(
      [status, headers.get('openchair-error-code'), body.error],
      [400, 'inactive', ['patient_id is inactive']],
    );
  });

  test('leave no child behind when they are refused', async () => {
    const before = await countPatients();
    const taken = await addProvider(api, {});
    await booked(api, { provider_id: taken });
    const nobody = { provider_id: taken, ...child({ first_name: 'Nobody' }) };
    assert.equal((await book(api, nobody)).status, 400);
    const stored = await book(api, nobody, { headers: { 'idempotency-key': 'nobody' } });
    assert.equal(stored.headers.get('openchair-error-code'), 'slot_taken');
    capabilities = { ...ALL_CAPABILITIES, createPatient: false };
    const refusal = await book(api, { provider_id: await addProvider(api, {}), ...child({ first_name: 'Nobody' }) });
    capabilities = ALL_CAPABILITIES;
    assert.deepEqual(refusal.body.error, ['This health record system takes no new patients.']);
    assert.equal(await countPatients(), before);
  });
});
