/**
 * An http(s) base URL in the one form that all ways of writing it share: host in lower case, the scheme's own port
 * left out, no slash or dot at the end of path and host, and in the path nothing written by its number that can stand
 * there itself (RFC 3986, 6.2.2). Names that lead to the same machine stay different, save that of this one.
 */
export function canonicalAddress(baseUrl: string): string {
  const { protocol, hostname, port, pathname } = new URL(baseUrl);
  const host = hostname.replace(/\.$/, '').replace(/^localhost$/, '127.0.0.1');
  const path = pathname.replace(/%[0-9a-f]{2}/gi, (code) => {
    const char = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[\w.~-]/.test(char) ? char : code.toUpperCase();
  });
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}${path.replace(/\/+$/, '')}`;
}
