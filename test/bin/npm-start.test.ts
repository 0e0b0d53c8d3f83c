import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTestDatabase } from '../harness/database.ts';
import { until } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Starts the program in a way of its own, ends what was started by a signal, and waits until nobody listens any more. */
async function endByItsParent(command: string, args: string[], signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const database = await createTestDatabase();
  const parent = spawn(command, args, {
    cwd: ROOT,
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
    parent.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const url = await until('the program', async () => /is ready on (\S+)/.exec(output)?.[1], 30_000);
    assert.equal(await isListening(Number(new URL(url).port)), true);
    const ended = once(parent, 'exit');
    parent.kill(signal);
    await ended;
    await until('the program’s end', async () => !(await isListening(Number(new URL(url).port))), 15_000);
  } finally {
    try {
      process.kill(-(parent.pid as number), 'SIGKILL');
    } catch {
      // Nothing of the group is left.
    }
    await database.drop();
  }
}

test('whoever ends npm start ends the program, and not only the shell between them', () =>
  endByItsParent('npm', ['start'], 'SIGTERM'));

test('a program whose shim is killed ends by itself', () =>
  endByItsParent(process.execPath, ['bin/openchair-node', 'src/main.ts', 'serve'], 'SIGKILL'));

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
