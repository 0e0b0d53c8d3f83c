/** Fills an empty database from a file that `export --everything` has written, in one transaction. */
import { createReadStream } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { withHistory } from '../commands/outcome.ts';
import { type Database, forAll, type Tx } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';
import { fits } from '../store/sealing.ts';
import { readMigrations, readTables, type Table } from '../store/tables.ts';
import { EXPORT_FORMAT, type ExportHeader, type LastLine, type TableLine } from './dump.ts';

/** Rows of one INSERT. */
const PAGE_ROWS = 500;

/** `import FILE`; says so when `seal` does not open the secrets in it. Throws, having changed nothing, when the database is not empty or the file is not whole. */
export async function importDatabase(db: Database, seal: Seal | null, [file]: string[]): Promise<void> {
  if (!file) throw new Error('Use: import FILE');
  const rows = await forAll(db, async (tx) => {
    const input = createReadStream(file);
    try {
      return await readAll(tx, linesOf(input), file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall)
        throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
      throw error;
    } finally {
      input.destroy();
    }
  });
  console.log(`${rows} rows are in the database.`);
  if (!(await forAll(db, (tx) => fits(tx, seal)))) {
    console.log(
      'Warning: its secrets are sealed under a key that is not here. Before the first start, give the key of the ' +
        'installation they came from, in OPENCHAIR_SECRET_KEY or as secret.key in OPENCHAIR_DATA.',
    );
  }
  console.log(
    'Writes that were under way are looked up in the health record system before anything is sent again. ' +
      'Do not start the installation they came from any more.',
  );
}

type Lines = AsyncGenerator<string, undefined>;

/** Split at line feeds only: a note may hold any other character that somebody takes for the end of a line. */
async function* linesOf(input: AsyncIterable<Buffer>): Lines {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function readAll(tx: Tx, lines: Lines, file: string): Promise<number> {
  const cut = () => new Error(`${file} ends too early, or is no file of "export --everything": use a whole one.`);
  const next = async <T>(): Promise<T> => {
    const { value } = await lines.next();
    try {
      return JSON.parse(value ?? '');
    } catch {
      throw cut();
    }
  };
  const header = await next<ExportHeader>();
  if (header.openchair_export !== EXPORT_FORMAT) throw cut();
  await checkSchema(tx, header);
  const tables = await readTables(tx);
  await checkEmpty(tx, tables);
  await sql`set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0`.execute(tx);

  let total = 0;
  for (const table of tables) {
    const { table: name, rows, last_id } = await next<TableLine>();
    if (name !== table.name) throw cut();
    for (let left = rows; left > 0; ) {
      const page: string[] = [];
      while (page.length < Math.min(PAGE_ROWS, left)) {
        const { value, done } = await lines.next();
        if (done || value === undefined) throw cut();
        page.push(value);
      }
      await insert(tx, table, page);
      left -= page.length;
    }
    if (last_id !== null && table.sequence !== null)
      await sql`select setval(${table.sequence}::regclass, ${last_id})`.execute(tx);
    total += rows;
  }
  const last = await next<LastLine>();
  if (last.end !== true || last.rows !== total) throw cut();
  await takeOver(tx);
  return total;
}

async function checkSchema(tx: Tx, { migrations }: ExportHeader): Promise<void> {
  const ours = await readMigrations(tx);
  if (isDeepStrictEqual(ours, migrations)) return;
  const names = (list: typeof ours) => list.at(-1)?.name ?? 'nothing';
  throw new Error(
    `The file has another schema (up to ${names(migrations)}) than this database (up to ${names(ours)}). ` +
      'Export and import with the same version of openchair, and upgrade before or after.',
  );
}

async function checkEmpty(tx: Tx, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(tx);
    if (rows.length > 0)
      throw new Error(
        `The database is not empty: there are rows in ${name}. Import into a new one, before its first start.`,
      );
  }
}

async function insert(tx: Tx, { name, columns }: Table, lines: readonly string[]): Promise<void> {
  const list = sql.join(columns.map((column) => sql.ref(column)));
  const table = sql.table(name);
  await sql`insert into ${table} (${list}) overriding system value
    select ${list} from json_populate_recordset(null::${table}, ${`[${lines.join(',')}]`}::json)`.execute(tx);
}

/**
 * Nobody works on anything yet. A write that had left when the file was made may have reached the HRS since: as
 * one in doubt it is looked up first, and sent again only when it is proven absent.
 */
async function takeOver(tx: Tx): Promise<void> {
  await tx
    .updateTable('command')
    .set({
      state: 'unknown',
      settles_at: sql<string>`now()`,
      due_at: sql<string>`now()`,
      history: withHistory('unknown', Date.now()) as never,
    })
    .where('state', 'in', ['sent', 'unknown', 'settling'])
    .execute();
  await tx.updateTable('command').set({ lease_until: null }).where('lease_until', 'is not', null).execute();
  await tx.updateTable('delivery').set({ lease_until: null }).where('lease_until', 'is not', null).execute();
  await tx.updateTable('connection').set({ sync_lease_until: null }).execute();
}
