import { isDeepStrictEqual } from 'node:util';
import { type RawBuilder, sql } from 'kysely';
import { type Database, forAll, type Tx } from '../../src/store/database.ts';

type Digests = Record<string, string>;

/** A fingerprint of each table that has an institution: of that institution's rows. */
export function contentsOf(db: Database, institutionId: number): Promise<Digests> {
  return forAll(db, async (tx) => digest(tx, await findTables(tx, true), sql`r.institution_id = ${institutionId}`));
}

/** Tells of each look whether any row of any table has changed since the one before. */
export async function watchContents(db: Database): Promise<{ hasChanged(): Promise<boolean> }> {
  const tables = await forAll(db, (tx) => findTables(tx, false));
  // Ids of transactions are handed out for writes only, anywhere on the server: without a new one, nothing was written.
  const look = (seenWriter?: string) =>
    forAll(db, async (tx) => {
      const { rows } = await sql<{ id: string }>`select pg_snapshot_xmax(pg_current_snapshot())::text as id`.execute(
        tx,
      );
      const writer = rows[0]?.id;
      return writer === seenWriter ? null : { writer, digests: await digest(tx, tables, sql`true`) };
    });
  let seen = await look();
  return {
    async hasChanged() {
      const now = await look(seen?.writer);
      if (now === null) return false;
      const changed = !isDeepStrictEqual(now.digests, seen?.digests);
      seen = now;
      return changed;
    },
  };
}

async function findTables(tx: Tx, owned: boolean): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
      and (not ${owned}::boolean or exists (
        select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'institution_id'))
    order by c.relname`.execute(tx);
  return rows.map((row) => row.name);
}

async function digest(tx: Tx, tables: string[], condition: RawBuilder<unknown>): Promise<Digests> {
  const selects = tables.map(
    (table) => sql`select ${table}::text as name,
      md5(coalesce(string_agg(r::text, ',' order by r::text), '')) as digest
      from ${sql.table(table)} r where ${condition}`,
  );
  const { rows } = await sql<{ name: string; digest: string }>`${sql.join(selects, sql` union all `)}`.execute(tx);
  return Object.fromEntries(rows.map((row) => [row.name, row.digest]));
}
