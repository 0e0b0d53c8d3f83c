/** The account PostgreSQL runs as. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Spread into the options of a child process; undefined means the account this process has. */
export type ServerUser = { uid: number; gid: number } | undefined;

/**
 * PostgreSQL refuses to run as root, so root gives it `nobody`: it looks its account up by number, so any number will not do.
 *
 * @throws Error when this process is root and the system has no such account.
 */
export async function getServerUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const nobody = accounts.find(([name]) => name === 'nobody');
  if (!nobody) {
    throw new Error(
      'PostgreSQL does not run as root, and /etc/passwd has no account "nobody" to run it as. Start as an ordinary user, or set DATABASE_URL.',
    );
  }
  return { uid: Number(nobody[2]), gid: Number(nobody[3]) };
}

/** Whether the account gets into `directory`, which takes a way through every directory above it. */
export async function canEnter(directory: string, user: ServerUser): Promise<boolean> {
  return run('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  );
}
