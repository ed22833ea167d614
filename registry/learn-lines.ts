// Text that passes, line by line, bounded: lines of more than a megabyte are passed over.

import type { AnswerStream } from '../flow/asked-request.ts';
import { nothingTold } from './answer-reader.ts';

const maxLineBytes = 1_048_576;

/** Calls back for each line without its line feed, the last one also when it has none. */
export function learnLines(take: (line: string) => void): AnswerStream {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes <= maxLineBytes) parts.push(Buffer.from(piece));
  };
  const finish = (): void => {
    if (bytes > 0 && bytes <= maxLineBytes) take(Buffer.concat(parts).toString('utf8'));
    parts = [];
    bytes = 0;
  };
  return {
    push(chunk) {
      let at = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
        keep(chunk.subarray(at, end));
        finish();
        at = end + 1;
      }
      keep(chunk.subarray(at));
    },
    end() {
      finish();
      return nothingTold;
    },
  };
}
