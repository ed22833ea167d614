// Keyed hashes by which tokens are known: nobody reads a token back, and all processes of a fleet write the same.

import { createHmac } from 'node:crypto';
import type { HashToken } from '../flow/job-message.ts';

/** HMAC-SHA256 under a key of 32 bytes, in base64url (43 characters). */
export function hashTokensBy(key: Uint8Array): HashToken {
  return (token) => createHmac('sha256', key).update(token).digest('base64url');
}
