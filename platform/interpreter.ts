// Finds the forge that a host belongs to by one look-up, and asks what the request means there.

import type { AskedRequest, Interpreter, Understanding } from '../flow/asked-request.ts';
import type { HostRole, PlatformServer } from '../flow/platform-server.ts';
import { githubServer } from './github/github-server.ts';
import { understandGithub } from './github/understand-github.ts';
import { gitlabServer } from './gitlab/gitlab-server.ts';
import { understandGitlab } from './gitlab/understand-gitlab.ts';
import type { Hearing } from './hearing.ts';

type Reader = (request: AskedRequest) => Understanding;

/** Understands what is said to the given servers; a request to any other host is none of its business. */
export function createPlatformInterpreter(
  servers: readonly PlatformServer[],
  hearing: Hearing | null = null,
): Interpreter {
  const readers = new Map<string, Reader>();
  for (const server of servers) {
    const read = readerFor(server, server.believed === false ? null : hearing);
    for (const { host, role } of server.hosts)
      if (!readers.has(host)) readers.set(host, (request) => read(role, request));
  }
  return {
    understand: (request) => readerOf(readers, request.host)?.(request) ?? null,
    mayHold: (host) => readerOf(readers, host) !== undefined,
  };
}

function readerFor(
  server: PlatformServer,
  hearing: Hearing | null,
): (role: HostRole, request: AskedRequest) => Understanding {
  if (server.platform === 'gitlab') {
    const gitlab = gitlabServer(server, hearing);
    return (role, request) => understandGitlab(gitlab, role, request);
  }
  const github = githubServer(server, hearing);
  return (role, request) => understandGithub(github, role, request);
}

function readerOf(readers: ReadonlyMap<string, Reader>, host: string): Reader | undefined {
  return readers.get(host) ?? readers.get(`*${host.slice(host.indexOf('.'))}`);
}
