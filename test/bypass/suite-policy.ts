// The policy that the bypass suite runs under: in block mode, with as much allowed as the attempts need to have
// something to hide behind.

import { labAddresses } from '../lab/origins.ts';
import { dnsAllow, hostsAllow } from './dns-attempts.ts';

/** Policy of every variant. */
export const suitePolicy = `version: 1
mode: block
dns: {allow: ${JSON.stringify(dnsAllow)}}
http:
  - {id: site, host: allowed.example.com, scheme: [https, http], methods: any}
  - {id: names, host: "*.name.example.com", scheme: [https, http]}
  - {id: hosts, host: "${hostsAllow}", scheme: http}
  - {id: prefix, host: api.example.com, scheme: [https, http], paths: ["/open/**", "/projects/*/info", "/exact"]}
  - {id: upload, host: api.example.com, scheme: [https, http], methods: POST, paths: "/upload/**", maxUpload: 1KiB}
  - {id: h2, host: h2.example.com, paths: ["/open/**", "/exact"]}
  - {id: h2-upload, host: h2.example.com, methods: POST, paths: "/upload/**", maxUpload: 1KiB}
  - {id: h2-secret, host: h2.example.com, paths: "/open/secret", action: block}
  - {id: h2-other, host: other-h2.example.com}
  - {id: secret, host: api.example.com, paths: "/open/secret", action: block}
network:
  - {id: echo, to: ${labAddresses.web4}/32, port: 7}
blocklist:
  - {id: list, hosts: [banned.example.org]}
`;
