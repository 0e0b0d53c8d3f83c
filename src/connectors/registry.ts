/** Every kind of HRS that this program can talk to. A new kind is a folder beside this file and a line in it. */

import { caldav } from './caldav/connector.ts';
import type { ConnectorKind } from './connector.ts';
import { fhir } from './fhir/connector.ts';
import { hl7v2 } from './hl7v2/connector.ts';
import { sandbox } from './sandbox/connector.ts';

export const KINDS: ReadonlyMap<string, ConnectorKind> = new Map(
  // Each kind checks its own configuration, so the list need not know its type.
  ([sandbox, fhir, hl7v2, caldav] as unknown as ConnectorKind[]).map((kind) => [kind.kind, kind]),
);
