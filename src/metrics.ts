/** Counters and timings for Prometheus. Labels are route patterns, states and codes: never ids, never text of others. */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  requestMs: Histogram<'method' | 'route' | 'status'>;
  commands: Counter<'kind' | 'state' | 'reason'>;
}

/** A registry of its own, so that several servers in one process (tests) do not add up. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requestMs: new Histogram({
      name: 'openchair_request_duration_milliseconds',
      help: 'Time from request to answer, by route.',
      labelNames: ['method', 'route', 'status'],
      buckets: [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 5000],
      registers: [registry],
    }),
    commands: new Counter({
      name: 'openchair_commands_total',
      help: 'Writes to health record systems that have ended, by kind, outcome and reason.',
      labelNames: ['kind', 'state', 'reason'],
      registers: [registry],
    }),
  };
}
