// How an attempt at the web is found again: its token in what a server saw or in bytes of the capture, and its own
// source address in the records.

import type { FlowRecord } from '../../flow/flow.ts';
import type { CapturedPacket } from '../../netns/capture.ts';
import type { Lab } from '../lab/lab.ts';
import type { Mark } from './bypass.ts';

/** Whether the token came to a web server, or in the clear to anything but a name server; to one address, if given. */
export function sawToken(lab: Lab, { token }: Mark, address?: string): boolean {
  const isThere = (place: string): boolean => address === undefined || place === address;
  return (
    lab.origins.web.arrived.some(
      ({ target, host, headers, address: place }) =>
        isThere(place) && [target, host, JSON.stringify(headers)].some((text) => text.includes(token)),
    ) ||
    sawBytes(lab, ({ payload, destination, destinationPort }) => {
      return destinationPort !== 53 && isThere(destination) && payload.includes(token);
    })
  );
}

/** Whether such a packet came to the internet. */
export function sawBytes(lab: Lab, test: (packet: CapturedPacket) => boolean): boolean {
  return lab.capture.packets().some(test);
}

/** A record of the attempt's own source address. */
export function isOwn({ runner }: FlowRecord, { source4, source6 }: Mark): boolean {
  return runner === source4 || runner === source6;
}

/** A record of this host, whatever its kind. */
export function isOf({ destination }: FlowRecord, host: string): boolean {
  return destination.host === host;
}
