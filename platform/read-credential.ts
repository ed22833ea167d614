// Whose credential a request carries: the job's own token by its hash, every other by its public format. The text of
// a credential stays in this function.

import type { CredentialKind } from '../flow/operation.ts';

/** True for the job's own token; asked with the bare token. */
export type IsJobToken = (token: string) => boolean;

/** The fields that carry credentials to forges and registries, in lower case. */
const bareFields = [
  'private-token',
  'job-token',
  'deploy-token',
  'x-nuget-apikey',
  'x-jfrog-art-api',
] as const;

// Public formats: docs.github.com "GitHub's token formats", docs.gitlab.com "Token overview", and the registries' own.
const formats: readonly (readonly [RegExp, CredentialKind])[] = [
  [/^(?:ghp_|github_pat_|gho_|glpat-|glft-|gloas-)/, 'pat'],
  [/^(?:ghs_|ghu_|ghr_)/, 'app'],
  [/^gldt-/, 'deploy-key'],
  [/^(?:npm_|pypi-|rubygems_|dckr_pat_|cio|oy2)/, 'registry'],
  [/^eyJ[\w-]+\.eyJ/, 'runtime'],
];

const maxField = 16_384;

/** Reads Authorization (Basic, Bearer, token and AWS signatures) and the fields of single platforms. */
export function readCredential(
  header: (name: string) => string | null,
  isJobToken: IsJobToken,
): CredentialKind {
  const authorization = header('authorization');
  const tokens = authorization === null ? [] : readTokens(authorization);
  if (tokens === 'cloud') return 'cloud';
  tokens.push(...readBareFields(header));
  if (tokens.length === 0) return authorization === null ? 'none' : 'unknown';
  if (tokens.some((token) => token.length > 0 && isJobToken(token))) return 'job';
  if (authorization !== null && piecesOf(authorization).some(isJobToken)) return 'job';
  for (const token of tokens) {
    const known = formats.find(([pattern]) => pattern.test(token));
    if (known !== undefined) return known[1];
  }
  return 'unknown';
}

/** The bare secrets of all these fields, those of Authorization first; a signature of AWS holds none. */
export function readBareTokens(header: (name: string) => string | null): string[] {
  const authorization = header('authorization');
  const tokens = authorization === null ? [] : readTokens(authorization);
  return [...(tokens === 'cloud' ? [] : tokens), ...readBareFields(header)].filter((token) => token !== '');
}

/** A field that came twice is joined by commas (RFC 9110 §5.3). */
function readBareFields(header: (name: string) => string | null): string[] {
  return bareFields.flatMap(
    (name) =>
      header(name)
        ?.split(',')
        .map((value) => value.trim()) ?? [],
  );
}

const maxPieces = 64;

/** All that may be a token in a field, whatever is around it, in base64 too: platforms read more than the forms. */
function piecesOf(field: string): string[] {
  const encoded = field.match(/[A-Za-z0-9+/_-]{16,}/g)?.slice(0, maxPieces) ?? [];
  const decoded = encoded.map((text) => Buffer.from(text, 'base64').toString('latin1'));
  const pieces = [field, ...decoded].flatMap(
    (text) => text.match(/[A-Za-z0-9_.-]{16,}/g)?.slice(0, maxPieces) ?? [],
  );
  return pieces.slice(0, 2 * maxPieces);
}

/** The bare secrets of one field; both halves of Basic, since platforms take a token in either. */
function readTokens(field: string): string[] | 'cloud' {
  if (field.length > maxField) return [''];
  const space = field.indexOf(' ');
  const scheme = (space < 0 ? field : field.slice(0, space)).toLowerCase();
  const rest = space < 0 ? '' : field.slice(space + 1).trim();
  if (scheme === 'aws' || scheme.startsWith('aws4-')) return 'cloud';
  if (scheme === 'bearer' || scheme === 'token' || scheme === 'remoteauth') return spellingsOf(rest);
  if (scheme !== 'basic') return [space < 0 ? field.trim() : rest];
  const pair = Buffer.from(rest, 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon < 0 ? [pair] : [pair.slice(colon + 1), pair.slice(0, colon)];
}

/** `"x"`, `token="x"`, and x in base64, in which registries of images take it (ghcr.io) as well as plainly. */
function spellingsOf(written: string): string[] {
  const bare = written.replace(/^token=/i, '').replace(/^"|"$/g, '');
  if (!/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(bare)) return [bare];
  const decoded = Buffer.from(bare, 'base64').toString('latin1').trim();
  return /^[\x21-\x7e]+$/.test(decoded) ? [bare, decoded, ...decoded.split(':', 2)] : [bare];
}
