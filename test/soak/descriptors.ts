// What processes have open before and after, exactly: nothing may be more, but for the sockets over which a worker asks
// its DNS upstream. Those are made as questions come, and are sixteen at most (dns/upstream-udp.ts).

import { setTimeout as sleep } from 'node:timers/promises';
import { grownKinds, openKinds } from '../lab/open-files.ts';

interface Watched {
  readonly name: string;
  readonly pid: number;
}

/** How many descriptors a process has more than before, and which; how many sockets to DNS upstreams it has in all. */
export interface Growth {
  readonly name: string;
  readonly more: number;
  readonly kinds: string;
  readonly dnsSockets: number;
}

/** As many as one upstream is asked over at a time. */
export const dnsSocketLimit = 16;

const isDnsSocket = (kind: string) => /^udp to .* port 53$/.test(kind);

/** Counts; the function counts again, as soon as nothing is more or after 15 s: clients that linger are given up by then. */
export function countDescriptors(watched: readonly Watched[]): () => Promise<Growth[]> {
  const before = watched.map(({ pid }) => openKinds(pid));
  const compare = () => watched.map(({ name, pid }, at) => growthOf(name, before[at]!, openKinds(pid)));
  return async () => {
    for (let tries = 0; tries < 150 && compare().some(({ more }) => more > 0); tries++) await sleep(100);
    return compare();
  };
}

type Kinds = ReadonlyMap<string, number>;

function growthOf(name: string, before: Kinds, after: Kinds): Growth {
  const dnsSockets = [...after].filter(([kind]) => isDnsSocket(kind));
  const grown = [...grownKinds(before, after)].filter(([kind]) => !isDnsSocket(kind));
  return {
    name,
    more: sum(grown),
    kinds: grown.map(([kind, count]) => `${count} ${kind}`).join(', '),
    dnsSockets: sum(dnsSockets),
  };
}

const sum = (counts: readonly (readonly [string, number])[]) =>
  counts.reduce((all, [, count]) => all + count, 0);
