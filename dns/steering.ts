// Answers with an address of the gateway in place of the name's own: the gateway's itself, or in steer mode one that
// stands for this name alone and whose ports are opened for the runner before the answer leaves.

import { parseAddress } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import type { VirtualAddresses, VirtualPort } from '../flow/ports.ts';
import type { LocalAnswer } from './answer.ts';
import type { Bindings } from './bindings.ts';
import type { CacheEntry } from './cache.ts';
import { steadySeconds } from './clock.ts';
import { rcode as code, type as recordType } from './codes.ts';
import type { Judged } from './judged.ts';
import { nameText } from './name.ts';
import type { Asked } from './question.ts';
import { explainOption, makeLocal, steerTtl } from './verdicts.ts';
import type { NameVerdict, Steered } from './verdicts.ts';

/** What a name of this type is answered with here, or null where its own answer goes out. */
export function steeredOf(verdict: NameVerdict, type: number): Steered | null {
  const { steered } = verdict;
  if (steered === null) return null;
  if (type === recordType.AAAA) return steered;
  return type === recordType.A && steered.when !== 'empty' ? steered : null;
}

/** True when the upstream's answer lets ours take its place. */
export function isReplaced(steered: Steered, entry: CacheEntry, judged: Judged): boolean {
  if (entry.rcode !== code.NOERROR || judged.instead !== null) return false;
  return steered.when !== 'empty' || judged.wire.addresses.length === 0;
}

export class Steering {
  readonly #virtual: VirtualPort | null;
  readonly #bindings: Bindings;

  constructor(virtual: VirtualPort | null, bindings: Bindings) {
    this.#virtual = virtual;
    this.#bindings = bindings;
  }

  /** The answer, or null when it has to be waited for. */
  answerNow(asked: Asked, steered: Steered, seconds: number): LocalAnswer | null {
    const answer = asked.scan.type === recordType.A ? steered.a : steered.aaaa;
    if (answer === null || answer.address === null || steered.ports.length === 0) return answer;
    const { address } = asked.source;
    return this.#bindings.areHeld(address, [answer.address], steered.ports, steerTtl, seconds)
      ? answer
      : null;
  }

  /** The answer, once the keeper has given the name its addresses and opened them. @throws SallyportError keeper-unavailable */
  async answer(asked: Asked, verdict: NameVerdict, steered: Steered): Promise<LocalAnswer> {
    const runner = asked.source.address;
    const host = nameText(verdict.wireName) ?? '';
    let answer = asked.scan.type === recordType.A ? steered.a : steered.aaaa;
    if (answer === null) {
      const given = (await this.#virtual?.assign(host, runner)) ?? { v4: null, v6: null };
      steered.a = answerOf(verdict, steered, given, 'v4');
      steered.aaaa = answerOf(verdict, steered, given, 'v6');
      answer = asked.scan.type === recordType.A ? steered.a : steered.aaaa;
    }
    if (answer.address !== null && steered.ports.length > 0)
      await this.#bindings.hold(runner, [answer.address], steered.ports, steerTtl, steadySeconds(), host);
    return answer;
  }
}

function answerOf(
  verdict: NameVerdict,
  { has }: Steered,
  given: VirtualAddresses,
  family: 'v4' | 'v6',
): LocalAnswer {
  const { decision } = verdict;
  const text = given[family];
  if (text !== null) return makeLocal(decision, { address: parseAddress(text), ttl: steerTtl });
  if (!has[family]) return makeLocal(decision, { hasSoa: true });
  const none = { ...blocked('no-virtual-address', decision.rule), scope: decision.scope };
  return makeLocal(none, { hasSoa: true, option: explainOption(none) });
}
