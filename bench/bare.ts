/**
 * What others do with the same work: node's own HTTP server in a process of its own, which answers every request
 * with the bytes from its standard input, and PostgreSQL's own benchmark of single-row reads.
 */
import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

const CLIENTS = 8;
/** pgbench's own table at its smallest scale. */
const ACCOUNTS = 100_000;

/** Starts a process that answers everything with `bytes`: as they are, or made anew each time from the object they stand for. */
export async function startBareServer(
  bytes: Buffer,
  how: 'ready' | 'made',
): Promise<{ url: string; close(): Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', how], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(bytes);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
    child.once('exit', (code) => reject(new Error(`the bare server ended with code ${code}`)));
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    url,
    close: async () => {
      child.kill();
      await ended;
    },
  };
}

async function serve(how: string | undefined): Promise<void> {
  const bytes = await buffer(process.stdin);
  const value: unknown = JSON.parse(bytes.toString());
  const server = createServer((_request, response) => {
    const body = how === 'ready' ? bytes : JSON.stringify(value);
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}

/** `pgbench -S` where that program is on the machine, else the same statement from as many bare connections. */
export async function singleRowReads(
  connection: pg.ClientConfig,
): Promise<{ name: string; rate(ms: number): Promise<number>; close(): Promise<void> }> {
  const pgbench = async (...options: string[]) => {
    const { host = '', port = 5432, user = '', database = '', password = '' } = connection;
    const env = { ...process.env, PGPASSWORD: String(password) };
    const args = [...options, '-h', host, '-p', String(port), '-U', user, database];
    return (await promisify(execFile)('pgbench', args, { env })).stdout;
  };
  try {
    await pgbench('-i', '-q', '-s', '1');
  } catch {
    return bareReads(connection);
  }
  return {
    name: `pgbench -S, ${CLIENTS} clients`,
    rate: async (ms) => {
      const seconds = String(Math.round(ms / 1_000));
      const said = await pgbench('-S', '-n', '-c', String(CLIENTS), '-j', '2', '-T', seconds);
      const tps = /tps = ([\d.]+)/.exec(said)?.[1];
      if (tps === undefined) throw new Error(`pgbench said: ${said}`);
      return Number(tps);
    },
    close: async () => void (await pgbench('-i', '-q', '-I', 'd')),
  };
}

async function bareReads(connection: pg.ClientConfig) {
  const pool = new pg.Pool({ ...connection, max: CLIENTS });
  await pool.query(
    `create table pgbench_accounts as select n as aid, 1 as bid, 0 as abalance, repeat(' ', 84) as filler
     from generate_series(1, ${ACCOUNTS}) as n`,
  );
  await pool.query('alter table pgbench_accounts add primary key (aid)');
  await pool.query('vacuum analyze pgbench_accounts');
  return {
    name: `pgbench's statement, bare pg, ${CLIENTS} connections`,
    rate: (ms: number) => bareRate(pool, ms),
    close: async () => {
      await pool.query('drop table pgbench_accounts');
      await pool.end();
    },
  };
}

async function bareRate(pool: pg.Pool, ms: number): Promise<number> {
  const untilMs = performance.now() + ms;
  let answered = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = await pool.connect();
      while (performance.now() < untilMs) {
        const aid = 1 + Math.floor(Math.random() * ACCOUNTS);
        await client.query({
          name: 'select',
          text: 'SELECT abalance FROM pgbench_accounts WHERE aid = $1',
          values: [aid],
        });
        answered += 1;
      }
      client.release();
    }),
  );
  return answered / (ms / 1_000);
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[3]);
