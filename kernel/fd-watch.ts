// Calls back when a descriptor becomes readable that Node itself cannot watch (netlink). A pending poll would hold
// process exit, so each lasts at most a quarter of a second.

import { waitReadable } from './libc.ts';

const pollMs = 250;

export interface FdWatch {
  close(): void;
}

/** Calls `onReadable` until closed; it must read all that waits. Errors of either end the watch through `onError`. */
export function watchFd(fd: number, onReadable: () => void, onError: (error: unknown) => void): FdWatch {
  const state = { isOpen: true };
  const turn = async (): Promise<void> => {
    while (state.isOpen) {
      if ((await waitReadable(fd, pollMs)) && state.isOpen) onReadable();
    }
  };
  turn().catch((error: unknown) => {
    state.isOpen = false;
    onError(error);
  });
  return {
    close: () => {
      state.isOpen = false;
    },
  };
}
