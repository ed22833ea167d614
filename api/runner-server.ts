// The runner-facing listener: the authority's certificate in the forms that tools want, what hooks say of their machine's
// job, and nothing else.
// Its clients are hostile: everything is read once, and they share a bounded number of connections.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimAnswer } from '../jobs/claims/claims.ts';
import { guardListener } from './guard-listener.ts';
import { answerClaim, claimMethods, type ClaimsPort } from './runner-claims.ts';

interface PublicFile {
  readonly file: string;
  readonly type: string;
}
const files: ReadonlyMap<string, PublicFile> = new Map([
  ['/ca.pem', { file: 'authority.pem', type: 'application/x-pem-file' }],
  ['/ca.der', { file: 'authority.der', type: 'application/pkix-cert' }],
  ['/ca.p12', { file: 'authority.p12', type: 'application/x-pkcs12' }],
  ['/bundle.pem', { file: 'bundle.pem', type: 'application/x-pem-file' }],
]);
const headers = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
} as const;
const checkEveryMs = 1000;

/** Serves the public folder on an inherited listening socket, and takes claims where there is a port for them. */
export function startRunnerServer(
  fd: number,
  publicFolder: string,
  claims: ClaimsPort | null = null,
): Server {
  const read = createReader(publicFolder);
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 5000, connectionsCheckingInterval: 1000, maxHeaderSize: 8192 },
    (request, response) => answer(request, response, read, claims),
  );
  guardListener(server, { connections: 256, connectionsPerAddress: 16, idleMs: 10_000 });
  server.listen({ fd });
  return server;
}

type Reader = (file: string) => Buffer | null;

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  read: Reader,
  claims: ClaimsPort | null,
): void {
  const end = (status: number, type: string, content: Buffer | string): void => {
    response.writeHead(status, {
      ...headers,
      'content-type': type,
      'content-length': Buffer.byteLength(content),
    });
    response.end(request.method === 'HEAD' ? undefined : content);
  };
  const methods = claims === null ? null : claimMethods(request.url ?? '');
  if (methods !== null && claims !== null)
    return void answerAboutJob(request, response, { methods, claims, end });
  const found = files.get(request.url ?? '');
  if (found === undefined && request.url !== '/health') return end(404, 'text/plain', 'not found\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return end(405, 'text/plain', 'only GET and HEAD\n');
  }
  if (found === undefined) return end(200, 'text/plain', 'ok\n');
  const content = read(found.file);
  if (content === null) return end(503, 'text/plain', 'not published yet\n');
  end(200, found.type, content);
}

interface AboutJob {
  readonly methods: string;
  readonly claims: ClaimsPort;
  end(status: number, type: string, content: string): void;
}

async function answerAboutJob(
  request: IncomingMessage,
  response: ServerResponse,
  { methods, claims, end }: AboutJob,
): Promise<void> {
  if (!methods.split(', ').includes(request.method ?? '')) {
    response.setHeader('allow', methods);
    return end(405, 'text/plain', `only ${methods}\n`);
  }
  const failed: ClaimAnswer = { status: 500, text: 'the claim could not be looked at' };
  const { status, text } = await answerClaim(request, claims).catch(() => failed);
  // What is left of a body that was too long is not read.
  if (status === 413) response.setHeader('connection', 'close');
  if (status === 429) response.setHeader('retry-after', '5');
  end(status, 'application/json', `${JSON.stringify({ claim: text })}\n`);
}

/** Reads files of the folder anew when they change, which is looked at once a second and not at every request. */
function createReader(folder: string): Reader {
  const cache = new Map<string, { content: Buffer | null; changedMs: number; checkedMs: number }>();
  return (file) => {
    const known = cache.get(file);
    const nowMs = performance.now();
    if (known && nowMs - known.checkedMs < checkEveryMs) return known.content;
    const path = join(folder, file);
    const changedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const content = known?.changedMs === changedMs ? known.content : readOrNull(path);
    cache.set(file, { content, changedMs, checkedMs: nowMs });
    return content;
  };
}

function readOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    // Answered with 503: the client tries again, and the operator sees the same at the start of the gateway.
    return null;
  }
}
