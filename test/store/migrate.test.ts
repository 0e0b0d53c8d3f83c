import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

suite('migrate', () => {
  let directory: string;
  let database: TestDatabase;
  let pool: pg.Pool;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'openchair-migrations-'));
    database = await createTestDatabase('template1');
    pool = new pg.Pool(database.connection);
    await write('0001_chair.sql', 'create table chair (id integer primary key);\ninsert into chair values (1);');
    await write('0002_colour.sql', "alter table chair add column colour text not null default 'blue';");
  });

  afterEach(async () => {
    await pool.end();
    await database.drop();
    await rm(directory, { recursive: true });
  });

  const write = (name: string, sql: string) => writeFile(join(directory, name), sql);
  const recorded = async () =>
    (await pool.query('SELECT name FROM migration ORDER BY name')).rows.map(({ name }) => name);

  test('applies what is new, in order, once', async () => {
    assert.deepEqual(await migrate(pool, directory), ['0001_chair.sql', '0002_colour.sql']);
    assert.deepEqual(await migrate(pool, directory), []);
    await write('0003_more.sql', 'insert into chair values (2);');
    assert.deepEqual(await migrate(pool, directory), ['0003_more.sql']);
    assert.deepEqual((await pool.query('SELECT * FROM chair ORDER BY id')).rows, [
      { id: 1, colour: 'blue' },
      { id: 2, colour: 'blue' },
    ]);
  });

  test('programs that start together apply each file once', async () => {
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(pool, directory)));
    assert.deepEqual(applied.flat(), ['0001_chair.sql', '0002_colour.sql']);
  });

  test('a file that fails is undone, names its line, and keeps what came before it', async () => {
    await write('0003_bad.sql', 'insert into chair values (2);\n\ninsert into nowhere values (1);');
    await assert.rejects(
      migrate(pool, directory),
      /0003_bad\.sql failed at line 3 and was undone: relation "nowhere" does not exist/,
    );
    assert.deepEqual(await recorded(), ['0001_chair.sql', '0002_colour.sql']);
    assert.equal((await pool.query('SELECT FROM chair')).rowCount, 1);
    await write('0003_bad.sql', 'insert into chair values (2);');
    assert.deepEqual(await migrate(pool, directory), ['0003_bad.sql']);
  });

  test('a file and its record are one transaction', async () => {
    await write('0003_forgetful.sql', 'insert into chair values (2); drop table migration;');
    await assert.rejects(
      migrate(pool, directory),
      /0003_forgetful\.sql failed and was undone: relation "migration" does not exist/,
    );
    assert.deepEqual(await recorded(), ['0001_chair.sql', '0002_colour.sql']);
    assert.equal((await pool.query('SELECT FROM chair')).rowCount, 1);
  });

  test('refuses a file that has changed since it was applied', async () => {
    await migrate(pool, directory);
    await write('0001_chair.sql', 'create table chair (id bigint primary key);');
    await assert.rejects(migrate(pool, directory), /0001_chair\.sql has changed since it was applied.*new migration/s);
  });

  test('refuses a database that a newer program has migrated', async () => {
    await write('0003_future.sql', 'select 1;');
    await migrate(pool, directory);
    await rm(join(directory, '0003_future.sql'));
    await assert.rejects(
      migrate(pool, directory),
      /ahead of this program: it has 0003_future\.sql.*Start the newer version/s,
    );
  });

  test('refuses a new file that sorts before an applied one, two of one number, and a name of another form', async () => {
    await write('0005_later.sql', 'select 1;');
    await migrate(pool, directory);
    await write('0004_late.sql', 'select 1;');
    await assert.rejects(migrate(pool, directory), /0004_late\.sql is new, but sorts before 0005_later\.sql/);
    await write('0004_twin.sql', 'select 1;');
    await assert.rejects(migrate(pool, directory), /0004_late\.sql and 0004_twin\.sql have the same number/);
    await rm(join(directory, '0004_twin.sql'));
    await write('6_short.sql', 'select 1;');
    await assert.rejects(migrate(pool, directory), /6_short\.sql is not named like a migration/);
  });
});
