// Where an answer of a GitLab sends the job for the bytes: object storage by a signed URL. A redirect without a
// signature leads to somebody else's registry, and opens nothing.

import type { AnswerHead, AnswerReader } from '../../flow/asked-request.ts';
import { redirectGrants } from '../github/storage-grant.ts';
import type { GitlabServer } from './gitlab-server.ts';

/** Reads the head of an answer alone. */
export function signedRedirectReader(server: GitlabServer): AnswerReader {
  return {
    limits: { maxBytes: 0, maxDecodedBytes: 0, maxRatio: 1 },
    wantsBody: () => false,
    read: (head) => ({
      grants: isSigned(head) ? redirectGrants(server.shared, head) : [],
      accepted: null,
      evidence: [],
    }),
  };
}

const signature = /[?&](?:x-amz-signature|x-goog-signature|signature|sig)=/i;

function isSigned(head: AnswerHead): boolean {
  return signature.test(head.header('location') ?? '');
}
