// What an Upgrade field asks for (RFC 9110 §7.8), once what a gateway may leave out is left out.

/**
 * The protocols asked for, in lower case, joined by `, ` as sent; null when nothing is left. Cleartext HTTP/2 (RFC 9113
 * §3.1) and TLS (RFC 2817) are offers that a server may pass over: they are not sent on and open nothing.
 */
export function offeredUpgrade(field: string): string | null {
  const asked = field
    .split(',')
    .map((item) => item.trim().toLowerCase())
    .filter((item) => item !== '' && item !== 'h2c' && !/^(?:tls|http)\//.test(item));
  return asked.length === 0 ? null : asked.join(', ');
}
