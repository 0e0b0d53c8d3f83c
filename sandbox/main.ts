import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createFaultScript } from './faults.ts';
import { createBell } from './hooks.ts';
import { plantSeed } from './seed.ts';
import { createSandboxServer } from './server.ts';
import { openStore } from './store.ts';

const USAGE = `node sandbox/main.ts --data FILE.sqlite [--port N] [--host 127.0.0.1] [--key sandbox]
  [--seed demo|none|FILE.json] [--seed-now INSTANT] [--exit-with-parent]`;

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    key: { type: 'string', default: 'sandbox' },
    seed: { type: 'string', default: 'demo' },
    'seed-now': { type: 'string' },
    'exit-with-parent': { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (!values.data) fail(USAGE);
const seedNow = values['seed-now'] ? new Date(values['seed-now']) : new Date();
if (Number.isNaN(seedNow.getTime())) fail(`--seed-now: "${values['seed-now']}" is not an instant`);

const faults = createFaultScript();
const bell = createBell(() => store, faults.isOff);
const store = openStore(values.data, () => new Date(Date.now() + faults.skewMs()), bell);
try {
  plantSeed(store, values.seed, seedNow);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

const server = createSandboxServer(store, faults, values.key);
server.on('error', (error) => fail(error.message));
server.listen(Number(values.port), values.host, () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`sandbox listening on http://${values.host}:${port}\n`);
});

/** Open requests are cut and late work is forgotten, as when somebody pulls the plug; only the file is closed with care. */
function stop(): never {
  store.close();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (values['exit-with-parent']) process.stdin.on('close', stop).on('end', stop).resume();
