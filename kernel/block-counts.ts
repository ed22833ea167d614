// Reads the exact counts of one window: turns the counting chains to the other half, and dumps and empties the half
// that has been at rest since the last turn.

import { SallyportError } from '../flow/errors.ts';
import { attribute, bigEndian32, flags, nested, stringBytes, type Request } from './netlink.ts';
import { inet, nftMessage, type NftConnection } from './nft.ts';
import { countSetName, ends, turningChains, type End, type Half } from './print-nft-counts.ts';
import { flushSet, readElements, readTuple, verdictGoto } from './set-elements.ts';
import { formatAddress } from '../flow/address.ts';

/** Packets of one key in one window; the block log's first event of the key tells verdict and reason. */
export interface BlockedRow {
  readonly runner: string;
  /** Null for packets beyond the runner's share of keys, counted by runner alone. */
  readonly destination: string | null;
  /** 0 where the destination is null. */
  readonly protocolNumber: number;
  readonly port: number | null;
  readonly attempts: number;
  /** What became of them. */
  readonly end: End;
  /** The name that the destination was bound for, as the keeper knows it. */
  readonly host?: string | null;
}

const families = [4, 6] as const;
const kinds = ['seen', 'other', 'over'] as const;
type CountKind = (typeof kinds)[number];

/** Requests that point the counting chains at a half. */
export function turnRequests(table: string, half: Half): Request[] {
  return turningChains.flatMap((chain) => {
    const names = Buffer.concat([attribute(1, stringBytes(table)), attribute(2, stringBytes(chain))]);
    const immediate = nested(
      1,
      attribute(1, stringBytes('immediate')),
      nested(2, attribute(1, bigEndian32(0)), nested(2, verdictGoto(`${chain}-${half}`))),
    );
    return [
      { type: nftMessage.delRule, flags: 0, family: inet, body: names },
      {
        type: nftMessage.newRule,
        flags: flags.create | flags.append,
        family: inet,
        body: Buffer.concat([names, nested(4, immediate)]),
      },
    ];
  });
}

/** What the half counted; it must be at rest. @throws SallyportError */
export function readHalf(nft: NftConnection, table: string, half: Half): BlockedRow[] {
  return ends.flatMap((end) =>
    families.flatMap((family) => {
      const read = (kind: CountKind) =>
        readElements(nft.queryFd, table, countSetName(kind, family, half, end));
      const keyed = [...read('seen'), ...read('other')].map(({ key, packets }): BlockedRow => {
        const { source, destination, protocolNumber, port } = readTuple(key, family);
        return { runner: source, destination, protocolNumber, port, attempts: packets ?? 0, end };
      });
      const over = read('over').map(({ key, packets }): BlockedRow => {
        const runner = formatAddress(key);
        return { runner, destination: null, protocolNumber: 0, port: null, attempts: packets ?? 0, end };
      });
      return [...keyed, ...over];
    }),
  );
}

/** Empties a half. @throws SallyportError */
export function emptyHalf(nft: NftConnection, table: string, half: Half): void {
  const requests = ends.flatMap((end) =>
    families.flatMap((family) => kinds.map((kind) => flushSet(table, countSetName(kind, family, half, end)))),
  );
  const failure = nft.batch(requests);
  if (failure !== null) throw new SallyportError('kernel', `counts could not be emptied: ${failure}`);
}
