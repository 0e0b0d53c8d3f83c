import { readFileSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { COLLECTIONS, KINDS, type Kind, type Records } from './records.ts';
import { unknown } from './refusal.ts';

export interface Page<T> {
  items: T[];
  /** Pass as `after` for the next page; null on the last one. */
  next: number | null;
  total: number;
}

export interface AuditEntry {
  who: 'api' | 'desk';
  action: string;
  kind: Kind;
  recordId: number;
  /** The caller's marker for this request. */
  ref: string | null;
}

/** Columns that a file of an earlier version lacks: a table that exists is not made again. */
const ADDED_COLUMNS = [{ table: 'schedules', name: 'label_id', declared: 'INTEGER REFERENCES schedule_labels' }];

export type Filters = Record<string, string | number>;
export type Store = ReturnType<typeof openStore>;

/** Long enough for another process to finish looking into the file. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Opens (and if need be creates) the practice's file. Everything is synchronous, so one request is over before the next
 * begins. `now` is the practice's own clock; `onCommit` is told after each transaction that moved the feed.
 * Writes belong inside `transaction`: they survive the death of the process once it returns.
 */
export function openStore(file: string, now: () => Date, onCommit: () => void = () => {}) {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;');
  db.exec(readFileSync(new URL('./tables.sql', import.meta.url), 'utf8'));
  for (const { table, name, declared } of ADDED_COLUMNS) {
    const isThere = db
      .prepare(`PRAGMA table_info(${table})`)
      .all()
      .some((column) => column.name === name);
    if (!isThere) db.exec(`ALTER TABLE ${table} ADD COLUMN ${name} ${declared}`);
  }

  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    let found = prepared.get(sql);
    if (!found) {
      found = db.prepare(sql);
      prepared.set(sql, found);
    }
    return found;
  };
  const rows = (sql: string, ...params: SQLInputValue[]) => statement(sql).all(...params);
  const row = (sql: string, ...params: SQLInputValue[]) => statement(sql).get(...params);
  const run = (sql: string, ...params: SQLInputValue[]) => statement(sql).run(...params);

  const columns = new Map<string, Map<string, string>>();
  for (const table of [...Object.values(COLLECTIONS), 'audit']) {
    const info = db.prepare(`PRAGMA table_info(${table})`).all();
    columns.set(table, new Map(info.map((column) => [String(column.name), String(column.type)])));
  }

  function encode(table: string, name: string, value: unknown): SQLInputValue {
    const type = columns.get(table)?.get(name);
    if (!type) throw new Error(`${table} have no field "${name}"`);
    if (value === undefined || value === null) return null;
    if (type === 'BOOLEAN') return value ? 1 : 0;
    return type === 'JSON' ? JSON.stringify(value) : (value as SQLInputValue);
  }

  function decode<T>(table: string, raw: Record<string, unknown>): T {
    const record: Record<string, unknown> = {};
    for (const [name, type] of columns.get(table) ?? []) {
      const value = raw[name];
      if (value === null) record[name] = null;
      else if (type === 'BOOLEAN') record[name] = value === 1;
      else record[name] = type === 'JSON' ? JSON.parse(String(value)) : value;
    }
    return record as T;
  }

  function head(): number {
    return Number(row('SELECT head FROM feed')?.head);
  }

  function nextRevision(): number {
    return Number(row('UPDATE feed SET head = head + 1 RETURNING head')?.head);
  }

  function announce(kind: Kind, id: number, revision: number, deleted: boolean): void {
    run('INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?)', revision, kind, id, deleted ? 1 : 0);
  }

  /** Adds a record under `values.id` or the next free id, and returns it with its stamps. */
  function insert<K extends Kind>(kind: K, values: Partial<Records[K]>): Records[K] {
    const table = COLLECTIONS[kind];
    const revision = nextRevision();
    const at = now().toISOString();
    const full = { ...values, created_at: at, updated_at: at, created_revision: revision, revision };
    const names = Object.keys(full);
    const sql = `INSERT INTO ${table} (${names.map((name) => `"${name}"`)}) VALUES (${names.map(() => '?')}) RETURNING *`;
    const encoded = Object.entries(full).map(([name, value]) => encode(table, name, value));
    const record = decode<Records[K]>(table, row(sql, ...encoded) ?? {});
    announce(kind, record.id, revision, false);
    return record;
  }

  /** Writes the given fields and moves the record to the end of the feed. A change of nothing leaves it where it is. */
  function update<K extends Kind>(kind: K, id: number, values: Partial<Records[K]>): Records[K] {
    const before = get(kind, id);
    const table = COLLECTIONS[kind];
    const differing = Object.entries(values).filter(
      ([name, value]) =>
        value !== undefined && encode(table, name, value) !== encode(table, name, before[name as keyof Records[K]]),
    );
    if (differing.length === 0) return before;
    const revision = nextRevision();
    const changed = { ...Object.fromEntries(differing), updated_at: now().toISOString(), revision };
    const sets = Object.keys(changed).map((name) => `"${name}" = ?`);
    const encoded = Object.entries(changed).map(([name, value]) => encode(table, name, value));
    const raw = row(`UPDATE ${table} SET ${sets} WHERE id = ? RETURNING *`, ...encoded, id);
    announce(kind, id, revision, false);
    return decode<Records[K]>(table, raw ?? {});
  }

  function idsWhere(kind: Kind, field: string, value: number): number[] {
    return rows(`SELECT id FROM ${COLLECTIONS[kind]} WHERE "${field}" = ? ORDER BY id`, value).map(({ id }) =>
      Number(id),
    );
  }

  /** Lets every record of a kind that names `from` in this field name `to` instead, or nothing. */
  function repoint<K extends Kind>(kind: K, field: keyof Records[K] & string, from: number, to: number | null): void {
    for (const id of idsWhere(kind, field, from)) update(kind, id, { [field]: to } as Partial<Records[K]>);
  }

  /** Moves a record to the end of the feed as it is. */
  function announceAgain(kind: Kind, id: number): void {
    const revision = nextRevision();
    run(`UPDATE ${COLLECTIONS[kind]} SET revision = ? WHERE id = ?`, revision, id);
    announce(kind, id, revision, false);
  }

  /** Takes a record out of the file for good; only the feed remembers its id. */
  function remove(kind: Kind, id: number): void {
    get(kind, id);
    run(`DELETE FROM ${COLLECTIONS[kind]} WHERE id = ?`, id);
    announce(kind, id, nextRevision(), true);
  }

  function find<K extends Kind>(kind: K, id: number): Records[K] | null {
    const raw = row(`SELECT * FROM ${COLLECTIONS[kind]} WHERE id = ?`, id);
    return raw ? decode<Records[K]>(COLLECTIONS[kind], raw) : null;
  }

  /** Throws a 404 refusal when there is none. */
  function get<K extends Kind>(kind: K, id: number): Records[K] {
    const record = find(kind, id);
    if (!record) throw unknown(kind, id);
    return record;
  }

  /** Records that equal every filter, by id, beginning behind `after`. Filter names must be columns. */
  function page<T>(table: string, filters: Filters, after: number, limit: number): Page<T> {
    const wheres = Object.keys(filters).map((name) => `AND "${name}" = ?`);
    const values = Object.values(filters);
    const count = row(`SELECT count(*) AS n FROM ${table} WHERE 1 ${wheres.join(' ')}`, ...values);
    const found = rows(
      `SELECT * FROM ${table} WHERE id > ? ${wheres.join(' ')} ORDER BY id LIMIT ?`,
      after,
      ...values,
      limit + 1,
    );
    const items = found.slice(0, limit).map((raw) => decode<T>(table, raw));
    const last = found.length > limit ? found[limit - 1] : undefined;
    return { items, next: last ? Number(last.id) : null, total: Number(count?.n) };
  }

  function audit(entry: AuditEntry): void {
    const { who, action, kind, recordId, ref } = entry;
    const sql = 'INSERT INTO audit (at, who, action, kind, record_id, ref) VALUES (?, ?, ?, ?, ?, ?)';
    run(sql, now().toISOString(), who, action, kind, recordId, ref);
  }

  /** All or nothing; anything thrown undoes it. */
  function transaction<T>(work: () => T): T {
    const headBefore = head();
    db.exec('BEGIN IMMEDIATE');
    let result: T;
    try {
      result = work();
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
    if (head() !== headBefore) onCommit();
    return result;
  }

  /**
   * Does the work, undoes it and returns what it would have returned. The ids it took stay taken, as they would in any
   * system that numbers by sequence: what it promised never turns out to be somebody else's record.
   */
  function rehearse<T>(work: () => T): T {
    db.exec('BEGIN IMMEDIATE');
    let sequences: Record<string, unknown>[] = [];
    try {
      const result = work();
      sequences = rows('SELECT name, seq FROM sqlite_sequence');
      return result;
    } finally {
      db.exec('ROLLBACK');
      for (const { name, seq } of sequences) {
        run('UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?', Number(seq), String(name));
      }
    }
  }

  return {
    now,
    rows,
    run,
    head,
    insert,
    update,
    remove,
    idsWhere,
    repoint,
    announceAgain,
    find,
    get,
    page,
    audit,
    transaction,
    rehearse,
    isEmpty: () => KINDS.every((kind) => !row(`SELECT 1 FROM ${COLLECTIONS[kind]} LIMIT 1`)),
    close: () => db.close(),
  };
}
