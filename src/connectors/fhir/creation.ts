/** Making one record that carries our marker: never a second one, and never believed before it was seen. */
import { OutcomeUnknown } from '../connector.ts';
import type { Writing } from './change.ts';
import type { Resource } from './client.ts';
import type { Json } from './fields.ts';
import { MARKER_SYSTEM, markerOf } from './map.ts';
import type { WrittenType } from './quirks.ts';
import { copiesOf } from './read.ts';

export type Created =
  | { kind: 'created'; id: string }
  /** It contradicts something that the HRS has. */
  | { kind: 'conflict'; said: string }
  | { kind: 'rejected'; said: string };

/** The record that an earlier attempt made. Throws `OutcomeUnknown` for several. */
export async function findMarked(writing: Writing, type: WrittenType, marker: string): Promise<Resource | null> {
  const copies = await copiesOf(writing.client, type, marker, writing.signal);
  if (copies.length > 1) throw new OutcomeUnknown(`the HRS already holds several copies of this ${type}`);
  return copies[0] ?? null;
}

/** To be called when `findMarked` found nothing; what it makes is looked for before it counts. */
export async function createMarked(
  writing: Writing,
  type: WrittenType,
  resource: Json,
  marker: string,
): Promise<Created> {
  const { client, abilities, signal } = writing;
  const ifNoneExist: [string, string][] = [['identifier', `${MARKER_SYSTEM}|${marker}`]];
  const answer = await client.create(resource, abilities.conditionalCreate ? ifNoneExist : null, signal);
  switch (answer.kind) {
    case 'stored':
      writing.hasWritten = true;
      return { kind: 'created', id: await getStoredId(writing, type, answer.id, marker) };
    case 'conflict': {
      const own = await findMarked(writing, type, marker);
      if (own) return { kind: 'created', id: own.id };
      // Several records that carry the marker, says a 412 to If-None-Exist, and there is none: it means nothing to them.
      const kind = answer.status === 412 ? 'rejected' : 'conflict';
      return { kind, said: `HTTP ${answer.status}` };
    }
    case 'missing':
      return { kind: 'rejected', said: 'HTTP 404' };
    case 'rejected':
      return { kind: 'rejected', said: answer.said };
  }
}

async function getStoredId(
  { client, signal }: Writing,
  type: WrittenType,
  id: string | null,
  marker: string,
): Promise<string> {
  try {
    const copies = await copiesOf(client, type, marker, signal);
    if (copies.length === 1) return (copies[0] as Resource).id;
    if (copies.length > 1) throw new OutcomeUnknown(`the HRS now holds several copies of this ${type}`);
    // Some servers index a new record only after a while.
    const stored = id === null ? null : await client.read(type, id, signal);
    if (stored !== null && markerOf(stored) === marker) return stored.id;
  } catch (error) {
    throw new OutcomeUnknown(`created a ${type} and could not read it back: ${(error as Error).message}`);
  }
  throw new OutcomeUnknown(`the HRS said that it created a ${type}, which is not there`);
}
