/** The tables as the database itself describes them, for what has to do with every one of them. */
import { sql } from 'kysely';
import type { Tx } from './database.ts';

export interface Table {
  name: string;
  /** Those that hold what was written; generated columns follow by themselves. */
  columns: string[];
  /** Of its ids; null where nothing counts. */
  sequence: string | null;
  /** Tables that a row of this one refers to. */
  needs: string[];
}

export interface AppliedMigration {
  name: string;
  sha256: string;
}

/** Every table but the record of migrations; each comes after those it refers to. */
export async function readTables(tx: Tx): Promise<Table[]> {
  const { rows } = await sql<Table>`
    select c.relname as name,
      array(select a.attname::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
      (select pg_get_serial_sequence(c.oid::regclass::text, a.attname) from pg_attribute a
        where a.attrelid = c.oid and a.attidentity <> '') as sequence,
      array(select distinct f.confrelid::regclass::text from pg_constraint f
        where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as needs
    from pg_class c
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and c.relname <> 'migration'
    order by c.relname collate "C"`.execute(tx);
  const ordered: Table[] = [];
  while (ordered.length < rows.length) {
    const known = new Set(ordered.map(({ name }) => name));
    const next = rows.filter(({ name, needs }) => !known.has(name) && needs.every((other) => known.has(other)));
    if (next.length === 0) throw new Error('Tables refer to each other in a ring.');
    ordered.push(...next);
  }
  return ordered;
}

/** The schema version: what has been applied, in order. */
export async function readMigrations(tx: Tx): Promise<AppliedMigration[]> {
  const { rows } = await sql<AppliedMigration>`
    select name, sha256 from migration order by name collate "C"`.execute(tx);
  return rows;
}
