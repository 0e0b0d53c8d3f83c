/**
 * The database as the rest of the program sees it: a pool, and transactions that say for whom they speak.
 */
import { CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';

/** Handed to every query: a connection on which `openchair.institution` is set. */
export type Tx = Kysely<Schema>;

export interface Database {
  kysely: Kysely<Schema>;
  pool: pg.Pool;
  close(): Promise<void>;
}

/** A statement that runs longer than this is a fault, not work. Sync batches are the longest at well under 1 s. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Longer than any transaction of ours holds a row, shorter than a client waits. */
const LOCK_TIMEOUT_MS = 5_000;
/** A request that finds no connection for this long is told that the service is busy. */
const CONNECTION_WAIT_MS = 5_000;
/** Victims of a deadlock, of serialization or of a migration run again this often before the caller hears of it. */
const MAX_RETRIES = 3;

const TIMESTAMPTZ_OID = 1184;
const DATE_OID = 1082;
const INT8_OID = 20;
const INT8_ARRAY_OID = 1016;

/**
 * PostgreSQL's text of an instant in UTC (`2026-12-01 14:00:00.123456+00`) as ISO with milliseconds and `Z`.
 * String work on purpose: parsing into Date made a list of 50 appointments 1.5 times slower.
 */
export function isoFromPostgres(text: string): string {
  const fraction = text.charCodeAt(19) === 46 ? text.slice(20, text.length - 3) : '';
  const millis = fraction === '' ? '000' : fraction.padEnd(3, '0').slice(0, 3);
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${millis}Z`;
}

/** `{1,2}`: ids, so neither null nor nested. The driver's parser of any array takes ten times as long. */
const int8ArrayFromPostgres = (text: string): number[] =>
  text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: string) {
    if (format !== 'binary') {
      if (oid === TIMESTAMPTZ_OID) return isoFromPostgres;
      if (oid === DATE_OID) return (text: string) => text;
      if (oid === INT8_OID) return Number;
      if (oid === INT8_ARRAY_OID) return int8ArrayFromPostgres;
    }
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

/**
 * At the front of a statement (`modifyFront` of a built one): parse and plan it once for each connection, not each
 * time. Planning is two thirds of what a booking costs the database. For statements whose text is always the same,
 * whose columns are named (a migration must not change what they return) and whose best plan does not depend on the
 * values.
 */
export const prepared = sql.raw('/* prepared */');
const PREPARED = /^\s*(select )?\/\* prepared \*\//;

/** At the front of a read whose best plan depends on the values: it is planned anew each time. */
export const unprepared = sql.raw('/* unprepared */');
const UNPREPARED = /^\s*\/\* unprepared \*\//;

/**
 * Names by text. Filters of a list that nobody combines often are not worth a plan that is kept; and a list of ids is
 * `= any($1)`, because `in ($1, $2, …)` is another text for every length.
 */
const preparedNames = new Map<string, string>();
const MAX_PREPARED = 500;
let preparedGeneration = 0;

function nameOf(text: string, reading: boolean): string | undefined {
  if (reading ? UNPREPARED.test(text) : !PREPARED.test(text)) return undefined;
  const known = preparedNames.get(text);
  if (known !== undefined || preparedNames.size >= MAX_PREPARED) return known;
  const name = `prepared_${preparedGeneration}_${preparedNames.size}`;
  preparedNames.set(text, name);
  return name;
}

/** Not SQL, but words to our own client: the reads that follow are of this institution; without one, they end. */
const READ_FOR = 'read for ';
const NOTHING = { command: 'SELECT', rowCount: 0, rows: [] };
/** What a prepared statement returns has changed under it: a migration ran while we did. */
const CACHED_PLAN_CHANGED = '0A000';

class PreparingClient extends pg.Client {
  /** Whom a statement outside a transaction speaks for; null before the first read. */
  private institution: string | null = null;
  /** Reads are prepared unless they say otherwise: planning most of them costs more than running them. */
  private reading = false;

  // biome-ignore lint/suspicious/noExplicitAny: the driver's own signature has a dozen forms.
  override query(...args: any[]): any {
    const [text, values] = args;
    if (typeof text !== 'string') return Reflect.apply(super.query, this, args);
    if (text.startsWith(READ_FOR)) return this.readFor(text.slice(READ_FOR.length));
    const name = nameOf(text, this.reading);
    return name === undefined ? Reflect.apply(super.query, this, args) : super.query({ name, text, values });
  }

  private async readFor(institution: string): Promise<typeof NOTHING> {
    this.reading = false;
    if (institution === '') return NOTHING;
    if (this.institution !== institution) {
      this.institution = null;
      await super.query(`select set_config('openchair.institution', '${institution}', false)`);
      this.institution = institution;
    }
    // Only now: where that has failed nobody says that the reads end, and no transaction could begin any more.
    this.reading = true;
    return NOTHING;
  }
}

/**
 * Opens a pool. `maxConnections` is stated by each caller: the API and the workers have pools of their own, so
 * that a burst of either cannot starve the other.
 */
export function openDatabase(
  connection: pg.PoolConfig,
  maxConnections: number,
  onError: (error: Error) => void,
): Database {
  const pool = new pg.Pool({
    ...connection,
    Client: PreparingClient,
    max: maxConnections,
    types,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECTION_WAIT_MS,
    options: '-c timezone=UTC -c datestyle=ISO',
  });
  // Without these listeners a connection that the server closes ends the whole process: an idle one by the first, one
  // in use by the second. Of the latter its statement tells, or the next one.
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', () => {}));
  const kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return { kysely, pool, close: () => kysely.destroy() };
}

/**
 * Runs `work` in one transaction that sees the rows of one institution. Deadlock victims run again, so `work`
 * must have no effect outside the database.
 */
export function forInstitution<T>(db: Database, institutionId: number, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (!Number.isSafeInteger(institutionId)) throw new Error(`not an institution id: ${institutionId}`);
  return transaction(db, String(institutionId), work);
}

/** Runs `work` in one transaction that sees every institution: for workers, authentication and administration. */
export function forAll<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(db, '*', work);
}

/**
 * Runs reads of one institution, each a statement of its own: a transaction would add two round trips and nothing
 * else, since under READ COMMITTED every statement has its own snapshot anyway. The connection remembers for whom
 * it speaks, so that saying it again costs nothing.
 */
export function readInstitution<T>(db: Database, institutionId: number, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (!Number.isSafeInteger(institutionId)) throw new Error(`not an institution id: ${institutionId}`);
  return read(db, String(institutionId), work);
}

/** Runs reads that see every institution, without a transaction. */
export function readAll<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return read(db, '*', work);
}

/** Runs statements that see every institution, each of them a transaction of its own. */
export function autocommitAll<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return read(db, '*', work);
}

async function read<T>(db: Database, institution: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await readOnce(db, institution, work);
    } catch (error) {
      if (attempt >= MAX_RETRIES || (error as { code?: unknown }).code !== CACHED_PLAN_CHANGED) throw error;
      // New names: the old statements stay behind, unused, until their connections end.
      preparedNames.clear();
      preparedGeneration += 1;
    }
  }
}

function readOnce<T>(db: Database, institution: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.kysely.connection().execute(async (tx) => {
    await tx.executeQuery(CompiledQuery.raw(`${READ_FOR}${institution}`));
    try {
      return await work(tx);
    } finally {
      await tx.executeQuery(CompiledQuery.raw(READ_FOR));
    }
  });
}

const COMMIT = CompiledQuery.raw('commit');
const ROLLBACK = CompiledQuery.raw('rollback');

async function transaction<T>(db: Database, institution: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  // One round trip for both statements; `institution` is digits or '*', never text from outside.
  const begin = CompiledQuery.raw(`begin; select set_config('openchair.institution', '${institution}', true)`);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await db.kysely.connection().execute(async (tx) => {
        try {
          // What fails between the two statements leaves a transaction behind as well.
          await tx.executeQuery(begin);
          const result = await work(tx);
          await tx.executeQuery(COMMIT);
          return result;
        } catch (error) {
          // Once more, because what cancels a statement can hit this one, and whoever has the connection next could do
          // nothing with it. A lost connection cannot be rolled back; the server has done it already.
          const rollBack = () => tx.executeQuery(ROLLBACK);
          await rollBack()
            .catch(rollBack)
            .catch(() => {});
          throw error;
        }
      });
    } catch (error) {
      if (attempt >= MAX_RETRIES || !isRetryable(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * (attempt + 1)));
    }
  }
}

const DEADLOCK_DETECTED = '40P01';
const SERIALIZATION_FAILURE = '40001';

function isRetryable(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === DEADLOCK_DETECTED || code === SERIALIZATION_FAILURE;
}

/** As the system calls a server that is not there, by socket, by address or by name. */
const UNREACHABLE = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE'],
  ...['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'],
];
/** The driver's errors have no code. The last is of a statement after the one that has met the loss. */
const DRIVER_LOST_IT =
  /timeout exceeded when trying to connect|Connection terminated|has encountered a connection error/;

/**
 * Is this error the database being away (starting, stopping, full, out of connections) rather than a fault of
 * ours? Callers answer 503 to it and workers wait.
 */
export function isDatabaseAway(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string') {
    if (UNREACHABLE.includes(code)) return true;
    // Classes 08 (connection), 53 (resources), 57 (operator intervention) and a lock not had in time.
    if (/^(08|53|57)/.test(code) || code === '55P03') return true;
  }
  return typeof message === 'string' && DRIVER_LOST_IT.test(message);
}
