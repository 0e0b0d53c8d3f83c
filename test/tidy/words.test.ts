import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { type Finding, judge, planted, readSources, type Source } from './sources.ts';

const code = await readSources('', '.ts', '.sql');
const texts = await readSources(
  '',
  '.ts',
  '.js',
  '.json',
  '.md',
  '.sql',
  '.npmrc',
  '.yml',
  '.yaml',
  'run',
  'openchair',
  'openchair-node',
);

/** Names that say nothing of what is inside. */
const EMPTY_NAMES = /(^|\/)(utils?|common|helpers?|shared|misc|lib)(\/|\.\w+$)|(^|\/)index\.ts$/;

function emptyNames(paths: readonly string[]): Finding[] {
  return paths
    .filter((path) => EMPTY_NAMES.test(path))
    .map((path) => ({ subject: path, problem: 'is a name that says nothing' }));
}

test('names say what is inside', () => {
  assert.deepEqual(judge(emptyNames(texts.map(({ path }) => path))), []);
  for (const path of ['src/util/time.ts', 'src/api/helpers.ts', 'test/common.ts', 'src/store/index.ts', 'lib/a.ts']) {
    assert.equal(emptyNames([path]).length, 1, path);
  }
  assert.deepEqual(emptyNames(['src/api/sharing.ts', 'src/store/library.ts']), []);
});

const MOST_LINES = 450;

/** Files that everybody knows, and why each is one. */
const LONG_FILES: Record<string, string> = {
  'migrations/0001_initial.sql': 'the first schema is read as a whole',
  'src/store/schema.ts': 'one type for each table, nothing else',
  'test/domain/slot.test.ts': 'a case of slots after the other; no case needs the next',
  'test/connectors/fhir.test.ts': 'one running server for all that FHIR servers do differently',
  'test/connectors/sandbox.test.ts': 'one running sandbox for all that an HRS can do to a connector',
};

function longFiles(sources: readonly Source[]): Finding[] {
  return sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > MOST_LINES && path !== 'schema.sql')
    .map(({ path, lines }) => ({ subject: path, problem: `has ${lines} lines, more than ${MOST_LINES}` }));
}

test('files are short', () => {
  assert.deepEqual(judge(longFiles(code), LONG_FILES), []);
  assert.equal(longFiles([planted('src/a.ts', 'x\n'.repeat(MOST_LINES + 1))]).length, 1);
  assert.deepEqual(longFiles([planted('src/a.ts', 'x\n'.repeat(MOST_LINES))]), []);
});

/** The one way to leave a test out: a foreign program is not installed, which `missingProgram` lets pass outside CI only. */
const OMITTED = /\b(?:test|it|describe|suite|t)\.(?:only|skip|todo)\(|\{\s*(?:only|skip|todo):(?! missingProgram\()/;

function omittedTests(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ path, text }) => path.startsWith('test/') && OMITTED.test(text))
    .map(({ path }) => ({ subject: path, problem: 'leaves out tests' }));
}

test('no test is left out', () => {
  assert.deepEqual(judge(omittedTests(code)), []);
  for (const way of ['.skip(', '.only(', '.todo(']) {
    assert.equal(omittedTests([planted('test/a.test.ts', `test${way}'x', () => {})`)]).length, 1, way);
  }
  assert.equal(omittedTests([planted('test/a.test.ts', `test('x', {${' '}skip: true }, () => {})`)]).length, 1);
  const foreign = `test('x', {${' '}skip: missingProgram('a', 'b') }, () => {})`;
  assert.deepEqual(omittedTests([planted('test/a.test.ts', foreign)]), []);
});

/** Where packages come from is a matter of each installation, and no address of one belongs in the repository. */
const REGISTRY = /\/\/[\w.-]*(?:registry|npmjs|yarnpkg)[\w.-]*|"resolved"\s*:|npm\.pkg\.github/;

function registryAddresses(sources: readonly Source[]): Finding[] {
  return sources.flatMap(({ path, text }) => {
    const found = REGISTRY.exec(text);
    return found ? [{ subject: path, problem: `names a package registry: ${found[0]}` }] : [];
  });
}

test('no file names a package registry', () => {
  assert.deepEqual(judge(registryAddresses(texts)), []);
  const address = ['https:', '', 'registry' + '.npmjs.org', 'a', '-', 'a-1.0.0.tgz'].join('/');
  assert.equal(registryAddresses([planted('package-lock.json', ['"resolved"', `"file:a.tgz"`].join(': '))]).length, 1);
  assert.equal(registryAddresses([planted('.npmrc', `registry=${address}`)]).length, 1);
});

function leftOvers(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ text }) => /\b(?:TOD[O]|FIXM[E]|XX[X])\b/.test(text))
    .map(({ path }) => ({ subject: path, problem: 'holds a note to do something later' }));
}

test('nothing is left for later', () => {
  assert.deepEqual(judge(leftOvers(code)), []);
  assert.equal(leftOvers([planted('src/a.ts', `// ${'TO'}${'DO'}: the rest`)]).length, 1);
});

/** Where one comment tells of a whole family: the head of the file, or the contract that its functions meet. */
const FAMILIES: readonly RegExp[] = [
  /^src\/views\/[\w-]+\.ts view/,
  /^src\/api\/parameters\.ts /,
  /^src\/connectors\/\w+\/(fields|map|compose)\.ts /,
  /^src\/connectors\/\w+\/read\.ts changes$/,
];

/** Functions whose name and types say all there is to say. */
const PLAIN: readonly string[] = [
  'src/api/appointment-types/editing.ts readInstitution',
  'src/api/envelope.ts wrapError',
  'src/api/idempotency.ts storeAnswer',
  'src/commands/machine.ts isTerminal',
  'src/connectors/fhir/read.ts isGuardedBy',
  'src/connectors/fhir/read.ts slotIdsOf',
  'src/domain/zone.ts addDays',
  'src/store/mirror.ts takeIds',
  'src/webhooks/event-names.ts eventsOf',
  'src/webhooks/subscription.ts findSubscription',
];

const EXPORTED = /^export (?:async )?function\*? (\w+)|^export const (\w+) = (?:async )?(?:<.*>)?\(/;

/** A file with one function may say it at its head. */
function undocumented(sources: readonly Source[]): Finding[] {
  return sources.flatMap(({ path, text }) => {
    if (!path.startsWith('src/')) return [];
    const lines = text.split('\n');
    const exported = lines.flatMap((line, at) => {
      const match = EXPORTED.exec(line);
      return match ? [{ name: (match[1] ?? match[2]) as string, told: lines[at - 1]?.endsWith('*/') ?? false }] : [];
    });
    if (exported.length === 1 && text.startsWith('/**')) return [];
    return exported
      .filter(({ told }) => !told)
      .map(({ name }) => ({ subject: `${path} ${name}`, problem: 'does not say what it promises' }))
      .filter(({ subject }) => !FAMILIES.some((family) => family.test(subject)));
  });
}

test('every exported function says what it promises', () => {
  const plain = Object.fromEntries(PLAIN.map((subject) => [subject, 'plain']));
  assert.deepEqual(judge(undocumented(code), plain), []);
  const bare = 'export function a(): void {}\n\nexport async function b() {}\nexport const c = (x: number) => x;\n';
  assert.equal(undocumented([planted('src/a.ts', bare)]).length, 3);
  assert.deepEqual(undocumented([planted('src/a.ts', '/** Adds. */\nexport function a(): void {}\n')]), []);
});

function wrongCase(paths: readonly string[]): Finding[] {
  return paths
    .filter((path) => /\.ts$/.test(path) && !/^[a-z0-9-]+(\.test)?\.ts$/.test(basename(path)))
    .map((path) => ({ subject: path, problem: 'must be written in small letters, with hyphens' }));
}

test('files are named in small letters', () => {
  assert.deepEqual(judge(wrongCase(code.map(({ path }) => path))), []);
  assert.equal(wrongCase(['src/api/slotEngine.ts']).length, 1);
});
