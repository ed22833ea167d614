// Destinations that no other attempt uses, and how a packet to one is found in the capture and in the records.

import type { FlowRecord } from '../../flow/flow.ts';
import type { Lab } from '../lab/lab.ts';
import type { Mark } from './bypass.ts';

/** An address of the attempt's own that no rule names; nobody answers there, the capture sees what comes. */
export function target4({ port }: Mark): string {
  return `45.60.${(port >> 8) & 255}.${port & 255}`;
}

/** The same for IPv6. */
export function target6({ port }: Mark): string {
  return `2a0a:6040::${port.toString(16)}`;
}

/** What is looked for in a packet; a port of null is any. */
export interface Aim {
  readonly address: string;
  readonly protocol: number;
  readonly port: number | null;
}

/** Whether such a packet reached the internet. */
export function sawPacket(lab: Lab, { address, protocol, port }: Aim): boolean {
  return lab.capture
    .packets()
    .some(
      (packet) =>
        packet.destination === address &&
        packet.protocol === protocol &&
        (port === null || packet.destinationPort === port),
    );
}

/** Whether the record tells of such a packet. */
export function tellsOf(
  { kind, destination, packet }: FlowRecord,
  { address, protocol, port }: Aim,
): boolean {
  return (
    kind === 'packet' &&
    destination.address === address &&
    packet?.protocolNumber === protocol &&
    (port === null || destination.port === port)
  );
}
