/** What whoever runs the program asks of it: is it alive, can it work, how is it doing. Needs no key, shows no practice. */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { type Database, isDatabaseAway } from '../store/database.ts';

/** `/healthz`: the process answers. `/readyz`: the database does as well. `/metrics`: for Prometheus. */
export function addOperations(server: FastifyInstance, db: Database, registry: Registry): void {
  server.get('/healthz', (_request, reply) => reply.send({ ok: true }));
  server.get('/readyz', async (_request, reply) => {
    try {
      await db.pool.query('select 1');
      return reply.send({ ready: true });
    } catch (error) {
      return reply.code(503).send({ ready: false, why: isDatabaseAway(error) ? 'the database is away' : 'unknown' });
    }
  });
  server.get('/metrics', async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  );
}
