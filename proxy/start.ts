// startProxy: the proxy over a real policy, as worker.ts wires it.

import type { Policy } from '../policy/compile.ts';
import { startHttp2 } from './h2/relay.ts';
import { answerHttp2 } from './h2/whole-answer.ts';
import { createProxy } from './listener.ts';
import type { Proxy } from './listener.ts';
import type { ProxyPorts } from './options.ts';
import { deciderOf } from './policy-decider.ts';

export interface ProxyOptions extends Omit<ProxyPorts, 'decider'> {
  /** The policy in force, or null while none has been loaded. */
  currentPolicy(): Policy | null;
}

/** Starts a proxy; hand it sockets by `accept`. */
export function startProxy(options: ProxyOptions): Proxy {
  const { currentPolicy, ...ports } = options;
  return createProxy({
    http2: { start: startHttp2, answer: answerHttp2 },
    ...ports,
    decider: () => {
      const policy = currentPolicy();
      return policy === null ? null : deciderOf(policy);
    },
  });
}
