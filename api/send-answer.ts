// What happens to every answer of the API on its way out: no control character of a record reaches a terminal, an answer
// that the caller has already is not sent again, and long ones are packed for who takes gzip.

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AnswerRoom } from './answer-room.ts';

const pack = promisify(gzip);
const leastPacked = 1_024;
/** Bytes of answers that nobody has taken yet; short ones do not count. */
const untaken = { inAll: 96 * 1024 * 1024, ofOne: 48 * 1024 * 1024 };
const leastHeld = 16_384;
/** JSON escapes the control characters of ASCII by itself; these are some, and line ends, to a terminal or a script. */
const hidden = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Puts the hooks on an instance; bodies that are streams or empty pass. */
export function registerSending(app: FastifyInstance): void {
  const room = new AnswerRoom(untaken);
  app.addHook('onSend', async (request, reply, payload: unknown) => {
    if (typeof payload !== 'string' || payload === '') return payload;
    const isJson = /\bjson\b/.test(String(reply.getHeader('content-type') ?? ''));
    const text = isJson ? escapeHidden(payload) : payload;
    if (reply.statusCode === 200 && isRead(request)) {
      if (isKnown(request, reply, text)) {
        reply.code(304).removeHeader('content-type');
        return '';
      }
    }
    const isPacked = text.length >= leastPacked && takesGzip(request.headers['accept-encoding']);
    const body = isPacked ? await pack(text, { level: 4 }) : text;
    const bytes = Buffer.byteLength(body);
    if (bytes >= leastHeld) room.hold(request.actor, bytes, reply.raw);
    if (isPacked) nameGzip(reply);
    return body;
  });
}

/** A character as JSON writes it where it may not stand for itself. */
export function escapeUnit(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** JSON without what a terminal obeys beyond ASCII. */
export function escapeHidden(json: string): string {
  return json.replaceAll(hidden, escapeUnit);
}

const isRead = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD';

/** Names the answer (RFC 9110 §8.8.3), and whether the caller says that it has this one. */
function isKnown(request: FastifyRequest, reply: FastifyReply, text: string): boolean {
  const tag = `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  reply.headers({ etag: tag, vary: 'accept, accept-encoding' });
  const asked = request.headers['if-none-match'];
  if (asked === undefined) return false;
  const bare = tag.slice(2);
  return asked.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === bare);
}

function nameGzip(reply: FastifyReply): void {
  reply.header('content-encoding', 'gzip').removeHeader('content-length');
  reply.header('vary', 'accept, accept-encoding');
}

/** Whether an `Accept-Encoding` names gzip, or everything, and not with `q=0` (RFC 9110 §12.5.3). */
export function takesGzip(header: string | string[] | undefined): boolean {
  if (typeof header !== 'string' || header.length > 1_000) return false;
  const weights = new Map(
    header.split(',').map((part) => {
      const [name, ...rest] = part.split(';').map((text) => text.trim().toLowerCase());
      const weight = rest.find((text) => text.startsWith('q='));
      return [name!, weight === undefined ? 1 : Number(weight.slice(2))] as const;
    }),
  );
  return (weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0) > 0;
}
