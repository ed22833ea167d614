// What a probe is: an attempt made from a runner, and how its outcome is told from what arrived on the far side.

import type { CapturedPacket } from '../netns/capture.ts';
import type { ArrivedRequest } from '../netns/web-server.ts';

/** Where things are, as the runner of a probe needs to know it. */
export interface Places {
  /** The resolver that the runner is told to use. */
  readonly resolver: string;
  readonly gateway4: string;
  readonly gateway6: string;
  /** Link-local address of the gateway on the runner's link, with zone. */
  readonly gatewayLinkLocal: string;
  /** Web servers of the internet side. */
  readonly web4: string;
  readonly web6: string;
  /** A runner on another network behind the same gateway. */
  readonly otherRunner4: string;
  readonly operatorPort: number;
  readonly workerPort: number;
}

/** What arrived while a probe ran. */
export interface Observation {
  /** Packets that reached the internet. */
  readonly internet: readonly CapturedPacket[];
  /** Packets that reached the other runner. */
  readonly otherRunner: readonly CapturedPacket[];
  readonly requests: readonly ArrivedRequest[];
  /** Names that a name server of the internet was asked. */
  readonly questions: readonly string[];
  /** What the attempt itself saw: bytes that came back, or an error. */
  readonly client: string;
}

export interface Probe {
  /** Stable name, as `--json` prints it. */
  readonly id: string;
  readonly title: string;
  /** Makes the attempt from inside the runner and answers what it saw; it may throw, which is seen as text. */
  readonly attempt: (places: Places) => Promise<string>;
  readonly gotOut: (seen: Observation, places: Places) => boolean;
}

/** The names of doctor's internet. Only the first is allowed by its policy. */
export const doctorNames = { allowed: 'allowed.doctor.example', blocked: 'blocked.doctor.example' } as const;

/** What the stand-ins on the gateway's own ports say to whoever reaches them. */
export const standInBanner = 'stand-in-banner';

/** Tells whether a packet to this destination arrived. */
export function packetTo(destination: string, protocol: number, port: number | null = null): Probe['gotOut'] {
  return ({ internet }) =>
    internet.some(
      (packet) =>
        packet.destination === destination &&
        packet.protocol === protocol &&
        (port === null || packet.destinationPort === port),
    );
}
