// The policy that the bypass suite runs under: in block mode, with as much allowed as the attempts need to have
// something to hide behind.

import { labAddresses } from '../lab/origins.ts';

/** Policy of every variant. */
export const suitePolicy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com, methods: any}
  - {id: site-plain, host: allowed.example.com, scheme: http, methods: any}
  - {id: prefix, host: api.example.com, paths: "/open/**"}
  - {id: prefix-plain, host: api.example.com, scheme: http, paths: "/open/**"}
network:
  - {id: echo, to: ${labAddresses.web4}/32, port: 7}
`;
