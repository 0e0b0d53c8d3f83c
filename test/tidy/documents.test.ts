import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { loopWithCurl } from '../../src/api/pages.ts';
import { createMetrics } from '../../src/metrics.ts';
import { type Finding, isThere, judge, planted, ROOT, readSources, type Source } from './sources.ts';

const pages = await readSources('', '.md');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** A heading's anchor, as the usual sites make it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

const anchorsOf = (text: string) => [...text.matchAll(/^#{1,6} (.+)$/gm)].map((match) => anchorOf(match[1] as string));

function deadLinks(sources: readonly Source[]): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source.text]));
  return sources.flatMap(({ path, text }) =>
    [...text.matchAll(LINK)]
      .map((match) => match[1] as string)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = '', anchor] = target.split('#');
        const to = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file));
        if (!byPath.has(to) && !isThere(to)) return true;
        return anchor !== undefined && !anchorsOf(byPath.get(to) ?? '').includes(anchor);
      })
      .map((target) => ({ subject: path, problem: `links to ${target}, which is not there` })),
  );
}

test('no link is dead', () => {
  assert.deepEqual(judge(deadLinks(pages)), []);
  assert.equal(deadLinks([planted('docs/a.md', '[b](gone.md)')]).length, 1);
  assert.equal(deadLinks([planted('docs/a.md', '# One\n[b](#two)')]).length, 1);
  assert.deepEqual(deadLinks([planted('docs/a.md', '# One thing\n[b](#one-thing) [c](../README.md)')]), []);
});

function unlinkedDecisions(paths: readonly string[], architecture: string): Finding[] {
  return paths
    .filter((path) => path.startsWith('docs/decisions/'))
    .filter((path) => !architecture.includes(`(${path.replace('docs/', '')})`))
    .map((path) => ({ subject: path, problem: 'is not linked from docs/architecture.md' }));
}

test('every decision is linked from the architecture', () => {
  const paths = pages.map(({ path }) => path);
  assert.deepEqual(judge(unlinkedDecisions(paths, read('docs/architecture.md'))), []);
  assert.equal(unlinkedDecisions(['docs/decisions/0001-a.md'], 'nothing').length, 1);
});

/** Names that a text does not have between backticks. */
function unnamed(names: readonly string[], text: string): Finding[] {
  return names
    .filter((name) => !new RegExp(`\`${name}[\`= ]`).test(text))
    .map((name) => ({ subject: name, problem: 'is not described' }));
}

test('every setting, subcommand and metric of ours is described in docs/operating.md', async () => {
  const operating = read('docs/operating.md');
  const settings = [...read('src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map((match) => match[1] as string);
  const usage = /const USAGE = `([^`]+)`/.exec(read('src/main.ts'))?.[1] ?? '';
  const subcommands = [...usage.matchAll(/^ {2}([a-z][a-z-]+)/gm)].map((match) => match[1] as string);
  const metrics = (await createMetrics().registry.getMetricsAsJSON())
    .map(({ name }) => name)
    .filter((name) => name.startsWith('openchair_'));
  assert.ok(settings.length > 5 && subcommands.length > 5 && metrics.length > 1, 'the lists are found');
  assert.deepEqual(judge(unnamed(settings, operating)), []);
  assert.deepEqual(judge(unnamed(subcommands, operating)), []);
  assert.deepEqual(judge(unnamed(metrics, operating)), []);
  assert.equal(unnamed(['NEW_SETTING'], operating).length, 1);
});

test('the README has the two commands, each on its line, and the loop of the first page', () => {
  const readme = read('README.md');
  for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
    assert.match(readme, new RegExp(`^${command}$`, 'm'));
  }
  assert.ok(readme.includes(loopWithCurl('http://localhost:3000')), 'the loop differs from loopWithCurl');
});
