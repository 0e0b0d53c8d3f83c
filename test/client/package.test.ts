/** What others install: the package as npm packs it, unpacked below node_modules in a folder that has nothing else. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Api, startApi } from '../harness/api.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** Without what npm puts before it: `node` is then the machine's own. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((place) => !place.includes('node_modules'))
  .join(delimiter);

const PROGRAM = `
import { createClient, OpenchairError, SignatureError, verifyNexHealthSignature, verifyStandardWebhook } from 'openchair/client';

const [baseUrl = '', key = ''] = process.argv.slice(2);
const client = createClient({ baseUrl, key, subdomain: 'oak' });
const { data } = await client.get('/providers', { inactive: false });
console.log(data.map((provider) => provider.last_name).join(' '));
const error = await client.get('/patients/{id}', { id: 987654321 }).catch((thrown) => thrown);
console.log(error instanceof OpenchairError && error.code);
for (const verify of [verifyNexHealthSignature, verifyStandardWebhook]) {
  try {
    verify({ body: '{}', headers: {} }, 'secret');
  } catch (thrown) {
    console.log(thrown instanceof SignatureError);
  }
}
`;

/** Programs that must not compile: a path, a parameter, a type and an answer that are not there. */
const WRONG = [
  "await client.get('/teapots');",
  "await client.post('/patients/{id}', { id: 1 });",
  "await client.get('/patients/{id}');",
  "await client.get('/patients/{id}', { id: 'one' });",
  "await client.get('/providers', { colour: 'red' });",
  "(await client.get('/patients/{id}', { id: 1 })).data.shoe_size;",
  "client.each('/institutions');",
];

suite('the package', () => {
  let api: Api;
  let folder: string;

  before(async () => {
    api = await startApi();
    folder = await mkdtemp(join(tmpdir(), 'openchair-package-'));
    const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT,
    });
    const target = join(folder, 'node_modules', 'openchair');
    await mkdir(target, { recursive: true });
    await run('tar', ['xzf', join(folder, stdout.trim()), '-C', target, '--strip-components=1']);
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    await writeFile(join(folder, 'program.mjs'), PROGRAM);
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    await api.close();
  });

  // The one brought by npm, and whatever `node` is here: the README asks for 20 or newer.
  for (const [name, node] of [
    ['Node 24', process.execPath],
    ['the machine’s node', 'node'],
  ] as const) {
    test(`has a client that ${name} can import from node_modules`, async () => {
      const { stdout } = await run(node, [join(folder, 'program.mjs'), api.url, api.key], {
        cwd: folder,
        env: { PATH },
      });
      assert.deepEqual(stdout.trim().split('\n'), ['Alder Birch', 'not_found', 'true', 'true']);
    });
  }

  test('has types that a strict compiler takes, and that refuse what is not there', async () => {
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: [],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await writeFile(join(folder, 'good.ts'), `declare const process: { argv: string[] };\n${PROGRAM}`);
    const compile = () => run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    await compile().catch((error: { stdout: string }) => assert.fail(error.stdout));
    const head =
      "import { createClient } from 'openchair/client';\nconst client = createClient({ baseUrl: '', key: '' });\n";
    for (const [at, line] of WRONG.entries()) await writeFile(join(folder, `wrong-${at}.ts`), `${head}${line}\n`);
    const said = await compile().then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
    for (const [at, line] of WRONG.entries()) assert.match(said, new RegExp(`wrong-${at}\\.ts\\(3,`), line);
    assert.doesNotMatch(said, /good\.ts|node_modules/);
  });
});
