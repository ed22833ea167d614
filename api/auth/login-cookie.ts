// Browsers that somebody is logged in with: a random cookie, kept as a digest, new at each login, over after some idle time
// and after some time at all. A write besides needs the login's own word, and that the page which asks is ours.

import { createHmac, randomBytes } from 'node:crypto';
import type { LoginPort } from './access-port.ts';
import type { LoginLifetimes } from './access-settings.ts';
import type { Actor } from './role.ts';
import { digestOf, isSameDigest } from './token.ts';

/** The prefix has browsers insist on Secure, on `/` and on no domain (RFC 6265bis). */
const cookieName = '__Host-sallyport';
const longestHeader = 8_192;
const usedStepMs = 60_000;
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** A login and what it rests on; a login of what is no more is over. */
export interface LoginChecks {
  readonly lifetimes: LoginLifetimes;
  /** What the configuration says of an actor, as a digest; null: it knows none such. */
  stampOf(name: string): string | null;
}

/** Logs in, and ends the login that the browser had: what was set before a login is worth nothing after it. */
export async function startLogin(
  port: LoginPort,
  actor: Actor,
  cookieHeader: string | undefined,
  nowMs: number,
  checks: LoginChecks,
): Promise<{ cookie: string; setCookie: string }> {
  await endLogin(port, cookieHeader);
  await port.dropLogins(nowMs - checks.lifetimes.longestMs);
  const cookie = randomBytes(32).toString('base64url');
  const { role, owners } = actor;
  const user = `${actor.name}#${checks.stampOf(actor.name) ?? ''}`;
  await port.addLogin({ digest: digestOf(cookie), user, role, owners, createdMs: nowMs, usedMs: nowMs });
  return { cookie, setCookie: `${cookieName}=${cookie}; ${attributes}` };
}

/** Ends the login of a `Cookie` header, if there is one. */
export async function endLogin(port: LoginPort, cookieHeader: string | undefined): Promise<void> {
  const cookie = readCookie(cookieHeader);
  if (cookie !== null) await port.removeLogin(digestOf(cookie));
}

/** The header that has a browser forget its cookie. */
export const clearedCookie = `${cookieName}=; Max-Age=0; ${attributes}`;

/** The actor of a `Cookie` header, or null; what has run out is removed. */
export async function actorOfCookie(
  port: Pick<LoginPort, 'loginOf' | 'touchLogin' | 'removeLogin'>,
  cookieHeader: string | undefined,
  nowMs: number,
  checks: LoginChecks,
): Promise<Actor | null> {
  const cookie = readCookie(cookieHeader);
  if (cookie === null) return null;
  const digest = digestOf(cookie);
  const login = await port.loginOf(digest);
  if (login === null) return null;
  const { idleMs, longestMs } = checks.lifetimes;
  const [name = '', stamp] = login.user.split('#');
  const isOver = nowMs - login.usedMs >= idleMs || nowMs - login.createdMs >= longestMs;
  if (isOver || stamp === undefined || checks.stampOf(name) !== stamp) {
    await port.removeLogin(digest);
    return null;
  }
  if (nowMs - login.usedMs >= usedStepMs) await port.touchLogin(digest, nowMs);
  return { name, role: login.role, owners: login.owners, by: 'cookie' };
}

/** The value of our cookie; null where it is missing, is there twice, or is not one of ours. */
export function readCookie(header: string | undefined, name = cookieName): string | null {
  if (header === undefined || header.length > longestHeader) return null;
  const ours = header.split(';').flatMap((part) => {
    const [key, ...value] = part.split('=');
    return key!.trim() === name ? [value.join('=').trim()] : [];
  });
  return ours.length === 1 && /^[A-Za-z0-9_-]{43}$/.test(ours[0]!) ? ours[0]! : null;
}

/** The word that a page sends with a write, bound to its login. */
export function writeWordOf(cookie: string): string {
  return createHmac('sha256', cookie).update('sallyport write').digest('base64url');
}

export interface WriteHeaders {
  readonly cookie?: string | undefined;
  readonly origin?: string | undefined;
  readonly fetchSite?: string | undefined;
  readonly word?: string | undefined;
}

/** Whether a request that changes something may come from our own page (`origin`: as configured, `https://host[:port]`). */
export function isFromOwnPage(headers: WriteHeaders, origin: string): boolean {
  if (headers.fetchSite !== undefined && headers.fetchSite !== 'same-origin') return false;
  return headers.origin === undefined || headers.origin === origin;
}

/** Whether a write with a cookie comes from our own page. */
export function isOwnWrite(headers: WriteHeaders, origin: string): boolean {
  if (!isFromOwnPage(headers, origin)) return false;
  // Some browser says where it comes from, or it is none.
  if (headers.origin === undefined && headers.fetchSite === undefined) return false;
  const cookie = readCookie(headers.cookie);
  if (cookie === null || headers.word === undefined || headers.word.length > 64) return false;
  return isSameDigest(headers.word, writeWordOf(cookie));
}
