/** A PostgreSQL server as a child of this process: its socket directory, its start, its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { canEnter, type ServerUser } from './postgres-user.ts';

/** A fast shutdown ends with one checkpoint; after this long the server is told to quit without it, which loses nothing. */
export const STOP_TIMEOUT_MS = 30_000;
/** What is kept of the server's own words for the error when it does not start. */
const OUTPUT_TAIL_CHARACTERS = 4_000;
/** The kernel's limit for the path of a unix socket (sockaddr_un), without the closing zero; macOS allows 103. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;
/** Only names the socket file: nothing listens on TCP. */
export const SOCKET_PORT = 5432;

/** A new directory that only the server's user may enter, with room for the socket's name in the kernel's limit. */
export async function createSocketDir(user: ServerUser): Promise<string> {
  const parents = [...new Set([resolve(tmpdir()), '/tmp'])];
  for (const parent of parents) {
    const directory = await mkdtemp(join(parent, 'openchair-'));
    if (user) await chown(directory, user.uid, user.gid);
    const fits = Buffer.byteLength(join(directory, `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH_BYTES;
    if (fits && (!user || (await canEnter(directory, user)))) return directory;
    await rm(directory, { recursive: true });
  }
  throw new Error(
    `No place for PostgreSQL's socket: tried ${parents.join(' and ')}. The path must be short (${MAX_SOCKET_PATH_BYTES} bytes) and open to ` +
      'the account PostgreSQL runs as. Set TMPDIR to such a directory.',
  );
}

/**
 * The shell between us and PostgreSQL. It holds the reading end of a pipe whose other end dies with this process, even by SIGKILL, and then asks
 * for a fast shutdown. When the server ends first, so does it. It removes the socket directory, which a killed process cannot.
 */
const WRAPPER = `
trap "" INT TERM HUP
exec 3<&0
socket_dir=$1; shift
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -INT $server; } &
watcher=$!
wait $server; status=$?
{ kill -KILL $watcher; wait $watcher; } 2>/dev/null
rm -rf "$socket_dir"
exit $status`;

export interface Server {
  child: ChildProcess;
  exited: Promise<unknown>;
  /** The end of what it wrote. */
  output(): string;
}

/** Starts `command` so that it ends with this process and does not keep it alive; whether it came up is for the caller to find out. */
export function spawnServer(
  command: string[],
  socketDir: string,
  user: ServerUser,
  log: (line: string) => void,
): Server {
  // A process group of its own: Ctrl-C must reach us alone, and the database stay until the last request is answered.
  const child = spawn('/bin/sh', ['-c', WRAPPER, 'sh', socketDir, ...command], {
    ...user,
    cwd: '/',
    env: environment(),
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let output = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    output = `${output}${line}\n`.slice(-OUTPUT_TAIL_CHARACTERS);
    log(line);
  });
  // The server may be gone when the pipe is closed.
  child.stdin.on('error', () => {});
  child.unref();
  (child.stdin as Socket).unref();
  (child.stderr as Socket).unref();
  return {
    child,
    exited: once(child, 'exit').catch((error: Error) => log(error.message)),
    output: () => output.trim(),
  };
}

/** For PostgreSQL's programs. Nothing of ours: PGPORT, PGDATA and LC_ALL all change what PostgreSQL does. */
export function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

/** Resolves when the server has ended. `readPid` finds its own pid, which the shell between us does not tell. */
export async function stopServer({ child, exited }: Server, readPid: () => Promise<number | undefined>): Promise<void> {
  child.ref();
  child.stdin?.end();
  const timer = setTimeout(async () => {
    const pid = await readPid();
    if (pid) process.kill(pid, 'SIGQUIT');
  }, STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
