// Which gem an upload carries: a gem is a tar archive whose `metadata.gz` is the specification in YAML
// (guides.rubygems.org/specification-reference).

import { gunzipSync } from 'node:zlib';
import type { Held } from '../flow/held.ts';
import { readMultipart } from './multipart.ts';

const maxMetadataBytes = 4_194_304;
const maxEntries = 64;

/** Reads name and version; null when the body is opaque or does not tell them. */
export function readGemPush(
  contentType: string,
  held: Held,
): { readonly name: string; readonly version: string } | null {
  if (held.kind === 'opaque') return null;
  const isForm = /^multipart\//i.test(contentType);
  const parts = isForm ? readMultipart(contentType, held.body) : null;
  const archive = isForm ? onlyGem(parts) : held.body;
  const packed = archive === null ? null : readMetadata(archive);
  if (packed === null) return null;
  try {
    return readSpecification(gunzipSync(packed, { maxOutputLength: maxMetadataBytes }).toString('utf8'));
  } catch {
    return null;
  }
}

/** Attestations may come beside the gem. */
function onlyGem(parts: ReturnType<typeof readMultipart>): Buffer | null {
  const gems = (parts ?? []).filter(({ name }) => name === 'gem');
  return gems.length === 1 ? gems[0]!.body : null;
}

/**
 * The specification in a tar archive (POSIX.1-1988 ustar); null when there is none or more than one: a server takes one
 * that is not compressed, too, and any name that ends so.
 */
function readMetadata(archive: Buffer): Buffer | null {
  let found: Buffer | null = null;
  let at = 0;
  for (let i = 0; at + 512 <= archive.length; i++) {
    const text = (from: number, to: number): string =>
      archive.toString('latin1', at + from, at + to).replace(/\0.*$/s, '');
    const entry = text(0, 100);
    if (entry === '') return found;
    const digits = text(124, 136).trim();
    const size = /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : -1;
    // Other kinds give the next entry another name; a prefix is part of the name.
    const isFile = archive[at + 156] === 0 || archive[at + 156] === 48;
    if (i >= maxEntries || size < 0 || at + 512 + size > archive.length || !isFile) return null;
    if (/(?:^|\/)metadata(?:\.gz)?$/.test(entry)) {
      if (entry !== 'metadata.gz' || text(345, 500) !== '' || found !== null) return null;
      found = archive.subarray(at + 512, at + 512 + size);
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

/** `name:` at the margin, and the `version:` within its object. Psych writes them so; anything else is not guessed at. */
function readSpecification(yaml: string): { name: string; version: string } | null {
  if (!/^--- !ruby\/object:Gem::Specification\r?\n/.test(yaml)) return null;
  const names = [...yaml.matchAll(/^name: ["']?([A-Za-z0-9._-]{1,128})["']?\r?$/gm)];
  const versions = [
    ...yaml.matchAll(
      /^version: !ruby\/object:Gem::Version\r?\n {2}version: ["']?([0-9A-Za-z.-]{1,128})["']?\r?$/gm,
    ),
  ];
  const margins = [...yaml.matchAll(/^["'?]?name["']?\s*:/gm)];
  if (names.length !== 1 || versions.length !== 1 || margins.length !== 1) return null;
  return { name: names[0]![1]!, version: versions[0]![1]! };
}
