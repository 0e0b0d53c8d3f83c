/**
 * Where webhooks may go. Whoever can register an endpoint chooses a URL that this server then calls from inside
 * its network, so the address is checked when the connection is made, on every address that a name resolves to:
 * a check of the URL alone is undone by a name that points inwards, or that changes after the check.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { ApiError } from '../errors.ts';

/** `loopback`: the public Internet and this machine; `any`: private networks too. */
export type AddressMode = 'public' | 'loopback' | 'any';

export const MAX_URL_LENGTH = 2_048;
const CONNECT_TIMEOUT_MS = 5_000;

// One list for each family: Node matches a rule for mapped addresses (::ffff:0:0/96) against every IPv4 address.
const notPublic4 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], // this host, this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT, and Alibaba's metadata service
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's host service, reachable from inside only
  ['169.254.0.0', 16], // link-local, and most clouds' metadata service
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments, and Oracle's metadata service
  ['192.0.2.0', 24], // documentation
  ['192.31.196.0', 24], // AS112
  ['192.52.193.0', 24], // AMT
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['192.175.48.0', 24], // AS112
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
] as const) {
  notPublic4.addSubnet(network, prefix, 'ipv4');
}

// IPv6 the other way round: only 2000::/3 is global unicast. Everything else (loopback, mapped and compatible IPv4,
// NAT64, unique local, link-local, multicast) is out without being named.
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const notPublic6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23], // protocol assignments, with Teredo, benchmarks and ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: carries any IPv4 address within
  ['2620:4f:8000::', 48], // AS112
  ['3fff::', 20], // documentation
] as const) {
  notPublic6.addSubnet(network, prefix, 'ipv6');
}

const loopback4 = new BlockList();
loopback4.addSubnet('127.0.0.0', 8, 'ipv4');
const loopback6 = new BlockList();
loopback6.addAddress('::1', 'ipv6');

/** May a webhook go to this IP address (no brackets, no zone)? What is not an IP address may not. */
export function isAllowedAddress(address: string, mode: AddressMode): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  if (mode === 'any') return true;
  if (mode === 'loopback' && isLoopback(address)) return true;
  if (family === 4) return !notPublic4.check(address, 'ipv4');
  return global6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6');
}

function isLoopback(address: string): boolean {
  return isIP(address) === 4 ? loopback4.check(address, 'ipv4') : loopback6.check(address, 'ipv6');
}

/** RFC 6761: these names are always this machine, whatever a resolver says. */
const LOCALHOST = /^(.+\.)?localhost$/;

/**
 * Checks a `target_url` when it is saved, so that what could never be delivered is refused at once. Names are not
 * looked up: what they point at is checked at each connection.
 *
 * @throws ApiError `invalid_parameter` that says what is wanted.
 */
export function checkTargetUrl(text: string, mode: AddressMode): void {
  const refuse = (wanted: string) => new ApiError('invalid_parameter', `Invalid parameter target_url: ${wanted}`);
  if (text.length > MAX_URL_LENGTH) throw refuse(`must have at most ${MAX_URL_LENGTH} characters`);
  // The URL parser drops or turns these, and the URL would read differently from what is called.
  if (/[\s\\\p{Cc}]/u.test(text)) throw refuse('must not contain spaces, control characters or backslashes');
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) {
    throw refuse('must be a URL like https://example.com/webhooks');
  }
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text)) {
    throw refuse('must not contain a user name or password; requests are signed instead');
  }
  if (url.port === '0') throw refuse('must not have port 0');
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const isLiteral = isIP(host) !== 0;
  const isLocal = isLiteral ? isLoopback(host) : LOCALHOST.test(host);
  if (isLiteral ? !isAllowedAddress(host, mode) : isLocal && mode === 'public') {
    throw refuse('must be reachable on the public Internet; this installation sends to no internal addresses');
  }
  if (url.protocol === 'http:' && mode !== 'any' && !isLocal) throw refuse('must use https');
}

/** The connection was not made, because the address is not one that webhooks may go to. */
export class AddressBlocked extends Error {
  override name = 'AddressBlocked';
  readonly code = 'blocked_address';
}

/**
 * A connector for undici that connects to allowed addresses only. A name is refused when any of its addresses is
 * not allowed; the addresses that were checked are those that are connected to. `lookup` is the system's, save in
 * tests.
 */
export function createConnector(
  mode: AddressMode,
  lookup: typeof systemLookup = systemLookup,
): buildConnector.connector {
  const checkedLookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...(options as LookupOptions), all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, '', 0);
      const [first] = addresses;
      if (!first || !addresses.every(({ address }) => isAllowedAddress(address, mode))) {
        return callback(new AddressBlocked('the name points at an internal address'), '', 0);
      }
      if (options.all) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false, lookup: checkedLookup });
  return (options, callback) => {
    // Node asks no resolver about an address that is written out.
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !isAllowedAddress(host, mode)) {
      callback(new AddressBlocked('an internal address'), null);
      return;
    }
    connect(options, callback);
  };
}
