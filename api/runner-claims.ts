// The runner-facing listener's requests about the job of the machine that asks: a claim, its end, a heartbeat. A body is
// read up to a bound, and only for the address that the socket itself has.

import type { IncomingMessage } from 'node:http';
import { formatAddress, parseAddress, unmapAddress } from '../flow/address.ts';
import type { ClaimAnswer } from '../jobs/claims/claims.ts';

/** What is asked of claims; addresses are canonical. */
export interface ClaimsPort {
  /** False where no runner is: nobody may claim anything for such an address. */
  mayClaim(address: string): boolean;
  take(address: string, body: unknown): ClaimAnswer;
  end(address: string): ClaimAnswer;
  beat(address: string): ClaimAnswer;
}

const maxBodyBytes = 8192;
const claims = '/runner/v1/claims';
const heartbeats = '/runner/v1/heartbeats';

/** Methods of a path; null: it is none of these. */
export function claimMethods(path: string): string | null {
  return path === claims ? 'POST, DELETE' : path === heartbeats ? 'POST' : null;
}

/** Answers a request to one of the paths. */
export async function answerClaim(request: IncomingMessage, port: ClaimsPort): Promise<ClaimAnswer> {
  const address = canonical(request.socket.remoteAddress ?? '');
  if (address === null || !port.mayClaim(address))
    return { status: 403, text: 'no runner is at this address' };
  const isLong = Number(request.headers['content-length'] ?? 0) > maxBodyBytes;
  const body = isLong ? null : await readBody(request);
  if (body === null) return { status: 413, text: `a body has at most ${maxBodyBytes} bytes` };
  if (request.url === heartbeats) return port.beat(address);
  if (request.method === 'DELETE') return port.end(address);
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return port.take(address, parseJson(body));
  if (type === 'application/x-www-form-urlencoded') return port.take(address, parseForm(body));
  return { status: 415, text: 'send JSON or a form' };
}

function canonical(text: string): string | null {
  const bytes = parseAddress(text.replace(/%.*$/, ''));
  return bytes === null ? null : formatAddress(unmapAddress(bytes));
}

/** Null when it is too long: its connection is then gone. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Without an encoding a request gives buffers.
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) return null;
      chunks.push(chunk);
    }
  } catch {
    // The client went away: nobody reads the answer.
    return '';
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undefined for what is no JSON, which is no claim either. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fields of a form; one that stands there twice makes it none. */
function parseForm(text: string): unknown {
  const pairs = [...new URLSearchParams(text)];
  const fields = new Map(pairs);
  return fields.size === pairs.length ? Object.fromEntries(fields) : undefined;
}
