import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { z } from 'zod';
import { openApiDocument } from '../api/openapi.ts';
import { routes } from '../api/routes.ts';
import { REASONS } from '../domain/records.ts';
import { ERRORS } from '../errors.ts';
import { seedShape } from '../seed/format.ts';
import { startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import { migrate } from '../store/migrate.ts';
import { dumpSchema } from '../store/schema-dump.ts';
import { buildClient, clientOperations } from './client.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The committed files that are made from code. With `check` nothing is written and a difference is an error. */
export async function generate(check: boolean): Promise<void> {
  const document = openApiDocument(routes, 'v3.0.0');
  const client = await buildClient(ROOT, clientOperations(document));
  const files: Record<string, string> = {
    'openapi.json': `${JSON.stringify(document, null, 2)}\n`,
    'openapi-v2.json': `${JSON.stringify(openApiDocument(routes, 'v2'), null, 2)}\n`,
    'schema.sql': await schemaOfMigrations(),
    'docs/errors.md': errorsPage(),
    'docs/seed.schema.json': `${JSON.stringify(z.toJSONSchema(seedShape, { io: 'input' }), null, 2)}\n`,
    ...Object.fromEntries(Object.entries(client).map(([name, content]) => [`client/dist/${name}`, content])),
  };
  const stale: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    const path = join(ROOT, name);
    if (!check) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    } else if ((await readFile(path, 'utf8').catch(() => '')) !== content) stale.push(name);
  }
  if (stale.length > 0)
    throw new Error(`Out of date: ${stale.join(', ')}. Run "npm run generate" and commit the result.`);
}

/** What all migrations together make, from a database that is thrown away. */
async function schemaOfMigrations(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'openchair-schema-'));
  const postgres = await startEmbeddedPostgres({ dataDir, fsync: false });
  const pool = new pg.Pool(postgres.connection);
  // The server may end before a connection has said goodbye; that would end this process too.
  pool.on('error', () => {});
  try {
    await migrate(pool);
    const client = await pool.connect();
    const schema = await dumpSchema(client);
    client.release();
    return schema;
  } finally {
    await pool.end();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function errorsPage(): string {
  const errors = Object.entries(ERRORS).map(([code, { status, next }]) => `| \`${code}\` | ${status} | ${next} |`);
  const reasons = Object.entries(REASONS).map(([code, text]) => `| \`${code}\` | ${text} |`);
  return `# Errors

Made by \`npm run generate\` from \`src/errors.ts\` and \`src/domain/records.ts\`.

## Refusals

The body is NexHealth’s envelope with \`code: false\`; \`error\` holds the texts for people. The code for programs is in
the header \`Openchair-Error-Code\`, because the envelope has no room for it.

| code | status | what to do |
|---|---|---|
${errors.join('\n')}

## Why a write did not happen

\`reason_code\` of \`appointment_insertion.failed\` and its like, and of \`GET /appointments/{id}/writes\`.

| reason_code | meaning |
|---|---|
${reasons.join('\n')}
`;
}
