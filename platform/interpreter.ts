// Finds the forge that a host belongs to by one look-up, and asks what the request means there.

import type { AskedRequest, Interpreter, Understanding } from '../flow/asked-request.ts';
import type { PlatformServer } from '../flow/platform-server.ts';
import { githubServer } from './github/github-server.ts';
import { understandGithub } from './github/understand-github.ts';

type Reader = (request: AskedRequest) => Understanding;

/** Understands what is said to the given servers; a request to any other host is none of its business. */
export function createPlatformInterpreter(servers: readonly PlatformServer[]): Interpreter {
  const readers = new Map<string, Reader>();
  for (const server of servers) {
    if (server.platform !== 'github') continue;
    const github = githubServer(server);
    for (const { host, role } of server.hosts)
      if (!readers.has(host)) readers.set(host, (request) => understandGithub(github, role, request));
  }
  return {
    understand: (request) => readerOf(readers, request.host)?.(request) ?? null,
    mayHold: (host) => readerOf(readers, host) !== undefined,
  };
}

function readerOf(readers: ReadonlyMap<string, Reader>, host: string): Reader | undefined {
  return readers.get(host) ?? readers.get(`*${host.slice(host.indexOf('.'))}`);
}
