// Policy behind the three questions of the path: one object per policy, made once.

import { actionWordsOf } from '../policy/actions.ts';
import type { Policy } from '../policy/compile.ts';
import { checkDial, decideHost, decideName, decideRequest, withholdGranted } from '../policy/decide.ts';
import { asksAnything, takesIdentity } from '../policy/credentials.ts';
import { asksImageAges } from '../policy/packages.ts';
import { createInspector } from '../policy/inspect-credentials.ts';
import { effectivePolicy } from '../policy/scope.ts';
import type { Decider } from './options.ts';

const made = new WeakMap<Policy, Decider>();

/** The decider of this policy. */
export function deciderOf(policy: Policy): Decider {
  const known = made.get(policy);
  if (known !== undefined) return known;
  const decider: Decider = {
    ...inspecting(policy),
    revision: policy.revision,
    actions: actionWordsOf(policy.actions),
    asksImageAges: policy.packages !== null && asksImageAges(policy.packages),
    host: (attribution, query) => decideHost(effectivePolicy(policy, attribution), query),
    request: (attribution, query) =>
      decideRequest(
        effectivePolicy(policy, attribution),
        query.operation === null ? query : { ...query, attribution },
      ),
    withheld: (attribution, query) =>
      withholdGranted(effectivePolicy(policy, attribution), { ...query, attribution }),
    name: (attribution, name) => decideName(effectivePolicy(policy, attribution), { name }),
    dial: (attribution, address, port, allowed) =>
      checkDial(effectivePolicy(policy, attribution), address, port, allowed),
  };
  made.set(policy, decider);
  return decider;
}

/** What looks at credentials; nothing where no place of the policy asks anything of them. */
function inspecting(policy: Policy): Pick<Decider, 'inspector' | 'takesIdentity'> {
  const places = [policy.credentials, ...policy.scopes.map(({ credentials }) => credentials)];
  if (!places.some(asksAnything)) return {};
  return {
    inspector: (attribution) => {
      const { credentials } = effectivePolicy(policy, attribution);
      return credentials === null ? null : createInspector(credentials, policy.servers, attribution);
    },
    takesIdentity: (attribution, audience, host) => {
      const { credentials } = effectivePolicy(policy, attribution);
      return credentials === null ? null : takesIdentity(credentials, audience, host);
    },
  };
}
