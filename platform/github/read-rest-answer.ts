// What an answer of GitHub's REST API tells: the permission that would have been enough, whether an issue was a pull
// request, names of repositories by number, and the storage that it sends the job to.

import type { AnswerHead, AnswerMeaning, AnswerReader } from '../../flow/asked-request.ts';
import type { Operation } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';
import { learnFromLinks } from './learn-from-links.ts';
import { readAccepted } from './read-accepted.ts';
import { fieldOf, isJson, parseJson } from './read-json.ts';
import { redirectGrants } from './storage-grant.ts';

/** Answers with one repository or a list of them, whose form the caller cannot choose. */
const tellsRepositories: ReadonlySet<string> = new Set([
  'repos/get',
  'repos/list-for-org',
  'repos/list-for-user',
  'repos/list-for-authenticated-user',
  'apps/list-repos-accessible-to-installation',
]);
/** Answers that send the job to signed storage. */
const sendsToStorage: ReadonlySet<string> = new Set([
  'actions/download-artifact',
  'actions/download-job-logs-for-workflow-run',
  'actions/download-workflow-run-logs',
  'actions/download-workflow-run-attempt-logs',
  'repos/get-release-asset',
  'code-scanning/get-codeql-database',
  'migrations/download-archive-for-org',
  'migrations/get-archive-for-authenticated-user',
]);
const limits = { maxBytes: 1_048_576, maxDecodedBytes: 2_097_152, maxRatio: 100 };

/**
 * What an answer may teach of names behind numbers: by its body, and by its links too where the path names what it
 * touches; nothing without TLS, where anybody answers.
 */
export type Teaches = 'nothing' | 'bodies' | 'links';

/** Reads the answer to an operation of the REST API. */
export function restAnswerReader(server: GithubServer, operation: Operation, teaches: Teaches): AnswerReader {
  const wantsIssue = operation.needs.length > 1 && /^(?:issues|reactions)\//.test(operation.name);
  const wantsNames = teaches !== 'nothing' && tellsRepositories.has(operation.name);
  return {
    limits,
    wantsBody: (head) => (wantsIssue || wantsNames) && isJson(head) && head.status < 300,
    read: (head, body) => {
      const value = parseJson(body);
      if (wantsNames) learnNames(server, value);
      if (teaches === 'links') learnFromLinks(server, operation, head);
      return meaningOf(server, operation, head, wantsIssue ? value : null);
    },
  };
}

function meaningOf(
  server: GithubServer,
  operation: Operation,
  head: AnswerHead,
  value: unknown,
): AnswerMeaning {
  const decided = decideByTarget(operation, value);
  return {
    grants: sendsToStorage.has(operation.name) ? redirectGrants(server, head) : [],
    accepted: readAccepted(head.header('x-accepted-github-permissions')),
    evidence: [],
    ...(decided === null ? {} : { decided }),
  };
}

function learnNames(server: GithubServer, value: unknown): void {
  const list = Array.isArray(value) ? value : fieldOf(value, 'repositories');
  if (Array.isArray(list)) for (const item of list.slice(0, 100)) server.twins.learn(item);
  else server.twins.learn(value);
}

/** `html_url` of an issue or of a comment on one: `…/issues/1` or `…/pull/1`; of a list, when all agree. */
function decideByTarget(operation: Operation, value: unknown): Operation['needs'] | null {
  const items: readonly unknown[] = Array.isArray(value) ? value.slice(0, 100) : [value];
  const keys = new Set(items.map((item) => keyOfUrl(fieldOf(item, 'html_url'))));
  const [key] = keys;
  if (keys.size !== 1 || key === undefined || key === null) return null;
  const chosen = operation.needs.filter((needed) => Object.hasOwn(needed, key));
  return chosen.length === 0 ? null : chosen;
}

function keyOfUrl(url: unknown): string | null {
  const match =
    typeof url === 'string' ? /^https:\/\/[^/]+\/[^/]+\/[^/]+\/(issues|pull)\/\d+/.exec(url) : null;
  if (match === null) return null;
  return match[1] === 'pull' ? 'pull-requests' : 'issues';
}
