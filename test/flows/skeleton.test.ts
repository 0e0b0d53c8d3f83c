/** `openchair export`: from an installation, over the wire from a second one, and from a server with its own habits. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRemarks } from '../../src/seed/remarks.ts';
import { readServer } from '../../src/seed/server.ts';
import { skeletonOf } from '../../src/seed/skeleton.ts';
import { seedText } from '../../src/seed/text.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type OddServer, startOddServer } from '../harness/odd-server.ts';
import { type Body, client, type Program, startProgram } from '../harness/program.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));
const page = readFileSync(new URL('../../docs/seed.md', import.meta.url), 'utf8');
const example: Body = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '');
const KEY = 'the-key-my-app-already-has';

let folder: string;
let original: TestDatabase;
let copy: TestDatabase;
let program: Program;
let odd: OddServer;

function openchair(databaseUrl: string | null, ...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const env = {
      PATH: process.env.PATH ?? '',
      OPENCHAIR_DATA: join(folder, 'none'),
      ...(databaseUrl !== null && { DATABASE_URL: databaseUrl }),
    };
    const child = execFile(process.execPath, [BIN, ...args], { env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** What `export --from` does, without a process of its own: the file, and everything that is told. */
async function exportFrom(url: string, key: string, subdomains: string[] = []) {
  const remarks = createRemarks();
  const told: string[] = [];
  const found = await readServer({ url, key, subdomains, remarks, tell: (line) => told.push(line) });
  const institutions = found.map((one) => skeletonOf(one, Date.now(), remarks));
  return { text: seedText({ institutions, api_keys: [] }), told: [...told, ...remarks.lines()].join('\n') };
}

const start = (database: TestDatabase, name: string) =>
  startProgram('serve', {
    DATABASE_URL: database.url,
    OPENCHAIR_DATA: join(folder, name),
    OPENCHAIR_SEED: join(folder, `${name}.json`),
  });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openchair-skeleton-'));
  [original, copy] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  odd = await startOddServer();
  writeFileSync(join(folder, 'original.json'), JSON.stringify(example));
  program = await start(original, 'original');
});

after(async () => {
  await program?.stop();
  await odd?.close();
  await original?.drop();
  await copy?.drop();
  rmSync(folder, { recursive: true, force: true });
});

test('a seed started elsewhere exports the same file again', async () => {
  const first = await openchair(original.url, 'export', '-');
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stderr, '');
  const file = join(folder, 'copy.json');
  writeFileSync(file, first.stdout);
  const second = await start(copy, 'copy');
  try {
    const again = await openchair(copy.url, 'export');
    assert.equal(again.stdout, first.stdout);
  } finally {
    await second.stop();
  }
});

test('what the file said is in the export; nobody’s name and no key are', async () => {
  const { stdout } = await openchair(original.url, 'export', '--subdomain', 'live-oak');
  const { institutions, api_keys } = JSON.parse(stdout);
  const [given] = example.institutions;
  const [found] = institutions;
  for (const kind of ['providers', 'operatories', 'working_hour_labels', 'availabilities'])
    assert.deepEqual(found[kind], given[kind], kind);
  assert.deepEqual(found.locations[0], {
    ...withoutMap(given.locations[0]),
    // The one with a name of their own is one of many here.
    patients: { ...given.locations[0].patients, count: 41 },
  });
  assert.deepEqual(
    found.descriptors.map(({ id, code }: Body) => [id, code]),
    [
      [7001, 'CLEAN'],
      [7002, 'D0274'],
      [7003, 'TYPE-5002'],
    ],
  );
  assert.deepEqual(api_keys, [{ name: 'Booking site' }, { name: 'Operations', admin: true }]);
  assert.ok(!stdout.includes('Pia') && !stdout.includes('example.com') && !stdout.includes(KEY));
  const none = await openchair(original.url, 'export', '--subdomain', 'nowhere');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /No institution here is called nowhere; there is live-oak\./);
});

/** `false` is what is understood when nothing is said. */
function withoutMap({ map_by_operatory: _, ...location }: Body): Body {
  return location;
}

test('a file is made only where there is none', async () => {
  const file = join(folder, 'written.json');
  const { code, stderr } = await openchair(original.url, 'export', file);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /is written\. Start with it: OPENCHAIR_SEED=/);
  const again = await openchair(original.url, 'export', file);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /does not exist yet/);
  const { stderr: use } = await openchair(null, 'export', '--everything');
  assert.match(use, /^Use: export/);
});

test('over the wire the same skeleton comes, with invented patients and without appointments', async () => {
  const local = JSON.parse((await openchair(original.url, 'export')).stdout);
  const { code, stdout, stderr } = await openchair(null, 'export', '--from', program.url, '--key', KEY);
  assert.equal(code, 0, stderr);
  const wire = JSON.parse(stdout);
  const [expected] = local.institutions;
  for (const location of expected.locations) {
    location.patients = { count: 20, without_sms_consent: 4 };
    delete location.appointments;
  }
  assert.deepEqual(wire.institutions, [expected]);
  assert.equal(wire.api_keys, undefined);
  assert.match(stderr, /nobody was counted/);
});

let oddTold = '';

test('only lists of the practice are asked for, slowly, and the key is shown to sign in alone', async () => {
  const { text, told } = await exportFrom(`${odd.url}/`, odd.key);
  writeFileSync(join(folder, 'odd.json'), text);
  oddTold = told;
  const asked = odd.asked();
  assert.deepEqual([...new Set(asked.map(({ method }) => method))], ['POST', 'GET']);
  assert.ok(asked.every(({ path }) => !/patient|appointments|recall|insurance/.test(path)));
  const signIns = asked.filter(({ authorization }) => authorization === odd.key);
  assert.deepEqual(
    signIns.map(({ method, path }) => `${method} ${path}`),
    ['POST /authenticates', 'POST /authenticates'],
  );
  const gaps = asked.slice(1).map(({ atMs }, at) => atMs - (asked[at]?.atMs ?? 0));
  // What a busy machine delays may arrive closer to the next; ten of them may not.
  const tenth = (asked.at(10)?.atMs ?? 0) - (asked[0]?.atMs ?? 0);
  assert.ok(tenth >= 1_000, `${gaps.join(' ')}`);
});

test('ids as text, empty fields, pages by count, and a pause it was told to make', async () => {
  const { institutions } = JSON.parse(readFileSync(join(folder, 'odd.json'), 'utf8'));
  const [found] = institutions;
  assert.equal(found.id, 314);
  assert.equal(found.subdomain, 'odd-dental');
  assert.deepEqual(
    found.locations.map(({ id, tz }: Body) => [id, tz]),
    [
      [21, 'America/Denver'],
      [22, 'UTC'],
    ],
  );
  assert.deepEqual(
    found.providers.map(({ id, first_name, last_name, inactive, location_ids }: Body) => [
      id,
      `${first_name} ${last_name}`,
      inactive ?? false,
      location_ids,
    ]),
    [
      [31, 'Provider 31', false, [21]],
      [32, 'Ona Odd', true, [21, 22]],
    ],
  );
  assert.equal(found.operatories.length, 7, 'all pages');
  assert.equal(found.operatories[0].name, 'Operatory 41');
  assert.deepEqual(
    found.appointment_types.map(({ id, name, minutes, location_id }: Body) => [id, name, minutes, location_id]),
    [
      [51, 'Exam', 30, undefined],
      [52, 'exam (52)', 45, undefined],
      [53, 'Exam', 20, 22],
    ],
  );
  assert.deepEqual(
    found.descriptors.map(({ code }: Body) => code),
    ['D0120', 'D0120-62', 'CODE-63'],
  );
  assert.deepEqual(
    found.availabilities.map(({ id, synced, days, begin_time }: Body) => [id, synced ?? false, days, begin_time]),
    [
      [71, false, ['Monday', 'Tuesday'], '08:00'],
      [72, true, ['Friday'], '9:00'],
    ],
  );
  assert.deepEqual(odd.asked().filter(({ status }) => status === 429).length, 1);
  assert.match(oddTold, /asked to wait \(429\); going on in 1 s/);
  assert.match(oddTold, /synced hours on several days, .* become manual ones: 71/);
  assert.match(oddTold, /inactive locations are left out.*: 23/);
  assert.match(oddTold, /hours are left out, because their provider is not in the file: 73/);
});

test('what came over the wire starts, and answers under the same ids', async () => {
  const database = await createTestDatabase();
  const started = await start(database, 'odd');
  try {
    const { api_key } = JSON.parse(readFileSync(join(folder, 'odd', 'demo.json'), 'utf8'));
    const { body } = await client(started.url, api_key)('GET', '/providers?subdomain=odd-dental&location_id=21');
    assert.deepEqual(
      body.data.map(({ id }: Body) => id),
      [31],
    );
  } finally {
    await started.stop();
    await database.drop();
  }
});

test('a key that is not taken, a subdomain it does not reach and an address that is none end in one line', async () => {
  await assert.rejects(
    exportFrom(odd.url, 'wrong'),
    /^Error: http:\S+ does not take this key \(401: Unauthorized\)\.$/,
  );
  await assert.rejects(
    exportFrom(odd.url, odd.key, ['other']),
    /reaches no institution other; it reaches odd-dental\.$/,
  );
  await assert.rejects(exportFrom('nexhealth', 'k'), /--from must be an address/);
});
