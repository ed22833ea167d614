// Time that it takes to say what a request means, at the 99th percentile: calls of GitHub's REST API, a GraphQL
// document of 5 KB, and a request to a host that is no forge's. By itself it prints JSON lines.

import { unattributed } from '../flow/job.ts';
import type { AskedRequest } from '../flow/asked-request.ts';
import { defaultServers } from '../flow/platform-server.ts';
import { createPlatformInterpreter } from '../platform/interpreter.ts';
import { aimedAt, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';

const warmUp = 20_000;
const rounds = 50_000;

const interpreter = createPlatformInterpreter(defaultServers);

function asked(host: string, method: string, path: string): AskedRequest {
  return {
    scheme: 'https',
    host,
    port: 443,
    method,
    path,
    query: '',
    hasBody: method !== 'GET',
    header: () => null,
    attribution: unattributed,
    credential: 'job',
  };
}

const calls: readonly AskedRequest[] = [
  asked('api.github.com', 'GET', '/repos/acme/app/pulls/12/reviews/7/comments'),
  asked('api.github.com', 'POST', '/repos/acme/app/issues/12/labels'),
  asked('api.github.com', 'GET', '/repositories/12345/commits/feature/one/check-runs'),
  asked('api.github.com', 'PATCH', '/repos/acme/app/git/refs/heads/feature/one'),
  asked('api.github.com', 'GET', '/repos/acme/app/environments/prod/deployment-branch-policies/4'),
  asked('api.github.com', 'POST', '/repos/acme/app/nothing/that/anybody/knows'),
];

/** About 5 KB of what a command-line client asks about pull requests; `at` makes a text that was not there before. */
function document(at = 0): Buffer {
  const fields = 'id number title state author { login } labels(first: 20) { nodes { name } }';
  const parts = Array.from({ length: 45 }, (_, i) => `p${i}: pullRequest(number: ${i + 1}) { ${fields} }`);
  const query = `query Q${at} { repository(owner: "acme", name: "app") { ${parts.join('\n')} } }`;
  return Buffer.from(JSON.stringify({ query }));
}

/** The 99th percentile in microseconds. */
function percentile(count: number, act: (i: number) => void): number {
  for (let i = 0; i < Math.min(warmUp, count); i++) act(i);
  const times = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    act(i);
    times[i] = (performance.now() - started) * 1000;
  }
  return times.sort()[Math.floor(count * 0.99)]!;
}

function measureAll(): Record<'rest' | 'graphql' | 'repeated' | 'other', number> {
  const bodies = Array.from({ length: rounds / 20 }, (_, at) => document(at));
  const graphql = asked('api.github.com', 'POST', '/graphql');
  const other = asked('registry.example', 'GET', '/a/b');
  return {
    rest: percentile(rounds, (i) => void interpreter.understand(calls[i % calls.length]!)),
    graphql: percentile(rounds / 20, (i) => understandBody(graphql, bodies[i]!)),
    repeated: percentile(rounds / 20, () => understandBody(graphql, bodies[0]!)),
    other: percentile(rounds, () => void interpreter.understand(other)),
  };
}

function understandBody(request: AskedRequest, body: Buffer): void {
  interpreter.understand(request)?.hold?.withBody({ kind: 'whole', body, raw: [body] });
}

/** The goals on understanding requests. */
export function measureUnderstanding(progress: Progress): Figure[] {
  progress('what requests mean');
  const { rest, graphql, repeated, other } = measureAll();
  return [
    aimedAt(single('meaning of a REST request, 99th percentile', 'µs', rest, []), 'under 10 µs', rest < 10),
    aimedAt(
      single('meaning of a GraphQL document of 5 KB, 99th percentile', 'µs', graphql, []),
      'under 300 µs',
      graphql < 300,
    ),
    single('the same document again, 99th percentile', 'µs', repeated, []),
    single('a request to another host, 99th percentile', 'µs', other, []),
  ];
}

if (import.meta.main)
  process.stdout.write(
    `${JSON.stringify({ bench: 'understand', unit: 'µs at p99', ...measureAll(), documentBytes: document().length })}\n`,
  );
