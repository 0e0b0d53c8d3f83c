import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { sql } from 'kysely';
import { readSeed } from '../../src/seed/read.ts';
import { type Database, forAll, openDatabase } from '../../src/store/database.ts';
import { contentsOf } from '../harness/contents.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type Body, client, type Program, startProgram, until } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

const page = readFileSync(new URL('../../docs/seed.md', import.meta.url), 'utf8');
const schema = JSON.parse(readFileSync(new URL('../../docs/seed.schema.json', import.meta.url), 'utf8'));
/** The example of the page, and a second institution whose location books by operatory. */
const example: Body = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '');
const twoInstitutions: Body = structuredClone(example);
twoInstitutions.institutions.push({
  id: 77,
  name: 'Hill Street Dental',
  subdomain: 'hill-street',
  locations: [
    {
      id: 9,
      name: 'Hill Street',
      tz: 'America/Denver',
      state: 'CO',
      map_by_operatory: true,
      patients: { count: 10 },
      appointments: { future: 12 },
    },
  ],
  providers: [{ id: 10, first_name: 'Zoe', last_name: 'Zimmer', location_ids: [9] }],
  operatories: [{ id: 11, location_id: 9, name: 'Hill 1' }],
  availabilities: [
    {
      id: 12,
      location_id: 9,
      provider_id: 10,
      operatory_id: 11,
      days: ['Monday', 'Thursday'],
      begin_time: '9:00',
      end_time: '17:00',
    },
  ],
});
twoInstitutions.api_keys.push({ name: 'Hill alone', key: 'hill-key', subdomains: ['hill-street'] });

let folder: string;
let database: TestDatabase;
let db: Database;
let program: Program;

function write(name: string, seed: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(seed));
  return file;
}

const start = (seedFile: string, dataDir = join(folder, 'data')) =>
  startProgram('serve', {
    DATABASE_URL: database.url,
    OPENCHAIR_DATA: dataDir,
    OPENCHAIR_SEED: seedFile,
    OPENCHAIR_SECRET_KEY: SECRET_KEY,
  });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openchair-seed-'));
  database = await createTestDatabase();
  db = openDatabase(database.connection, 2, () => {});
  program = await start(write('practice.json', twoInstitutions));
});

after(async () => {
  await program?.stop();
  await db?.close();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

const handles = () => JSON.parse(readFileSync(join(folder, 'data', 'demo.json'), 'utf8'));
const get = async (path: string, key = 'the-key-my-app-already-has') => {
  const answer = await client(program.url, key)('GET', path);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body.data;
};
const ids = (list: Body[]) => list.map(({ id }) => id).sort((a, b) => a - b);

test('everything stands under the ids of the file', async () => {
  const of = 'subdomain=live-oak';
  assert.deepEqual(
    (await get('/institutions')).map(({ id, subdomain }: Body) => [id, subdomain]),
    [
      [77, 'hill-street'],
      [101, 'live-oak'],
    ],
  );
  const [{ locations }] = await get(`/locations?${of}`);
  assert.equal(locations[0].id, 2001);
  assert.equal(locations[0].tz, 'America/Chicago');
  assert.equal(locations[0].state, 'TX');
  assert.deepEqual(ids(await get(`/operatories?${of}&location_id=2001`)), [4001, 4002]);
  const providers = await get(`/providers?${of}&location_id=2001&inactive=true`);
  assert.ok(providers.some(({ id }: Body) => id === 3003));
  assert.deepEqual(ids(await get(`/appointment_types?${of}`)), [5001, 5002]);
  const hours = await get(`/availabilities?${of}&location_id=2001&include[]=appointment_types`);
  assert.deepEqual(ids(hours), [6001, 6002, 6003]);
  assert.deepEqual(hours[0].days, ['Monday', 'Wednesday', 'Friday']);
  assert.deepEqual(ids(hours[0].appointment_types), [5001, 5002]);
  assert.deepEqual(
    hours.map(({ synced }: Body) => synced),
    [false, true, false],
  );
  assert.deepEqual(hours[2].custom_recurrence, { num: 2, unit: 'week', ref: '2030-01-03' });
  const [labelled] = await get(`/working_hours?${of}&location_id=2001&source=synced`);
  assert.deepEqual(labelled.label, { id: 8001, location_id: null, name: 'New patients' });
  const descriptors = await get('/locations/2001/appointment_descriptors');
  assert.deepEqual(
    descriptors.map(({ id, code, descriptor_type, data }: Body) => [id, code, descriptor_type, data.minutes]),
    [
      [7001, 'CLEAN', 'Appointment Type', 30],
      [7002, 'D0274', 'Procedure Code', 30],
      [7003, 'TYPE-5002', 'Appointment Type', 60],
    ],
  );
  const types = await get(`/appointment_types?${of}&include[]=descriptors`);
  assert.deepEqual(
    types.map(({ descriptors }: Body) => ids(descriptors)),
    [[7001, 7002], [7003]],
  );
});

test('people and appointments are as many as the file says, and overlap nowhere', async () => {
  const { patients } = await get('/patients?subdomain=live-oak&location_id=2001&per_page=100');
  assert.equal(patients.length, 41);
  assert.equal(patients.filter(({ unsubscribe_sms }: Body) => unsubscribe_sms).length, 8);
  const { rows } = await forAll(db, (tx) =>
    sql`select patient_id, count(*) as coverages from insurance_coverage
      where institution_id = 101 and deleted_at is null group by patient_id`.execute(tx),
  );
  const coverages = rows as { coverages: number }[];
  assert.equal(coverages.length, 12);
  assert.equal(coverages.filter((row) => row.coverages === 2).length, 4);
  for (const [table, wanted] of [
    ['patient_recall', 10],
    ['patient_alert', 3],
  ] as const) {
    const found = await forAll(db, (tx) => sql`select from ${sql.table(table)} where institution_id = 101`.execute(tx));
    assert.equal(found.rows.length, wanted, table);
  }
  const appointments = await get(
    '/appointments?subdomain=live-oak&location_id=2001&start=2000-01-01&end=2100-01-01&per_page=1000',
  );
  const past = appointments.filter((one: Body) => Date.parse(one.end_time) < Date.now());
  assert.equal(past.length, 60);
  assert.equal(appointments.length, 100);
  const overlaps = await forAll(db, (tx) =>
    sql`select 1 from appointment a join appointment b on b.id > a.id and a.start_at < b.end_at and b.start_at < a.end_at
      and (a.provider_id = b.provider_id or a.operatory_id = b.operatory_id)`.execute(tx),
  );
  assert.equal(overlaps.rows.length, 0);
});

test('somebody with a name of the file’s own is there under their id', async () => {
  const shown = await get('/patients/9001?subdomain=live-oak');
  assert.equal(shown.name, 'Pia Example');
  assert.equal(shown.email, 'pia@example.com');
  assert.equal(shown.bio.date_of_birth, '1990-02-03');
  assert.deepEqual(shown.location_ids, [2001]);
});

test('keys work as given, each for its institutions; demo.json tells the first', async () => {
  const demo = handles();
  assert.equal(demo.api_key, 'the-key-my-app-already-has');
  assert.equal(demo.subdomain, 'live-oak');
  assert.equal(demo.location_id, 2001);
  assert.deepEqual(demo.provider_ids, [3001, 3002, 3003]);
  assert.deepEqual(demo.operatory_ids, [4001, 4002]);
  assert.equal(demo.api_keys.Operations, demo.admin_key);
  assert.deepEqual(Object.keys(demo.sandbox_urls), ['live-oak', 'hill-street']);
  assert.equal((await client(program.url, 'hill-key')('GET', '/locations?subdomain=live-oak')).status, 404);
  await get('/locations?subdomain=hill-street', 'hill-key');
  assert.equal((await client(program.url, demo.admin_key)('GET', '/admin/institutions')).status, 200);
});

async function book(subdomain: string, locationId: number, providerId: number): Promise<Body> {
  const startDate = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const where = `subdomain=${subdomain}&lids[]=${locationId}&pids[]=${providerId}`;
  const [{ slots }] = await get(`/appointment_slots?${where}&start_date=${startDate}&days=14&slot_length=30`);
  const { patients } = await get(`/patients?subdomain=${subdomain}&location_id=${locationId}`);
  const appt = {
    patient_id: patients[0].id,
    provider_id: providerId,
    operatory_id: slots[0].operatory_id,
    start_time: slots[0].time,
    end_time: slots[0].end_time,
  };
  const path = `/appointments?subdomain=${subdomain}&location_id=${locationId}`;
  const booked = await client(program.url, 'the-key-my-app-already-has')('POST', path, { appt });
  assert.equal(booked.status, 201, JSON.stringify(booked.body));
  return until('the booking to land', async () => {
    const shown = await get(`/appointments/${booked.body.data.appt.id}?subdomain=${subdomain}`);
    return shown.foreign_id && shown;
  });
}

test('each institution is booked in its own sandbox', async () => {
  const { sandbox_urls } = handles();
  for (const [subdomain, locationId, providerId] of [
    ['live-oak', 2001, 3001],
    ['hill-street', 9, 10],
  ] as const) {
    const shown = await book(subdomain, locationId, providerId);
    const response = await fetch(`${sandbox_urls[subdomain]}/v1/visits/${shown.foreign_id}`, {
      headers: { 'x-sandbox-key': 'sandbox' },
    });
    const visit: Body = await response.json();
    assert.equal(visit.site_id, locationId);
    assert.equal(visit.practitioner_id, providerId);
    assert.equal(Date.parse(visit.start), Date.parse(shown.start_time));
  }
});

test('what is made later gets ids beyond those of the file', async () => {
  const path = '/appointment_types?subdomain=live-oak';
  const made = await client(program.url, 'the-key-my-app-already-has')('POST', path, {
    appointment_type: { name: 'Whitening', minutes: 45 },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.ok(made.body.data.id > 5002);
});

/** What a start always writes: where the sandboxes are, and that they were read. */
const ALWAYS_NEW = ['connection', 'sync_run'];
const contents = async () => {
  const all = await Promise.all([101, 77].map((institutionId) => contentsOf(db, institutionId)));
  return all.map((tables) => Object.entries(tables).filter(([name]) => !ALWAYS_NEW.includes(name)));
};

test('a second start with the same file changes nothing', async () => {
  const before = await contents();
  const keys = handles().api_keys;
  await program.stop();
  // The same content in another hand, which writes what is a default anyway.
  const again: Body = JSON.parse(JSON.stringify(twoInstitutions, null, 4));
  again.institutions[0].country_code = 'US';
  again.institutions[0].providers[0].inactive = false;
  again.institutions[1].locations[0].patients.with_coverage = 0;
  program = await start(write('practice.json', again));
  assert.deepEqual(await contents(), before);
  assert.deepEqual(handles().api_keys, keys);
});

test('a changed file, and a database that is somebody else’s, are refused in one line', async () => {
  await program.stop();
  const changed = structuredClone(twoInstitutions);
  changed.institutions[0].providers[0].last_name = 'Other';
  await assert.rejects(start(write('changed.json', changed)), /is not the seed that .* Use another OPENCHAIR_DATA/s);
  await assert.rejects(
    start(write('practice.json', twoInstitutions), join(folder, 'elsewhere')),
    /already holds live-oak, hill-street.*Use another OPENCHAIR_DATA/s,
  );
});

const BREAKS: [string, (seed: Body) => void, RegExp][] = [
  [
    'a zone that is none',
    (s) => (s.institutions[0].locations[0].tz = 'CST'),
    /institutions\[0\]\.locations\[0\]\.tz: found "CST", wanted an IANA time zone/,
  ],
  [
    'a word that means nothing',
    (s) => (s.institutions[0].colour = 'red'),
    /institutions\[0\]\.colour: found "red", wanted no such field/,
  ],
  [
    'an id used twice',
    (s) => (s.institutions[0].providers[1].id = 3001),
    /providers\[1\]\.id: found 3001, wanted an id that no other of the providers has/,
  ],
  [
    'a provider who works elsewhere',
    (s) => (s.institutions[0].availabilities[0].provider_id = 9),
    /availabilities\[0\]\.provider_id: found 9, wanted the id of a provider who works at location 2001/,
  ],
  [
    'an operatory of nobody',
    (s) => (s.institutions[0].availabilities[0].operatory_id = 9),
    /availabilities\[0\]\.operatory_id: found 9, wanted the id of an operatory of location 2001/,
  ],
  [
    'a type of nobody',
    (s) => (s.institutions[0].availabilities[0].appointment_type_ids = [1]),
    /appointment_type_ids\[0\]: found 1, wanted the id of an appointment type of location 2001/,
  ],
  [
    'synced hours on several days',
    (s) => (s.institutions[0].availabilities[1].days = ['Monday', 'Friday']),
    /availabilities\[1\]\.days: found \["Monday","Friday"\], wanted one day/,
  ],
  [
    'no day at all',
    (s) => (s.institutions[0].availabilities[0].days = []),
    /availabilities\[0\]\.days: found \[\], wanted exactly one of days/,
  ],
  [
    'more without consent than people',
    (s) => (s.institutions[0].locations[0].patients.without_sms_consent = 41),
    /patients\.without_sms_consent: found 41, wanted at most count, which is 40/,
  ],
  [
    'a key of a stranger',
    (s) => (s.api_keys[0].subdomains = ['nowhere']),
    /api_keys\[0\]\.subdomains\[0\]: found "nowhere", wanted one of live-oak/,
  ],
  ['a key with a space', (s) => (s.api_keys[0].key = 'a b'), /api_keys\[0\]\.key: found another text, wanted visible/],
  ['a text for a number', (s) => (s.institutions[0].id = '101'), /institutions\[0\]\.id: found "101", wanted a number/],
  [
    'a name of two lines',
    (s) => (s.institutions[0].name = 'Live\nOak'),
    /institutions\[0\]\.name: found "Live\\nOak", wanted text without control characters/,
  ],
  ['nothing at all', (s) => delete s.institutions[0].name, /institutions\[0\]\.name: found nothing, wanted a string/],
  [
    'a day that is none',
    (s) => (s.institutions[0].availabilities[0].days = ['Mon']),
    /days\[0\]: found "Mon", wanted one of Sunday, Monday/,
  ],
  [
    'two rules for one set of hours',
    (s) => (s.institutions[0].availabilities[0].specific_date = '2030-01-31'),
    /availabilities\[0\]\.days: .*wanted exactly one of days, specific_date and custom_recurrence/,
  ],
  [
    'a label on hours that are not synced',
    (s) => (s.institutions[0].availabilities[0].label_id = 8001),
    /availabilities\[0\]\.label_id: found 8001, wanted none: labels are for synced hours/,
  ],
  [
    'a descriptor of nobody',
    (s) => (s.institutions[0].appointment_types[0].emr_appt_descriptor_ids = [9]),
    /emr_appt_descriptor_ids\[0\]: found 9, wanted the id of a descriptor/,
  ],
  [
    'a code used twice',
    (s) => (s.institutions[0].descriptors[1].code = s.institutions[0].descriptors[0].code),
    /descriptors\[1\]\.code: found "CLEAN", wanted a code that no other/,
  ],
  [
    'more second coverages than first ones',
    (s) => (s.institutions[0].locations[0].patients.with_two_coverages = 13),
    /with_two_coverages: found 13, wanted at most with_coverage, which is 12/,
  ],
  [
    'a key for nobody',
    (s) => (s.api_keys[0].subdomains = []),
    /api_keys\[0\]\.subdomains: found \[\], wanted some of live-oak/,
  ],
];

for (const [what, change, message] of BREAKS) {
  test(`${what} is told by its path`, async () => {
    const seed = structuredClone(example);
    change(seed);
    await assert.rejects(readSeed(write('broken.json', seed)), message);
  });
}

test('the schema for editors takes what the program takes', () => {
  const validate = new Ajv2020().compile(schema);
  assert.ok(validate(example), JSON.stringify(validate.errors));
  assert.ok(validate(twoInstitutions), JSON.stringify(validate.errors));
  assert.ok(!validate({ institutions: [] }));
});
