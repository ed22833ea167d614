// What a request to GitHub's GraphQL API means: its documents are read from the held body or the query, walked over
// the schema, and become one operation. What cannot be read or placed is an opaque write, never a read.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { HoldLimits } from '../../flow/held.ts';
import type { Operation } from '../../flow/operation.ts';
import { hasGraphqlParameters, isFormOfGraphql, readBody, readQuery } from '../graphql-asked.ts';
import type { GraphqlDocument, Unread } from '../graphql-document.ts';
import { buildOperation, type Draft } from './build-operation.ts';
import { graphqlAnswerReader } from './graphql-answer.ts';
import { type Walked, walkDocuments } from './graphql-walk.ts';
import type { GithubServer } from './github-server.ts';
import { hiddenRepository, platformTouch } from './touches.ts';

/** Of a document's body; more is an opaque write. */
export const graphqlHold: HoldLimits = { maxBytes: 1_048_576, maxDecodedBytes: 1_048_576, maxRatio: 100 };
const maxNamed = 64;
const otherCharset = /charset\s*=(?!\s*"?(?:utf-?8|us-ascii)"?\s*(?:[;,]|$))/i;

/** Understands a request to `/graphql` or `/api/graphql`. */
export function understandGraphql(server: GithubServer, request: AskedRequest): Understanding {
  const { method, hasBody } = request;
  if (method === 'POST') return understandPost(server, request);
  if (method === 'OPTIONS' && !hasBody) return read(server, request, 'graphql/preflight');
  if (method !== 'GET' && method !== 'HEAD')
    return opaque(server, request, `the method ${method.slice(0, 20)}`);
  if (hasBody) return opaque(server, request, `${method} with a body`);
  const documents = readQuery(request.query);
  // Without a document GitHub answers with its schema.
  if (documents === null) return read(server, request, 'graphql/schema');
  return understandDocuments(server, request, documents);
}

function understandPost(server: GithubServer, request: AskedRequest): Understanding {
  if (hasGraphqlParameters(request.query)) return opaque(server, request, 'parameters beside a body');
  if (!request.hasBody) return opaque(server, request, 'no body');
  if (otherCharset.test(request.header('content-type') ?? ''))
    return opaque(server, request, 'a body in another charset than UTF-8');
  return {
    ...opaque(server, request, 'the body was not read'),
    hold: {
      ...graphqlHold,
      withBody: (held) => {
        if (held.kind === 'opaque') return opaque(server, request, held.detail);
        return mayBeForm(request) && isFormOfGraphql(held.body)
          ? opaque(server, request, 'a body that is a document as JSON and as a form')
          : understandDocuments(server, request, readBody(held.body));
      },
    },
  };
}

/** JSON comes with any type here (`curl -d` says that it is a form); what is not said may be read as a form too. */
function mayBeForm(request: AskedRequest): boolean {
  const type = request.header('content-type')?.trim() ?? '';
  return type === '' || /^(?:application\/x-www-form-urlencoded|multipart\/)/i.test(type);
}

function understandDocuments(
  server: GithubServer,
  request: AskedRequest,
  documents: readonly GraphqlDocument[] | Unread,
): Understanding {
  if ('unread' in documents) return opaque(server, request, documents.unread);
  const walked = walkDocuments(documents);
  if ('opaque' in walked) return opaque(server, request, walked.opaque);
  const found = understood(server, request, draftOf(walked));
  const isTold = JSON.stringify(walked.decided) !== JSON.stringify(walked.needs);
  return isTold ? { ...found, operation: { ...found.operation, decided: walked.decided } } : found;
}

function draftOf(walked: Walked): Draft {
  const { mutations, touches, needs, ungrantable, unknown } = walked;
  const names = [...mutations].slice(0, maxNamed).join('+');
  return {
    name: `graphql/${names === '' ? 'query' : names}`,
    touches: touches.length === 0 ? [platformTouch('read')] : touches,
    needs,
    ungrantable,
    ...(unknown.length > 0 && {
      sureness: 'unknown',
      detail: `needs are not known of ${unknown.join(', ')}`,
    }),
  };
}

function read(server: GithubServer, request: AskedRequest, name: string): Understanding {
  return {
    operation: buildOperation(server, request, { name, touches: [platformTouch('read')] }),
    evidence: [],
  };
}

function opaque(server: GithubServer, request: AskedRequest, why: string): Understanding {
  const draft: Draft = {
    name: 'graphql/opaque',
    touches: [hiddenRepository('write')],
    sureness: 'unknown',
    detail: `opaque: ${why}`,
  };
  const { operation } = understood(server, request, draft);
  return { operation, evidence: [{ kind: 'opaque-body', detail: `GraphQL: ${why}` }] };
}

function understood(
  server: GithubServer,
  request: AskedRequest,
  draft: Draft,
): Understanding & { readonly operation: Operation } {
  const operation = buildOperation(server, request, draft);
  return { operation, evidence: [], answer: graphqlAnswerReader };
}
