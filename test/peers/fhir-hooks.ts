/** The rest-hooks of the FHIR server beside this, as the full Medplum server calls them. */
import { createHmac } from 'node:crypto';
import type { MemoryRepository } from '@medplum/fhir-router';

const SECRET_EXTENSION = 'https://www.medplum.com/fhir/StructureDefinition/subscription-secret';

/** A receiver that does not answer is forgotten; nothing here repeats a call. */
const CALL_TIMEOUT_MS = 5_000;

interface Subscription {
  status: string;
  criteria: string;
  channel: { type: string; endpoint: string };
  extension?: { url: string; valueString?: string }[];
}

export function restHooks(repository: MemoryRepository) {
  async function call(type: string, deleted: string | null, resource: unknown): Promise<void> {
    const { entry = [] } = await repository.search({ resourceType: 'Subscription', count: 100 });
    for (const { resource: one } of entry) {
      const { status, criteria, channel, extension = [] } = one as unknown as Subscription;
      if (status === 'off' || channel.type !== 'rest-hook' || criteria.split('?')[0] !== type) continue;
      const body = deleted === null ? JSON.stringify(resource) : '{}';
      const secret = extension.find(({ url }) => url === SECRET_EXTENSION)?.valueString;
      const headers: Record<string, string> = { 'content-type': 'application/fhir+json' };
      if (secret) headers['x-signature'] = createHmac('sha256', secret).update(body).digest('hex');
      if (deleted !== null) headers['x-medplum-deleted-resource'] = deleted;
      const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
      await fetch(channel.endpoint, { method: 'POST', headers, body, signal }).then(
        (response) => response.arrayBuffer(),
        () => undefined,
      );
    }
  }

  return {
    /** Calls whoever asked to hear of this type; does not wait for them. */
    call: (type: string, deleted: string | null, resource: unknown) => void call(type, deleted, resource),
  };
}
