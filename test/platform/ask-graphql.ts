// Asks GitHub's GraphQL reader what a document means, as the job of acme/app.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Job } from '../../flow/job.ts';
import type { Operation } from '../../flow/operation.ts';
import { githubCom } from '../../flow/platform-server.ts';
import { githubServer } from '../../platform/github/github-server.ts';
import { understandGithub } from '../../platform/github/understand-github.ts';

const server = githubServer(githubCom);

export const job: Job = {
  platform: 'github',
  server: 'github.com',
  repository: 'acme/app',
  repositoryId: '1296269',
  workflow: '.github/workflows/ci.yml',
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: 'build',
  runId: '1',
  runnerGroup: null,
  actor: 'octocat',
  fork: false,
  protected: true,
  private: true,
};

export const post: AskedRequest = {
  scheme: 'https',
  host: 'api.github.com',
  port: 443,
  method: 'POST',
  path: '/graphql',
  query: '',
  hasBody: true,
  header: () => null,
  attribution: { job, source: 'declared', certainty: 'certain', conflict: false },
  credential: 'job',
};

export type Asked = Understanding & { readonly operation: Operation };

/** What a request means, its body (if any) held as it is given. */
export function askRequest(request: Partial<AskedRequest>, body?: string | Buffer | Held): Asked {
  const first = understandGithub(server, 'api', { ...post, ...request });
  const { hold } = first;
  if (hold === undefined || body === undefined) return withOperation(first);
  const held = typeof body === 'object' && 'kind' in body ? body : whole(Buffer.from(body));
  return withOperation(hold.withBody(held));
}

/** What a POST of this document means. */
export function ask(query: string, variables?: unknown, operationName?: string): Asked {
  return askRequest({}, JSON.stringify({ query, variables, operationName }));
}

function whole(body: Buffer): Held {
  return { kind: 'whole', body, raw: [body] };
}

function withOperation(understanding: Understanding): Asked {
  const { operation } = understanding;
  if (operation === null) throw new Error('not understood');
  return { ...understanding, operation };
}
