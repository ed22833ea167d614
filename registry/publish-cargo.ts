// Which crate an upload carries: its body begins with the length of a JSON text and that text
// (doc.rust-lang.org/cargo/reference/registry-web-api.html, "Publish").

import type { Held } from '../flow/held.ts';

const maxMetadataBytes = 4_194_304;

/** Reads name and version; null when the body is opaque or does not tell them. */
export function readCratePublish(held: Held): { readonly name: string; readonly version: string } | null {
  if (held.kind === 'opaque' || held.body.length < 4) return null;
  const length = held.body.readUInt32LE(0);
  if (length > maxMetadataBytes || 4 + length > held.body.length) return null;
  let metadata: unknown;
  try {
    metadata = JSON.parse(held.body.toString('utf8', 4, 4 + length));
  } catch {
    return null;
  }
  if (typeof metadata !== 'object' || metadata === null) return null;
  const { name, vers } = metadata as { name?: unknown; vers?: unknown }; // narrowed by the next line
  return typeof name === 'string' && typeof vers === 'string' ? { name, version: vers } : null;
}
