// What a login rests on: the user's line, the issuer and its mapping, the proxy and its. When the operator changes any of
// it, logins that rest on it are over.

import type { AccessSettings } from './access-settings.ts';
import { digestOf } from './token.ts';

/** A digest of what the configuration says of an actor (`user:NAME`, `oidc:NAME`, `proxy:NAME`); null: it knows none such. */
export function stampOf(settings: AccessSettings, actorName: string): string | null {
  const at = actorName.indexOf(':');
  const [kind, name] = [actorName.slice(0, at), actorName.slice(at + 1)];
  const { users, oidc, trustedHeader } = settings;
  if (kind === 'user') return stamp(users.find((user) => user.name === name));
  // Where the secret lies is each gateway's own affair.
  if (kind === 'oidc') return stamp(oidc && { ...oidc, clientSecretFile: null });
  return kind === 'proxy' ? stamp(trustedHeader) : null;
}

function stamp(rests: object | null | undefined): string | null {
  return rests == null ? null : digestOf(JSON.stringify(rests)).slice(0, 32);
}
