// Answers of a GitLab that tell projects: whose number is known from then on, since clients that asked by a path go on by
// the number.

import type { AnswerReader } from '../../flow/asked-request.ts';
import { fieldOf, isJson, parseJson } from '../github/read-json.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { projectTouch } from './touches.ts';

/** Answers with one project or a list of them. */
const tellsProjects: ReadonlySet<string> = new Set([
  'projects/get',
  'projects/list',
  'groups/list-projects',
  'users/list-projects',
]);
const limits = { maxBytes: 1_048_576, maxDecodedBytes: 2_097_152, maxRatio: 100 };
const maxProjects = 100;

/** Reads the answer to the operation of this name. */
export function restAnswerReader(server: GitlabServer, name: string): AnswerReader {
  const heads = signedRedirectReader(server);
  if (!tellsProjects.has(name)) return heads;
  return {
    limits,
    wantsBody: (head) => head.status === 200 && isJson(head),
    read: (head, body) => {
      const value = parseJson(body);
      for (const item of Array.isArray(value) ? value.slice(0, maxProjects) : [value]) learn(server, item);
      return heads.read(head, body);
    },
  };
}

function learn(server: GitlabServer, value: unknown): void {
  const [id, path] = [fieldOf(value, 'id'), fieldOf(value, 'path_with_namespace')];
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || typeof path !== 'string') return;
  const touch = projectTouch(path.split('/'), 'read');
  if (touch.kind === 'repository' && touch.owner !== null && touch.name !== null)
    server.shared.twins.learnProject(String(id), { owner: touch.owner, name: touch.name });
}
