import type { Version } from '../views/version.ts';

/** Every other name means v3.0.0: v20240412 is the same, and v3.1.0 falls through to it. */
const NAMES_OF_V2 = new Set(['v2', '2', 'v2.2.2', '2.2.2']);

/** Other parameters of the media type may stand before the version; the next type of the list begins with a comma. */
const VENDOR_VERSION = /application\/vnd\.nexhealth\+json\s*;(?:[^,]{0,100};)?\s*version\s*=\s*"?([\w.]+)/i;

/**
 * `Nex-Api-Version` wins over `Accept`, because NexHealth's own guides send both in conflict; with neither, and
 * with a name nobody knows, it is v3.0.0. Never an error: no client expects one here.
 */
export function resolveVersion(headers: Record<string, string | string[] | undefined>): Version {
  const asked = headers['nex-api-version'];
  // Sent twice, node joins it with a comma: the first counts.
  const name = String(asked ?? '')
    .split(',')[0]
    ?.trim()
    .toLowerCase();
  const accepted = VENDOR_VERSION.exec(String(headers.accept))?.[1]?.toLowerCase();
  return NAMES_OF_V2.has(name || accepted || '') ? 'v2' : 'v3.0.0';
}
