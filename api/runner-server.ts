// The runner-facing listener: the authority's certificate in the forms that tools want, and nothing else.

import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** Serves the public folder on an inherited listening socket. */
export function startRunnerServer(fd: number, publicFolder: string): Server {
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 2000, maxHeaderSize: 8192 },
    (request, response) => {
      response.setHeader('x-content-type-options', 'nosniff');
      const found = files.get(request.url ?? '');
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      if (request.url === '/health' && isRead) return void response.end('ok\n');
      if (found === undefined || !isRead) {
        return void response.writeHead(found === undefined ? 404 : 405).end();
      }
      try {
        const content = readFileSync(join(publicFolder, found.file));
        response.writeHead(200, { 'content-type': found.type, 'content-length': content.length });
        response.end(request.method === 'HEAD' ? undefined : content);
      } catch {
        response.writeHead(503).end();
      }
    },
  );
  server.maxConnections = 256;
  server.on('error', () => {});
  server.listen({ fd });
  return server;
}
