// An attempt that is one or more packets to a destination of its own, judged by where they go.

import { knock, sendUdp } from '../lab/packets.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { sawPacket, tellsOf, type Aim } from './target.ts';

/** Sends on runner 0; held by `no-rule` unless `rest` says otherwise. */
export function packetAttempt(
  id: BypassId,
  how: string | undefined,
  aimOf: (mark: Mark) => Aim,
  send: (namespace: string, aim: Aim) => unknown,
  rest: Partial<Bypass> = {},
): Bypass {
  return {
    id,
    ...(how === undefined ? {} : { how }),
    run: async (lab, mark) => send(lab.runner().namespace, aimOf(mark)),
    arrived: (lab, mark) => sawPacket(lab, aimOf(mark)),
    recorded: (record, mark) => tellsOf(record, aimOf(mark)),
    reasons: ['no-rule'],
    ...rest,
  };
}

/** One datagram of 64 bytes. */
export const datagram = (namespace: string, { address, port }: Aim): void =>
  sendUdp(namespace, address, port ?? 0, 'x'.repeat(64));
/** Begins a connection and says what is no known protocol. */
export const connection = (namespace: string, { address, port }: Aim): Promise<void> =>
  knock(namespace, address, port ?? 0);
