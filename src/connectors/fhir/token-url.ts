/** Where access tokens are asked for: as the operator says, or as the FHIR server itself says. */
import { BlockList, isIP } from 'node:net';
import { Unavailable } from '../connector.ts';
import { hrsRequest } from '../http.ts';
import { object, text } from './fields.ts';

export const MAX_TOKEN_URL_LENGTH = 2_048;

/** Real ones are a few kilobytes. */
const MAX_DISCOVERY_BYTES = 256 * 1024;

const insideAddresses = new BlockList();
insideAddresses.addSubnet('10.0.0.0', 8, 'ipv4');
insideAddresses.addSubnet('127.0.0.0', 8, 'ipv4');
insideAddresses.addSubnet('172.16.0.0', 12, 'ipv4');
insideAddresses.addSubnet('192.168.0.0', 16, 'ipv4');
insideAddresses.addAddress('::1', 'ipv6');
insideAddresses.addSubnet('fc00::', 7, 'ipv6');

/** No public name: a single word, or below one of the suffixes that are kept for use inside a network. */
const INSIDE_NAME = /^[^.]+$|\.(localhost|local|internal|lan|home\.arpa)$/;

/**
 * Can tokens be asked for at this URL? It must be https, save on this machine and in a private network, and have no
 * fragment and no credentials.
 */
export function isTokenUrl(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || value.length > MAX_TOKEN_URL_LENGTH || /[\s#]/.test(value)) return false;
  if (url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isInside(url.hostname));
}

function isInside(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  return family === 0 ? INSIDE_NAME.test(host) : insideAddresses.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Asks the FHIR server for its token endpoint (SMART App Launch 2, `.well-known/smart-configuration`). Only one on
 * the server's own origin is taken: whoever answers for the server must not be able to choose which other address,
 * perhaps inside our network, is sent a signed request. Throws `Unavailable` or `HrsNonsense`.
 */
export async function discoverTokenUrl(baseUrl: string, timeoutMs: number, signal: AbortSignal): Promise<string> {
  const url = `${baseUrl}/.well-known/smart-configuration`;
  const request = { method: 'GET', url, isWrite: false, maxBodyBytes: MAX_DISCOVERY_BYTES, timeoutMs, signal } as const;
  const tokenUrl = text(object((await hrsRequest(request)).json).token_endpoint);
  if (tokenUrl === null) throw new Unavailable('the server does not say where to get one; set tokenUrl');
  if (!isTokenUrl(tokenUrl)) throw new Unavailable('the server names a token endpoint that is no https URL');
  const { origin } = new URL(tokenUrl);
  if (origin !== new URL(baseUrl).origin) {
    throw new Unavailable(`the server names a token endpoint on ${origin}; if that is right, set tokenUrl to it`);
  }
  return tokenUrl;
}
