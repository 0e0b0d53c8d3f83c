/**
 * An http(s) base URL in the one form that all ways of writing it share: host in lower case, the scheme's own port
 * left out, no slash or dot at the end of path and host. Names that lead to the same machine stay different.
 */
export function canonicalAddress(baseUrl: string): string {
  const { protocol, hostname, port, pathname } = new URL(baseUrl);
  const host = hostname.replace(/\.$/, '');
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}${pathname.replace(/\/+$/, '')}`;
}
