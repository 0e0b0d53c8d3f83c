/**
 * What stands beside the API on the same port: the first page and the API documentation. None of it
 * needs a key and none of it shows anything of a practice.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from './openapi.ts';
import type { Route } from './route.ts';

const require = createRequire(import.meta.url);

/** Everything from this origin, and no script written into a page: what an HRS stored cannot run here. */
const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/** Adds the pages to a server that does not listen yet. */
export async function addPages(server: FastifyInstance, routes: Route[]): Promise<void> {
  const json = (document: unknown) => JSON.stringify(document, null, 2);
  const documents = {
    '/openapi.json': json(openApiDocument(routes, 'v3.0.0')),
    '/openapi-v2.json': json(openApiDocument(routes, 'v2')),
  };
  for (const [path, document] of Object.entries(documents)) {
    server.get(path, (_request, reply) => reply.type('application/json').send(document));
  }
  server.get('/', (request, reply) => {
    const host = /^[\w.:[\]-]+$/.test(request.headers.host ?? '') ? request.headers.host : 'localhost:3000';
    return reply
      .header('content-security-policy', PAGE_POLICY)
      .type('text/html')
      .send(firstPage(`http://${host}`));
  });
  // The plugin's own pages want its companion plugin's documents; its assets are all that is needed here.
  const swaggerUi = join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
  await server.register(fastifyStatic, {
    root: swaggerUi,
    prefix: '/docs/assets/',
    index: false,
    list: false,
    allowedPath: (path) =>
      ['/swagger-ui.css', '/swagger-ui-bundle.js', '/swagger-ui-standalone-preset.js'].includes(path),
  });
  server.get('/docs/start.js', (_request, reply) => reply.type('text/javascript').send(DOCS_SCRIPT));
  server.get('/docs', (_request, reply) =>
    reply.header('content-security-policy', PAGE_POLICY).type('text/html').send(DOCS_PAGE),
  );
}

const DOCS_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Openchair API</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script src="/docs/start.js"></script></body></html>`;

const DOCS_SCRIPT = `window.ui = SwaggerUIBundle({
  dom_id: '#docs',
  urls: [{ url: '/openapi.json', name: 'v3.0.0' }, { url: '/openapi-v2.json', name: 'v2' }],
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: 'StandaloneLayout',
  deepLinking: true,
});`;

function firstPage(base: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Openchair</title>
<meta name="viewport" content="width=device-width">
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 3rem auto; padding: 0 1rem; color: #1c2b2d; background: #fbfaf7 }
  pre { white-space: pre-wrap; background: #12262b; color: #e4efe9; padding: 1rem; overflow-x: auto; border-radius: 6px; font-size: 13px }
  a { color: #0b6b5c } code { font-size: .95em }
  @media (prefers-color-scheme: dark) { body { color: #dfe8e5; background: #10181a } a { color: #6fd0bd } }
</style></head><body>
<h1>Openchair</h1>
<p>It runs. This is an appointments API in front of the practice’s own health record system: find a slot, book it,
and hear by webhook what truly happened there.</p>
<p><a href="/docs">API documentation</a> · <a href="/openapi.json">openapi.json</a> ·
<a href="/openapi-v2.json">openapi-v2.json</a> · <a href="/readyz">readiness</a> · <a href="/metrics">metrics</a></p>
<p>The keys and ids of the demo practice stand in <code>data/demo.json</code>. The loop, with curl and jq:</p>
<pre>${escapeHtml(loopWithCurl(base))}</pre>
</body></html>`;
}

/** The loop of the README, for the address this server is reached by. A test runs these very lines. */
export function loopWithCurl(base: string): string {
  return `D=data/demo.json; get() { jq -r "$1" $D; }
API=${base}; H=(-H "Authorization: $(get .api_key)" -H "Nex-Api-Version: v2" -H "Content-Type: application/json")
LOC=$(get .location_id) PROV=$(get .provider_ids[0]) PAT=$(get .patient_ids[0]) SUB=$(get .subdomain)

# an open slot in the next two weeks
SLOT=$(curl -sg "\${H[@]}" "$API/appointment_slots?subdomain=$SUB&start_date=$(date -d tomorrow +%F)&days=14&lids[]=$LOC&pids[]=$PROV&slot_length=30" | jq -c '.data[0].slots[0]')

# book it
ID=$(curl -s "\${H[@]}" "$API/appointments?subdomain=$SUB&location_id=$LOC" -d "$(jq -n --argjson s "$SLOT" --argjson p $PROV --argjson u $PAT \\
  '{appt: {patient_id: $u, provider_id: $p, start_time: $s.time, end_time: $s.end_time, operatory_id: $s.operatory_id}}')" | jq .data.appt.id)

# what became of it in the practice's own system
sleep 1; curl -s "\${H[@]}" "$API/appointments/$ID/writes?subdomain=$SUB" | jq '.data[] | {kind, state, states: [.states[].state]}'`;
}

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
