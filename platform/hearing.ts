// What platform/ needs to hear of jobs besides the requests themselves; without it nothing is heard.

import type { HashToken } from '../flow/job-message.ts';

export interface Hearing {
  /** By which tokens are known; null while there is no key: nothing is heard then. */
  hash(): HashToken | null;
  /** Milliseconds since 1970. */
  now(): number;
}
