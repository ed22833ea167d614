// What a request carries as credentials, for their keyed hashes: bare tokens, and of a signature of AWS the key's id.

import { readBareTokens } from '../read-credential.ts';

const maxField = 8_192;

/** In the order of what counts; at most a few. */
export function readCarriedTokens(header: (name: string) => string | null, query: string): readonly string[] {
  const tokens = readBareTokens(header);
  const authorization = header('authorization') ?? '';
  const key = authorization.length > maxField ? null : keyOf(authorization);
  if (key !== null) tokens.push(key);
  const session = header('x-amz-security-token');
  if (session !== null) tokens.push(session.trim());
  if (query.length <= maxField && query.includes('X-Amz-Credential=')) {
    const credential = new URLSearchParams(query).get('X-Amz-Credential')?.split('/', 1)[0] ?? '';
    if (credential !== '') tokens.push(credential);
  }
  return tokens;
}

function keyOf(authorization: string): string | null {
  return (
    /^AWS4-[A-Z0-9-]{1,40} {1,4}(?:[^,]{0,200}, {0,4}){0,3}Credential=([A-Z0-9]{16,128})\//.exec(
      authorization,
    )?.[1] ??
    /^AWS ([A-Z0-9]{16,128}):/.exec(authorization)?.[1] ??
    null
  );
}
