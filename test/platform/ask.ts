// Asks the interpreter of platforms as `METHOD URL`, and writes what it says in one line:
// `name · touches · needs · what no key grants · sureness`.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Job } from '../../flow/job.ts';
import type { CredentialKind, Operation, Touch } from '../../flow/operation.ts';
import { githubCom, gitlabCom, ownServer } from '../../flow/platform-server.ts';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';

export const servers = [
  githubCom,
  gitlabCom,
  ownServer('github', 'ghes.corp.example'),
  ownServer('github', 'acme.ghe.com'),
];

export interface Asking {
  readonly job?: Partial<Job> | null;
  readonly credential?: CredentialKind;
  readonly headers?: Readonly<Record<string, string>>;
  readonly hasBody?: boolean;
  readonly interpreter?: ReturnType<typeof createPlatformInterpreter>;
}

export const acmeApp: Job = {
  platform: 'github',
  server: 'github.com',
  repository: 'acme/app',
  repositoryId: '7',
  workflow: null,
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: null,
  runId: null,
  runnerGroup: null,
  actor: null,
  fork: null,
  protected: null,
  private: null,
};

const shared = createPlatformInterpreter(servers);

export function request(line: string, asking: Asking = {}): AskedRequest {
  const [method, url] = line.split(' ') as [string, string]; // every line has both
  const match = /^(https?):\/\/([^/:]+)(?::(\d+))?([^?]*)(?:\?(.*))?$/.exec(url)!;
  const job = asking.job === null ? null : { ...acmeApp, ...asking.job };
  return {
    scheme: match[1] === 'http' ? 'http' : 'https',
    host: match[2]!,
    port: Number(match[3] ?? 443),
    method,
    path: match[4] === '' ? '/' : match[4]!,
    query: match[5] ?? '',
    hasBody: asking.hasBody ?? !['GET', 'HEAD', 'DELETE'].includes(method),
    header: (name) => asking.headers?.[name] ?? null,
    attribution: { job, source: 'declared', certainty: 'certain', conflict: false },
    credential: asking.credential ?? 'job',
  };
}

export function ask(line: string, asking: Asking = {}): Understanding {
  const understanding = (asking.interpreter ?? shared).understand(request(line, asking));
  if (understanding === null) throw new Error(`not understood: ${line}`);
  return understanding;
}

/** What it says when the body is held: `body` as it came. */
export function askWithBody(line: string, body: string | Buffer, asking: Asking = {}): Understanding {
  const { hold } = ask(line, asking);
  if (hold === undefined) throw new Error(`asks for no body: ${line}`);
  return hold.withBody(whole(body));
}

export function whole(body: string | Buffer): Held {
  const bytes = Buffer.from(body as string); // both kinds are fine
  return { kind: 'whole', body: bytes, raw: [bytes] };
}

export function say({ operation }: Understanding): string {
  if (operation === null) return 'nothing';
  const parts = [operation.name, operation.touches.map(sayTouch).join(' + '), sayNeeds(operation.needs)];
  if (operation.ungrantable.length > 0) parts.push(`beyond ${operation.ungrantable.join(', ')}`);
  if (operation.sureness !== 'known') parts.push(operation.sureness);
  return parts.join(' · ');
}

export function sayNeeds(needs: Operation['needs']): string {
  return needs
    .map(
      (set) =>
        Object.entries(set)
          .map((pair) => pair.join(':'))
          .join(' & ') || '-',
    )
    .join(' | ');
}

function sayTouch(touch: Touch): string {
  switch (touch.kind) {
    case 'repository': {
      const name = touch.owner === null ? '?' : `${touch.owner}/${touch.name}`;
      const refs = touch.refs === null ? '' : ` [${touch.refs.join(' ')}]`;
      return `${touch.access} ${name}${touch.id === null ? '' : `#${touch.id}`}${refs}`;
    }
    case 'owner':
      return `${touch.access} owner ${touch.owner ?? '?'}`;
    case 'image':
      return `${touch.access} image ${touch.image}${touch.reference === null ? '' : `@${touch.reference}`}`;
    case 'identity':
      return `${touch.access} identity ${touch.audience ?? 'default'}`;
    default:
      return `${touch.access} ${touch.kind}`;
  }
}
