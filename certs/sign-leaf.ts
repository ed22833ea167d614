// The keeper's signature over leaves: only bytes that are checked to be a leaf of ours are ever signed.

import { createPrivateKey, sign } from 'node:crypto';
import type { Authority } from './authority.ts';
import { checkToBeSigned } from './check-leaf.ts';

/**
 * A function that checks to-be-signed bytes (DER, RFC 5280 4.1.2) and answers their ecdsa-with-SHA256 signature (DER).
 * It throws SallyportError authority for anything that is not a leaf.
 */
export function createLeafSigner(authority: Authority): (toBeSigned: Uint8Array) => Uint8Array {
  const key = createPrivateKey(authority.keyPem);
  return (toBeSigned) => {
    checkToBeSigned(toBeSigned, authority);
    return sign('sha256', toBeSigned, key);
  };
}
