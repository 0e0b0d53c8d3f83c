import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin', import.meta.url));

suite('bin/openchair-node', () => {
  let root: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'openchair-bin-'));
    await cp(BIN, join(root, 'bin'), { recursive: true });
    // As an old Node would look to the shim.
    await writeFile(
      join(root, 'old.cjs'),
      "Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } });",
    );
    await mkdir(join(root, 'src'));
    await writeFile(
      join(root, 'src', 'main.ts'),
      'console.log(JSON.stringify(process.argv.slice(2) satisfies string[]));',
    );
  });
  after(() => rm(root, { recursive: true }));

  function run(options: string[], script: string, args: string[]) {
    const child = spawn(process.execPath, [...options, join(root, 'bin', script), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const ended = once(child, 'close').then(([code]) => ({ code, output }));
    return { child, ended };
  }
  const asOldNode = () => ['--require', join(root, 'old.cjs')];

  test('passes arguments on and the exit code back', async () => {
    assert.deepEqual(await run([], 'openchair', ['serve', '--port', '0']).ended, {
      code: 0,
      output: '["serve","--port","0"]\n',
    });
    assert.equal((await run([], 'openchair-node', ['-e', 'process.exitCode = 7']).ended).code, 7);
    assert.equal((await run([], 'openchair-node', ['-e', 'process.kill(process.pid, "SIGKILL")']).ended).code, 137);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`passes ${signal} on and waits for a graceful end`, async () => {
      const program = `process.on('${signal}', () => setTimeout(() => { console.log('done'); process.exit(5); }, 100));
        setInterval(() => {}, 1000); console.log('ready');`;
      const { child, ended } = run([], 'openchair-node', ['-e', program]);
      await once(createInterface(child.stdout), 'line');
      child.kill(signal);
      assert.deepEqual(await ended, { code: 5, output: 'ready\ndone\n' });
    });
  }

  test('an old Node says what is missing, and uses the Node that npm brought once it is there', async () => {
    const without = await run(asOldNode(), 'openchair', ['serve']).ended;
    assert.equal(without.code, 1);
    assert.match(without.output, /found Node 20\.20\.2, and no other in node_modules; wanted Node 22\.19 or newer/);
    assert.match(without.output, /npm ci --include=optional/);

    const brought = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
    await mkdir(brought, { recursive: true });
    await symlink(process.execPath, join(brought, 'node'));
    assert.deepEqual(await run(asOldNode(), 'openchair', ['serve']).ended, { code: 0, output: '["serve"]\n' });
  });
});
