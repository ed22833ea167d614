// Who signed a request: the key of a signature in the Authorization field or in the query of a presigned URL
// (docs.aws.amazon.com, "AWS Signature Version 4 for API requests", and version 2 before it). A form that AWS itself
// might take for none is not believed.

import type { AskedRequest } from '../../flow/asked-request.ts';
import { accountOfKey } from './account-of-key.ts';

/** `none`: nothing is signed; `unclear`: more than one signature, or one that cannot be read in one way. */
export type Signer =
  | { readonly kind: 'none' }
  | { readonly kind: 'unclear'; readonly detail: string }
  /** The account is null where the key does not tell it; the service is null in version 2, which does not name it. */
  | { readonly kind: 'key'; readonly account: string | null; readonly service: string | null };

const maxField = 8192;
const maxQuery = 16_384;
/** What no query with a signature lacks; an encoded name may be any. */
const mayHoldSignature = /credential|accesskeyid|%/i;

export function readSigner(request: Pick<AskedRequest, 'header' | 'query'>): Signer {
  const field = request.header('authorization');
  const byField: Signer = field === null ? { kind: 'none' } : readField(field);
  const byQuery = readQuery(request.query);
  if (byQuery.kind === 'none') return byField;
  return byField.kind === 'none'
    ? byQuery
    : unclear('a signature in the query beside an Authorization field');
}

/** True when the names of a query or a form hold a signature, in whatever spelling. */
export function holdsSignature(values: URLSearchParams): boolean {
  return [...values.keys()].some((name) => signatureNames.has(name.toLowerCase()));
}

const signatureNames: ReadonlySet<string> = new Set(['x-amz-credential', 'awsaccesskeyid']);
const unclear = (detail: string): Signer => ({ kind: 'unclear', detail });

/** Other schemes (Basic of git and of registries, Bearer) name no account. */
function readField(field: string): Signer {
  if (field.length > maxField) return unclear('a very long Authorization field');
  const space = field.indexOf(' ');
  const scheme = field.slice(0, Math.max(0, space));
  const rest = field.slice(space + 1).trim();
  if (scheme === 'AWS4-HMAC-SHA256') return readParts(rest, 5);
  // Version 4A signs for several regions and names none.
  if (scheme === 'AWS4-ECDSA-P256-SHA256') return readParts(rest, 4);
  if (scheme === 'AWS') return readVersion2(rest);
  return scheme.toLowerCase().startsWith('aws') ? unclear('an unknown kind of signature') : { kind: 'none' };
}

function readParts(text: string, length: number): Signer {
  const parts = new Map<string, string>();
  const fields = text.split(',');
  for (const part of fields) {
    const equals = part.indexOf('=');
    parts.set(part.slice(0, Math.max(0, equals)).trim(), part.slice(equals + 1).trim());
  }
  const isWhole = parts.size === 3 && fields.length === 3 && parts.has('SignedHeaders');
  const credential = parts.get('Credential');
  // Whatever stands there, AWS checks it: no request with this scheme is taken for one of nobody.
  if (!isWhole || credential === undefined || !/^[^\s,]+$/.test(parts.get('Signature') ?? ''))
    return unclear('a signature that lacks a part');
  return readCredential(credential, length);
}

/** `KEY/20260101/eu-west-1/s3/aws4_request`. */
function readCredential(text: string, length: number): Signer {
  const parts = text.split('/');
  const [keyId, date] = parts;
  if (parts.length !== length || parts.at(-1) !== 'aws4_request' || !/^\d{8}$/.test(date ?? ''))
    return unclear('a credential of another form');
  return { kind: 'key', account: accountOfKey(keyId!), service: parts.at(-2)! };
}

function readVersion2(text: string): Signer {
  const colon = text.indexOf(':');
  return colon < 1 || colon === text.length - 1
    ? unclear('a signature that lacks a part')
    : { kind: 'key', account: accountOfKey(text.slice(0, colon)), service: null };
}

const version4 = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
] as const;

// A parameter that is spelt in another way may count for nothing, and the request for one of nobody.
function readQuery(query: string): Signer {
  if (query === '') return { kind: 'none' };
  if (query.length > maxQuery) return unclear('a very long query');
  if (!mayHoldSignature.test(query)) return { kind: 'none' };
  const values = new URLSearchParams(query);
  if (!holdsSignature(values)) return { kind: 'none' };
  const isOnce = (name: string) => values.getAll(name).length === 1;
  const names = [...values.keys()].filter((name) => signatureNames.has(name.toLowerCase()));
  if (names.length !== 1) return unclear('two signatures in the query');
  if (names[0] === 'AWSAccessKeyId' && isOnce('Signature') && (isOnce('Expires') || isOnce('Timestamp')))
    return { kind: 'key', account: accountOfKey(values.get('AWSAccessKeyId')!), service: null };
  if (!version4.every(isOnce)) return unclear('a presigned URL that lacks a part');
  const length = values.get('X-Amz-Algorithm') === 'AWS4-ECDSA-P256-SHA256' ? 4 : 5;
  return readCredential(values.get('X-Amz-Credential')!, length);
}
