// The addresses of one machine in both families, by the kernel's neighbour table (rtnetlink, RFC 3549): an address that
// a runner asked for over IPv4 must be open for its IPv6 address too.

import { formatAddress, parseAddress } from '../flow/address.ts';
import type { Binding } from '../flow/ports.ts';
import { closeFd, openSocket } from './libc.ts';
import { dump, readAttributes } from './netlink.ts';

const [familyNetlink, raw, routeProtocol] = [16, 3, 0];
const getNeighbours = 30;
const [destination, linkAddress] = [1, 2];
// Incomplete, failed and addresses without resolution (NUD_*, linux/neighbour.h).
const unusableStates = 0x01 | 0x20 | 0x40;
const maxSiblings = 8;

/** One line of the table. */
export interface Neighbour {
  readonly address: string;
  /** Interface and link address. */
  readonly machine: string;
}

export class NeighbourTable {
  readonly #fd = openSocket(familyNetlink, raw, routeProtocol);

  /** Addresses of the other family that belong to the same machine; none when that is not certain. @throws SallyportError */
  siblingsOf(address: string): string[] {
    return siblingsAmong([...this.#read(2), ...this.#read(10)], address);
  }

  /** Addresses of each machine, as far as it is certain that they belong together. @throws SallyportError */
  machines(): string[][] {
    const all = [...this.#read(2), ...this.#read(10)];
    const byMachine = Map.groupBy(all, ({ machine }) => machine);
    return [...byMachine.values()].flatMap((entries) => {
      const v4 = entries.find(({ address }) => !address.includes(':'))?.address;
      const siblings = v4 === undefined ? [] : siblingsAmong(entries, v4);
      return v4 === undefined || siblings.length === 0 ? [] : [[v4, ...siblings]];
    });
  }

  close(): void {
    closeFd(this.#fd);
  }

  #read(family: number): Neighbour[] {
    return dump(this.#fd, { type: getNeighbours, flags: 0, family, body: Buffer.alloc(8) }).flatMap(
      readNeighbour,
    );
  }
}

/** The rule for who belongs together: a router's or a proxy's link address stands for several machines, and for none. */
export function siblingsAmong(table: readonly Neighbour[], address: string): string[] {
  const machine = table.find((entry) => entry.address === address)?.machine;
  if (machine === undefined) return [];
  const isV6 = (text: string) => text.includes(':');
  const all = table.filter((entry) => entry.machine === machine).map((entry) => entry.address);
  if (all.filter((text) => !isV6(text)).length !== 1 || all.length > maxSiblings + 1) return [];
  return all.filter((text) => isV6(text) !== isV6(address));
}

/**
 * Adds to each binding whose runner and address differ in family, and that no packet could match, one for every
 * address of the same runner in the other family.
 */
export function bindBothFamilies(
  bindings: readonly Binding[],
  siblingsOf: (runner: string) => readonly string[],
): Binding[] {
  return bindings.flatMap((binding) => {
    const isV6 = binding.address.includes(':');
    if (binding.runner.includes(':') === isV6) return [binding];
    const siblings = siblingsOf(binding.runner).filter((sibling) => sibling.includes(':') === isV6);
    return [...new Set(siblings)].slice(0, maxSiblings).map((runner) => ({ ...binding, runner }));
  });
}

function readNeighbour(body: Buffer): Neighbour[] {
  if (body.length < 12 || (body.readUInt16LE(8) & unusableStates) !== 0) return [];
  const device = body.readInt32LE(4);
  let address: string | null = null;
  let machine: string | null = null;
  for (const [type, value] of readAttributes(body, 12)) {
    if (type === destination && (value.length === 4 || value.length === 16)) address = formatAddress(value);
    if (type === linkAddress && value.length > 0) machine = `${device} ${value.toString('hex')}`;
  }
  // Link-local addresses speak to nobody beyond the link.
  const isUsable = address !== null && parseAddress(address) !== null && !/^fe[89ab]/.test(address);
  return isUsable && machine !== null ? [{ address: address!, machine }] : [];
}
