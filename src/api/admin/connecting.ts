/** Connecting an institution to its HRS: what administrators do by the API, and a practice's own staff by a link. */
import { randomBytes } from 'node:crypto';
import type { CheckResult, ConnectorKind } from '../../connectors/connector.ts';
import { ApiError } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { ConnectionRow } from '../../store/schema.ts';
import type { Seal } from '../../store/seal.ts';
import { sealConfig, takeId } from '../../store/secrets.ts';
import { ConnectionUnusable, openConnectors } from '../../sync/connectors.ts';
import { type OtherConnection, takeIdentity } from '../../sync/identity.ts';

const DEFAULT_SYNC_CYCLE_MS = 60_000;
/** What sends its messages to us is read when one comes; this only catches what a process that died left unread. */
const LISTENING_SYNC_CYCLE_MS = 3_600_000;
/** To such a kind it means reading all messages again that are kept, and none of them has changed. */
const LISTENING_FULL_PASS_MS = 604_800_000;
const MAX_CONFIG_BYTES = 16_384;
const CHECK_TIMEOUT_MS = 20_000;

export interface ConfigProblem {
  /** Of the field; empty for the configuration as a whole. */
  path: string[];
  message: string;
}

/** What is wrong with a configuration of that kind; empty when it can be used. Never repeats a value. */
export function findConfigProblems(kind: ConnectorKind, config: object): ConfigProblem[] {
  const parsed = kind.configSchema.safeParse(config);
  if (!parsed.success) {
    return parsed.error.issues.map(({ path, message }) => ({ path: path.map(String), message }));
  }
  if (Buffer.byteLength(JSON.stringify(config)) <= MAX_CONFIG_BYTES) return [];
  return [{ path: [], message: `must have at most ${MAX_CONFIG_BYTES} bytes` }];
}

/** Can the HRS be reached and read with this configuration, which has no problems? Waits for it, at most 20 s. */
export async function checkHrs(kind: ConnectorKind, config: unknown): Promise<CheckResult> {
  const connector = kind.connect(kind.configSchema.parse(config));
  try {
    return await connector.check(AbortSignal.timeout(CHECK_TIMEOUT_MS));
  } finally {
    await connector.close();
  }
}

/** The same of a connection that is stored; that its configuration cannot be used is an answer as well. */
export async function checkConnection(
  kinds: ReadonlyMap<string, ConnectorKind>,
  seal: Seal,
  connection: Pick<ConnectionRow, 'id' | 'kind' | 'config'>,
): Promise<CheckResult> {
  const connectors = openConnectors(kinds, seal);
  try {
    return await connectors.get(connection).check(AbortSignal.timeout(CHECK_TIMEOUT_MS));
  } catch (error) {
    if (!(error instanceof ConnectionUnusable)) throw error;
    return { ok: false, message: error.message };
  } finally {
    await connectors.close();
  }
}

/** Another connection leads to that HRS. Its name is for administrators: it may be another institution's. */
export class AlreadyConnected extends ApiError {
  constructor({ id, name, subdomain }: OtherConnection) {
    super(
      'already_exists',
      `Invalid parameter connection[config]: that health record system is already connected, as connection ${id} of ${subdomain}, “${name}”`,
    );
  }
}

export interface NewConnection {
  institutionId: number;
  kind: ConnectorKind;
  name: string;
  config: object;
  syncCycleMs?: number | undefined;
  fullPassEveryMs?: number | undefined;
  callLimits?: CallLimits;
}

/** As the columns of `connection`; null, or nothing, is no limit. */
export type CallLimits = {
  [K in 'calls_per_minute' | 'calls_per_hour' | 'calls_per_month']?: number | null | undefined;
};

/**
 * Stores the connection and returns its id. Its first sync is due at once: wake `sync` after the commit. Throws
 * AlreadyConnected, after which the transaction must not commit; it must see all institutions.
 */
export async function addConnection(tx: Tx, seal: Seal, connection: NewConnection): Promise<number> {
  const id = await takeId(tx, 'connection');
  const listens = connection.kind.listen !== undefined;
  await tx
    .insertInto('connection')
    .values({
      id,
      institution_id: connection.institutionId,
      kind: connection.kind.kind,
      name: connection.name,
      config: sealConfig(seal, id, connection.config),
      sync_cycle_ms: connection.syncCycleMs ?? (listens ? LISTENING_SYNC_CYCLE_MS : DEFAULT_SYNC_CYCLE_MS),
      full_pass_every_ms: connection.fullPassEveryMs ?? (listens ? LISTENING_FULL_PASS_MS : undefined),
      ...connection.callLimits,
      push_token: randomBytes(24).toString('base64url'),
    })
    .execute();
  const other = await takeIdentity(tx, id, connection.kind, connection.config);
  if (other) throw new AlreadyConnected(other);
  return id;
}
