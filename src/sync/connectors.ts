/** The connectors that are in use: one for each connection, made when first asked for and kept. */
import { createHash } from 'node:crypto';
import {
  ALONE,
  type Capabilities,
  type Connector,
  type ConnectorKind,
  type Surroundings,
} from '../connectors/connector.ts';
import { ApiError } from '../errors.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { type Seal, SealBroken } from '../store/seal.ts';
import { openConfig } from '../store/secrets.ts';

/** As it stands in the table: what is sealed is opened here, and only when it is not the one that is in use. */
type StoredConnection = Pick<ConnectionRow, 'id' | 'kind' | 'config'>;

/** With what the HRS said of itself, to whichever process read it last. */
type KnownConnection = StoredConnection & Pick<ConnectionRow, 'capabilities'>;

export interface Connectors {
  /** Throws ConnectionUnusable. */
  get(connection: StoredConnection): Connector;
  /** What can be asked of it, for somebody's request. Throws ApiError `connection_unusable`. */
  capabilitiesOf(connection: KnownConnection): Capabilities;
  close(): Promise<void>;
}

/** Until an administrator has looked at it, nothing can be read or written. The message names no values. */
export class ConnectionUnusable extends Error {
  override name = 'ConnectionUnusable';
}

/** `surroundingsOf` gives each connection its messages and its limits; a connector keeps what it was made with. */
export function openConnectors(
  kinds: ReadonlyMap<string, ConnectorKind>,
  seal: Seal,
  surroundingsOf: (connectionId: number) => Surroundings = () => ALONE,
): Connectors {
  const open = new Map<number, { fingerprint: string; connector: Connector }>();

  function get(connection: StoredConnection): Connector {
    const { id, kind, config } = connection;
    // A hash, because the configuration holds credentials and need not be kept a second time.
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([kind, config]))
      .digest('base64');
    const known = open.get(id);
    if (known?.fingerprint === fingerprint) return known.connector;
    const found = kinds.get(kind);
    if (!found) throw new ConnectionUnusable(`This program has no connector of kind ${kind}.`);
    const connector = found.connect(parseConfig(found, seal, connection), surroundingsOf(id));
    open.set(id, { fingerprint, connector });
    // Whoever still works with the earlier one is cut off, and comes back to this one.
    void known?.connector.close().catch(() => {});
    return connector;
  }

  return {
    get,
    capabilitiesOf(connection) {
      try {
        return narrowed(get(connection).capabilities, connection.capabilities);
      } catch (error) {
        if (!(error instanceof ConnectionUnusable)) throw error;
        throw new ApiError(
          'connection_unusable',
          'The connection to the health record system of this location cannot be used until an administrator has corrected it',
        );
      }
    },
    async close() {
      const connectors = [...open.values()];
      open.clear();
      await Promise.allSettled(connectors.map(({ connector }) => connector.close()));
    },
  };
}

/** Without what the HRS cannot do by its own word. */
function narrowed(capabilities: Capabilities, said: ConnectionRow['capabilities']): Capabilities {
  const refused = Object.entries(said ?? {}).filter(([, can]) => can === false);
  return { ...capabilities, ...Object.fromEntries(refused) };
}

/** What the connector is made with. Throws ConnectionUnusable. */
export function parseConfig(
  kind: ConnectorKind,
  seal: Seal,
  connection: Pick<ConnectionRow, 'id' | 'config'>,
): unknown {
  let config: object;
  try {
    config = openConfig(seal, connection);
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new ConnectionUnusable(`Its configuration cannot be opened: it ${error.message}. Enter it anew.`);
  }
  const parsed = kind.configSchema.safeParse(config);
  if (parsed.success) return parsed.data;
  // Names only: the values are credentials.
  const names = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new ConnectionUnusable(`Its configuration cannot be used: look at ${names || 'all of it'}.`);
}
