// The machine's npm registry, as its configuration names it at run time: whether it can be reached, and the policy
// rule that opens it. Host and address stay in memory and in the demo's temporary policy; what is printed is redacted.

import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { promisify } from 'node:util';
import { classifyAddress, parseAddress } from '../flow/address.ts';

export interface Registry {
  readonly host: string;
  /** One entry of a policy's `http` list. */
  readonly rule: string;
}

const probePackage = 'left-pad';

/** The registry, or null when npm is missing or the registry does not answer within four seconds. */
export async function findRegistry(): Promise<Registry | null> {
  try {
    const { stdout } = await promisify(execFile)('npm', ['config', 'get', 'registry'], { timeout: 8000 });
    const url = new URL(stdout.trim());
    const answer = await fetch(new URL(probePackage, url), {
      method: 'HEAD',
      signal: AbortSignal.timeout(4000),
    });
    if (!answer.ok) return null;
    const addresses = await lookup(url.hostname, { all: true });
    return {
      host: url.hostname,
      rule: registryRule(
        url,
        addresses.map(({ address }) => address),
      ),
    };
  } catch {
    // No npm, no network, an untrusted certificate: the demo goes on without it and says so.
    return null;
  }
}

function registryRule(url: URL, addresses: readonly string[]): string {
  const ranges = addresses
    .filter((address) => classifyAddress(parseAddress(address) ?? new Uint8Array(4)) !== 'public')
    .map((address) => `${address}/${address.includes(':') ? 128 : 32}`);
  const parts = [
    'id: npm-registry',
    `host: ${JSON.stringify(url.hostname)}`,
    ...(url.protocol === 'http:' ? ['scheme: http'] : []),
    ...(url.port === '' ? [] : [`port: ${url.port}`]),
    ...(ranges.length > 0 ? [`addresses: ${JSON.stringify(ranges)}`] : []),
  ];
  return `  - {${parts.join(', ')}}\n`;
}

/** A text with the registry's host hidden. */
export function redactRegistry(text: string, registry: Registry | null): string {
  return registry === null ? text : text.replaceAll(registry.host, '*.npmjs.org or mirror');
}
