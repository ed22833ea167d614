// Evidence about the credentials of a request, where policy asks for it: tokens that are bound elsewhere, and writes
// to other owners. Computed before the decision.

import type { Understanding } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Held } from '../flow/held.ts';
import type { Attribution } from '../flow/job.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import type { PlatformServer } from '../flow/platform-server.ts';
import { takesIdentity, type EffectiveCredentials } from './credentials.ts';
import { findForeignTokens, findTokensInBody, type SearchedRequest } from './find-foreign-tokens.ts';
import { findForeignOwner } from './foreign-owner.ts';
import { findForeignClaims, type ClaimedAt } from './foreign-claims.ts';
import { isHostOf } from './token-formats.ts';

const maxClaimed = 262_144;

/** A request as it is inspected. */
export interface InspectedRequest extends SearchedRequest {
  readonly credential: CredentialKind;
  /** The credential is the runtime token of the job itself. */
  readonly isOwnRuntime?: boolean;
  readonly operation: Operation | null;
}

/** Finds evidence about the credentials of one job's requests. */
export interface CredentialInspector {
  /** Evidence of the head. */
  head(request: InspectedRequest): Evidence[];
  /** The meaning that a held body gives, with what is evident in the body besides. */
  body(request: InspectedRequest, held: Held, found: Understanding): Understanding;
}

export function createInspector(
  terms: EffectiveCredentials,
  servers: readonly PlatformServer[],
  attribution: Attribution,
): CredentialInspector {
  const seesTokens = terms.foreignToken !== null;
  const placeOf = ({ host }: InspectedRequest): ClaimedAt => ({
    host,
    isPlatform: attribution.job !== null && isHostOf(attribution.job.platform, host, servers),
    takes: (audience) => takesIdentity(terms, audience, host),
  });
  const ownerOf = (operation: Operation | null): Evidence[] =>
    terms.foreignOwner === null ? [] : inspectOwner(operation, attribution);
  return {
    head: (request) => [
      ...(seesTokens ? inspectTokens(request, servers, attribution, placeOf(request)) : []),
      ...ownerOf(request.operation),
    ],
    body: (request, held, found) => {
      const tokens = seesTokens
        ? [
            ...findTokensInBody(bytesOf(held), request.host, servers),
            ...findForeignClaims(
              bytesOf(held).toString('latin1', 0, maxClaimed),
              attribution,
              placeOf(request),
            ),
          ]
        : [];
      // What the head told already is not told again.
      const owner = ownerOf(request.operation).length > 0 ? [] : ownerOf(found.operation);
      const evidence = [...tokens, ...owner];
      return evidence.length === 0 ? found : { ...found, evidence: [...found.evidence, ...evidence] };
    },
  };
}

/** Of a body that is too large its beginning, as it came. */
const bytesOf = (held: Held): Buffer => (held.kind === 'whole' ? held.body : Buffer.concat(held.raw));

function inspectTokens(
  request: InspectedRequest,
  servers: readonly PlatformServer[],
  attribution: Attribution,
  at: ClaimedAt,
): Evidence[] {
  const found = findForeignTokens(request, servers);
  if (found.length === 0 && isJobTokenElsewhere(request, servers, attribution))
    found.push({
      kind: 'foreign-token',
      detail: 'the job’s own token, and the host is none of its platform',
    });
  const text = request.query === '' ? request.fields : `${request.fields}\r\n${request.query}`;
  found.push(...findForeignClaims(text, attribution, at));
  return found;
}

/** A job's token may be of no public format. */
function isJobTokenElsewhere(
  { credential, isOwnRuntime, host }: InspectedRequest,
  servers: readonly PlatformServer[],
  { job }: Attribution,
): boolean {
  return (
    (credential === 'job' || isOwnRuntime === true) &&
    (job === null || !isHostOf(job.platform, host, servers))
  );
}

function inspectOwner(operation: Operation | null, attribution: Attribution): Evidence[] {
  const owner = findForeignOwner(operation, attribution);
  if (operation === null || owner === null) return [];
  const detail = `${operation.name} writes to ${owner}, not with the job’s own credential`;
  return [{ kind: 'foreign-owner', detail }];
}
