// Puts together who says what requests mean: forges first, then registries.

import type { Interpreter } from './flow/asked-request.ts';
import { defaultServers, ownServer, type PlatformServer } from './flow/platform-server.ts';
import type { Job } from './flow/job.ts';
import type { RegistryServer } from './flow/registry-server.ts';
import { inOrder } from './flow/understand-whole.ts';
import { createPlatformInterpreter } from './platform/interpreter.ts';
import { createRegistryInterpreter } from './registry/interpreter.ts';

/** Everybody who understands requests. */
export function createInterpreter(
  servers: readonly PlatformServer[],
  registries: readonly RegistryServer[],
): Interpreter {
  return inOrder([createPlatformInterpreter(servers), createRegistryInterpreter({ registries })]);
}

/** The well-known servers and those that jobs are of, each once. */
export function serversOf(jobs: Iterable<Job>): readonly PlatformServer[] {
  const servers = new Map(defaultServers.map((server) => [server.server, server]));
  for (const { platform, server } of jobs)
    if (!servers.has(server)) servers.set(server, ownServer(platform, server));
  return [...servers.values()];
}
