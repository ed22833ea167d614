// Passwords of users: scrypt (RFC 7914) with its parameters beside it, few at a time (each takes 32 MB for a moment), and
// the same work for a user that does not exist.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { SallyportError } from '../../flow/errors.ts';

const cost = { N: 32_768, r: 8, p: 1 };
const maxmem = 128 * 1024 * 1024;
const keyBytes = 32;
const longestBytes = 1_024;
const atOnce = 2;
const waitingAtMost = 8;
const shape = /^scrypt\$(\d{1,6})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/;
const nobody = `scrypt$32768$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

let running = 0;
const waiting: (() => void)[] = [];

/** Whether a text is a kept password whose cost this program would take: as much as its own at least. */
export function isKeptPassword(text: string): boolean {
  const [, N, r, p] = (shape.exec(text) ?? []).map(Number);
  if (N === undefined || r === undefined || p === undefined) return false;
  const isPower = N > 1 && Number.isInteger(Math.log2(N));
  return isPower && N * r >= cost.N * cost.r && p >= 1 && p <= 4 && 128 * N * r < maxmem;
}

/** The text to be kept for a password; throws `usage` for one that is empty, longer than 1,024 bytes or has a null byte. */
export async function hashPassword(password: string): Promise<string> {
  if (!isPossible(password))
    throw new SallyportError('usage', 'a password has 1 to 1024 bytes, none of them null');
  const salt = randomBytes(16);
  const key = await derive(password, salt, cost);
  if (key === null) throw new SallyportError('internal', 'too many passwords are waiting; try again');
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Whether a password is the kept one; `kept` is null for a user that does not exist. `busy`: too many are waiting. */
export async function checkPassword(password: string, kept: string | null): Promise<boolean | 'busy'> {
  const match = shape.exec(kept ?? nobody);
  if (match === null) throw new SallyportError('internal', 'a kept password cannot be read; set it again');
  const [, N, r, p, salt, expected] = match;
  const asked = isPossible(password) ? password : ' ';
  const key = await derive(asked, Buffer.from(salt!, 'base64url'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  if (key === null) return 'busy';
  const isSame = timingSafeEqual(key, Buffer.from(expected!, 'base64url'));
  return isSame && kept !== null && isPossible(password);
}

function isPossible(password: string): boolean {
  // HMAC pads short keys with null bytes (RFC 2104): with one at its end, another password would be as good.
  if (password.includes('\0')) return false;
  return password !== '' && password.length <= longestBytes && Buffer.byteLength(password) <= longestBytes;
}

async function derive(password: string, salt: Buffer, costs: typeof cost): Promise<Buffer | null> {
  if (running >= atOnce) {
    if (waiting.length >= waitingAtMost) return null;
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running += 1;
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      scrypt(password.normalize('NFKC'), salt, keyBytes, { ...costs, maxmem }, (error, key) => {
        if (error === null) resolve(key);
        else reject(error);
      });
    });
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
