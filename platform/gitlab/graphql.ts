// What a request to GitLab's GraphQL API means: its documents are read from the held body or the query, and what they
// name at their top is touched. Mutations hide their project behind ids; what cannot be read is an opaque write.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { HoldLimits } from '../../flow/held.ts';
import { graphqlAnswerReader } from '../github/graphql-answer.ts';
import { platformTouch } from '../github/touches.ts';
import { hasGraphqlParameters, readBody, readQuery } from '../graphql-asked.ts';
import type { GraphqlDocument, Unread } from '../graphql-document.ts';
import { buildOperation, type Draft } from './build-operation.ts';
import { contentType } from './content-type.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { walkDocuments } from './graphql-walk.ts';
import { hiddenProject } from './touches.ts';

/** Of a document's body; more is an opaque write. */
const graphqlHold: HoldLimits = { maxBytes: 1_048_576, maxDecodedBytes: 1_048_576, maxRatio: 100 };

/** Understands a request to `/api/graphql`. */
export function understandGraphql(server: GitlabServer, request: AskedRequest): Understanding {
  const { method, hasBody } = request;
  if (method === 'POST') return understandPost(server, request);
  if (method !== 'GET' && method !== 'HEAD')
    return opaque(server, request, `the method ${method.slice(0, 20)}`);
  if (hasBody) return opaque(server, request, `${method} with a body`);
  const documents = readQuery(request.query);
  if (documents !== null) return understandDocuments(server, request, documents);
  return understood(server, request, { name: 'graphql/query', touches: [platformTouch('read')] });
}

function understandPost(server: GitlabServer, request: AskedRequest): Understanding {
  if (hasGraphqlParameters(request.query)) return opaque(server, request, 'parameters beside a body');
  if (!request.hasBody) return opaque(server, request, 'no body');
  // A form or its parts may hold another document than the JSON that they look like.
  if (contentType(request) !== 'application/json')
    return opaque(server, request, 'a body that is not sent as JSON in UTF-8');
  return {
    ...opaque(server, request, 'the body was not read'),
    hold: {
      ...graphqlHold,
      withBody: (held) =>
        held.kind === 'opaque'
          ? opaque(server, request, held.detail)
          : understandDocuments(server, request, readBody(held.body)),
    },
  };
}

function understandDocuments(
  server: GitlabServer,
  request: AskedRequest,
  documents: readonly GraphqlDocument[] | Unread,
): Understanding {
  if ('unread' in documents) return opaque(server, request, documents.unread);
  const walked = walkDocuments(documents);
  if ('opaque' in walked) return opaque(server, request, walked.opaque);
  const { mutations, touches, leadsOut } = walked;
  const isQuery = mutations.length === 0;
  const outside = leadsOut.length === 0 ? null : `leads out of what is named by ${leadsOut.join(', ')}`;
  return understood(server, request, {
    name: `graphql/${isQuery ? 'query' : mutations.join('+')}`,
    touches: touches.length === 0 ? [platformTouch('read')] : touches,
    ungrantable: [isQuery ? 'read_api' : 'api'],
    isOpen: isQuery,
    // Whether a mutation administers nobody here knows.
    ...(isQuery ? {} : { sureness: 'unknown' }),
    detail: outside,
  });
}

function opaque(server: GitlabServer, request: AskedRequest, why: string): Understanding {
  const found = understood(server, request, {
    name: 'graphql/opaque',
    touches: [hiddenProject('write')],
    sureness: 'unknown',
    detail: `opaque: ${why}`,
  });
  return { ...found, evidence: [{ kind: 'opaque-body', detail: `GraphQL: ${why}` }] };
}

function understood(server: GitlabServer, request: AskedRequest, draft: Draft): Understanding {
  return {
    operation: buildOperation(server, request, draft),
    evidence: [],
    answer: graphqlAnswerReader,
  };
}
