// What a step of a lab's job does to the network: requests to many hosts, over new connections and kept ones, questions
// for names of its own, datagrams. Each carries a mark that nobody else knows.

import { createSocket } from 'node:dgram';
import type { Agent } from 'node:https';
import { call, newAgent } from './calls.ts';
import { say, type SaidFlow } from './said.ts';
import type { Seeded } from './seeded.ts';

/** `traffic REQUESTS [PACKETS]` as the first line of a script. */
export interface Script {
  readonly requests: number;
  readonly packets: number;
}

/** Where traffic of steps goes. */
export interface Targets {
  /** Hosts that policy lets every job reach. */
  readonly hosts: readonly string[];
  /** A wildcard without its star: names below it are used once. */
  readonly below: string;
  /** Blocked datagrams go here, each to a port of its own from `fromPort` on. */
  readonly address: string;
  readonly fromPort: number;
}

/** Whose traffic it is. */
export type Whose = Pick<SaidFlow, 'job' | 'step' | 'infrastructure' | 'unsure'>;

export function readScript(text: string): Script {
  const [, requests = '0', packets = '0'] = /traffic (\d+)(?: (\d+))?/.exec(text) ?? [];
  return { requests: Number(requests), packets: Number(packets) };
}

export class Traffic {
  readonly #targets: Targets;
  readonly #random: Seeded;
  #port: number;

  constructor(targets: Targets, random: Seeded) {
    this.#targets = targets;
    this.#random = random;
    this.#port = targets.fromPort;
  }

  /** `atHalf` runs when half of the requests are out. */
  async make({ requests, packets }: Script, whose: Whose, atHalf: () => void = () => {}): Promise<void> {
    const agent = newAgent();
    for (let at = 0; at < packets; at++) await this.#datagram(whose);
    for (let at = 0; at < requests;) {
      const together = Math.min(requests - at, 1 + this.#random.below(4));
      const all = Array.from({ length: together }, () =>
        this.request(whose, this.#random.chance(0.5) ? agent : false),
      );
      const isHalf = at < requests / 2 && at + together >= requests / 2;
      if (isHalf) atHalf();
      await Promise.all(all);
      at += together;
    }
    agent.destroy();
  }

  /** One request with a mark of its own. */
  async request(whose: Whose, agent: Agent | false = false): Promise<void> {
    const mark = this.#random.word(14).toLowerCase();
    const isOwnName = this.#random.chance(0.1);
    const host = isOwnName ? `${mark}.${this.#targets.below}` : this.#random.pick(this.#targets.hosts);
    const method = this.#random.pick(['GET', 'GET', 'GET', 'POST']);
    await marked(mark, whose, `https://${host}/m/${mark}`, {
      method,
      agent,
      ...(method === 'POST' ? { body: 'x=1' } : {}),
    });
  }

  async #datagram(whose: Whose): Promise<void> {
    const port = this.#port++;
    say({ said: 'flow', mark: String(port), kind: 'packet', ...whose });
    const socket = createSocket('udp4');
    socket.on('error', () => {}); // The gateway says that nothing goes there.
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.send('lab', port, this.#targets.address, () => resolve());
    await promise;
    socket.close();
  }
}

/** Says whose a request is, sends it, and says how it was answered. */
export async function marked(
  mark: string,
  whose: Whose,
  url: string,
  asked: Parameters<typeof call>[1] = {},
): Promise<{ readonly location: string; readonly text: string; readonly status: number }> {
  say({ said: 'flow', mark, kind: 'request', ...whose });
  try {
    const answer = await call(url, asked);
    say({ said: 'answered', mark, status: answer.status });
    return answer;
  } catch (error) {
    say({ said: 'failed', what: `${url}: ${String(error)}` });
    return { status: 0, location: '', text: '' };
  }
}
