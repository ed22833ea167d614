// Every attempt that runs in the suite, in the order of the list.

import type { Bypass } from './bypass.ts';
import { nameAttempts } from './name-attempts.ts';

export const allAttempts: readonly Bypass[] = [...nameAttempts];
