import { conformance } from './conformance.ts';
import { startFhirBench } from './fhir-bench.ts';

conformance('fhir on a lax server', () => startFhirBench(['--flavour', 'lax']), {
  race: 'this server stores over any version, so nothing there keeps two bookings of one moment apart',
});
