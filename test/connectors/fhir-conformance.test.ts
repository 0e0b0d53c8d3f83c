import { conformance } from './conformance.ts';
import { startFhirBench } from './fhir-bench.ts';

conformance('fhir', (budget) => startFhirBench([], undefined, {}, budget));
