// Makes the operation of what was read of a request to AWS: what it touches, in whose account.

import type { AskedRequest } from '../../flow/asked-request.ts';
import type { Access, Operation, Sureness, Touch } from '../../flow/operation.ts';
import type { Signer } from './read-signature.ts';

export type CloudTouch = Extract<Touch, { kind: 'cloud' }>;

export interface Draft {
  readonly name: string;
  readonly touches: readonly CloudTouch[];
  readonly sureness: Sureness;
  readonly detail?: string | null;
}

const ranks: Readonly<Record<Access, number>> = { read: 0, write: 1, admin: 2 };
const maxTouches = 64;

export function buildOperation(request: AskedRequest, signer: Signer, draft: Draft): Operation {
  const touches = draft.touches.slice(0, maxTouches).map((touch) => raise(touch, request));
  const access = touches.reduce<Access>(
    (highest, touch) => (ranks[touch.access] > ranks[highest] ? touch.access : highest),
    'read',
  );
  return {
    platform: 'aws',
    server: 'amazonaws.com',
    name: draft.name,
    access,
    touches,
    needs: [{}],
    ungrantable: [],
    sureness: asksForAnotherMethod(request) ? 'unknown' : draft.sureness,
    widens: false,
    credential: signer.kind === 'none' ? request.credential : 'cloud',
    detail: draft.detail ?? null,
  };
}

// A GET that carries something out is no read, nor is what asks to be read as another method.
function raise(touch: CloudTouch, request: AskedRequest): CloudTouch {
  const carries = request.hasBody && isReadMethod(request.method);
  return touch.access === 'read' && (carries || asksForAnotherMethod(request))
    ? { ...touch, access: 'write' }
    : touch;
}

const overrides = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;
const asksForAnotherMethod = (request: AskedRequest): boolean =>
  overrides.some((name) => request.header(name) !== null);

export function isReadMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** One touch for the caller's account, and one for each other that the request names. */
export function touchAccounts(
  base: Omit<CloudTouch, 'kind' | 'account'>,
  account: string | null,
  others: Iterable<string> = [],
): CloudTouch[] {
  const all = new Set<string | null>([account, ...others]);
  return [...all].map((one) => ({ kind: 'cloud', ...base, account: one }));
}

/** Whose key signs, as far as it is believed for this service; null with a reason where it is not. */
export function accountOf(
  signer: Signer,
  services: readonly string[],
): { readonly account: string | null; readonly problem: string | null } {
  if (signer.kind === 'unclear') return { account: null, problem: signer.detail };
  if (signer.kind === 'none') return { account: null, problem: null };
  if (signer.service !== null && !services.includes(signer.service))
    return { account: null, problem: 'a signature for another service than the host’s' };
  return { account: signer.account, problem: null };
}
