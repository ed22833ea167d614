// Builds a request head anew in the few cases where the client's own bytes must not go on: hop-by-hop
// fields (RFC 9110 §7.6.1), credentials for a proxy, an h2c upgrade, or a target in absolute-form.

import { offeredUpgrade } from '../policy/offered-upgrade.ts';
import type { RequestHead } from './head.ts';

const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'http2-settings',
]);

/**
 * The head to be sent upstream; `bytes` are the head as it arrived, `originForm` replaces the target, and `asked` the
 * fields of these names in lower case: null takes one away.
 */
export function rewriteHead(
  head: RequestHead,
  bytes: Buffer,
  originForm: string | null,
  asked: Readonly<Record<string, string | null>> = {},
): Buffer {
  const text = bytes.toString('latin1', head.lineEnd + 2, bytes.length - 4);
  const upgrade = head.upgrade === null ? null : offeredUpgrade(head.upgrade);
  const lines = [`${head.method} ${originForm ?? head.target} HTTP/${head.version}`];
  for (const line of text === '' ? [] : text.split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    if (dropped.has(name) || name === 'upgrade' || Object.hasOwn(asked, name)) continue;
    lines.push(line);
  }
  for (const [name, value] of Object.entries(asked)) if (value !== null) lines.push(`${name}: ${value}`);
  if (upgrade !== null) lines.push('Connection: Upgrade', `Upgrade: ${upgrade}`);
  // Without it an HTTP/1.0 request would cost an upstream connection of its own.
  else if (head.version === '1.0') lines.push('Connection: keep-alive');
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
