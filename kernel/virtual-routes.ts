// Makes the addresses of the steer pool this machine's, by rtnetlink (RFC 3549): one local route for each IPv4 range,
// which answers ARP for all of it; each IPv6 address on its own, since only those are answered for in neighbour
// discovery (RFC 4861). What is there already is taken over; what is gone already is no error.

import { networkInterfaces } from 'node:os';
import { cidrContains, formatAddress, parseAddress, parseCidr, type Cidr } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import { closeFd, interfaceIndex, openSocket, sendBytes } from './libc.ts';
import { attribute, drain, dump, errorName, flags, nextSequence, readAttributes } from './netlink.ts';

const [familyNetlink, raw, routeProtocol] = [16, 3, 0];
const [newAddress, deleteAddress, getAddress] = [20, 21, 22];
const [newRoute, deleteRoute] = [24, 25];
const [inet4, inet6] = [2, 10];
const localTable = 255;
const [typeLocal, scopeHost, protocolStatic] = [2, 254, 4];
const noDuplicateDetection = 0x02;
const exclusive = 0x200;

/** Routes and addresses of one gateway's pool. */
export class VirtualRoutes {
  readonly #fd = openSocket(familyNetlink, raw, routeProtocol);
  readonly #pool: readonly Cidr[];
  readonly #interfaces: readonly string[];

  /** `interfaces` are those that face runners; patterns among them stand for what is there when it is asked. */
  constructor(pool: readonly string[], interfaces: readonly string[]) {
    this.#pool = pool.flatMap((text) => parseCidr(text) ?? []);
    this.#interfaces = interfaces;
  }

  /** Puts the local routes of the IPv4 ranges in place. @throws SallyportError kernel, config-invalid */
  open(): void {
    this.#refuseOthers();
    for (const cidr of this.#pool.filter(({ bytes }) => bytes.length === 4)) this.#route(newRoute, cidr);
  }

  /** Adds an address of the pool; nothing is to be done for an IPv4 one. @throws SallyportError kernel */
  add(address: string): void {
    if (!address.includes(':')) return;
    for (const index of this.#indexes()) this.#address(newAddress, address, index);
  }

  /** IPv6 addresses of the pool that an interface has. @throws SallyportError kernel */
  held(): ReadonlySet<string> {
    return new Set(this.#held().map(({ address }) => address));
  }

  /** Takes routes and addresses away, those that an earlier keeper left included. @throws SallyportError kernel */
  close(options: { readonly remove: boolean }): void {
    try {
      if (!options.remove) return;
      for (const cidr of this.#pool.filter(({ bytes }) => bytes.length === 4)) this.#route(deleteRoute, cidr);
      for (const { address, index } of this.#held()) this.#address(deleteAddress, address, index);
    } finally {
      closeFd(this.#fd);
    }
  }

  // A machine's own address within the pool would be taken for a virtual one, and be cut off.
  #refuseOthers(): void {
    const taken = Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .filter(({ cidr }) => cidr !== null && !cidr.endsWith('/128'))
      .find(({ address }) => this.#contains(address));
    if (taken !== undefined)
      throw new SallyportError(
        'config-invalid',
        `steer.pool holds ${taken.address}, which is an address of this machine; choose another range`,
      );
  }

  #contains(text: string): boolean {
    const bytes = parseAddress(text);
    return bytes !== null && this.#pool.some((cidr) => cidrContains(cidr, bytes));
  }

  #indexes(): number[] {
    const present = Object.keys(networkInterfaces());
    const names = this.#interfaces.flatMap((name) =>
      name.endsWith('*') ? present.filter((one) => one.startsWith(name.slice(0, -1))) : [name],
    );
    return names.map(interfaceIndex).filter((index) => index > 0);
  }

  // Preferred for no time: else the newest would become the source of what the gateway itself sends.
  #address(type: number, address: string, index: number): void {
    const bytes = parseAddress(address) ?? new Uint8Array(16);
    const head = Buffer.alloc(8);
    head.writeUInt8(inet6, 0);
    head.writeUInt8(128, 1);
    head.writeUInt8(noDuplicateDetection, 2);
    head.writeInt32LE(index, 4);
    const lifetimes = Buffer.alloc(16);
    lifetimes.writeUInt32LE(0xffff_ffff, 4);
    const body = Buffer.concat([head, attribute(2, bytes), attribute(1, bytes), attribute(6, lifetimes)]);
    this.#ask(type, body, `the address ${address}`);
  }

  #route(type: number, cidr: Cidr): void {
    const head = Buffer.alloc(12);
    head.writeUInt8(inet4, 0);
    head.writeUInt8(cidr.prefix, 1);
    head.writeUInt8(localTable, 4);
    head.writeUInt8(protocolStatic, 5);
    head.writeUInt8(scopeHost, 6);
    head.writeUInt8(typeLocal, 7);
    const loopback = Buffer.alloc(4);
    loopback.writeInt32LE(1);
    const body = Buffer.concat([head, attribute(1, cidr.bytes), attribute(4, loopback)]);
    this.#ask(type, body, `the route to ${formatAddress(cidr.bytes)}/${cidr.prefix}`);
  }

  /** Addresses of the pool that interfaces have as single ones. */
  #held(): { address: string; index: number }[] {
    const request = { type: getAddress, flags: 0, family: inet6, body: Buffer.alloc(4) };
    return dump(this.#fd, request).flatMap((body) => {
      if (body.length < 8 || body[1] !== 128) return [];
      for (const [type, value] of readAttributes(body, 8)) {
        const address = type === 1 && value.length === 16 ? formatAddress(value) : null;
        if (address !== null && this.#contains(address)) return [{ address, index: body.readInt32LE(4) }];
      }
      return [];
    });
  }

  #ask(type: number, body: Buffer, what: string): void {
    const isNew = type === newAddress || type === newRoute;
    const sequence = nextSequence();
    const message = Buffer.alloc(16);
    message.writeUInt32LE(16 + body.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags.request | flags.ack | (isNew ? flags.create | exclusive : 0), 6);
    message.writeUInt32LE(sequence, 8);
    sendBytes(this.#fd, Buffer.concat([message, body]), `the request for ${what}`);
    let failure: string | null = 'EIO';
    drain(this.#fd, (answer) => {
      if (answer.type === 2 && answer.sequence === sequence) failure = errorName(answer);
    });
    if (
      failure === null ||
      (isNew ? failure === 'EEXIST' : ['ESRCH', 'EADDRNOTAVAIL', 'ENODEV'].includes(failure))
    )
      return;
    throw new SallyportError('kernel', `the kernel did not take ${what}: ${failure}`);
  }
}
