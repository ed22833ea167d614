// What the rest of the program has the store keep besides records: tokens, logins, the audit log, and what gateways share.

import type { Kysely } from 'kysely';
import { AccessStore } from './access-store.ts';
import { GatewayStore } from './gateway-store.ts';
import type { StoreTables } from './tables.ts';

type AccessActions = Pick<
  AccessStore,
  | 'addToken'
  | 'tokenOf'
  | 'tokens'
  | 'touchToken'
  | 'revokeToken'
  | 'addLogin'
  | 'loginOf'
  | 'touchLogin'
  | 'removeLogin'
  | 'dropLogins'
  | 'addEntry'
  | 'endEntry'
  | 'entries'
>;
type GatewayActions = Pick<
  GatewayStore,
  'setting' | 'settleSetting' | 'setSetting' | 'tellState' | 'states' | 'addRevision'
>;

/** Everything that can be asked for; each is done when its promise is fulfilled. */
export type Actions = AccessActions & GatewayActions;
export type ActionName = keyof Actions;

/** Whoever carries actions to the store. @throws SallyportError upstream when it is away */
export interface ActionPort {
  act<K extends ActionName>(
    name: K,
    ...values: Parameters<Actions[K]>
  ): Promise<Awaited<ReturnType<Actions[K]>>>;
}

/** The actions of an opened store; `main` may write. */
export function actionsOf(main: Kysely<StoreTables>): Actions {
  const [access, gateways] = [new AccessStore(main), new GatewayStore(main)];
  return {
    addToken: (token) => access.addToken(token),
    tokenOf: (id) => access.tokenOf(id),
    tokens: () => access.tokens(),
    touchToken: (id, usedMs) => access.touchToken(id, usedMs),
    revokeToken: (id, revokedMs) => access.revokeToken(id, revokedMs),
    addLogin: (login) => access.addLogin(login),
    loginOf: (digest) => access.loginOf(digest),
    touchLogin: (digest, usedMs) => access.touchLogin(digest, usedMs),
    removeLogin: (digest) => access.removeLogin(digest),
    dropLogins: (createdBeforeMs) => access.dropLogins(createdBeforeMs),
    addEntry: (entry) => access.addEntry(entry),
    endEntry: (id, outcome, target) => access.endEntry(id, outcome, target),
    entries: (question) => access.entries(question),
    setting: (name) => gateways.setting(name),
    settleSetting: (name, value) => gateways.settleSetting(name, value),
    setSetting: (name, value) => gateways.setSetting(name, value),
    tellState: (kind, state) => gateways.tellState(kind, state),
    states: (kind, sinceMs) => gateways.states(kind, sinceMs),
    addRevision: (state, revision) => gateways.addRevision(state, revision),
  };
}

/** TokenPort, LoginPort and AuditPort of the operator's side, carried to a store. */
export function accessOf(store: ActionPort): AccessActions {
  return {
    addToken: (token) => store.act('addToken', token),
    tokenOf: (id) => store.act('tokenOf', id),
    tokens: () => store.act('tokens'),
    touchToken: (id, usedMs) => store.act('touchToken', id, usedMs),
    revokeToken: (id, revokedMs) => store.act('revokeToken', id, revokedMs),
    addLogin: (login) => store.act('addLogin', login),
    loginOf: (digest) => store.act('loginOf', digest),
    touchLogin: (digest, usedMs) => store.act('touchLogin', digest, usedMs),
    removeLogin: (digest) => store.act('removeLogin', digest),
    dropLogins: (createdBeforeMs) => store.act('dropLogins', createdBeforeMs),
    addEntry: (entry) => store.act('addEntry', entry),
    endEntry: (id, outcome, target) => store.act('endEntry', id, outcome, target),
    entries: (question) => store.act('entries', question),
  };
}
