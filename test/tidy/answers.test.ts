import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Finding, judge, planted, readSources, type Source } from './sources.ts';

const tests = await readSources('test', '.ts');

/** Who may ask without `checkAnswer` looking at what came back. */
const NOT_THE_API: Record<string, string> = {
  'test/harness/sandbox.ts': 'asks the sandbox',
  'test/sandbox/faults.test.ts': 'asks the sandbox',
  'test/sandbox/rules.test.ts': 'asks the sandbox',
  'test/chaos/chaos.ts': 'asks the sandbox',
  'test/chaos/verdict.ts': 'asks the sandbox',
  'test/flows/seed.test.ts': 'asks the sandbox',
  'test/connectors/caldav-bench.ts': 'asks a calendar server',
  'test/connectors/fhir-bench.ts': 'asks a FHIR server',
  'test/harness/debian.ts': 'asks whether a foreign program answers yet',
  'test/connectors/fhir-flavours.test.ts': 'asks a FHIR server',
  'test/peers/fhir-hooks.ts': 'calls whoever asked a FHIR server for it',
  'test/api/onboarding-page.test.ts': 'asks for pages, which are for people and in no document',
  'test/api/pages.test.ts': 'asks for pages, which are for people and in no document',
};

function unchecked(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ text }) => /(?<![\w.])fetch\(/.test(text) && !text.includes('checkAnswer('))
    .map(({ path }) => ({ subject: path, problem: 'asks the API without looking at the contract' }));
}

test('every answer of the API is held against its documents', () => {
  assert.deepEqual(judge(unchecked(tests), NOT_THE_API), []);
  assert.equal(unchecked([planted('test/a.test.ts', 'await fetch(url)')]).length, 1);
  assert.deepEqual(unchecked([planted('test/a.test.ts', 'await client.fetch(url)')]), []);
});
