/** The connectors that are in use: one for each connection, made when first asked for and kept. */
import { createHash } from 'node:crypto';
import type { Connector, ConnectorKind } from '../connectors/connector.ts';
import type { ConnectionRow } from '../store/schema.ts';

export interface Connectors {
  /** Throws when no such kind is known, or `config` is not one for it. */
  get(connection: Pick<ConnectionRow, 'id' | 'kind' | 'config'>): Connector;
  close(): Promise<void>;
}

export function openConnectors(kinds: ReadonlyMap<string, ConnectorKind>): Connectors {
  const open = new Map<number, { fingerprint: string; connector: Connector }>();
  return {
    get({ id, kind, config }) {
      // A hash, because the configuration holds credentials and need not be kept a second time.
      const fingerprint = createHash('sha256')
        .update(JSON.stringify([kind, config]))
        .digest('base64');
      const known = open.get(id);
      if (known?.fingerprint === fingerprint) return known.connector;
      const found = kinds.get(kind);
      if (!found) throw new Error(`connection ${id} is of kind ${kind}, which this program does not have`);
      const parsed = found.configSchema.safeParse(config);
      if (!parsed.success) {
        // Names only: the values are credentials.
        const names = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
        throw new Error(`the configuration of connection ${id} is not usable; look at: ${names || 'all of it'}`);
      }
      const connector = found.connect(parsed.data);
      open.set(id, { fingerprint, connector });
      // Whoever still works with the earlier one is cut off, and comes back to this one.
      void known?.connector.close().catch(() => {});
      return connector;
    },
    async close() {
      const connectors = [...open.values()];
      open.clear();
      await Promise.allSettled(connectors.map(({ connector }) => connector.close()));
    },
  };
}
