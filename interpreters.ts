// Puts together who says what requests mean: forges first, then registries.

import type { AskedRequest, Interpreter, Understanding } from './flow/asked-request.ts';
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

/** What a worker asks: the interpreter of the servers that its policy knows, replaced with the policy. */
export class CurrentInterpreter implements Interpreter {
  #servers = '';
  #interpreter: Interpreter = createInterpreter(defaultServers, []);

  follow(servers: readonly PlatformServer[]): void {
    const text = JSON.stringify(servers);
    // What was learnt from answers is kept where nothing changes.
    if (text === this.#servers) return;
    this.#servers = text;
    this.#interpreter = createInterpreter(servers, []);
  }

  understand(request: AskedRequest): Understanding | null {
    return this.#interpreter.understand(request);
  }

  mayHold(host: string): boolean {
    return this.#interpreter.mayHold?.(host) ?? true;
  }
}

/** The well-known servers and those that jobs are of, each once. */
export function serversOf(jobs: Iterable<Job>): readonly PlatformServer[] {
  const servers = new Map(defaultServers.map((server) => [server.server, server]));
  for (const { platform, server } of jobs)
    if (!servers.has(server)) servers.set(server, ownServer(platform, server));
  return [...servers.values()];
}
