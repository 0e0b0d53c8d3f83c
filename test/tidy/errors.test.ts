import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REASONS } from '../../src/domain/records.ts';
import { ERRORS } from '../../src/errors.ts';
import { type Finding, judge, planted, readSources, type Source } from './sources.ts';

const src = await readSources('src', '.ts');
const docs = await readSources('docs', 'errors.md');

const TABLES = ['src/errors.ts', 'src/domain/records.ts'];

function unused(codes: readonly string[], sources: readonly Source[]): Finding[] {
  const text = sources
    .filter(({ path }) => !TABLES.includes(path))
    .map((source) => source.text)
    .join('\n');
  return codes
    .filter((code) => !text.includes(`'${code}'`) && !text.includes(`REASONS.${code}`))
    .map((code) => ({ subject: code, problem: 'is never used' }));
}

test('every error code and every reason is used', () => {
  assert.deepEqual(judge(unused(Object.keys(ERRORS), src)), []);
  assert.deepEqual(judge(unused(Object.keys(REASONS), src)), []);
  assert.deepEqual(judge(unused(['slot_taken'], [planted('src/a.ts', 'slot_taken')])), ['slot_taken: is never used']);
});

function undocumented(codes: readonly string[], pages: readonly Source[]): Finding[] {
  const text = pages.map((page) => page.text).join('\n');
  return codes
    .filter((code) => !text.includes(`| \`${code}\` |`))
    .map((code) => ({ subject: code, problem: 'is not in docs/errors.md' }));
}

test('every error code and every reason is documented', () => {
  assert.deepEqual(judge(undocumented([...Object.keys(ERRORS), ...Object.keys(REASONS)], docs)), []);
  assert.equal(undocumented(['new_code'], docs).length, 1);
});
