// A malware feed that came as one file from a server: a zip of advisories, one a line, or one JSON text. Stricter than
// with the operator's own files: one that is cut or largely broken is none, so that it takes no good one's place.

import { open, type FileHandle } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SallyportError } from '../flow/errors.ts';
import { FeedGathering } from './gather-feed.ts';
import type { FeedReading } from './gather-feed.ts';
import { readFeedArchive } from './read-feed-archive.ts';

/** Longest JSON text that is read at once, in bytes. */
const maxTextBytes = 67_108_864;
const chunkBytes = 1_048_576;
/** So many parts may be no advisories: a hundredth, and a few of any feed. */
const mayBeBroken = { share: 0.01, few: 5 };

/** Reads the file, whose form its first bytes tell. @throws SallyportError config-invalid when it is no whole feed */
export async function readFeedFile(path: string): Promise<FeedReading> {
  const file = await open(path, 'r');
  try {
    const gathering = new FeedGathering();
    const start = Buffer.alloc(4);
    await file.read(start, 0, 4, 0);
    if (start.readUInt32LE(0) === 0x04034b50) await readFeedArchive(file, gathering);
    else await readTexts(file, gathering);
    return accept(gathering.finish());
  } finally {
    await file.close();
  }
}

function accept(reading: FeedReading): FeedReading {
  const { feed, advisories, problems, problemCount } = reading;
  const parts = advisories + problemCount;
  if (feed.count === 0) throw refused('it names no malicious package');
  if (problemCount > Math.max(mayBeBroken.few, parts * mayBeBroken.share))
    throw refused(
      `${problemCount} of its ${parts} parts are no advisories: ${problems.slice(0, 3).join('; ')}`,
    );
  return reading;
}

const refused = (detail: string): SallyportError =>
  new SallyportError('config-invalid', `the malware feed is not taken: ${detail}`);

/** Advisories by line; a first line that is no JSON by itself begins one text that goes over many. */
async function readTexts(file: FileHandle, gathering: FeedGathering): Promise<void> {
  let line = 0;
  for await (const { text, isWhole } of readLines(file)) {
    line++;
    if (text.trim() === '') continue;
    if (line === 1 && !isJson(text)) return readOneText(file, gathering);
    const isRead = gathering.parse(text, `line ${line}`);
    if (!isRead && !isWhole) throw refused('it ends in the middle of an advisory');
    if (line % 256 === 0) await nextTurn();
  }
  if (line === 0) throw refused('it is empty');
}

async function readOneText(file: FileHandle, gathering: FeedGathering): Promise<void> {
  const { size } = await file.stat();
  if (size > maxTextBytes)
    throw refused('a JSON text of more than 64 MiB: publish one advisory a line, or a zip');
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, 0);
  if (!gathering.parse(bytes.toString('utf8', 0, bytesRead), 'the file')) throw refused('it is no JSON');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Lines of a file; the last is whole when a line feed ends it. @throws SallyportError for one of more than 64 MiB */
async function* readLines(file: FileHandle): AsyncGenerator<{ text: string; isWhole: boolean }> {
  let pieces: Buffer[] = [];
  let [held, at] = [0, 0];
  for (;;) {
    const chunk = Buffer.alloc(chunkBytes);
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    let start = 0;
    for (let end = chunk.indexOf(10, start); end >= 0 && end < bytesRead; end = chunk.indexOf(10, start)) {
      const text = Buffer.concat([...pieces, chunk.subarray(start, end)]).toString('utf8');
      [pieces, held, start] = [[], 0, end + 1];
      yield { text, isWhole: true };
    }
    pieces.push(chunk.subarray(start, bytesRead));
    held += bytesRead - start;
    if (held > maxTextBytes) throw refused('a line of more than 64 MiB');
  }
  if (held > 0) yield { text: Buffer.concat(pieces).toString('utf8'), isWhole: false };
}
