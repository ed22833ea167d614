// Tokens, logins and audit entries in memory, as the store will keep them.

import type {
  AuditEntry,
  AuditPort,
  LoginPort,
  StoredLogin,
  StoredToken,
  TokenPort,
} from '../../api/auth/access-port.ts';

/** An access port that forgets with the test. */
export function memoryAccess(): TokenPort &
  LoginPort &
  AuditPort & { readonly entries: AuditEntry[]; dump(): string } {
  const tokens = new Map<string, StoredToken>();
  const logins = new Map<string, StoredLogin>();
  const entries: AuditEntry[] = [];
  return {
    entries,
    dump: () => JSON.stringify([[...tokens], [...logins], entries]),
    addToken: async (token) => void tokens.set(token.id, token),
    tokenOf: async (id) => tokens.get(id) ?? null,
    tokens: async () => [...tokens.values()],
    touchToken: async (id, usedMs) => void tokens.set(id, { ...tokens.get(id)!, usedMs }),
    revokeToken: async (id, revokedMs) => {
      const token = tokens.get(id);
      if (token === undefined || token.revokedMs !== null) return false;
      tokens.set(id, { ...token, revokedMs });
      return true;
    },
    addLogin: async (login) => void logins.set(login.digest, login),
    loginOf: async (digest) => logins.get(digest) ?? null,
    touchLogin: async (digest, usedMs) => void logins.set(digest, { ...logins.get(digest)!, usedMs }),
    removeLogin: async (digest) => void logins.delete(digest),
    addEntry: async (entry) => void entries.push(entry),
  };
}
