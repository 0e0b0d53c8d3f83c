/** The practice itself in each version: institutions, locations, providers, operatories, types and their old names. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import type { Version } from '../../src/views/version.ts';
import { type Api, startApi } from '../harness/api.ts';

const VERSIONS: Version[] = ['v2', 'v3.0.0'];
const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);

suite('the practice by version', () => {
  let api: Api;
  before(async () => {
    api = await startApi();
  });
  after(() => api.close());

  const read = async (path: string, version: Version) => (await api.get(path, { version })).body.data;
  /** Names of the fields that only v2 has, and only v3.0.0. */
  const differences = async (path: string, pick = (data: unknown) => data) => {
    const [v2, v3] = await Promise.all(
      VERSIONS.map(async (version) => Object.keys(pick(await read(path, version)) as object)),
    );
    const without = (names: string[] = [], others: string[] = []) =>
      names.filter((name) => !others.includes(name)).sort();
    return { v2: without(v2, v3), v3: without(v3, v2) };
  };

  test('tells v2 of NexHealth’s booking page, and later versions of the system behind a location', async () => {
    const bookingPage = [
      'gtm_tags',
      'is_appt_booking_insurance_activated',
      'is_appt_booking_patient_type_activated',
      'is_appt_categories_location_specific',
      'logo_location_scoped',
      'request_online_booking_location_permissions',
      'show_map',
      'show_online_booking_no_insurance_option',
      'wlogo',
    ];
    assert.deepEqual(await differences(`/institutions/${api.institution.id}`), { v2: bookingPage, v3: [] });
    const onlyV2 = ['appt_types_map_by_operatory', 'weight', 'wlogo'];
    const north = `/locations/${api.practice.locations.north}`;
    assert.deepEqual(await differences(north), { v2: onlyV2, v3: ['ehr'] });
    // biome-ignore lint/suspicious/noExplicitAny: the first location of the first institution.
    assert.deepEqual(await differences('/locations', (data: any) => data[0].locations[0]), { v2: onlyV2, v3: [] });
    const { connection } = api.practice;
    const ehr = { id: connection.id, name: 'sandbox', display_name: 'Sandbox', type: 'onprem' };
    assert.deepEqual((await read(north, 'v3.0.0')).ehr, ehr);
    const { id } = await forAll(api.db, (tx) =>
      tx
        .insertInto('location')
        .values({ institution_id: api.institution.id, name: 'West', tz: 'America/Denver' })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    assert.equal((await read(`/locations/${id}`, 'v3.0.0')).ehr, null, 'nothing is behind it');
  });

  test('shows the hours of a provider in the shape of each version', async () => {
    const { ben } = api.practice.providers;
    for (const path of [`/providers?subdomain=oak&ids[]=${ben}`, `/providers/${ben}?subdomain=oak`]) {
      const hours = async (version: Version) => {
        const data = await read(`${path}&include[]=availabilities`, version);
        return (Array.isArray(data) ? data[0] : data).availabilities;
      };
      const [[v2], [v3]] = [await hours('v2'), await hours('v3.0.0')];
      const { synced, ...ofV2 } = v2;
      const { source, label, ...ofV3 } = v3;
      assert.deepEqual([synced, source, label], [true, 'synced', null]);
      assert.deepEqual(ofV2, ofV3);
      assert.equal(ofV3.id, api.practice.availabilities.benHours);
    }
  });

  test('has the same providers, operatories, types, descriptors and connections in both', async () => {
    const { north, south } = api.practice.locations;
    const paths = [
      '/providers?subdomain=oak&include[]=locations&include[]=appointment_types',
      '/providers?subdomain=oak&inactive=true&sort=-updated_at',
      `/operatories?subdomain=oak&location_id=${south}&include[]=appt_categories`,
      `/operatories/${api.practice.operatories.roomSouth}?subdomain=oak&include[]=appointment_types`,
      '/appointment_types?subdomain=oak&include[]=descriptors&include[]=providers',
      '/appointment_categories?subdomain=oak',
      `/locations/${north}/appointment_descriptors`,
      `/appointment_types/${api.practice.types.cleaning}/appointment_descriptors?subdomain=oak`,
      '/sync_status?subdomain=oak',
    ];
    for (const path of paths) {
      const [v2, v3] = [await read(path, 'v2'), await read(path, 'v3.0.0')];
      assert.ok(v2.id !== undefined || v2.length > 0, path);
      assert.deepEqual(v3, v2, path);
    }
  });

  test('lists operatories in which a category can be booked', async () => {
    const { types, operatories, availabilities, locations } = api.practice;
    const at = async (typeId: number, query = '') =>
      idsOf(await read(`/appointment_categories/${typeId}/operatories?subdomain=oak${query}`, 'v2'));
    assert.deepEqual(await at(types.exam), []);
    await forAll(api.db, (tx) =>
      tx
        .insertInto('availability_appointment_type')
        .values({
          institution_id: api.institution.id,
          availability_id: availabilities.benHours,
          appointment_type_id: types.exam,
        })
        .execute(),
    );
    assert.deepEqual(await at(types.exam), [operatories.roomSouth]);
    assert.deepEqual(await at(types.exam, `&location_id=${locations.north}`), []);
    assert.deepEqual(await at(types.exam, `&location_id=${locations.south}`), [operatories.roomSouth]);
    const [room] = await read(`/appointment_categories/${types.exam}/operatories?subdomain=oak`, 'v3.0.0');
    assert.deepEqual(idsOf(room.appointment_types), [types.exam]);
    assert.equal((await api.get('/appointment_categories/999999/operatories?subdomain=oak')).status, 404);
  });

  test('takes a name for a type once, in both versions', async () => {
    for (const version of VERSIONS) {
      const { status, body } = await api.post('/appointment_types?subdomain=oak', {
        version,
        body: { appointment_type: { name: 'cleaning', minutes: 30 } },
      });
      assert.deepEqual([status, body.error], [400, ['Name has already been taken']]);
    }
  });
});
