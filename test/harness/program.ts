/** The program as people run it: `bin/openchair` as a process of its own, on a database and a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkAnswer } from './contract.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

const BIN = fileURLToPath(new URL('../../bin/openchair', import.meta.url));
const READY_MS = 30_000;

export interface Demo {
  base_url: string;
  api_key: string;
  admin_key: string;
  subdomain: string;
  location_id: number;
  provider_ids: number[];
  operatory_ids: number[];
  appointment_type_ids: number[];
  patient_ids: number[];
  sandbox_url: string;
}

export interface Program {
  process: ChildProcess;
  /** Empty for a worker. */
  url: string;
  /** Everything it wrote to stdout and stderr. */
  output(): string;
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

/** Starts `openchair COMMAND` and resolves when it says that it is ready. */
export async function startProgram(command: 'serve' | 'api' | 'worker', env: Record<string, string>): Promise<Program> {
  const child = spawn(process.execPath, [BIN, command], {
    // Tests ask faster than clients may.
    env: { PATH: process.env.PATH ?? '', PORT: '0', LOG_LEVEL: 'info', OPENCHAIR_RATE_LIMITS: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`openchair ${command} was not ready in time:\n${output}`)),
      READY_MS,
    );
    const listen = (chunk: Buffer) => {
      output += chunk;
      const ready = /is ready on (\S+)|is running/.exec(output);
      if (!ready) return;
      clearTimeout(timer);
      resolve(ready[1] ?? '');
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`openchair ${command} ended with code ${code}:\n${output}`));
    });
  });
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  return {
    process: child,
    url,
    output: () => output,
    stop: async () => {
      await end('SIGTERM');
      return child.exitCode;
    },
    kill: () => end('SIGKILL'),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came back
export type Body = any;

export interface Reply {
  status: number;
  headers: Headers;
  body: Body;
}

/** A client as an app is one: the API's address, a key, JSON. */
export function client(url: string, key: string, version: string | null = 'v2') {
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> => {
    const sent = {
      authorization: key,
      ...(version !== null && { 'nex-api-version': version }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    };
    const response = await fetch(url + path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    checkAnswer({ method, path, headers: sent }, { status: response.status, headers: response.headers, text });
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
  };
}

export interface DemoProgram extends Program {
  demo: Demo;
  dataDir: string;
  database: TestDatabase;
  api: ReturnType<typeof client>;
  admin: ReturnType<typeof client>;
  /** The sandbox's own HTTP API, as its front desk or its fault script. */
  sandbox(method: string, path: string, body?: unknown): Promise<Reply>;
  /** Starts the same installation again after `stop` or `kill`. */
  restart(): Promise<DemoProgram>;
  /** Stops it and forgets its database and folder. */
  end(): Promise<void>;
}

/** `openchair serve` with the demo practice. */
export async function startDemoProgram(env: Record<string, string> = {}): Promise<DemoProgram> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'openchair-flow-'));
  const start = async (): Promise<DemoProgram> => {
    const program = await startProgram('serve', { DATABASE_URL: database.url, OPENCHAIR_DATA: dataDir, ...env });
    const demo: Demo = JSON.parse(readFileSync(join(dataDir, 'demo.json'), 'utf8'));
    return {
      ...program,
      demo,
      dataDir,
      database,
      api: client(program.url, demo.api_key),
      admin: client(program.url, demo.admin_key),
      sandbox: async (method, path, body) => {
        const response = await fetch(demo.sandbox_url + path, {
          method,
          headers: { 'x-sandbox-key': 'sandbox', 'content-type': 'application/json' },
          body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await response.text();
        return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
      },
      restart: start,
      end: async () => {
        await program.stop();
        await database.drop();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  };
  return start();
}

/** Asks again until the answer is truthy; throws what it was waiting for when the time is up. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
