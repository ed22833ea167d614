// The one table of reason codes: why a decision came out as it did, or why a flow ended as it did.
// Records, answers to jobs, metrics and docs/reference use these codes; a code is never renamed.

export const reasons = {
  // allow
  rule: 'a rule of the policy matched',
  'host-open': 'rules exist for this host; each request on it is decided by itself',
  'own-name': 'a name the gateway answers by itself',
  bypass: 'a break-glass is in force',
  // block, by policy
  'no-rule': 'no rule of the policy allows it',
  'block-rule': 'a rule of the policy blocks it',
  blocklist: 'the destination is on the blocklist, which is enforced in every mode',
  'not-exclusive': 'an exclusive scope applies and does not allow it',
  unattributed: 'the flow belongs to no known job and the policy blocks such flows',
  quarantine: 'the runner is quarantined',
  method: 'rules exist for this host and path, but not for this method',
  path: 'rules exist for this host, but not for this path',
  websocket: 'an upgrade needs a rule with websocket: true, and is then one to WebSocket alone',
  'max-upload': 'the body is larger than the rule allows',
  repository: 'rules exist for this platform, but not for this repository, project, image or account',
  access: 'rules exist for what it touches, but not for this access or operation',
  'untrusted-write':
    'a write needs a rule whose scope names the ref or the environment, and no event that runs the input of others',
  'not-understood': 'rules exist for this platform, and nobody can say what this request does there',
  permission: 'it needs a permission of the job’s token above the ceiling of the policy',
  // block, in every mode (docs/reference: always enforced)
  'never-address': 'loopback, link-local, metadata and the gateway itself are never reachable',
  'private-address': 'the name leads to a private range that no rule names by addresses',
  'encrypted-dns': 'DNS over TLS, QUIC or HTTPS to a resolver other than the gateway',
  quic: 'QUIC cannot be inspected; clients fall back to TCP',
  'spoofed-source': 'the source address is not one of the runners',
  'proxy-protocol': 'a configured load balancer did not say who speaks, or not in a readable way',
  // block, by shape
  'ambiguous-host': 'the host cannot be read in one way only',
  'ambiguous-path': 'the path cannot be read in one way only',
  'malformed-request': 'the bytes are no well-formed request',
  'malformed-tls': 'the bytes are no well-formed ClientHello',
  'malformed-dns': 'the bytes are no well-formed query',
  'request-smuggling': 'two parsers could read this message differently',
  'h2-protocol': 'the frames break the rules of HTTP/2',
  'proxy-authentication': 'the proxy port wants credentials, which did not come or were wrong (407)',
  'malformed-websocket': 'a frame breaks the WebSocket protocol',
  misdirected: 'Host and SNI name different hosts (421)',
  'no-server-name': 'TLS without a server name to an address that no rule names',
  'unknown-protocol': 'neither TLS nor HTTP on an intercepted port',
  'direct-address': 'an address that no rule names, instead of a host',
  'direct-port': 'a port of the gateway itself was spoken to directly',
  'no-virtual-address': 'every virtual address of the gateway is in use, or the runner’s share of them',
  'dns-type': 'a record type that is never forwarded',
  'dns-budget': 'too many distinct names under one wildcard',
  'dns-tunnel': 'the queries under this zone look like a tunnel',
  rebinding: 'an answer pointed to an address that the name may not have',
  // block, by limit
  timeout: 'a time limit of this state passed',
  'too-large': 'a size limit of this state was passed',
  'runner-limit': 'the runner holds too many connections or asks too fast',
  'h2-flood': 'an HTTP/2 peer sent frames that cost it nothing faster than the gateway bears',
  'gateway-limit': 'the gateway as a whole is at its limit',
  // block, closed door
  'record-unavailable': 'the flow could not be recorded',
  'policy-unavailable': 'no valid policy has been loaded yet',
  'keeper-unavailable': 'the keeper did not answer',
  'internal-error': 'an error of the gateway itself',
  // upstream
  'resolve-failed': 'the host could not be resolved',
  'connect-failed': 'the server could not be reached',
  'upstream-certificate': 'the certificate of the server is not trusted',
  'client-certificate':
    'the server asks for a client certificate, which an intercepted connection cannot show',
  'upstream-protocol': 'the server broke the protocol',
  'upstream-proxy-refused': 'the proxy that the gateway goes through refused the destination',
  'upstream-proxy-credentials': 'the proxy that the gateway goes through refused the gateway’s credentials',
  'upstream-proxy-failed':
    'the proxy that the gateway goes through did not reach the server, or is not usable',
  'upstream-closed': 'the server closed the connection early',
  'client-closed': 'the client closed the connection early',
  'client-rejected-certificate': 'the client does not trust the gateway’s authority',
  drained: 'the gateway was told to stop, or its worker to give way to a new one',
  'worker-ended': 'the worker that carried the flow ended before the flow did',
} as const satisfies Record<string, string>;

export type Reason = keyof typeof reasons;
