// Every attempt that runs in the suite, in the order of the list.

import type { Bypass } from './bypass.ts';
import { httpAttempts } from './http-attempts.ts';
import { nameAttempts } from './name-attempts.ts';
import { pathAttempts } from './path-attempts.ts';

export const allAttempts: readonly Bypass[] = [...nameAttempts, ...httpAttempts, ...pathAttempts];
