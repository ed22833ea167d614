// Finds tokens of public formats in texts, and says whether a host is one that they are made for.

import type { Platform } from '../flow/job.ts';
import { findPlatformHost, type PlatformServer } from '../flow/platform-server.ts';
import { publicFormats, traces, type TokenFormat } from './public-formats.ts';

/** The formats of which a text holds a token. */
export function findTokens(text: string): readonly TokenFormat[] {
  if (!traces.test(text)) return none;
  return publicFormats.filter(({ pattern }) => pattern.test(text));
}

const none: readonly TokenFormat[] = [];

/** True for a canonical host that tokens of this format are made for; `isShown`: it is there to be used as a credential. */
export function isMadeFor(
  { hosts, platform }: TokenFormat,
  host: string,
  servers: readonly PlatformServer[],
  isShown: boolean,
): boolean {
  if (hosts === null) return isShown;
  if (hosts.some((known) => host === known || host.endsWith(`.${known}`))) return true;
  return platform !== null && findPlatformHost(servers, host)?.server.platform === platform;
}

/** True for a canonical host that tokens of this platform's jobs are made for. */
export function isHostOf(platform: Platform, host: string, servers: readonly PlatformServer[]): boolean {
  return publicFormats.some((known) => known.platform === platform && isMadeFor(known, host, servers, true));
}
