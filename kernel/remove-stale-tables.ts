// Tables of gateways that one command started and that outlived it: they are persistent so that a killed keeper
// leaves the door shut, and are removed by the next start once the command is gone.

import { dump, readAttributes } from './netlink.ts';
import { inet, nftMessage, NftConnection } from './nft.ts';

/**
 * Removes the tables `<prefix><pid>`, `<prefix><pid>_<tag>` and their guards whose process `isAlive` denies; answers their names.
 * A table that another keeper owns is left alone. @throws SallyportError missing-program or missing-privilege
 */
export function removeStaleTables(prefix: string, isAlive: (pid: number, name: string) => boolean): string[] {
  const nft = new NftConnection();
  try {
    return tableNames(nft).filter((name) => {
      const pid = pidOf(name, prefix);
      if (pid === null || isAlive(pid, name)) return false;
      try {
        nft.claimTable(name);
        nft.removeTable(name);
        return true;
      } catch {
        return false;
      }
    });
  } finally {
    nft.close();
  }
}

function pidOf(name: string, prefix: string): number | null {
  if (!name.startsWith(prefix)) return null;
  const digits = /^(\d{1,10})(?:_[0-9a-z]{3})?(?:_guard)?$/.exec(name.slice(prefix.length))?.[1];
  return digits === undefined ? null : Number(digits);
}

function tableNames(nft: NftConnection): string[] {
  const request = { type: nftMessage.getTable, flags: 0, family: inet, body: Buffer.alloc(0) };
  return dump(nft.queryFd, request).flatMap((answer) => {
    for (const [kind, value] of readAttributes(answer, 4)) {
      if (kind === 1) return [value.toString('latin1').replace(/\0$/, '')];
    }
    return [];
  });
}
