import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { createTestDatabase } from '../harness/database.ts';
import { type Finding, judge } from './sources.ts';

/** Tables that carry no institution, and why none is needed. */
const OF_NO_INSTITUTION: Record<string, string> = {
  instance: 'one row of secrets for the whole installation',
  institution: 'is the institution; what a caller may see of it is decided by its key',
  api_user: 'may reach several institutions',
  api_key: 'belongs to an API user',
  webhook_endpoint: 'belongs to an API user and spans its institutions',
  idempotency: 'belongs to an API user',
  rate_window: 'belongs to an API key',
  webhook_subscription: 'carries one unless it is to onboardings, which come before anything else of an institution',
  migration: 'the history of the schema',
};

async function findOpenTables(client: pg.Client): Promise<{ unowned: Finding[]; unguarded: Finding[] }> {
  const { rows } = await client.query<{ name: string; carries: boolean; owned: boolean; guarded: boolean }>(`
    select relname as name,
      exists (select from pg_attribute where attrelid = t.oid and attname = 'institution_id') as carries,
      exists (select from pg_attribute where attrelid = t.oid and attname = 'institution_id' and attnotnull) as owned,
      relrowsecurity and relforcerowsecurity and exists (select from pg_policy where polrelid = t.oid) as guarded
    from pg_class t where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by relname`);
  const finding = (problem: string) => (row: { name: string }) => ({ subject: row.name, problem });
  return {
    unowned: rows.filter(({ owned }) => !owned).map(finding('carries no institution_id')),
    unguarded: rows.filter(({ carries, guarded }) => carries && !guarded).map(finding('lets every row be seen')),
  };
}

test('every table of an institution is behind row-level security, for its owner too', async (t) => {
  const database = await createTestDatabase();
  const client = new pg.Client(database.connection);
  await client.connect();
  t.after(async () => {
    await client.end();
    await database.drop();
  });
  const { unowned, unguarded } = await findOpenTables(client);
  assert.deepEqual(judge(unowned, OF_NO_INSTITUTION), []);
  assert.deepEqual(judge(unguarded), []);

  await client.query('create table planted (institution_id bigint not null); create table adrift (id bigint)');
  const withPlanted = await findOpenTables(client);
  assert.deepEqual(judge(withPlanted.unguarded), ['planted: lets every row be seen']);
  assert.deepEqual(judge(withPlanted.unowned, OF_NO_INSTITUTION), ['adrift: carries no institution_id']);
  await client.query('alter table planted enable row level security');
  assert.equal((await findOpenTables(client)).unguarded.length, 1, 'without FORCE the owner sees everything');
});
