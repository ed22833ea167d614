// The runner's own service: identity tokens, artifacts, caches, logs, the resolution of actions, and the runner's
// registration and polling. All but identity tokens need nothing of the job's token: they come with the runtime's.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, CredentialKind, Touch } from '../../flow/operation.ts';
import { accessByMethod, buildOperation, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { hearJobs } from './hear-jobs.ts';
import { watchLog, type LogOptions } from '../logs/watch-log.ts';
import { queryValuesWithoutCase } from './split-path.ts';
import { platformTouch, repositoryTouch } from './touches.ts';
import { redirectReader } from './understand-download.ts';
import { understandCacheV1 } from './understand-cache-v1.ts';
import { touchOf, understandTwirp } from './understand-twirp.ts';

const runtimes: readonly CredentialKind[] = ['job', 'runtime', 'derived', 'unknown'];
const maxAudiences = 8;

/** What a call means, and what is heard of jobs in it: over TLS alone, since anybody could answer without. */
export function understandService(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const meaning = understandCall(server, request, segments);
  const { name: ofServer, hearing } = server;
  const hash = request.scheme === 'https' ? (hearing?.hash() ?? null) : null;
  if (hearing === null || hash === null || meaning.operation === null) return meaning;
  const { now } = hearing;
  return hearJobs(meaning, meaning.operation.name, request, { server: ofServer, hash, now });
}

function understandCall(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  if (segments.some((segment) => segment.toLowerCase() === 'idtoken')) return identity(server, request);
  const twirp = segments.indexOf('twirp');
  if (twirp >= 0) return understandTwirp(server, request, segments.slice(twirp + 1));
  const cache = segments.indexOf('artifactcache');
  if (cache >= 0) return understandCacheV1(server, request, segments.slice(cache + 1));
  if (segments[0] === 'v2' && request.host.startsWith('pkg.'))
    return downloadAction(server, request, segments);
  const found = nameOf(request.method, segments.join('/'));
  if (found === null) {
    const touches = [platformTouch(accessByMethod(request.method))];
    return { operation: unknownOperation(server, request, 'service/unknown', touches), evidence: [] };
  }
  const touches = [touchOf([found.name, found.access])];
  const operation = buildOperation(server, request, { name: found.name, touches });
  const log = found.name === 'log/upload' ? { watch: watchLog(logOf(segments)) } : {};
  return { operation, evidence: [], ...log };
}

/** Whose log it is: lines of a step, by the path of its record; on the WebSocket each message says so. */
function logOf(segments: readonly string[]): LogOptions {
  if (segments[0] === '_ws') return { namesSteps: true };
  return { step: segments.at(-1) === 'feed' ? (segments.at(-2) ?? null) : null };
}

/** An immutable action, as an image of its repository; resolution hands out what it needs. */
function downloadAction(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const [, owner, name] = segments;
  const access = accessByMethod(request.method);
  const touches = [
    owner === undefined || name === undefined ? platformTouch(access) : repositoryTouch(owner, name, access),
  ];
  const isPull = access === 'read' && segments.length >= 5;
  const operation = isPull
    ? buildOperation(server, request, { name: 'actions/download', touches })
    : unknownOperation(server, request, 'service/unknown', touches);
  return { operation, evidence: [], answer: redirectReader(server) };
}

/** A token that says who the job is, for an audience; without one the platform's own default. */
function identity(server: GithubServer, request: AskedRequest): Understanding {
  const audiences = queryValuesWithoutCase(request.query, 'audience');
  const isKnown = audiences !== null && audiences.length <= maxAudiences;
  const asked = isKnown && audiences.length > 0 ? audiences : [null];
  const operation = buildOperation(server, request, {
    name: 'oidc/token',
    touches: asked.map((audience): Touch => ({ kind: 'identity', access: 'write', audience })),
    needs: [{ 'id-token': 'write' }],
    standsForJob: runtimes,
    ...(isKnown ? {} : { sureness: 'unknown' as const }),
  });
  return { operation, evidence: [] };
}

interface ServiceCall {
  readonly method: RegExp;
  readonly path: RegExp;
  readonly name: string;
  readonly access: Access;
}

const call = (method: RegExp, path: RegExp, name: string, access: Access): ServiceCall => ({
  method,
  path,
  name,
  access,
});
const any = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE)$/;
const reads = /^(?:GET|HEAD)$/;
const writes = /^(?:POST|PUT|PATCH|DELETE)$/;

/** By method and path, the first that fits (facts of actions/runner 2.336.0). */
const calls: readonly ServiceCall[] = [
  call(/^POST$/, /(?:^|\/)runnerresolve\/actions$/i, 'actions/resolve', 'read'),
  call(/^POST$/, /(?:^|\/)actions?downloadinfo(?:\/[^/]+){0,3}$/i, 'actions/resolve', 'read'),
  call(any, /(?:^|\/)session$/, 'runner/session', 'write'),
  call(reads, /(?:^|\/)message$/, 'runner/poll', 'read'),
  call(/^POST$/, /(?:^|\/)acknowledge$/, 'runner/acknowledge', 'write'),
  call(/^POST$/, /(?:^|\/)acquirejob$/, 'runner/acquire-job', 'write'),
  call(/^POST$/, /(?:^|\/)renewjob$/, 'runner/renew-job', 'write'),
  call(/^POST$/, /(?:^|\/)completejob$/, 'runner/complete-job', 'write'),
  call(reads, /^_ws\/ingest\.sock$/, 'log/upload', 'write'),
  call(reads, /^(?:health|ready)$/, 'service/health', 'read'),
  call(reads, /_apis\/connectionData$/i, 'service/health', 'read'),
  call(/^POST$/, /_apis\/oauth2\/token(?:\/[^/]+)?$/, 'runner/token', 'write'),
  call(writes, /_apis\/distributedtask\/pools\/[^/]+\/agents(?:\/[^/]+)?$/, 'runner/register', 'admin'),
  call(reads, /_apis\/distributedtask\/pools(?:\/[^/]+\/agents(?:\/[^/]+)?)?$/, 'runner/list', 'read'),
  call(any, /_apis\/distributedtask\/pools\/[^/]+\/sessions(?:\/[^/]+)?$/, 'runner/session', 'write'),
  call(/^DELETE$/, /_apis\/distributedtask\/pools\/[^/]+\/messages\/[^/]+$/, 'runner/acknowledge', 'write'),
  call(any, /_apis\/distributedtask\/pools\/[^/]+\/messages(?:\/[^/]+)?$/, 'runner/poll', 'write'),
  call(any, /_apis\/distributedtask\/pools\/[^/]+\/jobrequests\/[^/]+$/, 'runner/renew-job', 'write'),
  call(writes, /\/plans\/[^/]+\/timelines\/[^/]+\/records$/i, 'job/steps', 'write'),
  call(writes, /\/plans\/[^/]+\/timelines\/[^/]+\/records\/[^/]+\/feed$/i, 'log/upload', 'write'),
  call(writes, /\/plans\/[^/]+\/logs(?:\/[^/]+)?$/i, 'log/upload', 'write'),
  call(/^POST$/, /\/plans\/[^/]+\/(?:jobs\/[^/]+\/)?(?:events|finishjob)$/i, 'job/events', 'write'),
  call(writes, /_apis\/pipelines\/workflows\/[^/]+\/artifacts$/, 'artifact/upload', 'write'),
  call(reads, /_apis\/pipelines\/workflows\/[^/]+\/artifacts$/, 'artifact/list', 'read'),
  call(writes, /_apis\/resources\/Containers\/[^/]+$/i, 'artifact/upload', 'write'),
  call(reads, /_apis\/resources\/Containers\/[^/]+$/i, 'artifact/download', 'read'),
];

function nameOf(method: string, path: string): ServiceCall | null {
  return calls.find((known) => known.method.test(method) && known.path.test(path)) ?? null;
}
