// Tokens as whoever makes them asks for them, over the API or on the socket of the machine's root: what can be asked, and
// what is shown of them. The token itself is in one answer only.

import { SallyportError } from '../../flow/errors.ts';
import type { AccessStore, StoredToken } from './access-port.ts';
import type { AccessSettings } from './access-settings.ts';
import type { Role } from './role.ts';
import { createToken } from './token.ts';

const mostTokens = 2_000;

export interface AskedToken {
  readonly label: string;
  readonly role: Role;
  readonly owners?: readonly string[];
  readonly lifetimeSeconds: number;
}

/** A token as it is listed; times are RFC 3339. */
export interface ShownToken {
  readonly id: string;
  readonly label: string;
  readonly role: Role;
  readonly owners: readonly string[] | null;
  readonly state: 'valid' | 'expired' | 'revoked';
  readonly created: string;
  readonly expires: string;
  readonly lastUsed: string | null;
  readonly revoked: string | null;
}

/** What can be asked for, as a body of the API and of the socket. */
export const askedTokenFields = {
  label: {
    type: 'string',
    minLength: 1,
    maxLength: 100,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]+$',
    description: 'What it is for, for people.',
  },
  role: { type: 'string', enum: ['viewer', 'operator', 'admin'], description: 'What it may do.' },
  owners: {
    type: 'array',
    minItems: 1,
    maxItems: 100,
    uniqueItems: true,
    items: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,255}$' },
    description: 'Owners of repositories whose jobs it may see; left out: all.',
  },
  lifetimeSeconds: {
    type: 'integer',
    minimum: 60,
    maximum: 366 * 86_400,
    description: 'How long it is valid.',
  },
} as const;

/** Makes a token; `text` is the only time that it is seen. @throws SallyportError usage: it would live too long, or there are too many */
export async function issueToken(
  store: AccessStore,
  settings: AccessSettings,
  asked: AskedToken,
  nowMs: number,
): Promise<{ text: string; token: ShownToken }> {
  const lifetimeMs = asked.lifetimeSeconds * 1_000;
  const longestDays = Math.floor(settings.longestTokenMs / 86_400_000);
  if (lifetimeMs > settings.longestTokenMs)
    throw new SallyportError('usage', `a token lives ${longestDays} days at most (access.tokens.longest)`);
  const valid = (await store.tokens()).filter((token) => stateOf(token, nowMs) === 'valid');
  if (valid.length >= mostTokens)
    throw new SallyportError('usage', `there are ${mostTokens} valid tokens; revoke some first`);
  const { label, role, owners = null } = asked;
  const { text, stored } = await createToken(store, { label, role, owners, lifetimeMs }, nowMs);
  return { text, token: showToken(stored, nowMs) };
}

/** All tokens, the newest first. */
export async function listTokens(store: AccessStore, nowMs: number): Promise<ShownToken[]> {
  const all = [...(await store.tokens())].toSorted((a, b) => b.createdMs - a.createdMs);
  return all.map((token) => showToken(token, nowMs));
}

function showToken(token: StoredToken, nowMs: number): ShownToken {
  const { id, label, role, owners, createdMs, expiresMs, usedMs, revokedMs } = token;
  return {
    id,
    label,
    role,
    owners,
    state: stateOf(token, nowMs),
    created: new Date(createdMs).toISOString(),
    expires: new Date(expiresMs).toISOString(),
    lastUsed: usedMs === null ? null : new Date(usedMs).toISOString(),
    revoked: revokedMs === null ? null : new Date(revokedMs).toISOString(),
  };
}

function stateOf({ revokedMs, expiresMs }: StoredToken, nowMs: number): ShownToken['state'] {
  if (revokedMs !== null) return 'revoked';
  return nowMs >= expiresMs ? 'expired' : 'valid';
}
