// Every attempt that runs in the suite, whatever its section.

import { advisoryAttempts } from './advisory-attempts.ts';
import type { Bypass } from './bypass.ts';
import { dnsAttempts } from './dns-attempts.ts';
import { explicitAttempts } from './explicit-attempts.ts';
import { h2Attempts } from './h2-attempts.ts';
import { httpAttempts } from './http-attempts.ts';
import { nameAttempts } from './name-attempts.ts';
import { pathAttempts } from './path-attempts.ts';
import { protocolAttempts } from './protocol-attempts.ts';

export const allAttempts: readonly Bypass[] = [
  // First, since they take longest.
  ...dnsAttempts,
  ...nameAttempts,
  ...httpAttempts,
  ...h2Attempts,
  ...explicitAttempts,
  ...pathAttempts,
  ...protocolAttempts,
  ...advisoryAttempts,
];
