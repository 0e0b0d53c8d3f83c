/** What a handler gets to know about the request it serves, and the services it may use. */
import type { Clock } from '../clock.ts';
import type { CapabilitiesOf } from '../commands/book.ts';
import type { ConnectorKind } from '../connectors/connector.ts';
import { notFound } from '../errors.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll, forInstitution, readAll, readInstitution, type Tx } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';
import type { Version } from '../views/version.ts';
import type { RateLimiter } from './rate-limits.ts';

export interface Services {
  db: Database;
  clock: Clock;
  log: Logger;
  tokenSecret: string;
  /** For what is secret in the database. */
  seal: Seal;
  wakeups: Wakeups;
  /** Null where requests are not limited. */
  rateLimiter: RateLimiter | null;
  connectorKinds: ReadonlyMap<string, ConnectorKind>;
  /** What the HRS behind a connection can do. */
  capabilitiesOf: CapabilitiesOf;
  /** May webhooks go to loopback, or to any private address? */
  webhookAddresses: 'public' | 'loopback' | 'any';
  /** Where this installation is reached from outside; known once it listens. */
  baseUrl: () => string;
}

export interface ReachableInstitution {
  id: number;
  subdomain: string;
  name: string;
}

export interface Caller {
  apiUserId: number;
  apiKeyId: number;
  isAdmin: boolean;
  institutions: ReachableInstitution[];
}

export interface Call {
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Null when it is larger than a body may be. */
  body: Buffer | null;
}

export interface Context {
  services: Services;
  version: Version;
  caller: Caller;
  /** The institution that `subdomain` names; null only on routes that do not ask for one. */
  institution: ReachableInstitution | null;
  nowMs: number;
  /** Nothing is changed by this request. */
  readsOnly: boolean;
  /** A token of one hour for the key that this request carries. Throws `not_authenticated`. */
  issueToken(): Promise<string>;
  /** Set while the server itself holds the transaction of an idempotent request. */
  tx: Tx | null;
  /** The request as it came, on a route with `takesAnyBody`. */
  call: Call | null;
  /** Run after the answer's transaction has committed: wake-ups, never work. */
  afterCommit: (() => void)[];
}

/** The institution of a route that declares `subdomain: 'required'`. */
export function getInstitution(context: Context): ReachableInstitution {
  if (context.institution === null) throw new Error('this route does not resolve a subdomain');
  return context.institution;
}

/**
 * Statements that see the rows of the request's institution: one transaction, the request's own where there is one,
 * and none for a request that only reads.
 */
export function inInstitution<T>(context: Context, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (context.tx) return work(context.tx);
  const run = context.readsOnly ? readInstitution : forInstitution;
  return run(context.services.db, getInstitution(context).id, work);
}

/**
 * For routes without a subdomain: statements that see every row, and the ids of the institutions the caller
 * may know about. Every query inside must name them.
 */
export function inReach<T>(context: Context, work: (tx: Tx, institutionIds: number[]) => Promise<T>): Promise<T> {
  const { institution, caller } = context;
  const ids = institution ? [institution.id] : caller.institutions.map((one) => one.id);
  const run = context.readsOnly ? readAll : forAll;
  return run(context.services.db, (tx) => work(tx, ids));
}

/** For routes whose institution is known by the row that was found, not by a subdomain. */
export function reachableInstitution(context: Context, institutionId: number): ReachableInstitution {
  const found = context.caller.institutions.find((one) => one.id === institutionId);
  if (!found) throw notFound();
  return found;
}
