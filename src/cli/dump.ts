/**
 * The whole database as one file of JSON lines, for backups and for moving from one server to another: a header that
 * names the schema, then for each table a line that says how many rows follow, and the rows; a last line proves
 * that nothing is missing. Tables come after those they refer to.
 */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { CompiledQuery, sql } from 'kysely';
import type { Database, Tx } from '../store/database.ts';
import { type AppliedMigration, readMigrations, readTables, type Table } from '../store/tables.ts';

export const EXPORT_FORMAT = 1;

export interface ExportHeader {
  openchair_export: typeof EXPORT_FORMAT;
  exported_at: string;
  migrations: AppliedMigration[];
}

export interface TableLine {
  table: string;
  rows: number;
  /** The last id that was given out; ids of rows that are gone never come again. */
  last_id: number | null;
}

export interface LastLine {
  end: true;
  rows: number;
}

/** Rows held in memory at a time. */
const PAGE_ROWS = 500;

/** As one moment shows it: what is written meanwhile is in it wholly or not at all. */
const BEGIN = `begin isolation level repeatable read read only;
  set local statement_timeout = 0;
  set local idle_in_transaction_session_timeout = 0;
  select set_config('openchair.institution', '*', true)`;

/** Writes `file`, which must not exist yet; it is for its owner only. */
export async function dumpDatabase(db: Database, file: string): Promise<void> {
  const out = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be made (${error.code}). Choose a file that does not exist yet.`);
  });
  try {
    const rows = await db.kysely.connection().execute(async (tx) => {
      await tx.executeQuery(CompiledQuery.raw(BEGIN));
      try {
        return await writeAll(tx, out);
      } finally {
        await tx.executeQuery(CompiledQuery.raw('rollback')).catch(() => {});
      }
    });
    await out.sync();
    await out.close();
    console.log(`${file} holds ${rows} rows.`);
    console.log(
      'Warning: it holds patients. Keep it as you keep the database. Webhook secrets and the credentials of health ' +
        'record systems are sealed in it: whoever imports it needs the same secret key, which is not in it.',
    );
  } catch (error) {
    await out.close();
    await unlink(file).catch(() => {});
    throw error;
  }
}

async function writeAll(tx: Tx, out: FileHandle): Promise<number> {
  const writeLine = (line: ExportHeader | TableLine | LastLine) => out.write(`${JSON.stringify(line)}\n`);
  await writeLine({
    openchair_export: EXPORT_FORMAT,
    exported_at: new Date().toISOString(),
    migrations: await readMigrations(tx),
  });
  let total = 0;
  for (const table of await readTables(tx)) {
    const rows = await countRows(tx, table);
    await writeLine({ table: table.name, rows, last_id: await lastId(tx, table) });
    await writeRows(tx, table, out);
    total += rows;
  }
  await writeLine({ end: true, rows: total });
  return total;
}

async function countRows(tx: Tx, { name }: Table): Promise<number> {
  const { rows } = await sql<{ rows: number }>`select count(*) as rows from ${sql.table(name)}`.execute(tx);
  return rows[0]?.rows ?? 0;
}

async function lastId(tx: Tx, { sequence }: Table): Promise<number | null> {
  if (sequence === null) return null;
  const { rows } = await sql<{ id: number | null }>`select pg_sequence_last_value(${sequence}::regclass) as id`.execute(
    tx,
  );
  return rows[0]?.id ?? null;
}

/** PostgreSQL writes the JSON and will read it again: no value passes through a number of ours. */
async function writeRows(tx: Tx, { name, columns }: Table, out: FileHandle): Promise<void> {
  const list = sql.join(columns.map((column) => sql.ref(column)));
  await sql`declare exported no scroll cursor for
    select row_to_json(line)::text as line from (select ${list} from ${sql.table(name)}) line`.execute(tx);
  for (;;) {
    const { rows } = await sql<{ line: string }>`fetch ${sql.raw(String(PAGE_ROWS))} from exported`.execute(tx);
    if (rows.length > 0) await out.write(`${rows.map(({ line }) => line).join('\n')}\n`);
    if (rows.length < PAGE_ROWS) break;
  }
  await sql`close exported`.execute(tx);
}
