/** Connecting an institution to its HRS: what administrators do by the API, and a practice's own staff by a link. */
import { randomBytes } from 'node:crypto';
import type { CheckResult, ConnectorKind } from '../../connectors/connector.ts';
import { ApiError } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { type OtherConnection, takeIdentity } from '../../sync/identity.ts';

const DEFAULT_SYNC_CYCLE_MS = 60_000;
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
}

/**
 * Stores the connection and returns its id. Its first sync is due at once: wake `sync` after the commit. Throws
 * AlreadyConnected, after which the transaction must not commit; it must see all institutions.
 */
export async function addConnection(tx: Tx, connection: NewConnection): Promise<number> {
  const { id } = await tx
    .insertInto('connection')
    .values({
      institution_id: connection.institutionId,
      kind: connection.kind.kind,
      name: connection.name,
      config: JSON.stringify(connection.config),
      sync_cycle_ms: connection.syncCycleMs ?? DEFAULT_SYNC_CYCLE_MS,
      full_pass_every_ms: connection.fullPassEveryMs,
      push_token: randomBytes(24).toString('base64url'),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const other = await takeIdentity(tx, id, connection.kind, connection.config);
  if (other) throw new AlreadyConnected(other);
  return id;
}
