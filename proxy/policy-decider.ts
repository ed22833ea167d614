// Policy behind the three questions of the path: one object per policy, made once.

import type { Policy } from '../policy/compile.ts';
import { checkDial, decideHost, decideName, decideRequest } from '../policy/decide.ts';
import { effectivePolicy } from '../policy/scope.ts';
import type { Decider } from './options.ts';

const made = new WeakMap<Policy, Decider>();

/** The decider of this policy. */
export function deciderOf(policy: Policy): Decider {
  const known = made.get(policy);
  if (known !== undefined) return known;
  const decider: Decider = {
    revision: policy.revision,
    host: (attribution, query) => decideHost(effectivePolicy(policy, attribution), query),
    request: (attribution, query) =>
      decideRequest(
        effectivePolicy(policy, attribution),
        query.operation === null ? query : { ...query, attribution },
      ),
    name: (attribution, name) => decideName(effectivePolicy(policy, attribution), { name }),
    dial: (attribution, address, port, allowed) =>
      checkDial(effectivePolicy(policy, attribution), address, port, allowed),
  };
  made.set(policy, decider);
  return decider;
}
