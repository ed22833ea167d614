// Reads a malware feed from files: OSV advisories, one a file, many in a list, or one a line, alone or in folders.

import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SallyportError } from '../flow/errors.ts';
import { FeedGathering } from './gather-feed.ts';
import type { FeedReading } from './gather-feed.ts';

const maxFileBytes = 268_435_456;
const filesAtOnce = 16;

/**
 * Reads files (`.json`; `.ndjson` and `.jsonl` by line) and folders with all below them.
 * @throws SallyportError config-invalid when a path cannot be read, nothing in them is an advisory, or they are too many
 */
export async function readMalwareFeed(paths: readonly string[]): Promise<FeedReading> {
  const reading = new FeedGathering();
  for (const path of paths) await readPath(reading, path);
  return reading.finish();
}

async function readPath(reading: FeedGathering, path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) await readFolder(reading, path);
    else await readOne(reading, path);
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new SallyportError('config-invalid', `the malware feed ${path} cannot be read`, error);
  }
}

async function readFolder(reading: FeedGathering, folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const files = entries.filter((entry) => entry.isFile() && /\.(?:json|ndjson|jsonl)$/.test(entry.name));
  for (let at = 0; at < files.length; at += filesAtOnce) {
    const some = files.slice(at, at + filesAtOnce);
    await Promise.all(some.map((entry) => readOne(reading, join(folder, entry.name))));
  }
  for (const entry of entries) if (entry.isDirectory()) await readFolder(reading, join(folder, entry.name));
}

async function readOne(reading: FeedGathering, path: string): Promise<void> {
  if (/\.(?:ndjson|jsonl)$/.test(path)) return readLines(reading, path);
  if ((await stat(path)).size > maxFileBytes) return reading.problem(`${path}: larger than 256 MiB`);
  reading.parse(await readFile(path, 'utf8'), path);
}

async function readLines(reading: FeedGathering, path: string): Promise<void> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line++;
    if (text.trim() !== '') reading.parse(text, `${path}:${line}`);
  }
}
