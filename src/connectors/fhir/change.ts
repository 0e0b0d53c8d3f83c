/**
 * Changing one record while others may change it too: read, edit, written under the version that was read, and read
 * back. Where a server ignores the version, the time between reading and writing stays open: see
 * `docs/fhir-servers.md`.
 */
import { OutcomeUnknown, Unavailable } from '../connector.ts';
import type { FhirClient, Resource } from './client.ts';
import { hasUnknownModifier } from './map.ts';
import type { Quirks } from './quirks.ts';

/** What every step of one write shares. */
export interface Writing {
  client: FhirClient;
  /** What this server can do. */
  abilities: Quirks;
  /** The Location that is the site, even where it looks like a room. */
  siteId: string | null;
  signal: AbortSignal;
  /** True while something of this write stands in the HRS. */
  hasWritten: boolean;
}

/** The record as it shall be; `already` when it is so, `refuse` when its present state forbids it. */
export type Edit = (resource: Resource) => Resource | 'already' | 'refuse';

export type Edited =
  | { kind: 'done'; resource: Resource }
  /** `because`: when it is not the edit that refused. */
  | { kind: 'refused'; because: string | null }
  | { kind: 'missing' }
  | { kind: 'rejected'; said: string };

/** Somebody else edits the same record at the same moment: rarely once, never three times in a row. */
const MAX_TRIES = 3;

const UNKNOWN_MODIFIER = 'it has a modifierExtension, so that it means something we do not know';

/**
 * Edits a record, anew when somebody else was faster. Throws `OutcomeUnknown` when the server said yes and the record
 * does not show it, and `Unavailable` when it kept changing.
 */
export async function change(writing: Writing, type: string, id: string, edit: Edit): Promise<Edited> {
  const { client, abilities, signal } = writing;
  const put = abilities.update === 'put' ? client.update : client.patchStatus;
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const before = await client.readVersion(type, id, signal);
    if (before === null) return { kind: 'missing' };
    if (hasUnknownModifier(before.resource)) return { kind: 'refused', because: UNKNOWN_MODIFIER };
    const edited = edit(before.resource);
    if (edited === 'refuse') return { kind: 'refused', because: null };
    if (edited === 'already') return { kind: 'done', resource: before.resource };
    const answer = await put(edited, before.ifMatch, signal).catch((error) => {
      if (error instanceof OutcomeUnknown) return null;
      throw error;
    });
    if (answer === null) return whatBecame(writing, type, id, edit);
    if (answer.kind === 'conflict') continue;
    if (answer.kind === 'missing') return answer;
    if (answer.kind === 'rejected') return { kind: 'rejected', said: answer.said };
    const after = await readBack(writing, type, id);
    const shown = after === null ? null : edit(after);
    if (after !== null && shown === 'already') return { kind: 'done', resource: after };
    // Overwritten at once by somebody who may: that is an answer. Unchanged: the server did not tell the truth.
    if (shown === 'refuse') return { kind: 'refused', because: null };
    throw new OutcomeUnknown(`the HRS accepted a change of a ${type} that does not show`);
  }
  throw new Unavailable(`a ${type} kept changing while we wanted to change it`);
}

/** Of a change whose answer was lost: where it shows, what follows it need not wait until the doubt is over. */
async function whatBecame(writing: Writing, type: string, id: string, edit: Edit): Promise<Edited> {
  const after = await readBack(writing, type, id);
  if (after !== null && edit(after) === 'already') return { kind: 'done', resource: after };
  throw new OutcomeUnknown(`the answer to a change of a ${type} was lost, and it does not show`);
}

async function readBack({ client, signal }: Writing, type: string, id: string): Promise<Resource | null> {
  try {
    return await client.read(type, id, signal);
  } catch (error) {
    throw new OutcomeUnknown(`changed a ${type} and could not read it back: ${(error as Error).message}`);
  }
}
