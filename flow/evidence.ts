// Facts on a flow that may block it, computed before the decision; detectors read them later and never decide.

export type EvidenceKind =
  | 'sni-mismatch'
  | 'encrypted-client-hello'
  | 'encrypted-dns'
  | 'dns-tunnel'
  | 'rebinding'
  | 'direct-address'
  | 'method-override'
  | 'opaque-body'
  | 'package-age'
  | 'malicious-package'
  | 'moved-ref'
  | 'off-branch'
  | 'look-alike'
  | 'foreign-owner'
  | 'foreign-token'
  | 'secret-in-request'
  | 'secret-in-log'
  | 'upstream-certificate'
  | 'upstream-proxy'
  | 'first-bytes'
  | 'pass-through-proposed'
  | 'proxy-protocol'
  | 'dropped-records';

export interface Evidence {
  readonly kind: EvidenceKind;
  /** Short, redacted, for people; never a secret and never raw bytes. */
  readonly detail: string;
}
