/**
 * An authorization server for SMART Backend Services, as strict as the standard (SMART App Launch 2, RFC 7523, RFC
 * 6749), in front of a FHIR server that it lets nobody reach without one of its tokens. It shares nothing with the
 * program but `jose`.
 */
import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';

export interface Client {
  jwks: JSONWebKeySet;
  /** What it may be granted; the rest of what it asks for is left out. */
  scopes: RegExp;
}

export interface AuthorizationServer {
  /** Where the FHIR server is reached. */
  url: string;
  tokenUrl: string;
  clients: Map<string, Client>;
  /** Of the next tokens. */
  lifetimeS: number;
  /** By how much its clock is ahead of everybody else's. */
  clockAheadMs: number;
  /** Answers token requests in its place while it is set. */
  instead: ((response: ServerResponse) => void) | null;
  /** What `.well-known/smart-configuration` says. */
  discovery: Record<string, unknown>;
  /** The signed statements that came, accepted or not. */
  statements: string[];
  /** How many requests got through to the FHIR server, and how many were stopped. */
  passed: number;
  stopped: number;
  revokeTokens(): void;
  close(): Promise<void>;
}

const MAX_STATEMENT_S = 300;

export async function startAuthorizationServer(fhirUrl: string): Promise<AuthorizationServer> {
  const tokens = new Map<string, number>();
  const usedIds = new Set<string>();
  const nowMs = () => Date.now() + self.clockAheadMs;

  async function grant(request: IncomingMessage): Promise<[number, object]> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const refuse = (error: string, said?: string): [number, object] => [400, { error, error_description: said }];
    if (request.method !== 'POST' || request.headers['content-type'] !== 'application/x-www-form-urlencoded') {
      return refuse('invalid_request', 'not a form');
    }
    if (new Set(form.keys()).size !== [...form.keys()].length) return refuse('invalid_request', 'repeated parameter');
    const statement = form.get('client_assertion') ?? '';
    self.statements.push(statement);
    if (form.get('grant_type') !== 'client_credentials') return refuse('unsupported_grant_type');
    if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') {
      return refuse('invalid_request', 'client_assertion_type');
    }
    const payload = await verify(statement).catch((error: Error) => error);
    // Some servers quote what they did not like.
    if (payload instanceof Error) return refuse('invalid_client', `${payload.message}: ${statement}`);
    const client = self.clients.get(payload.sub as string) as Client;
    const scope = (form.get('scope') ?? '').split(' ').filter((one) => client.scopes.test(one));
    if (scope.length === 0) return refuse('invalid_scope');
    const token = `${randomUUID()}${randomUUID()}`;
    tokens.set(token, nowMs() + self.lifetimeS * 1_000);
    const answer = { access_token: token, token_type: 'bearer', expires_in: self.lifetimeS, scope: scope.join(' ') };
    return [200, answer];
  }

  async function verify(statement: string): Promise<JWTPayload> {
    const claimed = JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString());
    const client = self.clients.get(claimed.sub);
    if (!client) throw new Error('unknown client');
    const nowS = nowMs() / 1_000;
    const { payload, protectedHeader } = await jwtVerify(statement, createLocalJWKSet(client.jwks), {
      algorithms: ['RS384', 'ES384'],
      audience: self.tokenUrl,
      issuer: claimed.sub,
      typ: 'JWT',
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'jti'],
      currentDate: new Date(nowMs()),
    });
    if (protectedHeader.kid === undefined) throw new Error('no kid');
    if (Array.isArray(payload.aud)) throw new Error('several audiences');
    if ((payload.exp as number) > nowS + MAX_STATEMENT_S) throw new Error('lives too long');
    if ((payload.iat ?? 0) > nowS + 60) throw new Error('from the future');
    const id = `${payload.iss} ${payload.jti}`;
    if (usedIds.has(id)) throw new Error('replayed');
    usedIds.add(id);
    return payload;
  }

  function send(response: ServerResponse, status: number, body: object): void {
    response.sendDate = false;
    response.writeHead(status, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      date: new Date(nowMs()).toUTCString(),
    });
    response.end(JSON.stringify(body));
  }

  function passOn(request: IncomingMessage, response: ServerResponse): void {
    self.passed += 1;
    const { method, headers } = request;
    const onward = httpRequest(new URL(request.url ?? '/', fhirUrl), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  const server = createServer((request, response) => {
    if (request.url === '/token' && self.instead) {
      request.resume();
      self.instead(response);
    } else if (request.url === '/token') {
      void grant(request).then(([status, body]) => send(response, status, body));
    } else if (request.url === '/.well-known/smart-configuration') {
      send(response, 200, self.discovery);
    } else if ((tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '') ?? 0) > nowMs()) {
      passOn(request, response);
    } else {
      self.stopped += 1;
      request.resume();
      send(response, 401, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login' }] });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const self: AuthorizationServer = {
    ...{ url, tokenUrl: `${url}/token`, clients: new Map(), lifetimeS: 300, clockAheadMs: 0, instead: null },
    discovery: { token_endpoint: `${url}/token`, token_endpoint_auth_methods_supported: ['private_key_jwt'] },
    ...{ statements: [], passed: 0, stopped: 0 },
    revokeTokens: () => tokens.clear(),
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
  return self;
}
