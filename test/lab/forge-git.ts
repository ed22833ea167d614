// Git of a forge in the lab: bare repositories by their paths, which are compared without case as forges do, served by
// `git http-backend` to whoever carries a token; public ones to everybody.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { answerGit, makeRepository } from '../../netns/demo-git.ts';

export class ForgeGit {
  readonly #directory: string;

  /** `directory` is made; repositories lie below it. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes `acme/app` with one commit, unless it is there; it takes pushes. */
  make(path: string): void {
    const made = join(this.#directory, 'made', path);
    const bare = this.pathOf(path);
    if (existsSync(bare)) return;
    makeRepository(made);
    mkdirSync(dirname(bare), { recursive: true });
    execFileSync('mv', [join(made, 'app.git'), bare]);
    execFileSync('git', ['-C', bare, 'config', 'http.receivepack', 'true']);
  }

  /** Asks for credentials as forges do, and answers by the back end; of public repositories at once. */
  answer(request: IncomingMessage, response: ServerResponse, isPublic = false): void {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    request.url = `${path.toLowerCase()}?${query}`;
    if (isPublic || request.headers.authorization !== undefined)
      return answerGit(join(this.#directory, 'served'), request, response);
    request.resume();
    response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end();
  }

  /** Names of the branches that are there. */
  branches(path: string): string[] {
    const list = ['-C', this.pathOf(path), 'for-each-ref', '--format=%(refname:short)', 'refs/heads'];
    return execFileSync('git', list, { encoding: 'utf8' }).split('\n').filter(Boolean);
  }

  /** The commit that its main branch is at. */
  commit(path: string): string {
    return execFileSync('git', ['-C', this.pathOf(path), 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  }

  /** Where the bare repository lies. */
  pathOf(path: string): string {
    return join(this.#directory, 'served', `${path.toLowerCase()}.git`);
  }
}

/** True for paths of git's own protocol. */
export const isGitPath = (target: string): boolean =>
  /\.git\/(?:info\/refs|git-|HEAD|objects\/)/.test(target);
