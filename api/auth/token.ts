// Tokens for programs: `slp_ID_SECRET`, shown once. 32 random bytes need no slow hash: SHA-256 is what is kept.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { StoredToken, TokenPort } from './access-port.ts';
import type { Actor, Role } from './role.ts';

const shape = /^slp_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;
const shapes = /slp_([0-9a-f]{16})_[A-Za-z0-9_-]{43}/g;
const longestToken = 64;
/** How exact the time of the last use is: a write for each request would be one too many. */
const usedStepMs = 60_000;

export interface TokenRequest {
  readonly label: string;
  readonly role: Role;
  readonly owners: readonly string[] | null;
  readonly lifetimeMs: number;
}

/** Makes a token; `text` is the only time that it is seen. */
export async function createToken(
  port: TokenPort,
  request: TokenRequest,
  nowMs: number,
): Promise<{ text: string; stored: StoredToken }> {
  const id = randomBytes(8).toString('hex');
  const text = `slp_${id}_${randomBytes(32).toString('base64url')}`;
  const { label, role, owners, lifetimeMs } = request;
  const times = { createdMs: nowMs, expiresMs: nowMs + lifetimeMs, usedMs: null, revokedMs: null };
  const stored = { id, digest: digestOf(text), label, role, owners, ...times };
  await port.addToken(stored);
  return { text, stored };
}

/** The actor of an `Authorization: Bearer` header (RFC 6750), or null. */
export async function actorOfToken(
  port: Pick<TokenPort, 'tokenOf' | 'touchToken'>,
  header: string | undefined,
  nowMs: number,
): Promise<Actor | null> {
  const text = bearerOf(header);
  const id = text === null ? undefined : shape.exec(text)?.[1];
  if (text === null || id === undefined) return null;
  const stored = await port.tokenOf(id);
  if (stored === null || !isSameDigest(stored.digest, digestOf(text))) return null;
  if (stored.revokedMs !== null || nowMs >= stored.expiresMs) return null;
  if (stored.usedMs === null || nowMs - stored.usedMs >= usedStepMs) await port.touchToken(id, nowMs);
  return { name: `token:${id}`, role: stored.role, owners: stored.owners, by: 'token' };
}

function bearerOf(header: string | undefined): string | null {
  if (header === undefined || header.length > longestToken + 'Bearer '.length) return null;
  return /^bearer /i.test(header) ? header.slice('Bearer '.length) : null;
}

/** A text in which tokens of ours are only named: somebody may write one where its name belongs. */
export function withoutTokens(text: string): string {
  return text.replaceAll(shapes, 'slp_$1_…');
}

/** SHA-256 in hexadecimal of what is random enough not to be guessed. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Compares two digests in constant time; of different length they differ. */
export function isSameDigest(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
