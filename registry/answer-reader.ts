// What every reader of a registry's answers shares: which answers are read at all, JSON as it passes, and the storage
// that a redirect opens.

import type {
  AnswerHead,
  AnswerMeaning,
  AnswerReader,
  AnswerStream,
  StorageGrant,
} from '../flow/asked-request.ts';
import type { HoldLimits } from '../flow/held.ts';
import { JsonScanner } from './json-scanner.ts';
import type { JsonListener } from './json-scanner.ts';

/** Answers that are read whole where nobody reads them as they pass. */
export const answerLimits: HoldLimits = { maxBytes: 67_108_864, maxDecodedBytes: 268_435_456, maxRatio: 200 };

export const nothingTold: AnswerMeaning = { grants: [], accepted: null, evidence: [] };

const redirects = new Set([301, 302, 303, 307, 308]);
const grantMs = 600_000;

/** Opens one reader of bodies for each answer; null: this answer tells nothing. */
export type OpenStream = (head: AnswerHead) => AnswerStream | null;

/** A reader of successful answers; `grants` says what a redirect opens, and is null where nothing may be opened. */
export function answerReader(
  open: OpenStream,
  grants: (() => number) | null,
  leads?: (host: string, path: string) => void,
): AnswerReader {
  const openOk: OpenStream = (head) => (head.status === 200 ? open(head) : null);
  return {
    limits: answerLimits,
    wantsBody: (head) => openOk(head) !== null,
    stream: openOk,
    read(head, body) {
      if (redirects.has(head.status)) {
        const opened = readRedirect(head, grants);
        for (const { host, pathPrefix } of opened) leads?.(host, pathPrefix);
        return { ...nothingTold, grants: opened };
      }
      const stream = body?.kind === 'whole' ? openOk(head) : null;
      if (stream === null || body?.kind !== 'whole') return nothingTold;
      stream.push(body.body);
      return stream.end();
    },
  };
}

/** A redirect to storage opens that very URL for ten minutes. */
function readRedirect(head: AnswerHead, now: (() => number) | null): StorageGrant[] {
  const location = head.header('location');
  if (now === null || location === null || location.length > 8192 || !URL.canParse(location)) return [];
  const url = new URL(location);
  if (url.protocol !== 'https:' || url.username !== '' || url.hostname === '') return [];
  return [
    {
      host: url.hostname,
      port: url.port === '' ? 443 : Number(url.port),
      methods: ['GET', 'HEAD'],
      pathPrefix: normaliseEscapes(url.pathname),
      expiresMs: now() + grantMs,
    },
  ];
}

/** Percent-encoding as requests are canonicalised: letters, digits and `-._~` plain, hexadecimal digits in upper case. */
function normaliseEscapes(path: string): string {
  return path.replaceAll(/%([0-9a-fA-F]{2})/g, (escape: string, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
  });
}

/** Reads JSON as it passes; what is no JSON tells what was told before it broke. */
export function jsonStream(keepDepth: number, listener: JsonListener): AnswerStream {
  const scanner = new JsonScanner(keepDepth, listener);
  return {
    push: (chunk) => scanner.push(chunk),
    end: () => nothingTold,
  };
}

export function isJson(head: AnswerHead): boolean {
  return /^(?:application|text)\/(?:[a-z0-9.+-]+\+)?json(?:;|$)/i.test(head.header('content-type') ?? '');
}
