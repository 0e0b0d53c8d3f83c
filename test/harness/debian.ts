/**
 * Programs of other people that come as Debian packages: real peers for connectors. Who works on this project need not
 * have them; what is proven with them is left out then, with the reason. In CI they have to be there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_TIMEOUT_MS = 20_000;

/** False, or why the tests with this program are left out, in the words that `node:test` prints. */
export function missingProgram(program: string, debianPackage: string): string | false {
  const isThere = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
  if (isThere) return false;
  const reason = `${program} is not installed; on Debian: apt-get install ${debianPackage}`;
  if (process.env.CI) throw new Error(reason);
  return reason;
}

export interface Foreign {
  port: number;
  stop(): Promise<void>;
}

/** Starts `program` with the arguments for a free port and a folder of its own, and waits until it answers there. */
export async function startForeign(
  program: string,
  args: (port: number, folder: string) => string[],
): Promise<Foreign> {
  const folder = mkdtempSync(join(tmpdir(), `${program}-`));
  const port = await freePort();
  const child = spawn(program, args(port, folder), { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints = (complaints + chunk).slice(-2_000);
  });
  const ended = once(child, 'close');
  async function stop(): Promise<void> {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  for (const until = performance.now() + START_TIMEOUT_MS; !(await answers(port)); await delay(50)) {
    if (child.exitCode === null && performance.now() < until) continue;
    await stop();
    throw new Error(`${program} did not start: ${complaints}`);
  }
  return { port, stop };
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' }).then(
    (response) => response.body?.cancel().then(() => true) ?? true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
