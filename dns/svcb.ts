// Service bindings (RFC 9460): never passed on. `ech` would blind the SNI check, and the address hints would
// be addresses that nobody judged; every client falls back to A and AAAA when the answer is empty.

import { type } from './codes.ts';

/** True for HTTPS and SVCB questions, which are answered with NODATA. */
export function isServiceBinding(code: number): boolean {
  return code === type.HTTPS || code === type.SVCB;
}
