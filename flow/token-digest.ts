// A job's own token as it is kept: HMAC-SHA256 under a key of its own, never the token (design: secrets are hashed).

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const form = /^hmac-sha256:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})$/;

/** `hmac-sha256:KEY:DIGEST`, both base64url; the key is random. */
export function digestToken(token: string): string {
  const key = randomBytes(16);
  return `hmac-sha256:${key.toString('base64url')}:${hmac(key, token).toString('base64url')}`;
}

/** Reads such a text into a question that is asked with a bare token; null when it is none. */
export function readTokenDigest(text: string): ((token: string) => boolean) | null {
  const parts = form.exec(text);
  if (parts === null) return null;
  const [key, digest] = [Buffer.from(parts[1]!, 'base64url'), Buffer.from(parts[2]!, 'base64url')];
  return (token) => timingSafeEqual(hmac(key, token), digest);
}

const hmac = (key: Buffer, token: string): Buffer => createHmac('sha256', key).update(token).digest();
