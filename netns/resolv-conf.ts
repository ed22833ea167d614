// The host's resolvers (resolv.conf(5)): whom the gateway asks, and the file that a job behind it gets instead.

import { readFileSync } from 'node:fs';
import { parseAddress } from '../flow/address.ts';

/** Addresses of the servers in a resolv.conf, zone suffixes left out; empty when it names none. */
export function parseResolvConf(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1]?.split('%')[0] ?? [])
    .filter((address) => parseAddress(address) !== null);
}

/**
 * The servers that the host asks. systemd-resolved's stub is skipped for the servers behind it, where it says them:
 * its stub answers names of the host that are none of a job's business.
 */
export function hostResolvers(): string[] {
  const own = readServers('/etc/resolv.conf');
  const behind = own.includes('127.0.0.53') ? readServers('/run/systemd/resolve/resolv.conf') : [];
  return behind.length > 0 ? behind : own;
}

function readServers(path: string): string[] {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return [];
  }
}

/** The file for a job: the gateway alone, IPv4 first. */
export function jobResolvConf(addresses: readonly string[]): string {
  return `${addresses.map((address) => `nameserver ${address}\n`).join('')}options timeout:5 attempts:2\n`;
}
