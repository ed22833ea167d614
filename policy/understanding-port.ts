// What `explain` asks of those who say what requests mean; the command line puts them in.

import type { Interpreter } from '../flow/asked-request.ts';
import type { Job } from '../flow/job.ts';
import type { CredentialKind } from '../flow/operation.ts';
import type { PlatformServer } from '../flow/platform-server.ts';

export interface UnderstandingPort {
  /** The servers that are known besides those of jobs, and those of these jobs. */
  serversOf(jobs: Iterable<Job>): readonly PlatformServer[];
  interpreter(servers: readonly PlatformServer[]): Interpreter;
  /** Whose credential the headers carry; `isJobToken` is asked with each bare token. */
  credential(header: (name: string) => string | null, isJobToken: (token: string) => boolean): CredentialKind;
}
