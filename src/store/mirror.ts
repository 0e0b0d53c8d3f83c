/**
 * The SQL by which rows follow the HRS: whole batches at a time, each passed as one JSON parameter. Which field
 * goes into which column stands with the caller; here is how rows are compared, locked, written and let go.
 */
import { CompiledQuery } from 'kysely';
import type { Tx } from './database.ts';

export type MirrorTableName =
  | 'location'
  | 'provider'
  | 'operatory'
  | 'descriptor'
  | 'availability_label'
  | 'availability'
  | 'patient'
  | 'patient_alert'
  | 'insurance_plan'
  | 'insurance_coverage'
  | 'recall_type'
  | 'appointment'
  | 'patient_recall';

/** A column that holds our id of what the HRS names by a foreign id. */
export interface Reference {
  column: string;
  to: MirrorTableName;
  /** A sorted array of ids. */
  many?: boolean;
  /** Without it there is no row. */
  required?: boolean;
  /** The ids live in this table of pairs (`<table>_id`, `<to>_id`) and not in a column. */
  link?: string;
}

export interface MirrorTable {
  table: MirrorTableName;
  /** What the HRS decides, with the SQL type of each column. */
  columns: Readonly<Record<string, string>>;
  references: readonly Reference[];
  /** Condition on the row: as far as we know, the HRS has it. */
  live: string;
  /** Assignments that let a row go, `$2` being the instant. Null: the row itself is deleted. */
  gone: string | null;
  /** A row that has been let go is deleted as soon as its events are made. */
  removed?: boolean;
  /** A row that is gone has `deleted_at`. */
  tombstone?: boolean;
  /** The row keeps the marker with which we wrote it into the HRS. */
  marked?: boolean;
  /** The row counts its versions in `sequence`, and events tell of them. */
  sequenced?: boolean;
  /** Columns that an insert sets beside what the HRS says, as SQL. */
  whenNew?: Readonly<Record<string, string>>;
  /** For columns on which the HRS may be silent: what a record `x` asks of the row `t`, as SQL; see `compareText`. */
  asks?: Readonly<Record<string, string>>;
}

/** One record by column; references are foreign ids still. */
export type IncomingValues = { foreign_id: string } & Record<string, unknown>;

/** A row as the database has it. */
export type StoredRow = { id: number; foreign_id: string | null } & Record<string, unknown>;

/** A row as it is to be written: every mapped column, references as our ids. */
export type WrittenRow = { id: number; foreign_id: string } & Record<string, unknown>;

export interface Difference {
  /** Index into what was compared. */
  n: number;
  /** The row with this foreign id, when there is one. */
  id: number | null;
  differs: boolean;
  /** The row has been missed by a pass, or been let go. */
  missed: boolean;
  /** Our ids by reference column; null, or missing from the array, where the HRS names what we do not have. */
  references: Record<string, number | number[] | null>;
}

/** Rows that this many complete passes in a row did not see are gone. */
export const PASSES_TO_BE_GONE = 2;
/** Where the count of missing passes ends. */
const MOST_MISSING_PASSES = 100;
/** Stands in `missing_passes` of a row that the HRS said it deleted, and tells it from one that is only absent. */
const REPORTED_DELETED = 1000;

async function run<Row = StoredRow>(tx: Tx, text: string, parameters: unknown[]): Promise<Row[]> {
  return (await tx.executeQuery<Row>(CompiledQuery.raw(text, parameters))).rows;
}

const inRow = (reference: Reference) => !reference.link;

function shape(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([column, type]) => `${column} ${type}`)
    .join(', ');
}

function writtenColumns({ columns, references }: MirrorTable): Record<string, string> {
  const ids = references.filter(inRow).map(({ column, many }) => [column, many ? 'bigint[]' : 'bigint']);
  return { id: 'bigint', foreign_id: 'text', ...columns, ...Object.fromEntries(ids) };
}

const compareTexts = new Map<MirrorTableName, string>();

/**
 * `limit 1` keeps each a look into the unique index over (connection_id, foreign_id). Joined freely, a table that
 * has grown since it was last analyzed is read whole for every record: 1.4 s a batch instead of 20 ms.
 */
function lookUp(table: MirrorTableName, foreignId: string, alias: string): string {
  return `left join lateral (select * from ${table} where connection_id = $2 and foreign_id = ${foreignId} limit 1)
      ${alias} on true`;
}

/**
 * One read of the batch against the table, references included: 1,000 unchanged appointments cost one round trip.
 */
function compareText(mirror: MirrorTable): string {
  const { table, columns, references, tombstone, asks = {} } = mirror;
  const foreignIds = references.map(({ column, many }) => [column, many ? 'text[]' : 'text']);
  const incoming = { n: 'integer', foreign_id: 'text', ...columns, ...Object.fromEntries(foreignIds) };
  const joins: string[] = [];
  const wanted = Object.keys(columns).map((column) => asks[column] ?? `x.${column}`);
  const stored = Object.keys(columns).map((column) => `t.${column}`);
  const ids: string[] = [];
  const dangling: string[] = [];
  for (const { column, to, many, link } of references) {
    const id = many
      ? `array(select r.id from ${to} r where r.connection_id = $2 and r.foreign_id = any(x.${column}) order by r.id)`
      : to === 'patient' && table !== 'patient'
        ? // What the HRS has under a patient who was merged is the patient's who is left.
          `coalesce(${column}_of.merged_into_id, ${column}_of.id)`
        : `${column}_of.id`;
    if (!many) {
      joins.push(lookUp(to, `x.${column}`, `${column}_of`));
      dangling.push(`(x.${column} is not null and ${column}_of.id is null)`);
    }
    ids.push(`${id} as ${column}`);
    wanted.push(asks[column] ?? id);
    stored.push(link ? `array(select l.${to}_id from ${link} l where l.${table}_id = t.id order by 1)` : `t.${column}`);
  }
  const differs = `(${stored.join(', ')}) is distinct from (${wanted.join(', ')})`;
  const missed = `(t.missing_passes > 0${tombstone ? ' or t.deleted_at is not null' : ''})`;
  return `select x.n, t.id, ${[`${differs} as differs`, `coalesce(${missed}, false) as missed`, ...ids].join(', ')}
    from json_to_recordset($1::json) as x(${shape(incoming)})
    ${lookUp(table, 'x.foreign_id', 't')}
    ${joins.join('\n    ')}
    where ${['t.id is null', missed, ...dangling, differs].join(' or ')}
    order by x.n`;
}

/**
 * Those of the batch that are new, differ from their row, whose row had been missed, or that refer to something
 * which we do not have.
 */
export async function findDifferences(
  tx: Tx,
  mirror: MirrorTable,
  connectionId: number,
  batch: readonly IncomingValues[],
): Promise<Difference[]> {
  let text = compareTexts.get(mirror.table);
  if (text === undefined) {
    text = compareText(mirror);
    compareTexts.set(mirror.table, text);
  }
  const json = JSON.stringify(batch.map((values, n) => ({ n, ...values })));
  const rows = await run<Omit<Difference, 'references'> & Difference['references']>(tx, text, [json, connectionId]);
  return rows.map(({ n, id, differs, missed, ...references }) => ({ n, id, differs, missed, references }));
}

/** In order of id, so that two writers wait for each other and never in a circle. Rows may have changed since they were compared. */
export function lockRows(tx: Tx, { table }: MirrorTable, ids: readonly number[]): Promise<StoredRow[]> {
  return run(tx, `select * from ${table} where id = any($1) order by id for no key update`, [ids]);
}

export type MarkedTable = 'patient' | 'patient_alert' | 'appointment';

/** Commands that bring the row `t` into the HRS; a patient comes with an appointment. */
const CREATES: Record<MarkedTable, string> = {
  patient: `join appointment a on a.id = c.appointment_id where a.patient_id = t.id and c.kind = 'create'`,
  patient_alert: `where c.patient_alert_id = t.id and c.kind = 'create_alert'`,
  appointment: `where c.appointment_id = t.id and c.kind = 'create'`,
};

/** Rows of ours that carry one of these markers, locked; `pending`: a command that creates them in the HRS is still open. */
export function lockMarked(
  tx: Tx,
  table: MarkedTable,
  institutionId: number,
  markers: readonly string[],
): Promise<(StoredRow & { marker: string; pending: boolean })[]> {
  return run(
    tx,
    `select t.*, exists (
       select from command c ${CREATES[table]} and c.finished_at is null) as pending
     from ${table} t where t.marker = any($1::uuid[]) and t.institution_id = $2
     order by t.id for no key update of t`,
    [markers, institutionId],
  );
}

export async function takeIds(tx: Tx, { table }: MirrorTable, count: number): Promise<number[]> {
  const text = `select nextval(pg_get_serial_sequence('${table}', 'id')) as id from generate_series(1, $1)`;
  return (await run(tx, text, [count])).map(({ id }) => id);
}

/** With `wanted: 'nothing'` the rows are not sent back: a first load has no use for them. */
export async function insertRows(
  tx: Tx,
  mirror: MirrorTable,
  connection: { id: number; institution_id: number },
  rows: readonly WrittenRow[],
  nowIso: string,
  wanted: 'rows' | 'nothing',
): Promise<StoredRow[]> {
  const columns = writtenColumns(mirror);
  const names = Object.keys(columns);
  const extra = { ...(mirror.sequenced ? { sequence: '1' } : {}), ...mirror.whenNew };
  const inserted = await run(
    tx,
    `insert into ${mirror.table}
       (${names.join(', ')}, institution_id, connection_id, created_at, updated_at, synced_at${prefixed(Object.keys(extra))})
     select ${names.map((name) => `x.${name}`).join(', ')}, $2, $3, $4::timestamptz, $4, $4${prefixed(Object.values(extra))}
     from json_to_recordset($1::json) as x(${shape(columns)})
     ${wanted === 'rows' ? 'returning *' : ''}`,
    [JSON.stringify(rows), connection.institution_id, connection.id, nowIso],
  );
  if (rows.length >= LARGE_INSERT) await acquaint(tx, mirror, rows.length);
  return inserted;
}

const LARGE_INSERT = 500;

/**
 * Lets the planner know of a table that has just got its first rows, long before it would look by itself: with a
 * guess instead, the foreign keys of what comes next are checked at a seventh of the speed.
 */
async function acquaint(tx: Tx, { table }: MirrorTable, rows: number): Promise<void> {
  const text = `do $$ begin
    if (select reltuples from pg_class where oid = '${table}'::regclass) < ${rows} then analyze ${table}; end if;
  end $$`;
  await run(tx, text, []);
}

const prefixed = (texts: string[]) => texts.map((text) => `, ${text}`).join('');

/** Writes every mapped column; whatever had been thought of the row's absence is withdrawn. */
export function updateRows(
  tx: Tx,
  mirror: MirrorTable,
  connectionId: number,
  rows: readonly WrittenRow[],
  nowIso: string,
  wanted: 'rows' | 'nothing',
): Promise<StoredRow[]> {
  const columns = writtenColumns(mirror);
  const names = Object.keys(columns).filter((name) => name !== 'id');
  return run(
    tx,
    `update ${mirror.table} t set ${names.map((name) => `${name} = x.${name}`).join(', ')},
       connection_id = $2, updated_at = $3, synced_at = $3, missing_passes = 0
       ${mirror.tombstone ? ', deleted_at = null' : ''}${mirror.sequenced ? ', sequence = t.sequence + 1' : ''}
     from json_to_recordset($1::json) as x(${shape(columns)})
     where t.id = x.id and t.id = any($4::bigint[])
     ${wanted === 'rows' ? 'returning t.*' : ''}`,
    // The ids once more, for the index: how many rows the JSON holds is hidden from the planner.
    [JSON.stringify(rows), connectionId, nowIso, rows.map(({ id }) => id)],
  );
}

/** The HRS has these after all, unchanged. */
export async function markPresent(tx: Tx, { table }: MirrorTable, ids: readonly number[]): Promise<void> {
  await run(tx, `update ${table} set missing_passes = 0 where id = any($1)`, [ids]);
}

/** Makes the pairs of a linking reference exactly these. */
export async function writeLinks(
  tx: Tx,
  { table }: MirrorTable,
  { link, to }: Reference,
  institutionId: number,
  idsByRow: ReadonlyMap<number, readonly number[]>,
): Promise<void> {
  const pairs = [...idsByRow].flatMap(([id, others]) => others.map((other) => ({ id, other })));
  await run(
    tx,
    `delete from ${link} where ${table}_id = any($1) and (${table}_id, ${to}_id) not in
       (select x.id, x.other from json_to_recordset($2::json) as x(id bigint, other bigint))`,
    [[...idsByRow.keys()], JSON.stringify(pairs)],
  );
  await run(
    tx,
    `insert into ${link} (institution_id, ${table}_id, ${to}_id)
     select $2, x.id, x.other from json_to_recordset($1::json) as x(id bigint, other bigint) on conflict do nothing`,
    [JSON.stringify(pairs), institutionId],
  );
}

/** The HRS says that it deleted these. Returns how many rows that concerns; they go when the pass is settled. */
export async function markReportedDeleted(
  tx: Tx,
  { table, live }: MirrorTable,
  connectionId: number,
  foreignIds: readonly string[],
): Promise<number> {
  const text = `update ${table} set missing_passes = ${REPORTED_DELETED}
    where connection_id = $1 and foreign_id = any($2) and ${live} and missing_passes < ${REPORTED_DELETED} returning id`;
  return (await run(tx, text, [connectionId, foreignIds])).length;
}

/**
 * A complete pass from the beginning saw exactly `seen`: every other row has been missing once more. PostgreSQL
 * makes a hash table of the array, so that this is one walk over the rows, whatever it believes of their number.
 * Promises whether any of them is missing for the first time.
 */
export async function raiseMissing(
  tx: Tx,
  { table, live }: MirrorTable,
  connectionId: number,
  seen: readonly string[],
): Promise<boolean> {
  const [raised] = await run<{ first: boolean }>(
    tx,
    `with raised as (
       update ${table} set missing_passes = missing_passes + 1
       where connection_id = $1 and foreign_id is not null and ${live} and missing_passes < ${MOST_MISSING_PASSES}
         and foreign_id <> all($2::text[])
       returning missing_passes)
     select exists (select 1 from raised where missing_passes = 1) as first`,
    [connectionId, seen],
  );
  return raised?.first ?? false;
}

export interface GoneCounts {
  /** Live rows. */
  total: number;
  /** Those of them that the HRS said it deleted. */
  reported: number;
  /** Those that were never reported deleted, only no longer seen. */
  absent: number;
}

/** Counts the live rows of the connection, and those of them that are due to go. */
export async function countGone(tx: Tx, { table, live }: MirrorTable, connectionId: number): Promise<GoneCounts> {
  const [counts] = await run<GoneCounts>(
    tx,
    `select count(*) as total, count(*) filter (where missing_passes = ${REPORTED_DELETED}) as reported,
       count(*) filter (where missing_passes between ${PASSES_TO_BE_GONE} and ${MOST_MISSING_PASSES}) as absent
     from ${table} where connection_id = $1 and foreign_id is not null and ${live}`,
    [connectionId],
  );
  return counts as GoneCounts;
}

/** Locks the live rows that are due to go, as they are before that. */
export function lockGone(
  tx: Tx,
  { table, live }: MirrorTable,
  connectionId: number,
  which: 'reported' | 'reported and absent',
): Promise<StoredRow[]> {
  return run(
    tx,
    `select * from ${table} where connection_id = $1 and foreign_id is not null and ${live}
       and missing_passes >= $2 order by id for no key update`,
    [connectionId, which === 'reported' ? REPORTED_DELETED : PASSES_TO_BE_GONE],
  );
}

/**
 * Lets rows go. `close` also takes their foreign id from them, because the HRS has given it to something else;
 * the marker goes with it, so that nothing is ever joined to the closed row again.
 */
export function letGo(
  tx: Tx,
  { table, gone, sequenced, marked }: MirrorTable,
  ids: readonly number[],
  nowIso: string,
  how: 'delete' | 'close' = 'delete',
): Promise<StoredRow[]> {
  if (gone === null) return run(tx, `delete from ${table} where id = any($1)`, [ids]);
  return run(
    tx,
    `update ${table} set ${gone}, updated_at = $2, synced_at = $2${sequenced ? ', sequence = sequence + 1' : ''}
       ${how === 'close' ? `, foreign_id = null, missing_passes = 0${marked ? ', marker = null' : ''}` : ''}
     where id = any($1) returning *`,
    [ids, nowIso],
  );
}

/** Deletes rows that have been let go. */
export async function removeRows(tx: Tx, { table }: MirrorTable, ids: readonly number[]): Promise<void> {
  await run(tx, `delete from ${table} where id = any($1)`, [ids]);
}
