// What each child may ask of the keeper, in one table: workers bind addresses and have leaves signed; whom to cut off
// is control's to say, since a worker that was taken over would cut off the other runners.

import type { Frame, FrameType } from '../flow/channel.ts';
import { SallyportError } from '../flow/errors.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import type { Binding, VirtualAddresses } from '../flow/ports.ts';
import {
  readAddress,
  readAssignment,
  readBindings,
  readPlan,
  readQuarantine,
  readRunner,
  readRunners,
} from './check-message.ts';

export type Child = 'control' | 'worker';

/** What requests come to. */
export interface RequestPorts {
  sign(toBeSigned: Uint8Array): Uint8Array;
  bind(bindings: readonly Binding[]): void;
  unbind(bindings: readonly Binding[]): void;
  /** The addresses of the steer pool that stand for a host. */
  assign(host: string, runner: string): VirtualAddresses;
  /** The host that an address of the steer pool stands for, or null. */
  whose(address: string): string | null;
  cut(runner: string): void;
  quarantine(runner: string, durationMs: number): void;
  update(plan: NetworkPlan): void;
  /** Tells what is bound for these runners. */
  review(runners: readonly string[]): void;
  /** Resolves when a new generation of workers serves. */
  upgrade(): Promise<void>;
}

interface Request {
  readonly from: readonly Child[];
  readonly act: (payload: Buffer, ports: RequestPorts) => Uint8Array | void | Promise<void>;
}

const requests: Partial<Record<FrameType, Request>> = {
  sign: { from: ['worker'], act: (payload, ports) => ports.sign(payload) },
  bind: { from: ['worker'], act: (payload, ports) => ports.bind(readBindings(payload)) },
  unbind: { from: ['worker', 'control'], act: (payload, ports) => ports.unbind(readBindings(payload)) },
  assign: {
    from: ['worker'],
    act: (payload, ports) => {
      const { host, runner } = readAssignment(payload);
      return Buffer.from(JSON.stringify(ports.assign(host, runner)));
    },
  },
  whose: {
    from: ['worker'],
    act: (payload, ports) => Buffer.from(ports.whose(readAddress(payload)) ?? ''),
  },
  cut: { from: ['control'], act: (payload, ports) => ports.cut(readRunner(payload)) },
  quarantine: {
    from: ['control'],
    act: (payload, ports) => {
      const { runner, durationMs } = readQuarantine(payload);
      ports.quarantine(runner, durationMs);
    },
  },
  plan: { from: ['control'], act: (payload, ports) => ports.update(readPlan(payload)) },
  review: { from: ['control'], act: (payload, ports) => ports.review(readRunners(payload)) },
  // What is started lies where the keeper itself was started: nobody can name another program.
  upgrade: { from: ['control'], act: (_, ports) => ports.upgrade() },
};
const nothing = Buffer.alloc(0);

/** Does what a child asks and answers the payload of `ok`. @throws SallyportError when it may not ask for that */
export function answerRequest(
  frame: Frame,
  from: Child,
  ports: RequestPorts,
): Uint8Array | Promise<Uint8Array> {
  const request = requests[frame.type];
  if (request?.from.includes(from) !== true)
    throw new SallyportError('keeper-unavailable', `a ${from} may not ask for ${frame.type}`);
  const answer = request.act(frame.payload, ports);
  return answer instanceof Promise ? answer.then(() => nothing) : (answer ?? nothing);
}
