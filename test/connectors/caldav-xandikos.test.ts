import { describe } from 'node:test';
import { missingProgram } from '../harness/debian.ts';
import { startCaldavBench } from './caldav-bench.ts';
import { conformance } from './conformance.ts';

describe('xandikos', { skip: missingProgram('xandikos', 'xandikos') }, () => {
  conformance('caldav on xandikos', (budget) => startCaldavBench('xandikos', budget));
});
