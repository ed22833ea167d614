// Asks what a request means before it is decided, by its head; where the body decides the answer says so.

import type { AskedRequest, Understanding } from '../flow/asked-request.ts';
import { withQueryTokens } from '../flow/query-token.ts';
import type { CredentialKind } from '../flow/operation.ts';
import type { Connection } from './connection.ts';
import type { Fields } from './fields.ts';
import type { RequestQuery } from './options.ts';

/** What the head says; null where nobody knows the host, or nobody is asked. */
export function understandHead(
  { core, attribution }: Connection,
  query: RequestQuery,
  search: string,
  fields: Fields,
): Understanding | null {
  const { interpreter, credential } = core.ports;
  if (interpreter === undefined) return null;
  const { scheme, host, port, method, path, hasBody } = query;
  let kind: AskedRequest['credential'] | null = null;
  const header = (name: string) => fields.header(name);
  return interpreter.understand({
    scheme,
    host,
    port,
    method,
    path,
    query: search,
    hasBody,
    header,
    attribution,
    // Found when it is asked for: of most hosts nobody does.
    get credential() {
      return (kind ??= credential?.(attribution, withQueryTokens(header, search)) ?? 'unknown');
    },
  });
}

/** Whose credential the fields and the query carry. */
export function credentialOf(
  { core, attribution }: Connection,
  fields: Fields,
  search: string,
): CredentialKind {
  const header = (name: string) => fields.header(name);
  return core.ports.credential?.(attribution, withQueryTokens(header, search)) ?? 'unknown';
}
