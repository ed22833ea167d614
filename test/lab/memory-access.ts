// Tokens, logins and audit entries in memory, as the store will keep them.

import type { AccessStore, AuditEntry, StoredLogin, StoredToken } from '../../api/auth/access-port.ts';

/** An access port that forgets with the test. */
export function memoryAccess(): AccessStore & { readonly rows: AuditEntry[]; dump(): string } {
  const tokens = new Map<string, StoredToken>();
  const logins = new Map<string, StoredLogin>();
  const rows: AuditEntry[] = [];
  return {
    rows,
    dump: () => JSON.stringify([[...tokens], [...logins], rows]),
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
    dropLogins: async (createdBeforeMs) => {
      for (const [digest, login] of logins) if (login.createdMs < createdBeforeMs) logins.delete(digest);
    },
    addEntry: async (entry) => {
      if (rows.some(({ id }) => id === entry.id)) throw new Error('there is such an entry');
      rows.push(entry);
    },
    endEntry: async (id, outcome, target) => {
      const index = rows.findIndex((row) => row.id === id);
      if (index < 0) throw new Error('there is no such entry');
      rows[index] = { ...rows[index]!, outcome, target };
    },
    entries: async ({ beforeId, limit, actor, action, outcome, fromMs, untilMs }) =>
      rows
        .filter((row) => beforeId === undefined || row.id < beforeId)
        .filter((row) => actor === undefined || row.actor === actor)
        .filter((row) => action === undefined || row.action === action)
        .filter((row) => outcome === undefined || row.outcome === outcome)
        .filter(
          ({ atMs }) => (fromMs === undefined || atMs >= fromMs) && (untilMs === undefined || atMs < untilMs),
        )
        .toReversed()
        .slice(0, limit),
  };
}
