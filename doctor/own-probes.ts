// Probes of the gateway itself: whatever listens there for its operator must not answer a runner. Stand-ins listen
// on the runner-facing address, so that a closed port is told from a guarded one.

import { doctorNames, standInBanner, type Probe } from './probe.ts';
import { requestText, tryTcp } from './attempts.ts';

const heardStandIn: Probe['gotOut'] = ({ client }) => client.includes(standInBanner);

export const sshPort = 22;

export const ownProbes: readonly Probe[] = [
  {
    id: 'gateway-operator',
    title: 'the operator’s listener of the gateway',
    attempt: ({ gateway4, operatorPort }) =>
      tryTcp(gateway4, operatorPort, requestText('gateway', '/metrics')),
    gotOut: ({ client }) => client.includes(standInBanner) || client.includes('HTTP/1.1 200'),
  },
  {
    id: 'gateway-operator-v6',
    title: 'the operator’s listener of the gateway, IPv6',
    attempt: ({ gateway6, operatorPort }) =>
      tryTcp(gateway6, operatorPort, requestText('gateway', '/metrics')),
    gotOut: ({ client }) => client.includes(standInBanner) || client.includes('HTTP/1.1 200'),
  },
  {
    id: 'gateway-ssh',
    title: 'SSH on the gateway',
    attempt: ({ gateway4 }) => tryTcp(gateway4, sshPort),
    gotOut: heardStandIn,
  },
  {
    id: 'gateway-ssh-v6',
    title: 'SSH on the gateway, IPv6',
    attempt: ({ gateway6 }) => tryTcp(gateway6, sshPort),
    gotOut: heardStandIn,
  },
  {
    id: 'gateway-link-local',
    title: 'SSH on the gateway’s link-local address',
    attempt: ({ gatewayLinkLocal }) => tryTcp(gatewayLinkLocal, sshPort),
    gotOut: heardStandIn,
  },
  {
    id: 'gateway-worker-port',
    title: 'the port that redirected traffic arrives at, spoken to directly',
    attempt: ({ gateway4, workerPort }) =>
      tryTcp(gateway4, workerPort, requestText(doctorNames.blocked, '/direct')),
    gotOut: ({ client, requests }) =>
      client.includes(standInBanner) || requests.some(({ target }) => target === '/direct'),
  },
];
