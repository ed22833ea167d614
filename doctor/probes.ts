// The table of probes, in the order in which they are printed. A new one is one entry in its file.

import { requestText, tryTls } from './attempts.ts';
import { dnsProbes } from './dns-probes.ts';
import { ownProbes } from './own-probes.ts';
import { packetProbes } from './packet-probes.ts';
import { doctorNames, type Probe } from './probe.ts';
import { webProbes } from './web-probes.ts';

export const probes: readonly Probe[] = [...dnsProbes, ...webProbes, ...packetProbes, ...ownProbes];

/** What has to work, so that a gateway that lets nothing through does not pass for a good one. */
export const allowedProbe: Probe = {
  id: 'allowed-request',
  title: 'a request that the policy allows',
  attempt: ({ web4 }) => tryTls(web4, 443, doctorNames.allowed, requestText(doctorNames.allowed, '/allowed')),
  gotOut: ({ requests }) => requests.some(({ target }) => target === '/allowed'),
};
