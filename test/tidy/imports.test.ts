import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Finding, filesOf, importsOf, isTest, judge, planted, readSources, type Source } from './sources.ts';

const src = await readSources('src', '.ts');
const sandbox = await readSources('sandbox', '.ts');
const tests = await readSources('test', '.ts');
const bench = await readSources('bench', '.ts');

/** What each part may import besides itself and the leaves. What stands side by side knows nothing of each other. */
const BELOW: Record<string, readonly string[]> = {
  domain: [],
  store: ['domain'],
  connectors: ['domain'],
  views: ['domain', 'store'],
  jobs: ['domain', 'store'],
  webhooks: ['domain', 'store', 'connectors', 'views', 'jobs'],
  commands: ['domain', 'store', 'connectors', 'views', 'jobs', 'webhooks'],
  sync: ['domain', 'store', 'connectors', 'views', 'jobs', 'webhooks'],
  api: ['domain', 'store', 'connectors', 'views', 'jobs', 'webhooks', 'commands', 'sync'],
};
/** They import nothing of ours, and everybody but `domain` may import them. */
const LEAVES = ['clock.ts', 'config.ts', 'errors.ts', 'logger.ts', 'metrics.ts'];
/** They may know everyone; nobody below may know them. */
const TOP = ['app.ts', 'cli', 'demo.ts', 'main.ts', 'seed'];

const partOf = (path: string) => path.split('/')[1] as string;

function wrongDirections(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) => {
    const from = partOf(source.path);
    if (!(from in BELOW) && !LEAVES.includes(from) && !TOP.includes(from)) {
      return [{ subject: source.path, problem: 'stands in no part that the rules know' }];
    }
    const imported = importsOf(source).filter((name) => name.startsWith('.'));
    return filesOf({ ...source, text: imported.map((name) => `import '${name}';`).join('\n') })
      .filter((path) => {
        const to = partOf(path);
        if (!path.startsWith('src/')) return true;
        if (TOP.includes(from)) return false;
        if (LEAVES.includes(to)) return LEAVES.includes(from) || from === 'domain';
        return to !== from && !BELOW[from]?.includes(to);
      })
      .map((path) => ({ subject: source.path, problem: `must not import ${path}` }));
  });
}

test('imports go one way', () => {
  assert.deepEqual(judge(wrongDirections(src)), []);
  for (const [path, name] of [
    ['src/store/bad.ts', '../api/server.ts'],
    ['src/store/bad.ts', '../connectors/connector.ts'],
    ['src/commands/bad.ts', '../sync/loop.ts'],
    ['src/api/bad.ts', '../app.ts'],
    ['src/domain/bad.ts', '../clock.ts'],
    ['src/errors.ts', './logger.ts'],
    ['src/api/bad.ts', '../../test/harness/api.ts'],
    ['src/api/bad.ts', '../../bench/run.ts'],
    ['src/elsewhere/bad.ts', './worse.ts'],
  ] as const) {
    const text = `import {\n  type Some,\n} from '${name}';`;
    assert.equal(wrongDirections([planted(path, text)]).length, 1, `${path} imports ${name}`);
  }
  assert.deepEqual(wrongDirections([planted('src/api/good.ts', "import { x } from '../domain/slot.ts';")]), []);
});

/** Arithmetic: packages it may use, and words that would bring time, chance or the outside world in. */
const PURE_PACKAGES = ['temporal-polyfill'];
const IMPURE = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.|\bfetch\(/;

function impurities(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ path }) => path.startsWith('src/domain/'))
    .flatMap((source) => [
      ...importsOf(source)
        .filter((name) => !name.startsWith('.') && !PURE_PACKAGES.includes(name))
        .map((name) => ({ subject: source.path, problem: `imports ${name}` })),
      ...(IMPURE.test(source.text)
        ? [{ subject: source.path, problem: 'is not a matter of its arguments alone' }]
        : []),
    ]);
}

test('the domain is pure', () => {
  assert.deepEqual(judge(impurities(src)), []);
  assert.equal(impurities([planted('src/domain/bad.ts', "import { readFile } from 'node:fs/promises';")]).length, 1);
  assert.equal(impurities([planted('src/domain/bad.ts', 'const nowMs = Date.now();')]).length, 1);
});

function sandboxImports(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) =>
    filesOf(source)
      .filter((path) => !path.startsWith('sandbox/'))
      .map((path) => ({ subject: source.path, problem: `must not import ${path}` })),
  );
}

test('the sandbox imports nothing from the rest of the project', () => {
  assert.deepEqual(judge(sandboxImports(sandbox)), []);
  assert.equal(sandboxImports([planted('sandbox/bad.ts', "import { x } from '../src/errors.ts';")]).length, 1);
});

/** Every way round, as `a -> b -> a`. Types count: two files that need each other's types are one file. */
function cycles(sources: readonly Source[]): Finding[] {
  const edges = new Map(sources.map((source) => [source.path, filesOf(source)]));
  const found: Finding[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      const ring = [...trail.slice(trail.indexOf(path)), path];
      found.push({ subject: path, problem: ring.join(' -> ') });
    } else if (!done.has(path)) {
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

const RINGS: Record<string, string> = {
  'sandbox/seed.ts': 'demo.ts is a seed written as code, and takes back only the type of one',
};

test('no files import each other in a ring', () => {
  assert.deepEqual(judge(cycles([...src, ...sandbox, ...tests, ...bench]), RINGS), []);
  const ring = [
    planted('src/a.ts', "import { b } from './b.ts';"),
    planted('src/b.ts', "import { c } from './c.ts';"),
    planted('src/c.ts', "import { a } from './a.ts';"),
  ];
  assert.deepEqual(judge(cycles(ring)), ['src/a.ts: src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts']);
});

function unreached(sources: readonly Source[], roots: readonly string[]): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const queue = [...roots];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const source = byPath.get(path);
    if (source) queue.push(...filesOf(source));
  }
  return sources
    .filter(({ path }) => !reached.has(path))
    .map(({ path }) => ({ subject: path, problem: 'nothing uses it' }));
}

test('every file is used', () => {
  assert.deepEqual(judge(unreached(src, ['src/main.ts'])), []);
  assert.deepEqual(judge(unreached(sandbox, ['sandbox/main.ts'])), []);
  const roots = [...tests.filter(isTest), ...bench].map(({ path }) => path);
  assert.deepEqual(judge(unreached(tests, [...roots, 'test/harness/global-setup.ts', 'test/chaos/run.ts'])), []);
  const files = [
    planted('src/main.ts', "import { a } from './a.ts';"),
    planted('src/a.ts', ''),
    planted('src/b.ts', ''),
  ];
  assert.deepEqual(judge(unreached(files, ['src/main.ts'])), ['src/b.ts: nothing uses it']);
});
