// What a client gets whose request could not even be read: the same kind of problem as all others.

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { plainHeaders } from './answer-headers.ts';
import { problemBody, problems, problemType } from './problem.ts';

/** For Fastify's `clientErrorHandler`: answers on the bare socket and closes it. */
export function answerUnread(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'head-too-large' : 'malformed-request';
  const [status] = problems[code];
  const body = JSON.stringify(problemBody(code, '', ''));
  const headers = {
    ...plainHeaders,
    'content-type': problemType,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
