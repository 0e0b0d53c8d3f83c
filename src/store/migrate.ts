/** Brings a database to the shape this program expects: plain numbered SQL files, forward only. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

/** Any fixed number will do, as long as every Openchair takes the same one: programs that start together wait for each other. */
const MIGRATION_LOCK = 6_736_244_247;
const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../migrations', import.meta.url));
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

interface Migration {
  name: string;
  sql: string;
  sha256: string;
}

/**
 * Applies every `NNNN_name.sql` of `directory` that the database has not recorded, in order of number, and promises their names.
 *
 * Each file is one transaction together with its row in table `migration`, so it counts wholly or not at all; a file must therefore not
 * commit by itself or hold what cannot run in a transaction (CREATE INDEX CONCURRENTLY). The role needs to own the database, no more. The
 * lock belongs to the session: `pool` must reach PostgreSQL directly, not through a pooler that shares sessions between transactions.
 *
 * @throws Error with the next step, before anything is applied, when a file that was applied has changed or is not known here (a newer
 *   program was here), or a new file sorts before an applied one; and, naming file and line, when a file fails.
 */
export async function migrate(pool: pg.Pool, directory: string = MIGRATIONS_DIRECTORY): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const client = await pool.connect();
  try {
    // Waiting for another program's long migration, or doing one, is no reason to give up.
    await client.query('SET statement_timeout = 0');
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await readApplied(client);
    checkHistory(migrations, applied);
    const fresh = migrations.slice(applied.length);
    for (const migration of fresh) await apply(client, migration);
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    return fresh.map(({ name }) => name);
  } finally {
    // Closing the session also gives up the lock after a failure, and no setting of ours comes back to the pool.
    client.release(true);
  }
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  for (const [index, name] of names.entries()) {
    if (!FILE_NAME.test(name))
      throw new Error(`${join(directory, name)} is not named like a migration: 0001_what_it_does.sql`);
    if (names[index + 1]?.startsWith(name.slice(0, 5))) {
      throw new Error(
        `The migrations ${name} and ${names[index + 1]} have the same number. Give the newer one the next free number.`,
      );
    }
  }
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(directory, name), 'utf8');
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function readApplied(client: pg.PoolClient): Promise<Omit<Migration, 'sql'>[]> {
  await client.query(`CREATE TABLE IF NOT EXISTS migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`);
  const { rows } = await client.query('SELECT name, sha256 FROM migration ORDER BY name COLLATE "C"');
  return rows;
}

/** The applied migrations must be the first of ours, unchanged. */
function checkHistory(migrations: Migration[], applied: Omit<Migration, 'sql'>[]): void {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  const unknown = applied.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  if (unknown.length > 0) {
    throw new Error(
      `The database is ahead of this program: it has ${unknown.join(', ')}, which this version does not know. ` +
        'Start the newer version, or restore the backup made before the upgrade.',
    );
  }
  const changed = applied.find(({ name, sha256 }) => known.get(name)?.sha256 !== sha256);
  if (changed) {
    throw new Error(
      `The migration ${changed.name} has changed since it was applied (sha256 ${changed.sha256} then). ` +
        'Put the file back as it was, and make the change in a new migration.',
    );
  }
  const last = applied.at(-1)?.name ?? '';
  const late = migrations.slice(0, applied.length).find(({ name }, index) => name !== applied[index]?.name);
  if (late) {
    throw new Error(
      `The migration ${late.name} is new, but sorts before ${last}, which is applied. Give it a number after ${last.slice(0, 4)}.`,
    );
  }
}

async function apply(client: pg.PoolClient, { name, sql, sha256 }: Migration): Promise<void> {
  let place = '';
  try {
    await client.query('BEGIN');
    await client.query(sql).catch((error: pg.DatabaseError) => {
      if (error.position) place = ` at line ${sql.slice(0, Number(error.position)).split('\n').length}`;
      throw error;
    });
    await client.query('INSERT INTO migration (name, sha256) VALUES ($1, $2)', [name, sha256]);
    await client.query('COMMIT');
  } catch (cause) {
    throw new Error(`The migration ${name} failed${place} and was undone: ${(cause as Error).message}`, { cause });
  }
}
