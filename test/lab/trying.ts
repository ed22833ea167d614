// A runner that keeps trying what no policy here allows, while a test breaks something: TCP, UDP, DNS past the gateway
// and echo requests, over both families. What of it reaches the internet is a leak.

import type { CapturedPacket } from '../../netns/capture.ts';
import type { Lab } from './lab.ts';
import { labAddresses } from './origins.ts';
import { askName, knock, sendPing, sendUdp } from './packets.ts';

const everyMs = 60;
const hidden = 'leak.example.net';
const families = [
  { place: labAddresses.other4, resolver: labAddresses.resolver4 },
  { place: labAddresses.other6, resolver: labAddresses.resolver6 },
] as const;
const forbidden = new Set<string>(families.flatMap(({ place, resolver }) => [place, resolver]));

export class Trying {
  readonly #lab: Lab;
  readonly #isAllowed: (packet: CapturedPacket) => boolean;
  readonly #timer: NodeJS.Timeout;

  /** `isAllowed` names packets of the runner that policy lets out. */
  constructor(lab: Lab, isAllowed: (packet: CapturedPacket) => boolean = () => false) {
    this.#lab = lab;
    this.#isAllowed = isAllowed;
    this.#timer = setInterval(() => this.#attempt(), everyMs);
    this.#attempt();
  }

  /** What arrived since `forget`, as `tcp4`, `udp6`, `icmp4`, `dns6` …, each once and sorted. */
  leaks(): string[] {
    const { v4, v6 } = this.#lab.runner();
    const isLeak = (packet: CapturedPacket): boolean =>
      forbidden.has(packet.destination) ||
      ((packet.source === v4 || packet.source === v6) && !this.#isAllowed(packet));
    const packets = this.#lab.capture.packets().filter(isLeak).map(nameOf);
    const asked = this.#lab.origins.questionsFor(hidden).length > 0 ? ['dns'] : [];
    return [...new Set([...packets, ...asked])].toSorted();
  }

  /** Forgets what arrived so far. */
  forget(): void {
    this.#lab.capture.clear();
    this.#lab.origins.clear();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #attempt(): void {
    const { namespace } = this.#lab.runner();
    for (const { place, resolver } of families) {
      void knock(namespace, place, 22, undefined, 150);
      void knock(namespace, place, 443, undefined, 150);
      sendUdp(namespace, place, 4444, 'x');
      sendPing(namespace, place);
      void askName(namespace, resolver, hidden, 'A');
    }
  }
}

function nameOf({ family, protocol, destinationPort }: CapturedPacket): string {
  const name = { 6: 'tcp', 17: destinationPort === 53 ? 'dns' : 'udp', 1: 'icmp', 58: 'icmp' }[protocol];
  return `${name ?? protocol}${family}`;
}
