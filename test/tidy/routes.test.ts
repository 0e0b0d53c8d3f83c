import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { type Finding, judge, planted, ROOT, readSources, type Source } from './sources.ts';

const src = await readSources('src', '.ts');
const tests = await readSources('test', '.ts');

type Named = Pick<Route, 'method' | 'path'>;
type Document = { paths: Record<string, Record<string, unknown>> };

const NEW_ROUTE: Named = { method: 'GET', path: '/teapots/:id' };
const nameOf = ({ method, path }: Named) => `${method} ${path}`;

function undescribed(table: readonly Named[], document: Document): Finding[] {
  return table
    .filter(({ method, path }) => !document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()])
    .map((route) => ({ subject: nameOf(route), problem: 'is not described' }));
}

test('every route is described in both OpenAPI documents', () => {
  for (const name of ['openapi.json', 'openapi-v2.json']) {
    const document = JSON.parse(readFileSync(join(ROOT, name), 'utf8')) as Document;
    assert.deepEqual(judge(undescribed(routes, document)), [], name);
    assert.equal(undescribed([NEW_ROUTE], document).length, 1);
  }
});

/** The route's path as a test writes it: an id may be a number, a name or a place in a template. */
function asWritten(path: string): RegExp {
  const place = '(?:\\$\\{[^}]+\\}|:?\\w+)';
  return new RegExp(`${path.replace(/:\w+/g, place)}(?=[?'"\`$\\s])`);
}

function untested(table: readonly Named[], sources: readonly Source[]): Finding[] {
  const text = sources
    .filter(({ path }) => !path.startsWith('test/tidy/'))
    .map((source) => source.text)
    .join('\n');
  const paths = [...new Set(table.map(({ path }) => path))];
  return paths
    .filter((path) => !asWritten(path).test(text))
    .map((path) => ({ subject: path, problem: 'is in no test' }));
}

test('every route is in some test', () => {
  assert.deepEqual(judge(untested(routes, tests)), []);
  assert.equal(untested([NEW_ROUTE], tests).length, 1);
  assert.equal(untested([NEW_ROUTE], [planted('test/a.test.ts', "get('/teapots')")]).length, 1);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a test.
  assert.deepEqual(untested([NEW_ROUTE], [planted('test/a.test.ts', 'get(`/teapots/${pot.id}?a=b`)')]), []);
});

function untold(table: readonly Pick<Route, 'path' | 'access'>[], page: string): Finding[] {
  const paths = new Set(table.filter(({ access }) => access !== 'admin').map(({ path }) => path));
  return [...paths]
    .map((path) => path.replace(/:(\w+)/g, '{$1}'))
    .filter((path) => !page.includes(`${path}\``))
    .map((path) => ({ subject: path, problem: 'is not in docs/compatibility.md' }));
}

test('every path is on the page about compatibility', () => {
  const page = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8');
  assert.deepEqual(judge(untold(routes, page)), []);
  assert.equal(untold([NEW_ROUTE], page).length, 1);
});

/** Beside the table stand only pages that need no key. */
const BESIDE_THE_TABLE: Record<string, string> = {
  'src/api/operations.ts': 'health and metrics are for whoever runs the program, workers without an API included',
  'src/api/pages.ts': 'the first page and the documentation: nothing of a practice, no key, no envelope',
};

function hiddenRoutes(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ text }) => /\b(?:server|scope|app)\.(?:get|post|put|patch|delete|all)\(/.test(text))
    .map(({ path }) => ({ subject: path, problem: 'adds a route that is not in the table' }));
}

test('every route is in the table', () => {
  assert.deepEqual(judge(hiddenRoutes(src), BESIDE_THE_TABLE), []);
  assert.equal(hiddenRoutes([planted('src/api/bad.ts', "server.get('/secret', show)")]).length, 1);
});
