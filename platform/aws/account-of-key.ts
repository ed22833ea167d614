// The account that an access key id carries. AWS writes it into the characters behind the prefix, as public write-ups
// of 2020 and later found; keys that are older than about 2019 carry none.

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const form = /^A[KS]IA[A-Z2-7]{16}$/;
const accountSpace = 2 ** 40;
const accounts = 1e12;

/** The account of twelve digits, or null where the key does not tell it. */
export function accountOfKey(keyId: string): string | null {
  if (!form.test(keyId)) return null;
  let value = 0;
  // Nine characters (RFC 4648 §6) are 45 bits: one that only newer keys set, forty of the account, four of the rest.
  for (const char of keyId.slice(4, 13)) value = value * 32 + digits.indexOf(char);
  const account = Math.floor(value / 16) - accountSpace;
  return account > 0 && account < accounts ? String(account).padStart(12, '0') : null;
}
