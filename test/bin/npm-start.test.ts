import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTestDatabase } from '../harness/database.ts';
import { until } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

test('whoever ends npm start ends the program, and not only the shell between them', async () => {
  const database = await createTestDatabase();
  const npm = spawn('npm', ['start'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      OPENCHAIR_DEMO: 'off',
      OPENCHAIR_SECRET_KEY: SECRET_KEY,
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, so that nothing is left of it when this fails.
    detached: true,
  });
  try {
    let output = '';
    npm.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const url = await until('npm start', async () => /is ready on (\S+)/.exec(output)?.[1], 30_000);
    assert.equal(await isListening(Number(new URL(url).port)), true);
    const ended = once(npm, 'exit');
    npm.kill('SIGTERM');
    await ended;
    await until('the program’s end', async () => !(await isListening(Number(new URL(url).port))), 15_000);
  } finally {
    try {
      process.kill(-(npm.pid as number), 'SIGKILL');
    } catch {
      // Nothing of the group is left.
    }
    await database.drop();
  }
});

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
