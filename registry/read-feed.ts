// Reads a malware feed from files: OSV advisories, one a file, many in a list, or one a line, alone or in folders.

import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SallyportError } from '../flow/errors.ts';
import { FeedBuilder } from './malware-feed.ts';
import type { MalwareFeed } from './malware-feed.ts';
import { readAdvisory } from './osv.ts';

export interface FeedReading {
  readonly feed: MalwareFeed;
  /** Advisories read, and those of them that speak of no malware. */
  readonly advisories: number;
  readonly skipped: number;
  /** The first problems, with file and, of files of lines, line; the rest is counted alone. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

const maxFileBytes = 268_435_456;
const maxProblems = 20;
const filesAtOnce = 16;

class Reading {
  readonly builder = new FeedBuilder();
  readonly problems: string[] = [];
  problemCount = 0;
  advisories = 0;
  skipped = 0;

  problem(text: string): void {
    this.problemCount++;
    if (this.problems.length < maxProblems) this.problems.push(text);
  }

  take(value: unknown, where: string): void {
    const affected = readAdvisory(value);
    if (affected === null) {
      this.problem(`${where}: no advisory in OSV's format`);
      return;
    }
    this.advisories++;
    if (affected.length === 0) this.skipped++;
    for (const each of affected) this.builder.add(each);
  }

  parse(text: string, where: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.problem(`${where}: no JSON`);
      return;
    }
    if (Array.isArray(value)) value.forEach((each, index) => this.take(each, `${where}[${index}]`));
    else this.take(value, where);
  }
}

/**
 * Reads files (`.json`; `.ndjson` and `.jsonl` by line) and folders with all below them.
 * @throws SallyportError config-invalid when a path cannot be read, or nothing in them is an advisory
 */
export async function readMalwareFeed(paths: readonly string[]): Promise<FeedReading> {
  const reading = new Reading();
  for (const path of paths) await readPath(reading, path);
  const { advisories, skipped, problems, problemCount } = reading;
  if (advisories === 0 && problemCount > 0) {
    throw new SallyportError('config-invalid', `the malware feed holds no advisory: ${problems.join('; ')}`);
  }
  return { feed: reading.builder.build(), advisories, skipped, problems, problemCount };
}

async function readPath(reading: Reading, path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) await readFolder(reading, path);
    else await readOne(reading, path);
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new SallyportError('config-invalid', `the malware feed ${path} cannot be read`, error);
  }
}

async function readFolder(reading: Reading, folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const files = entries.filter((entry) => entry.isFile() && /\.(?:json|ndjson|jsonl)$/.test(entry.name));
  for (let at = 0; at < files.length; at += filesAtOnce) {
    const some = files.slice(at, at + filesAtOnce);
    await Promise.all(some.map((entry) => readOne(reading, join(folder, entry.name))));
  }
  for (const entry of entries) if (entry.isDirectory()) await readFolder(reading, join(folder, entry.name));
}

async function readOne(reading: Reading, path: string): Promise<void> {
  if (/\.(?:ndjson|jsonl)$/.test(path)) return readLines(reading, path);
  if ((await stat(path)).size > maxFileBytes) return reading.problem(`${path}: larger than 256 MiB`);
  return reading.parse(await readFile(path, 'utf8'), path);
}

async function readLines(reading: Reading, path: string): Promise<void> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line++;
    if (text.trim() !== '') reading.parse(text, `${path}:${line}`);
  }
}
