// A real git server for the demo: `git http-backend` behind one of its web servers (git-http-backend(1), RFC 3875).

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { join } from 'node:path';

/** Makes `app.git` with one commit below this directory. */
export function makeRepository(directory: string): void {
  const work = join(directory, 'work');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'README.md'), '# The shop\n');
  const identity = [
    '-c',
    'user.name=Shop',
    '-c',
    'user.email=shop@shop.example',
    '-c',
    'commit.gpgsign=false',
  ];
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', work, ...identity, ...args], { stdio: 'ignore' });
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-q', '-m', 'the shop opens');
  git('clone', '-q', '--bare', work, join(directory, 'app.git'));
}

/** Answers one request by the back end. */
export function answerGit(
  directory: string,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: request.socket.remoteAddress ?? '',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.on('error', () => response.destroy());
  child.stdin.on('error', () => response.destroy());
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  const readHead = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    child.stdout.off('data', readHead);
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const [name = '', ...value] = line.split(':');
      const text = value.join(':').trim();
      if (name.toLowerCase() === 'status') response.statusCode = Number(text.slice(0, 3));
      else response.setHeader(name, text);
    }
    if (head.length > end + 4) child.stdout.unshift(head.subarray(end + 4));
    child.stdout.pipe(response);
  };
  child.stdout.on('data', readHead);
  child.stdout.on('end', () => response.end());
}
