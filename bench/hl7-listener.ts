/** A process of its own: takes and stores what comes, and reads nothing of it. Its argument is the database's URL. */

import type { ConnectorKind } from '../src/connectors/connector.ts';
import { hl7v2 } from '../src/connectors/hl7v2/connector.ts';
import { createLogger } from '../src/logger.ts';
import { openDatabase } from '../src/store/database.ts';
import { startListening } from '../src/sync/listening.ts';
import { SEAL } from '../test/harness/seal.ts';

startListening({
  db: openDatabase({ connectionString: process.argv[2] as string }, 2, () => {}),
  seal: SEAL,
  log: createLogger('warn'),
  kinds: new Map([[hl7v2.kind, hl7v2 as unknown as ConnectorKind]]),
  wakeups: { wake: () => {}, on: () => () => {} },
});
process.send?.('ready');
process.once('disconnect', () => process.exit());
