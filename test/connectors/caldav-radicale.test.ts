import { describe } from 'node:test';
import { missingProgram } from '../harness/debian.ts';
import { startCaldavBench } from './caldav-bench.ts';
import { conformance } from './conformance.ts';

describe('radicale', { skip: missingProgram('radicale', 'radicale') }, () => {
  conformance('caldav on radicale', (budget) => startCaldavBench('radicale', budget));
});
