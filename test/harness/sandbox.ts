import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Seed } from '../../sandbox/seed.ts';

const MAIN = fileURLToPath(new URL('../../sandbox/main.ts', import.meta.url));
const START_TIMEOUT_MS = 15_000;

export interface SandboxOptions {
  /** `demo` (the default), `none`, the path of a seed file, or a seed. */
  seed?: string | Seed;
  /** Keeps its file when it stops; without it, the file is the sandbox's own and goes with it. */
  dataFile?: string;
  port?: number;
  args?: string[];
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came back
  body: any;
}

export interface FaultOrder {
  fault: string;
  match?: string;
  times?: number;
  ms?: number;
  reason?: string;
  message?: string;
}

export type Sandbox = Awaited<ReturnType<typeof startSandbox>>;

/** Starts the pretend practice as a process of its own. Whoever starts one stops it; it also ends with its parent. */
export async function startSandbox(options: SandboxOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
  const dataFile = options.dataFile ?? join(folder, 'practice.sqlite');
  let seed = options.seed ?? 'demo';
  if (typeof seed !== 'string') {
    const seedFile = join(folder, 'seed.json');
    writeFileSync(seedFile, JSON.stringify(seed));
    seed = seedFile;
  }

  async function launch(port: number): Promise<{ child: ChildProcess; url: string }> {
    const args = [MAIN, '--data', dataFile, '--port', String(port), '--seed', String(seed), '--exit-with-parent'];
    const child = spawn(process.execPath, [...args, ...(options.args ?? [])], { stdio: ['pipe', 'pipe', 'pipe'] });
    let complaints = '';
    child.stderr.on('data', (chunk) => {
      complaints += chunk;
    });
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the sandbox did not start in time')), START_TIMEOUT_MS);
      createInterface(child.stdout).on('line', (line) => {
        clearTimeout(timer);
        resolve(line.replace('sandbox listening on ', ''));
      });
      child.once('close', (code) => {
        clearTimeout(timer);
        reject(new Error(`the sandbox ended with ${code}: ${complaints}`));
      });
    });
    return { child, url };
  }

  let { child, url } = await launch(options.port ?? 0).catch((error) => {
    rmSync(folder, { recursive: true });
    throw error;
  });

  /** One request with the key. A body that is not JSON comes back as text; a broken connection throws. */
  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { 'x-sandbox-key': 'sandbox', 'content-type': 'application/json' };
    const response = await fetch(url + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** The signal, and the end of the process. Answers with the exit code, null for a process that was killed. */
  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
    return child.exitCode;
  }

  return {
    dataFile,
    get url() {
      return url;
    },
    get process() {
      return child;
    },
    call,
    fault: (order: FaultOrder) => call('POST', '/faults', order),
    liftFaults: () => call('DELETE', '/faults'),
    /** kill -9: nothing is said goodbye to, the file stays. */
    kill: () => end('SIGKILL'),
    /** Starts it again on its old port and file, after `kill`; nobody could connect in between. */
    restart: async () => {
      await end('SIGTERM');
      ({ child, url } = await launch(Number(new URL(url).port)));
    },
    stop: async () => {
      const exitCode = await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
      return exitCode;
    },
  };
}
