// Who asks: by a token, or by the cookie of a login. One credential counts, and it is there once; a request with a token
// that is none is nobody's, whatever cookie comes with it.

import type { IncomingMessage } from 'node:http';
import type { AccessSettings } from './access-settings.ts';
import type { LoginPort, TokenPort } from './access-port.ts';
import { clientAddress, headerLines } from './client-address.ts';
import { actorOfCookie, type LoginChecks } from './login-cookie.ts';
import { stampOf } from './login-standing.ts';
import type { Actor } from './role.ts';
import { actorOfToken } from './token.ts';
import { userOfProxy } from './trusted-header.ts';

/** What is asked of the store to recognise somebody. */
type RecognitionStore = Pick<
  TokenPort & LoginPort,
  'tokenOf' | 'touchToken' | 'loginOf' | 'touchLogin' | 'removeLogin'
>;

/** The same store, in which nothing counts as used. */
export function withoutTouching(store: RecognitionStore): RecognitionStore {
  return {
    tokenOf: (id) => store.tokenOf(id),
    loginOf: (digest) => store.loginOf(digest),
    removeLogin: (digest) => store.removeLogin(digest),
    touchToken: async () => {},
    touchLogin: async () => {},
  };
}

export class Recognition {
  readonly #store: RecognitionStore;
  readonly #settings: AccessSettings;
  readonly #clock: () => number;
  readonly #proxies: ReadonlySet<string>;
  readonly #peers: ReadonlySet<string>;
  readonly checks: LoginChecks;

  constructor(store: RecognitionStore, settings: AccessSettings, clock: () => number) {
    this.#store = store;
    this.#settings = settings;
    this.#clock = clock;
    this.#proxies = new Set(settings.proxies);
    this.#peers = new Set(settings.trustedHeader?.peers ?? []);
    // The configuration is that of the process: what it says of somebody is worked out once.
    const stamps = new Map<string, string | null>();
    const remember = (name: string): string | null => {
      const stamp = stampOf(settings, name);
      if (stamps.size < 10_000) stamps.set(name, stamp);
      return stamp;
    };
    this.checks = {
      lifetimes: settings.logins,
      stampOf: (name) => (stamps.has(name) ? stamps.get(name)! : remember(name)),
    };
  }

  /** The client's address, as text; `unknown` where there is none. */
  addressOf({ socket, rawHeaders }: IncomingMessage): string {
    return clientAddress(socket.remoteAddress, rawHeaders, this.#proxies);
  }

  /** The name that a proxy in front gives, or null. */
  proxyUser({ socket, rawHeaders }: IncomingMessage): string | null {
    const { trustedHeader } = this.#settings;
    if (trustedHeader === null) return null;
    return userOfProxy(headerLines(rawHeaders, trustedHeader.name), socket.remoteAddress ?? '', this.#peers);
  }

  /** Null: nobody that is known. Rejected when the store is away. */
  async actorOf(request: IncomingMessage): Promise<Actor | null> {
    const tokens = headerLines(request.rawHeaders, 'authorization');
    const nowMs = this.#clock();
    if (tokens.length > 0) return tokens.length === 1 ? actorOfToken(this.#store, tokens[0], nowMs) : null;
    const actor = await actorOfCookie(this.#store, request.headers.cookie, nowMs, this.checks);
    if (actor === null || !actor.name.startsWith('proxy:')) return actor;
    // Whoever the proxy has logged out, or somebody else who uses the same browser, is not this actor any more.
    const user = this.proxyUser(request);
    return user !== null && actor.name === `proxy:${user}` ? actor : null;
  }
}
