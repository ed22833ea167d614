// Frames of our own answers: the explained refusal as one header block that changes no table, with its body where
// the client's window has room for it; gRPC as trailers-only (grpc.io PROTOCOL-HTTP2).

import type { Explained } from '../blocked-answer.ts';
import { flags, frameTypes, makeFrame, makeHeaders } from './frames.ts';
import { encodeAnswer, encodeTableSize } from './hpack-encode.ts';

/** What every peer takes (RFC 9113 §4.2). */
const smallestMaxFrame = 16_384;

/**
 * The answer on this stream. Without `withBody` it ends with its headers; `isHead` leaves the length of the body that
 * is not there. `tableBytes`, unless -1, is announced first.
 */
export function answerFrames(
  id: number,
  answer: Explained,
  withBody: boolean,
  isHead: boolean,
  tableBytes: number,
): Buffer {
  const hasBody = withBody && answer.body.length > 0;
  const fields = answer.fields.map(([name, value]): readonly [string, string] =>
    name === 'content-length' && !hasBody && !isHead ? [name, '0'] : [name, value],
  );
  const encoded = encodeAnswer([[':status', String(answer.status)], ...fields]);
  const block = tableBytes < 0 ? encoded : Buffer.concat([encodeTableSize(tableBytes), encoded]);
  const headers = makeHeaders(id, block, !hasBody, smallestMaxFrame);
  if (!hasBody) return headers;
  return Buffer.concat([headers, makeFrame(frameTypes.data, flags.endStream, id, answer.body)]);
}
