// Tells at once when another process changes nf_tables (which most iptables programs do too): the kernel sends every
// commit's process to whoever subscribed.

import { watchFd } from './fd-watch.ts';
import { closeFd, receiveBytes } from './libc.ts';
import { openNetfilter, readAttributes, readMessages } from './netlink.ts';
import { nftMessage } from './nft.ts';

const nftablesGroup = 7;

/** Calls back when another process has committed, or may have; answers what ends it. @throws SallyportError */
export function watchChanges(onChange: () => void): () => void {
  const fd = openNetfilter([nftablesGroup], 1024 * 1024);
  const bytes = Buffer.alloc(64 * 1024);
  const watch = watchFd(
    fd,
    () => {
      if (readsForeignChange(fd, bytes)) onChange();
    },
    // The regular verification still runs.
    () => onChange(),
  );
  return () => {
    watch.close();
    // A poll may still be looking at it.
    setTimeout(() => closeFd(fd), 500).unref();
  };
}

// Every commit ends with a message that names its process; lost messages count as foreign.
function readsForeignChange(fd: number, bytes: Buffer): boolean {
  let isForeign = false;
  for (;;) {
    const length = receiveBytes(fd, bytes);
    if (length === null) return isForeign;
    if (typeof length === 'string') {
      isForeign = true;
      if (length === 'ENOBUFS') continue;
      return true;
    }
    for (const message of readMessages(bytes.subarray(0, length))) {
      if (message.type !== nftMessage.newGeneration) continue;
      for (const [type, value] of readAttributes(message.body, 4)) {
        if (type === 2 && value.length === 4 && value.readUInt32BE() !== process.pid) isForeign = true;
      }
    }
  }
}
