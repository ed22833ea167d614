// Where live sets keep their elements: nf_tables here, ipset in ipset-elements.ts. Only what differs between the two
// is here; which elements there are is the business of live-sets.ts.

import { release } from 'node:os';
import { SallyportError } from '../flow/errors.ts';
import type { Request } from './netlink.ts';
import type { NftConnection } from './nft.ts';
import type { Family, LiveSetName } from './rule-model.ts';
import {
  addElements,
  deleteElements,
  flushSet,
  readElements,
  type HeldElement,
  type NewElement,
} from './set-elements.ts';

export interface SetChange {
  /** `put` adds or renews, `remove` passes over what is not there, `replace` leaves exactly these elements. */
  readonly do: 'put' | 'remove' | 'replace';
  readonly set: LiveSetName;
  readonly family: Family;
  readonly elements: readonly NewElement[];
}

export interface ElementStore {
  /** The kernel holds all changes when it returns. @throws SallyportError kernel, naming `what` */
  commit(changes: readonly SetChange[], what: string): void;
  /** All elements of a set, as the kernel holds them. @throws SallyportError */
  read(set: LiveSetName, family: Family): HeldElement[];
}

/** Elements of one nf_tables table; the changes of a commit are one transaction. */
export class NftElements implements ElementStore {
  readonly #nft: NftConnection;
  readonly #table: string;
  // From 6.12 on a repeated add renews the time limit; before, it is silently ignored.
  readonly #mayRenew = isAtLeast(release(), 6, 12);

  constructor(nft: NftConnection, table: string) {
    this.#nft = nft;
    this.#table = table;
  }

  commit(changes: readonly SetChange[], what: string): void {
    const requests = changes.flatMap((change) => this.#requests(change));
    if (requests.length === 0) return;
    const failure = this.#nft.batch(requests);
    if (failure !== null) throw new SallyportError('kernel', `the kernel did not take ${what}: ${failure}`);
  }

  read(set: LiveSetName, family: Family): HeldElement[] {
    return readElements(this.#nft.queryFd, this.#table, `${set}${family}`);
  }

  #requests(change: SetChange): Request[] {
    const name = `${change.set}${change.family}`;
    const add = (elements: readonly NewElement[]) => addElements(this.#table, name, elements);
    const keys = change.elements.map(({ key }) => key);
    const remove = deleteElements(this.#table, name, keys);
    if (change.do === 'replace') return [flushSet(this.#table, name), ...add(change.elements)];
    // A pin has no time limit: what the shadow knows is there.
    if (change.set === 'pin') return change.do === 'put' ? add(change.elements) : remove;
    if (change.do === 'put' && change.set === 'bound' && this.#mayRenew) return add(change.elements);
    // An element may expire between our look and the deletion: added again first, it is there to be deleted.
    const sure = add(keys.map((key) => ({ key, timeoutMs: 1000 })));
    return [...sure, ...remove, ...(change.do === 'put' ? add(change.elements) : [])];
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map(Number);
  return own > major || (own === major && ownMinor >= minor);
}
