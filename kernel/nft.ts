// The nf_tables connection of the keeper: libnftables for texts, raw netlink for set elements, both over one
// socket, because only the socket that owns a table may change it (NFT_TABLE_F_OWNER, Linux 6.9 with PERSIST).

import koffi from 'koffi';
import { readdirSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { SallyportError } from '../flow/errors.ts';
import { closeFd, sendBytes } from './libc.ts';
import {
  ask,
  attribute,
  bigEndian32,
  drain,
  encodeRequest,
  errorName,
  flags,
  growBuffers,
  netfilterProtocol,
  nextSequence,
  openNetfilter,
  stringBytes,
  type Request,
} from './netlink.ts';
import { isSocketOf } from './sockets.ts';

const subsystem = 10 << 8;
export const nftMessage = {
  newTable: subsystem | 0,
  getTable: subsystem | 1,
  delTable: subsystem | 2,
  getChain: subsystem | 4,
  newRule: subsystem | 6,
  getRule: subsystem | 7,
  delRule: subsystem | 8,
  getSet: subsystem | 10,
  newElement: subsystem | 12,
  getElement: subsystem | 13,
  delElement: subsystem | 14,
  newGeneration: subsystem | 15,
  getGeneration: subsystem | 16,
} as const;
/** NFPROTO_INET: all of our tables hold both families. */
export const inet = 1;
const [batchBegin, batchEnd] = [0x10, 0x11];
const ownerAndPersist = 6;

interface Library {
  create(flags: number): unknown;
  free(context: unknown): void;
  run(context: unknown, text: string): number;
  bufferErrors(context: unknown): number;
  bufferOutput(context: unknown): number;
  errors(context: unknown): string;
}
let loaded: Library | null = null;

function libnftables(): Library {
  if (loaded !== null) return loaded;
  try {
    const library = koffi.load('libnftables.so.1');
    loaded = {
      create: library.func('void *nft_ctx_new(uint32_t)'),
      free: library.func('void nft_ctx_free(void *)'),
      run: library.func('int nft_run_cmd_from_buffer(void *, const char *)'),
      bufferErrors: library.func('int nft_ctx_buffer_error(void *)'),
      bufferOutput: library.func('int nft_ctx_buffer_output(void *)'),
      errors: library.func('const char *nft_ctx_get_error_buffer(void *)'),
    };
    return loaded;
  } catch (error) {
    throw new SallyportError('missing-program', 'libnftables.so.1 is missing; install nftables', error);
  }
}

/** One connection to nf_tables in the network namespace of its making. */
export class NftConnection {
  readonly #context: unknown;
  readonly #fd: number;
  /** Reads go over a socket of their own, so that a large dump never meets an acknowledgement. */
  readonly queryFd: number;
  /** Transactions that this connection committed; each raises the kernel's generation by one. */
  commits = 0;

  constructor() {
    // The descriptor that reads the list is in the list: only what is such a socket counts.
    const isNetfilter = (fd: number): boolean => isSocketOf(fd, 16, netfilterProtocol);
    const before = new Set(openFds().filter(isNetfilter));
    this.#context = libnftables().create(0);
    libnftables().bufferErrors(this.#context);
    libnftables().bufferOutput(this.#context);
    const own = openFds().find((fd) => !before.has(fd) && isNetfilter(fd));
    if (own === undefined) throw new SallyportError('kernel', 'libnftables opened no netlink socket');
    this.#fd = own;
    growBuffers(own, 8 * 1024 * 1024);
    this.queryFd = openNetfilter([], 8 * 1024 * 1024);
  }

  /**
   * Makes the table, or takes over one whose owner has ended. True when it is ours alone and outlives us;
   * false on kernels that cannot, where it is a plain table. @throws SallyportError kernel
   */
  claimTable(name: string): boolean {
    if (this.#newTable(name, ownerAndPersist) === null) return true;
    const failure = this.#newTable(name, 0);
    if (failure === null) return false;
    throw new SallyportError('kernel', `table inet ${name}: ${failure}; another process owns it`);
  }

  #newTable(name: string, tableFlags: number): string | null {
    const body = Buffer.concat([attribute(1, stringBytes(name)), attribute(2, bigEndian32(tableFlags))]);
    return this.batch([{ type: nftMessage.newTable, flags: flags.create, family: inet, body }]);
  }

  /** Removes a table; one that is missing is no error. @throws SallyportError kernel */
  removeTable(name: string): void {
    const body = attribute(1, stringBytes(name));
    const failure = this.batch([{ type: nftMessage.delTable, flags: 0, family: inet, body }]);
    if (failure !== null && failure !== 'ENOENT') {
      throw new SallyportError('kernel', `table inet ${name} could not be removed: ${failure}`);
    }
  }

  /** Runs nft commands as one transaction. @throws SallyportError kernel with nft's own text */
  run(commands: string): void {
    if (libnftables().run(this.#context, commands) !== 0) {
      const text = libnftables().errors(this.#context).trim().slice(0, 2000);
      const remedy = text.includes('resolve protocol')
        ? '\ninstall the package netbase: nft reads /etc/protocols'
        : '';
      throw new SallyportError('kernel', `nftables refused the rules: ${text}${remedy}`);
    }
    this.commits += 1;
  }

  /** Sends messages as one transaction; the first errno's name, or null when the kernel holds all of it. */
  batch(requests: readonly Request[]): string | null {
    const begin = nextSequence();
    const edge = (type: number, sequence: number): Buffer =>
      encodeRequest({ type, flags: 0, family: 0, resource: 10 }, sequence);
    const parts = requests.map((request) =>
      encodeRequest({ ...request, flags: request.flags | flags.ack }, nextSequence()),
    );
    const whole = Buffer.concat([edge(batchBegin, begin), ...parts, edge(batchEnd, nextSequence())]);
    sendBytes(this.#fd, whole, 'nf_tables transaction');
    let acknowledged = 0;
    let failure: string | null = null;
    drain(this.#fd, (message) => {
      if (message.type !== 2 || message.sequence < begin) return;
      acknowledged += 1;
      failure ??= errorName(message);
    });
    if (failure === null && acknowledged < requests.length) return getSystemErrorName(-5);
    if (failure === null) this.commits += 1;
    return failure;
  }

  /** The generation of this namespace's rule sets: every transaction by anybody raises it. */
  generation(): number {
    const answer = ask(this.queryFd, { type: nftMessage.getGeneration, flags: 0, family: 0 });
    return answer === null || answer.length < 12 ? -1 : answer.readUInt32BE(8);
  }

  /** Ends the connection. Owned tables stay, without an owner, until the next keeper claims them. */
  close(): void {
    libnftables().free(this.#context);
    closeFd(this.queryFd);
  }
}

function openFds(): number[] {
  return readdirSync('/proc/self/fd').map(Number);
}
