/** What becomes of what an older program has stored. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase } from '../harness/database.ts';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

test('a connection that was read before there were insurance and labels is read anew, and not told of them as news', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openchair-upgrade-'));
  const database = await createTestDatabase('template1');
  const pool = new pg.Pool({ ...database.connection, max: 1 });
  try {
    await copyFile(join(MIGRATIONS, '0001_initial.sql'), join(directory, '0001_initial.sql'));
    await migrate(pool, directory);
    await pool.query(`
      select set_config('openchair.institution', '*', false);
      insert into institution (id, name, subdomain) values (1, 'Oak', 'oak');
      insert into connection (institution_id, kind, name, config, sync_cycle_ms, push_token, full_pass_due_at, first_synced_at)
      values (1, 'fhir', 'read', '{}', 1000, 'one', now() + interval '1 hour', now()),
        (1, 'fhir', 'never read', '{}', 1000, 'two', now() + interval '1 hour', null)`);
    // The migration must reach the rows by itself.
    await pool.query("select set_config('openchair.institution', '', false)");
    await migrate(pool);
    await pool.query("select set_config('openchair.institution', '*', false)");
    const { rows } = await pool.query(
      'select told_kinds, full_pass_due_at <= now() as is_due from connection order by id',
    );
    assert.deepEqual(rows, [
      { told_kinds: ['patient', 'appointment'], is_due: true },
      { told_kinds: [], is_due: false },
    ]);
  } finally {
    await pool.end();
    await database.drop();
    await rm(directory, { recursive: true });
  }
});
