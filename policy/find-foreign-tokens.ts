// Tokens in a request to a host that they were not made for. Evidence says whose and where, and never the text.

import type { Evidence } from '../flow/evidence.ts';
import type { PlatformServer } from '../flow/platform-server.ts';
import { findTokens, isMadeFor } from './token-formats.ts';

/** What of a request is looked at. */
export interface SearchedRequest {
  /** Canonical. */
  readonly host: string;
  readonly path: string;
  /** As it came, without `?`. */
  readonly query: string;
  /** Fields as lines `name: value`. */
  readonly fields: string;
}

/** Fields whose purpose is to carry a credential: what is in them is used as one. */
const credentialFields =
  /^(?:(?:proxy-)?authorization|private-token|job-token|deploy-token|x-nuget-apikey|x-jfrog-art-api|x-api-key|x-vault-token)$/i;
const maxFound = 4;
const maxEncoded = 16_384;
const maxDecoded = 262_144;

/** Evidence of tokens in the fields, the path and the query; at most four. */
export function findForeignTokens(request: SearchedRequest, servers: readonly PlatformServer[]): Evidence[] {
  const found = new Found(request.host, servers);
  for (const line of request.fields.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) found.lookAtField(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  found.lookAt(decoded(request.path), 'secret-in-request', 'the path');
  found.lookAt(decoded(request.query), 'secret-in-request', 'the query');
  return found.evidence;
}

/** Evidence of tokens in the first 256 KiB of a body that was held for its meaning. */
export function findTokensInBody(body: Buffer, host: string, servers: readonly PlatformServer[]): Evidence[] {
  const found = new Found(host, servers);
  found.lookAt(decoded(body.toString('latin1', 0, maxDecoded)), 'secret-in-request', 'the body');
  return found.evidence;
}

class Found {
  readonly evidence: Evidence[] = [];
  readonly #host: string;
  readonly #servers: readonly PlatformServer[];

  constructor(host: string, servers: readonly PlatformServer[]) {
    this.#host = host;
    this.#servers = servers;
  }

  lookAtField(name: string, value: string): void {
    const kind = credentialFields.test(name) ? 'foreign-token' : 'secret-in-request';
    this.lookAt(decoded(value), kind, `the field ${name.slice(0, 40)}`);
    const basic = /^basic[ \t]+(\S+)/i.exec(value)?.[1];
    if (basic !== undefined && basic.length <= maxEncoded)
      this.lookAt(Buffer.from(basic, 'base64').toString('latin1'), kind, `the field ${name.slice(0, 40)}`);
  }

  lookAt(text: string, kind: Evidence['kind'], where: string): void {
    for (const format of findTokens(text)) {
      if (isMadeFor(format, this.#host, this.#servers, kind === 'foreign-token')) continue;
      if (this.evidence.length < maxFound)
        this.evidence.push({
          kind,
          detail: `${format.name} in ${where}, and the host is not one it is made for`,
        });
    }
  }
}

/** The text, and what its beginning comes to with percent-encoding undone. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  return `${text}\n${text.slice(0, maxDecoded).replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))}`;
}
