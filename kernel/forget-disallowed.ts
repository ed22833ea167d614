// Forgets the forwarded connections of runners that plan and bindings no longer allow, and only those. A runner may
// hold very many: they are looked at in parts, so that the keeper answers others meanwhile.

import { parseAddress } from '../flow/address.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import { forgetFlow, trackedFlows, type TrackedFlow } from './conntrack.ts';
import { PlanJudge } from './judge-flow.ts';
import type { LiveSets } from './live-sets.ts';
import { PrefixMap } from './prefix-map.ts';
import type { KernelConfig } from './rule-model.ts';

const perPart = 2000;
const retryMs = 1000;

export class ConnectionReview {
  readonly #fd: number;
  readonly #live: LiveSets;
  readonly #runners = new PrefixMap<true>();
  readonly #own: ReadonlySet<string>;
  readonly #redirects: boolean;
  #judged: { readonly plan: NetworkPlan; readonly judge: PlanJudge } | null = null;
  #turn = 0;

  /** `fd` is a netfilter socket. */
  constructor(fd: number, config: KernelConfig, live: LiveSets) {
    this.#fd = fd;
    this.#live = live;
    this.#redirects = config.mode !== 'steer';
    for (const network of config.runnerNetworks) this.#runners.add(network, true);
    this.#own = new Set([...config.gatewayAddresses.v4, ...config.gatewayAddresses.v6]);
  }

  /**
   * Forgets them; their next packet is judged anew. The first few thousand are done when it returns; the rest is
   * begun again a second after a failure. @throws SallyportError
   */
  run(plan: NetworkPlan): void {
    if (this.#judged?.plan !== plan) this.#judged = { plan, judge: new PlanJudge(plan, this.#redirects) };
    const turn = ++this.#turn;
    const flows = trackedFlows(this.#fd);
    this.#part(flows, 0, this.#judged.judge);
    const next = (from: number): void => {
      if (from >= flows.length || turn !== this.#turn) return;
      try {
        this.#part(flows, from, this.#judged!.judge);
        setImmediate(next, from + perPart);
      } catch {
        setTimeout(() => this.#again(plan, turn), retryMs).unref();
      }
    };
    setImmediate(next, perPart);
  }

  // What fails for good is tried until a newer review, or the end.
  #again(plan: NetworkPlan, turn: number): void {
    if (turn !== this.#turn) return;
    try {
      this.run(plan);
    } catch {
      const current = this.#turn;
      setTimeout(() => this.#again(plan, current), retryMs).unref();
    }
  }

  /** Ends what still runs. */
  stop(): void {
    this.#turn += 1;
  }

  #part(flows: readonly TrackedFlow[], from: number, judge: PlanJudge): void {
    for (const flow of flows.slice(from, from + perPart)) {
      const source = parseAddress(flow.source);
      if (flow.isRedirected || this.#own.has(flow.destination) || source === null) continue;
      if (this.#runners.first(source) !== true) continue;
      const { destination, protocolNumber, port } = flow;
      const isBound = port !== null && this.#live.isBound(flow.source, destination, protocolNumber, port);
      if (!judge.mayForward(flow, isBound)) forgetFlow(this.#fd, flow);
    }
  }
}
