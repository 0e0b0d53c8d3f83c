/** What stands beside an appointment in each version, and how its lists differ. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Version } from '../../src/views/version.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';

const VERSIONS: Version[] = ['v2', 'v3.0.0'];
const NAMES = ['patient', 'guarantor', 'descriptors', 'booking_details', 'procedures', 'operatory', 'appointment_type'];

suite('appointments by version', () => {
  let api: Api;
  let id: number;
  let window: string;

  before(async () => {
    api = await startApi();
    const { north } = api.practice.locations;
    window = `/appointments?subdomain=oak&location_id=${north}&start=2026-03-03&end=2026-03-04`;
    id = await createAppointment(api.db, api.practice, '2026-03-03T15:00:00.000Z', {
      patient_id: api.practice.patients.quin,
      operatory_id: api.practice.operatories.roomNorth,
      appointment_type_id: api.practice.types.exam,
      descriptor_ids: [api.practice.descriptors.examCode],
      foreign_id: 'HRS-7',
    });
  });
  after(() => api.close());

  const include = (names: string[]) => names.map((name) => `&include[]=${name}`).join('');

  test('are shown with their patient, and with all that is asked for, in both', async () => {
    const path = `/appointments/${id}?subdomain=oak`;
    const { practice } = api;
    for (const version of VERSIONS) {
      const plain = (await api.get(path, { version })).body.data;
      assert.deepEqual(
        NAMES.filter((name) => name in plain),
        ['patient'],
      );
      const { data } = (await api.get(`${path}${include(NAMES)}&include[]=unheard_of`, { version })).body;
      assert.equal(data.patient.id, practice.patients.quin);
      assert.deepEqual(data.patient.location_ids, [practice.locations.north]);
      assert.equal(data.patient.guarantor.id, practice.patients.pia);
      assert.equal(data.guarantor.id, practice.patients.pia);
      assert.deepEqual(
        data.descriptors.map((one: { id: number }) => one.id),
        [practice.descriptors.examCode],
      );
      assert.equal(data.operatory.id, practice.operatories.roomNorth);
      assert.equal(data.appointment_type.id, practice.types.exam);
      assert.deepEqual([data.procedures, data.booking_details], [[], null]);
      assert.equal('unsubscribe_sms' in data.patient, version === 'v2');
    }
  });

  test('have the same fields of their own in both', async () => {
    const [v2] = (await api.get(window)).body.data;
    const [v3] = (await api.get(window, { version: 'v3.0.0' })).body.data;
    assert.equal(v2.id, id);
    assert.deepEqual(v3, v2);
  });

  test('are listed with what is beside them in v2, and without in v3.0.0, which says so', async () => {
    const v2 = (await api.get(`${window}${include(['patient', 'operatory'])}`)).body;
    assert.equal(v2.data[0].patient.id, api.practice.patients.quin);
    assert.equal(v2.data[0].operatory.id, api.practice.operatories.roomNorth);
    assert.deepEqual(v2.error, []);
    const v3 = (await api.get(`${window}${include(['patient', 'operatory'])}`, { version: 'v3.0.0' })).body;
    assert.deepEqual([v3.data[0].id, 'patient' in v3.data[0], 'operatory' in v3.data[0]], [id, false, false]);
    assert.equal(v3.description, 'Note that following parameters are ignored: include.');
  });

  test('are listed with their descriptors in v3.1.0, which is answered as v3.0.0', async () => {
    const headers = { 'nex-api-version': 'v3.1.0' };
    const { data, description } = (await api.get(`${window}${include(['descriptors'])}`, { version: null, headers }))
      .body;
    assert.equal(data[0].descriptors[0].id, api.practice.descriptors.examCode);
    assert.equal(description, null);
  });

  test('are found by their id in the HRS in any window, at whatever location', async () => {
    const found = async (query: string, version: Version) =>
      (await api.get(`/appointments?subdomain=oak&start=1900-01-01&end=2100-01-01&foreign_id=${query}`, { version }))
        .body.data.length;
    for (const version of VERSIONS) {
      assert.equal(await found('HRS-7', version), 1);
      assert.equal(await found('HRS-8', version), 0);
      assert.equal(await found(`HRS-7&location_id=${api.practice.locations.south}`, version), 0);
    }
  });
});
