import { conformance } from './conformance.ts';
import { startFhirBench } from './fhir-bench.ts';

conformance('fhir on a lax server', (budget) => startFhirBench(['--flavour', 'lax'], undefined, {}, budget), {
  race: 'this server stores over any version, so nothing there keeps two bookings of one moment apart',
  crossing: 'this server stores over any version, and a resource is stored whole',
});
