import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics.ts';

/** Times every request under its route's pattern; what no route answers counts as one. */
export function countRequests(server: FastifyInstance, metrics: Pick<Metrics, 'requestMs'>): void {
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.requestMs.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime);
  });
}
