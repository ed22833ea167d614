// Control's care for flows whose process was killed: each is closed in the records, one job after the other, and tried
// again while the disk refuses.

import type { SegmentOptions } from './segment.ts';
import { processStart } from './process-start.ts';
import { startText } from './segment-name.ts';
import { closeUnclosed, listMarks, mayLive, type SegmentWriterMark } from './unclosed-flows.ts';

export interface LostFlowsOptions extends Omit<SegmentOptions, 'process'> {
  readonly log: { warn(detail: object, text: string): void; error(detail: object, text: string): void };
}

const againMs = 1_000;

export class LostFlows {
  readonly #options: LostFlowsOptions;
  #last: Promise<void> = Promise.resolve();

  constructor(options: LostFlowsOptions) {
    this.#options = options;
  }

  /** Closes what processes left open that began before `atMs` and are none of the living ones. */
  closeBefore(atMs: number, living: ReadonlySet<number>): void {
    const limit = startText(atMs);
    const isLiving = (pid: number) => living.has(pid) || pid === process.pid;
    this.#close((mark) => mark.start < limit && !(isLiving(mark.pid) && mayLive(mark)));
  }

  /** Closes what this process left open; it is gone. */
  closeOf(pid: number): void {
    // Another process may have its number by now, and write.
    this.#close((mark) => mark.pid === pid && !(processStart(pid) !== null && mayLive(mark)));
  }

  #close(isLost: (mark: SegmentWriterMark) => boolean): void {
    this.#last = this.#last.then(() => this.#tryClose(isLost));
  }

  async #tryClose(isLost: (mark: SegmentWriterMark) => boolean): Promise<void> {
    const { log, ...segments } = this.#options;
    try {
      const marks = listMarks(segments.directory).filter(isLost);
      const flows = await closeUnclosed(segments, marks);
      if (flows > 0) log.warn({ flows }, 'flows of a process that was killed are recorded as closed');
    } catch (error) {
      log.error({ err: error }, 'flows of a process that was killed cannot be closed in the records yet');
      setTimeout(() => this.#close(isLost), againMs).unref();
    }
  }
}
