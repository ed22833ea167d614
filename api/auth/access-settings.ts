// What the operator's configuration says of who may come in, as `sallyport.yaml` gives it with every default filled in.

import type { Role } from './role.ts';

/** What somebody may. */
export interface Grant {
  readonly role: Role;
  /** Null: all owners. */
  readonly owners: readonly string[] | null;
}

/** A grant for whoever has this value: a group, a name, or `*` for everybody. */
export interface GrantRule extends Grant {
  readonly value: string;
}

export interface UserSettings extends Grant {
  readonly name: string;
  /** As `sallyport user` prints it (api/auth/password.ts). */
  readonly password: string;
}

export interface OidcSettings {
  /** `https:`, exactly as the issuer writes it into its tokens. */
  readonly issuer: string;
  readonly clientId: string;
  /** File with the client's secret; null: a public client. */
  readonly clientSecretFile: string | null;
  readonly scopes: readonly string[];
  /** Claim that names the user. */
  readonly nameClaim: string;
  /** Claim with a value or a list of values that `roles` go by. */
  readonly roleClaim: string;
  readonly roles: readonly GrantRule[];
}

export interface TrustedHeaderSettings {
  /** In lower case. */
  readonly name: string;
  /** Addresses, in their shortest form. */
  readonly peers: readonly string[];
  readonly roles: readonly GrantRule[];
}

export interface LoginLifetimes {
  /** Without a request for so long it is over. */
  readonly idleMs: number;
  readonly longestMs: number;
}

export interface AccessSettings {
  /** `https://host[:port]` at which browsers find the operator's side; null: nobody logs in with one. */
  readonly origin: string | null;
  /** Addresses of proxies whose `X-Forwarded-For` is believed. */
  readonly proxies: readonly string[];
  readonly longestTokenMs: number;
  readonly logins: LoginLifetimes;
  readonly users: readonly UserSettings[];
  readonly oidc: OidcSettings | null;
  readonly trustedHeader: TrustedHeaderSettings | null;
}

/** Nobody but tokens: what holds without a section `access`, and what workers know. */
export const tokensOnly: AccessSettings = {
  origin: null,
  proxies: [],
  longestTokenMs: 365 * 86_400_000,
  logins: { idleMs: 30 * 60_000, longestMs: 12 * 3_600_000 },
  users: [],
  oidc: null,
  trustedHeader: null,
};

/** The grant of the first rule that one of the values fits, or null: the order is the operator's. */
export function grantOf(rules: readonly GrantRule[], values: readonly string[]): Grant | null {
  const found = rules.find(({ value }) => value === '*' || values.includes(value));
  return found === undefined ? null : { role: found.role, owners: found.owners };
}
