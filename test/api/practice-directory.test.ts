/** What an app reads of a practice before it books: institutions, locations, providers, operatories, codes, health. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import pg from 'pg';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment, createKey, createPractice, type Practice } from '../harness/practice.ts';

const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);

suite('practice directory', () => {
  let api: Api;
  let elm: Practice;
  let keyOfBoth: string;

  before(async () => {
    api = await startApi();
    elm = await createPractice(api.db, 'elm');
    keyOfBoth = (await createKey(api.db, [api.institution.id, elm.institution.id])).key;
  });
  after(() => api.close());

  suite('authenticates', () => {
    test('exchanges a raw key for a token that works with and without Bearer', async () => {
      const { status, body } = await api.post('/authenticates');
      assert.equal(status, 201);
      assert.equal(body.description, 'Authenticated');
      assert.deepEqual(Object.keys(body.data), ['token']);
      const claims = JSON.parse(Buffer.from(body.data.token.split('.')[1], 'base64url').toString());
      assert.equal(claims.exp - claims.iat, 3600);
      for (const key of [`Bearer ${body.data.token}`, `Bearer  ${body.data.token}`, body.data.token]) {
        assert.equal((await api.get('/institutions', { key })).status, 200);
      }
    });

    test('takes no token for a key, and no stranger', async () => {
      const { token } = (await api.post('/authenticates')).body.data;
      for (const key of [token, `Bearer ${token}`, 'oc_unknown', null]) {
        const { status, body } = await api.post('/authenticates', { key });
        assert.deepEqual([status, body.code, body.data], [401, false, null]);
      }
    });
  });

  suite('institutions and locations', () => {
    test('are those that the key reaches', async () => {
      assert.deepEqual(idsOf((await api.get('/institutions')).body.data), [api.institution.id]);
      const both = await api.get('/institutions', { key: keyOfBoth });
      assert.deepEqual(idsOf(both.body.data), [api.institution.id, elm.institution.id]);
      assert.equal(both.body.count, 2);
      assert.deepEqual(both.body.data[1].emrs, ['sandbox']);
      assert.deepEqual(idsOf(both.body.data[1].locations), Object.values(elm.locations));
      assert.equal((await api.get(`/institutions/${elm.institution.id}`)).status, 404);
      const nobody = await createKey(api.db, []);
      assert.deepEqual((await api.get('/institutions', { key: nobody.key })).body.data, []);
      assert.deepEqual((await api.get('/locations', { key: nobody.key })).body.data, []);
    });

    test('tell v2 how a booking page would be set up', async () => {
      const path = `/institutions/${api.institution.id}`;
      assert.equal((await api.get(path)).body.data.show_map, false);
      assert.equal('show_map' in (await api.get(path, { version: 'v3.0.0' })).body.data, false);
    });

    test('stand inside each other, all or of one subdomain', async () => {
      const all = (await api.get('/locations', { key: keyOfBoth })).body.data;
      assert.deepEqual(
        all.map((one: { subdomain: string; locations: unknown[] }) => [one.subdomain, one.locations.length]),
        [
          ['oak', 2],
          ['elm', 2],
        ],
      );
      assert.deepEqual(Object.keys(all[0]), ['id', 'name', 'subdomain', 'locations']);
      const one = (await api.get('/locations?subdomain=elm&foreign_id=L2', { key: keyOfBoth })).body.data;
      assert.equal(one.length, 1);
      assert.deepEqual(idsOf(one[0].locations), [elm.locations.south]);
      assert.equal((await api.get('/locations?subdomain=elm')).status, 404);
      const inactive = (await api.get('/locations?inactive=True&filter_by_subscription_feature=online_booking')).body;
      assert.deepEqual(inactive.data[0].locations, []);
      assert.equal((await api.get('/locations?filter_by_subscription_feature=coffee')).status, 400);
    });

    test('say what decides how they are booked', async () => {
      const { data } = (await api.get(`/locations/${api.practice.locations.south}`)).body;
      assert.deepEqual(
        [data.tz, data.map_by_operatory, data.insert_appt_client, data.foreign_id, data.foreign_id_type],
        ['America/Denver', true, true, 'L2', `msg-sandbox-DataSource-${api.practice.connection.id}`],
      );
    });
  });

  suite('providers', () => {
    const list = async (query: string) => (await api.get(`/providers?subdomain=oak&${query}`)).body.data;

    test('come active and with their locations unless something else is asked for', async () => {
      const { ada, ben, cy } = api.practice.providers;
      const { north, south } = api.practice.locations;
      const rows = await list('');
      assert.deepEqual(idsOf(rows), [ada, ben]);
      assert.deepEqual(idsOf(rows[1].locations), [north, south]);
      assert.equal('availabilities' in rows[0], false);
      assert.deepEqual(rows[0].provider_requestables, [{ location_id: north }]);
      assert.deepEqual([rows[0].display_name, rows[0].npi], ['Ada Alder', '1234567893']);
      assert.equal(rows[0].nexhealth_specialty, 'General Dentistry');
      assert.deepEqual(idsOf(await list('inactive=true')), [cy]);
      assert.deepEqual(idsOf(await list(`location_id=${south}`)), [ben]);
      assert.deepEqual(idsOf(await list(`location_id=${north}&requestable=true`)), [ada]);
      assert.deepEqual(idsOf(await list(`location_id=${north}&requestable=false`)), [ben]);
      assert.deepEqual(idsOf(await list('foreign_id=P2')), [ben]);
      assert.deepEqual(idsOf(await list(`ids[]=${ben}&ids[]=${cy}`)), [ben]);
      assert.deepEqual(await list('ids[]='), []);
    });

    test('carry the hours that /availabilities has, with their types', async () => {
      const [row] = await list(
        `ids[]=${api.practice.providers.ada}&include[]=availabilities&include[]=appointment_types`,
      );
      assert.equal('locations' in row, false);
      const path = `/availabilities/${api.practice.availabilities.adaHours}?subdomain=oak&include[]=appointment_types`;
      assert.deepEqual(row.availabilities, [(await api.get(path)).body.data]);
      assert.deepEqual(idsOf(row.appointment_types), [api.practice.types.cleaning]);
    });

    test('are shown one by one', async () => {
      const path = `/providers/${api.practice.providers.cy}?subdomain=oak`;
      const { data } = (await api.get(path)).body;
      assert.deepEqual([data.name, data.inactive], ['Cy Cedar', true]);
      assert.equal((await api.get(`${path}&include[]=unheard_of`)).status, 200);
    });
  });

  suite('operatories', () => {
    test('belong to a location and tell what can be booked in them', async () => {
      const { roomSouth, roomClosed } = api.practice.operatories;
      const south = `subdomain=oak&location_id=${api.practice.locations.south}`;
      assert.deepEqual((await api.get('/operatories?subdomain=oak')).body.error, ['Missing parameter location_id']);
      const { data } = (await api.get(`/operatories?${south}`)).body;
      assert.deepEqual(idsOf(data), [roomSouth, roomClosed]);
      assert.deepEqual([data[1].active, data[1].bookable_online], [false, false]);
      assert.deepEqual(data[0].appointment_types, []);
      const found = async (query: string) => idsOf((await api.get(`/operatories?${south}&${query}`)).body.data);
      assert.deepEqual(await found('search_name=100%25'), [roomClosed]);
      assert.deepEqual(await found('search_name=SOUTH'), [roomSouth, roomClosed]);
      assert.deepEqual(await found('search_name=_'), []);
      assert.deepEqual(await found('foreign_id=O2'), [roomSouth]);
      assert.deepEqual(await found('updated_since=2199-01-01'), []);
    });
  });

  suite('descriptors', () => {
    test('of a location are its own and those of its whole system', async () => {
      const { examCode, cleaningCode } = api.practice.descriptors;
      const { north, south } = api.practice.locations;
      const at = async (id: number, query = '') =>
        idsOf((await api.get(`/locations/${id}/appointment_descriptors${query}`)).body.data);
      assert.deepEqual(await at(north), [examCode, cleaningCode]);
      assert.deepEqual(await at(south), [examCode]);
      for (const name of ['Procedure Code', 'Procedure Codes']) {
        assert.deepEqual(await at(north, `?descriptor_type=${encodeURIComponent(name)}`), [cleaningCode]);
      }
      assert.deepEqual(await at(north, '?descriptor_type=Other'), []);
    });

    test('of an appointment are those it was booked with', async () => {
      const { cleaningCode } = api.practice.descriptors;
      const id = await createAppointment(api.db, api.practice, '2030-01-07T15:00:00.000Z', {
        descriptor_ids: [cleaningCode],
      });
      const { data } = (await api.get(`/appointments/${id}/appointment_descriptors?subdomain=oak`)).body;
      assert.deepEqual(idsOf(data), [cleaningCode]);
      assert.deepEqual([data[0].code, data[0].descriptor_type], ['D1110', 'Procedure Code']);
    });
  });

  suite('sync status', () => {
    const names = async (query: string) =>
      (await api.get(`/sync_status${query}`, { key: keyOfBoth })).body.data.map(
        (one: { sync_source_name: string }) => one.sync_source_name,
      );

    test('is one row for each connection, by subdomain, location and state', async () => {
      assert.deepEqual(await names(''), ['oak server', 'elm server']);
      assert.deepEqual(await names('?subdomain=elm'), ['elm server']);
      assert.deepEqual(await names(`?location_ids[]=${api.practice.locations.south}`), ['oak server']);
      assert.deepEqual(await names('?read_status=green&write_status=red'), ['oak server', 'elm server']);
      assert.deepEqual(await names('?write_status=green'), []);
      const [row] = (await api.get('/sync_status')).body.data;
      assert.deepEqual(row.emr, {
        id: api.practice.connection.id,
        name: 'sandbox',
        display_name: 'Sandbox',
        type: 'onprem',
      });
      assert.equal(row.sync_source_type, 'DataSource');
      assert.deepEqual(idsOf(row.locations), Object.values(api.practice.locations));
    });
  });

  test('lists take no more statements for many rows than for one', async () => {
    const { north } = api.practice.locations;
    const lists = [
      '/providers?include[]=locations&include[]=availabilities&include[]=appointment_types',
      `/operatories?location_id=${api.practice.locations.south}`,
      `/patients?location_id=${north}&include[]=upcoming_appts&include[]=children&include[]=guarantor&include[]=provider`,
    ];
    for (const path of lists) {
      const one = await statementsDuring(() => api.get(`${path}&subdomain=oak&per_page=1`));
      const many = await statementsDuring(() => api.get(`${path}&subdomain=oak&per_page=1000`));
      assert.equal(many, one, path);
    }
  });

  suite('push', () => {
    const dueAt = async () =>
      forAll(api.db, async (tx) => {
        const { id } = api.practice.connection;
        const row = await tx
          .selectFrom('connection')
          .select('sync_due_at')
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        return row.sync_due_at;
      });

    test('makes the connection due and wakes the sync, whatever stands in the body', async () => {
      let woken = 0;
      const stop = api.services.wakeups.on('sync', () => {
        woken += 1;
      });
      assert.equal(await dueAt(), '2100-01-01T00:00:00.000Z');
      const path = `/push/${api.practice.connection.push_token}`;
      const bodies: [string, string][] = [
        ['application/json', '{"broken'],
        ['text/xml', '<a/>'],
        ['application/hl7-v2', 'x'.repeat(300_000)],
      ];
      for (const [type, body] of bodies) {
        assert.equal((await api.post(path, { key: null, body, headers: { 'content-type': type } })).status, 202);
      }
      assert.ok(Date.parse(await dueAt()) <= Date.now());
      assert.equal(woken, 3);
      assert.equal((await api.post('/push/unknown', { key: null })).status, 404);
      assert.equal(woken, 3);
      stop();
    });
  });
});

/** The fewest of a few runs: now and then one of them also looks the key up anew. */
async function statementsDuring(work: () => Promise<unknown>): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  let count = 0;
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    count += 1;
    return (query as (...args: unknown[]) => unknown).apply(this, args);
  } as typeof query;
  try {
    for (let run = 0; run < 4; run += 1) {
      count = 0;
      await work();
      fewest = Math.min(fewest, count);
    }
  } finally {
    pg.Client.prototype.query = query;
  }
  return fewest;
}
