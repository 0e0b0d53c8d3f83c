/** The files of a PostgreSQL cluster: where they are, how they come to be, and who holds them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { environment, STOP_TIMEOUT_MS } from './postgres-process.ts';
import { canEnter, type ServerUser } from './postgres-user.ts';

const run = promisify(execFile);

/** How long the server of a killed process may take to notice that it is alone; it was 50 ms when measured. */
const ORPHAN_GRACE_MS = 500;
const POLL_INTERVAL_MS = 20;
/** Where clusters live that cannot be in the data directory, because PostgreSQL may not enter it. */
const OUTSIDE_HOME = '/var/lib/openchair';

/** The data directory itself, unless the server's user cannot get there (below /root, say); then a place outside, named in `postgres-location`. */
export async function prepareHome(dataDir: string, user: ServerUser, log: (line: string) => void): Promise<string> {
  const pointer = join(dataDir, 'postgres-location');
  if (existsSync(pointer)) {
    // The file wins even when the data directory has become reachable since: the data is where it was put.
    const home = (await readFile(pointer, 'utf8')).trim();
    if (existsSync(home)) return home;
    throw new Error(
      `${pointer} says the database is in ${home}, which does not exist. Restore that directory, or delete the file to start empty.`,
    );
  }
  const created = await mkdir(dataDir, { recursive: true });
  // Made under a strict umask, our own directory would be closed to the server's user for no reason.
  if (created && user) await chmod(dataDir, 0o711);
  if (!user || (await canEnter(dataDir, user))) return dataDir;
  if (existsSync(join(dataDir, 'postgres'))) {
    throw new Error(
      `The database in ${dataDir} can no longer be reached by the account it runs as (uid ${user.uid}): a directory above it is closed. ` +
        'Open that directory again (chmod o+x), or move the data directory.',
    );
  }
  await mkdir(OUTSIDE_HOME, { recursive: true });
  await chmod(OUTSIDE_HOME, 0o711);
  const home = await mkdtemp(join(OUTSIDE_HOME, `${basename(dataDir)}-`));
  await chmod(home, 0o711);
  await writeFile(`${pointer}.new`, `${home}\n`);
  await rename(`${pointer}.new`, pointer);
  log(`the data directory ${dataDir} is closed to the account PostgreSQL runs as, so the database is in ${home}`);
  return home;
}

/** A cluster appears under its name only when it is whole, so a first start that is interrupted leaves nothing to trip over. */
export async function createCluster(
  binaries: string,
  cluster: string,
  user: ServerUser,
  fsync: boolean,
): Promise<void> {
  const unfinished = `${cluster}.initdb-${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  if (user) await chown(unfinished, user.uid, user.gid);
  const access = ['--username=postgres', '--auth-local=trust', '--auth-host=reject'];
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const disk = ['--data-checksums', ...(fsync ? [] : ['--no-sync'])];
  try {
    await run(join(binaries, 'initdb'), ['-D', unfinished, ...access, ...locale, ...disk], {
      ...user,
      cwd: '/',
      env: environment(),
    });
    await rename(unfinished, cluster);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process was faster; the lock decides between us.
    if (!existsSync(cluster)) throw error;
  }
}

/** @throws Error when PostgreSQL would refuse the cluster because another user owns it. */
export async function requireOwner(cluster: string, user: ServerUser): Promise<void> {
  const wanted = user?.uid ?? process.getuid?.();
  const { uid } = await stat(cluster);
  if (uid === wanted) return;
  throw new Error(
    `The database in ${cluster} belongs to uid ${uid}, but PostgreSQL would run as uid ${wanted}. ` +
      `Start Openchair as the user who created it, or hand it over: chown -R ${wanted} ${cluster}`,
  );
}

/**
 * Removes a lock file whose server is gone, and refuses one whose server lives. PostgreSQL alone would also refuse when the old pid is now
 * another process of the same user, or a zombie that a container's first process never reaps; a zombie has no working directory.
 *
 * @throws Error naming `dataDir` and the pid that holds it.
 */
export async function releaseLock(cluster: string, dataDir: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const lockFile = join(cluster, 'postmaster.pid');
  const clusterPath = await realpath(cluster);
  const startedAtMs = Date.now();
  for (;;) {
    const lock = await readFile(lockFile, 'utf8').catch(() => undefined);
    if (lock === undefined) return;
    const pid = Number.parseInt(lock, 10);
    const directory = await readlink(`/proc/${pid}/cwd`).catch((error: NodeJS.ErrnoException) => error.code);
    // A process we may not look at is left for PostgreSQL to judge.
    if (directory === 'EACCES') return;
    // An empty file is one that a server which starts at this moment has yet to write, unless it stays empty.
    const waitedMs = Date.now() - startedAtMs;
    const isFresh = lock === '' && waitedMs <= ORPHAN_GRACE_MS;
    if (directory !== clusterPath && !isFresh) return rm(lockFile, { force: true });
    // Line 8 is the server's state.
    const patienceMs = lock.split('\n')[7]?.trim() === 'stopping' ? STOP_TIMEOUT_MS : ORPHAN_GRACE_MS;
    if (waitedMs > patienceMs) {
      throw new Error(
        `The data directory ${dataDir} is in use: its PostgreSQL runs as process ${pid}. Stop the Openchair that started it, ` +
          'or set DATABASE_URL for several processes on one database.',
      );
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

/** The pid in the first line of the lock file; undefined when there is none. */
export async function readLockHolder(cluster: string): Promise<number | undefined> {
  const lock = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
  return lock ? Number.parseInt(lock, 10) : undefined;
}
