// Looks at the credentials of a request before it is decided, where the policy asks anything of them.

import type { Understanding } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { CredentialKind } from '../flow/operation.ts';
import type { Carried } from './asking.ts';
import type { Connection } from './connection.ts';
import type { Fields } from './fields.ts';
import type { RequestQuery } from './options.ts';

export interface Inspected {
  readonly evidence: readonly Evidence[];
  readonly credential: CredentialKind;
  /** The hold that was asked for, whose body is looked at too. */
  readonly hold: NonNullable<Understanding['hold']> | null;
}

/** Null where the policy asks nothing. */
export function inspectRequest(
  connection: Connection,
  query: RequestQuery,
  {
    search,
    fields,
    carried,
  }: { readonly search: string; readonly fields: Fields; readonly carried: Carried },
  understood: Understanding | null,
): Inspected | null {
  const inspector = connection.core.decider?.inspector?.(connection.attribution) ?? null;
  if (inspector === null) return null;
  const credential = understood?.operation?.credential ?? carried.kind;
  const request = {
    host: query.host,
    path: query.path,
    query: search,
    fields: fields.text(),
    credential,
    isOwnRuntime: carried.lineage?.made === 'runtime',
    operation: understood?.operation ?? null,
  };
  const hold = understood?.hold ?? null;
  return {
    evidence: inspector.head(request),
    credential,
    hold: hold && {
      ...hold,
      withBody: (body) => inspector.body(request, body, hold.withBody(body)),
    },
  };
}
