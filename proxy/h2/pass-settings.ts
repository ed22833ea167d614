// SETTINGS of either side on their way to the other: checked, lowered where they must be (settings.ts), and in force
// for frames of the other direction once that side has acknowledged them (RFC 9113 §6.5).

import { acknowledgement, errors, frameHeaderBytes } from './frames.ts';
import type { Http2Relay } from './relay.ts';
import type { Fate } from './walk.ts';

const maxPendingSettings = 64;

/** Passes SETTINGS on, noting what they say; one side's acknowledgement makes the other's count. */
export function passSettings(
  relay: Http2Relay,
  isClient: boolean,
  isAck: boolean,
  id: number,
  length: number,
  bytes: Buffer,
  at: number,
): Fate {
  const fail = (code: number): false => {
    const isFlood = code === errors.enhanceYourCalm;
    if (isClient) relay.failClient(code, isFlood ? 'h2-flood' : 'h2-protocol');
    else relay.failUpstream(code, isFlood ? 'h2-flood' : 'upstream-protocol');
    return false;
  };
  if (id !== 0) return fail(errors.protocol);
  if (isAck ? length !== 0 : length % 6 !== 0) return fail(errors.frameSize);
  const own = isClient ? relay.clientSettings : relay.serverSettings;
  const other = isClient ? relay.serverSettings : relay.clientSettings;
  if (isAck) {
    const table = other.acknowledge();
    if (table === -2) return fail(errors.protocol);
    if (table < 0) return true;
    (isClient ? relay.requestTables : relay.answerTables).setLimit(table);
    // Blocks of ours that wait were made for the table as it was: they go before what changes it.
    const outlet = isClient ? relay.toUpstream : relay.toClient;
    return outlet.isWaiting ? outlet.withWaiting(acknowledgement) : true;
  }
  if (own.pending >= maxPendingSettings) return fail(errors.enhanceYourCalm);
  const start = at + frameHeaderBytes;
  const frame = own.take(bytes, start, start + length);
  return typeof frame === 'number' ? fail(frame) : frame;
}
