/** /docs and the documents, from the real program: all that they need comes from this server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { openApiDocument } from '../../src/api/openapi.ts';
import { routes } from '../../src/api/routes.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type Program, startProgram } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

let database: TestDatabase;
let program: Program;
before(async () => {
  database = await createTestDatabase();
  program = await startProgram('api', { DATABASE_URL: database.url, OPENCHAIR_SECRET_KEY: SECRET_KEY });
});
after(async () => {
  await program?.stop();
  await database?.drop();
});

async function get(path: string) {
  const response = await fetch(program.url + path);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What a page, a script or a style sheet of ours loads by itself. */
function referencesIn(text: string): string[] {
  const found = [...text.matchAll(/(?:src|href)="([^"]+)"|url: '([^']+)'/g)].map((match) => match[1] ?? match[2]);
  return [...new Set(found as string[])];
}

test('both documents are served, valid, and those of the routes', async () => {
  for (const [path, version] of [
    ['/openapi.json', 'v3.0.0'],
    ['/openapi-v2.json', 'v2'],
  ] as const) {
    const { status, headers, text } = await get(path);
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    const document = JSON.parse(text);
    assert.ok((await new Validator().validate(structuredClone(document))).valid);
    assert.deepEqual(document, JSON.parse(JSON.stringify(openApiDocument(routes, version))));
  }
});

test('/docs shows both documents, and everything it loads is here', async () => {
  const page = await get('/docs');
  assert.equal(page.status, 200);
  const seen = new Set<string>();
  const waiting = referencesIn(page.text);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    assert.match(path, /^\/[^/]/, `${path} is not on this server`);
    const { status, headers, text } = await get(path);
    assert.equal(status, 200, path);
    assert.ok(text.length > 100, path);
    const type = path.endsWith('.js') ? /javascript/ : path.endsWith('.css') ? /css/ : /json/;
    assert.match(headers.get('content-type') ?? '', type, path);
    // The bundle of Swagger UI is a program: what it mentions is not what it loads.
    if (path.startsWith('/docs/') && !path.startsWith('/docs/assets/')) waiting.push(...referencesIn(text));
    // A style sheet may load fonts and pictures: from itself alone.
    if (path.endsWith('.css')) {
      for (const [, target] of text.matchAll(/url\(["']?([^)"']+)/g)) assert.match(target as string, /^data:/, path);
    }
  }
  for (const path of ['/openapi.json', '/openapi-v2.json'])
    assert.ok(seen.has(path), `${path} is offered to the reader`);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/, 'nothing else may be loaded');
});
