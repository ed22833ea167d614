// ID tokens of OpenID Connect (Core 1.0 §3.1.3.7): signed by a key of the issuer with RS256 or ES256 and nothing else, made
// for us, now, for this very login. Whatever the text is, the answer is a value.

import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isSameDigest } from '../token.ts';

const longest = 16_384;
const leewaySeconds = 60;
/** A token that was made longer ago than this is not for a login that is under way. */
const oldestSeconds = 3_600;
const algorithms = { RS256: 'RSA', ES256: 'EC' } as const;
const leastRsaBits = 2_048;

export type IdTokenProblem =
  | 'malformed'
  | 'algorithm'
  | 'unknown-key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'too-new'
  | 'too-old'
  | 'nonce'
  | 'subject';

export interface IdTokenRules {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string;
  readonly nowMs: number;
}

export type Claims = Readonly<Record<string, unknown>>;
export type IdTokenAnswer = { readonly claims: Claims } | { readonly problem: IdTokenProblem };

/** Reads a token; `keys` are those that the issuer publishes (RFC 7517). */
export function readIdToken(text: string, keys: readonly JsonWebKey[], rules: IdTokenRules): IdTokenAnswer {
  const parts = text.length > longest ? [] : text.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part)))
    return { problem: 'malformed' };
  const [header, claims] = [decode(head!), decode(body!)];
  if (header === null || claims === null || header['crit'] !== undefined) return { problem: 'malformed' };
  const algorithm = header['alg'] === 'RS256' || header['alg'] === 'ES256' ? header['alg'] : null;
  if (algorithm === null) return { problem: 'algorithm' };
  const fitting = keysFor(header['kid'], algorithm, keys);
  if (fitting.length === 0) return { problem: 'unknown-key' };
  const signed = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature!, 'base64url');
  if (!fitting.some((key) => isSigned(signed, bytes, key))) return { problem: 'signature' };
  const problem = problemOf(claims, rules);
  return problem === null ? { claims } : { problem };
}

function decode(part: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    // as: an object of JSON has string keys.
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : null;
  } catch {
    return null;
  }
}

/** The keys that may have signed: of the algorithm's kind, never a shared secret, never one made for something else. */
function keysFor(kid: unknown, algorithm: keyof typeof algorithms, keys: readonly JsonWebKey[]): KeyObject[] {
  const ofKind = keys.filter(
    (key) =>
      key.kty === algorithms[algorithm] &&
      (key['use'] === undefined || key['use'] === 'sig') &&
      (key['alg'] === undefined || key['alg'] === algorithm),
  );
  const named = kid === undefined ? ofKind : ofKind.filter((key) => key['kid'] === kid);
  // Without a name there is no choice to be made (Core §10.1).
  if (kid === undefined && named.length !== 1) return [];
  return named.slice(0, 4).flatMap((key) => importKey(key) ?? []);
}

function importKey(key: JsonWebKey): KeyObject | null {
  try {
    const made = createPublicKey({ key, format: 'jwk' });
    const { modulusLength, namedCurve } = made.asymmetricKeyDetails ?? {};
    const isStrong = key.kty === 'RSA' ? (modulusLength ?? 0) >= leastRsaBits : namedCurve === 'prime256v1';
    return isStrong ? made : null;
  } catch {
    return null;
  }
}

function isSigned(signed: Buffer, signature: Buffer, key: KeyObject): boolean {
  try {
    return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}

function problemOf(claims: Claims, rules: IdTokenRules): IdTokenProblem | null {
  const { iss, sub, nonce } = claims;
  const nowSeconds = rules.nowMs / 1_000;
  if (iss !== rules.issuer) return 'issuer';
  if (!isForUs(claims, rules.clientId)) return 'audience';
  const problem = timeProblem(claims, nowSeconds);
  if (problem !== null) return problem;
  if (typeof nonce !== 'string' || !isSameDigest(nonce, rules.nonce)) return 'nonce';
  return typeof sub === 'string' && sub !== '' && sub.length <= 255 ? null : 'subject';
}

function isForUs({ aud, azp }: Claims, clientId: string): boolean {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(clientId)) return false;
  // Whoever it was issued to, where several may read it.
  return azp === undefined ? audiences.length === 1 : azp === clientId;
}

function timeProblem({ exp, iat, nbf }: Claims, now: number): IdTokenProblem | null {
  if (typeof exp !== 'number' || typeof iat !== 'number') return 'malformed';
  if (nbf !== undefined && typeof nbf !== 'number') return 'malformed';
  if (now >= exp + leewaySeconds) return 'expired';
  if (iat > now + leewaySeconds || (nbf ?? 0) > now + leewaySeconds) return 'too-new';
  return iat < now - oldestSeconds - leewaySeconds ? 'too-old' : null;
}
