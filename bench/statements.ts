/**
 * The statements behind one request, word for word, so that a bare driver can run the same without HTTP, validation
 * and query builder: what the server is measured against.
 */
import pg from 'pg';
import { startApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { type Body, client } from '../test/harness/program.ts';
import { SECRET_KEY } from '../test/harness/seal.ts';

export interface Statement {
  /** Of those that the server has prepared. */
  name?: string | undefined;
  text: string;
  values: unknown[];
}

/** Sends the request to an API in this process, and returns its answer's body and what reached the database. */
export async function statementsOf(
  databaseUrl: string,
  key: string,
  request: { method: string; path: string; body?: unknown },
): Promise<{ body: Body; statements: Statement[] }> {
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    OPENCHAIR_SECRET_KEY: SECRET_KEY,
    PORT: '0',
    LOG_LEVEL: 'silent',
    OPENCHAIR_RATE_LIMITS: 'off',
  });
  const app = await startApp(config, { api: true, worker: false, demo: false }, createLogger('silent'));
  const original = pg.Client.prototype.query;
  try {
    const call = client(app.url, key);
    // The key is looked up once a second, not once a request.
    await call('GET', '/institutions');
    const statements: Statement[] = [];
    pg.Client.prototype.query = function record(this: pg.Client, ...args: unknown[]) {
      statements.push(statementIn(args));
      return Reflect.apply(original, this, args);
    } as typeof original;
    const { status, body } = await call(request.method, request.path, request.body);
    if (status >= 300) throw new Error(`${request.method} ${request.path} answered ${status}`);
    return { body, statements };
  } finally {
    pg.Client.prototype.query = original;
    await app.stop();
  }
}

/** The driver takes `(text, values)` and `({ name, text, values })`. */
function statementIn([first, values]: unknown[]): Statement {
  const { name, ...given } =
    typeof first === 'string' ? { name: undefined, text: first, values } : (first as Statement);
  return { name, text: given.text, values: (given.values as unknown[] | undefined) ?? [] };
}

/** The statements with other values: each that `others` knows is replaced, in arrays too. */
export function withValues(statements: Statement[], others: Map<unknown, unknown>): Statement[] {
  const replace = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(replace) : others.has(value) ? others.get(value) : value;
  return statements.map(({ values, ...statement }) => ({ ...statement, values: values.map(replace) }));
}

export function run(on: pg.Client | pg.PoolClient, { name, text, values }: Statement): Promise<pg.QueryResult> {
  return on.query({ ...(name !== undefined && { name }), text, ...(values.length > 0 && { values }) });
}
