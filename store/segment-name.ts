// Names of segments: `<process>-<start>-<n>.jsonl`, start as a UTC time to the millisecond, n from 1; and of the marker
// `<process>-<start>.open`, which holds the writer's pid, and when it began, for as long as it may
// have flows open.

export interface SegmentNameParts {
  readonly process: string;
  readonly start: string;
  readonly number: number;
}

/** The name of the `number`th segment that a process began since it started at `startMs`. */
export function segmentName(process: string, startMs: number, number: number): string {
  return `${process}-${startText(startMs)}-${number}.jsonl`;
}

/** The name of the marker of a process that started at `startMs`. */
export function markerName(process: string, startMs: number): string {
  return `${process}-${startText(startMs)}.open`;
}

/** Process and start of a marker's name; null for any other file. */
export function parseMarkerName(name: string): Omit<SegmentNameParts, 'number'> | null {
  const match = /^(.{1,100})-(\d{8}T\d{9}Z)\.open$/.exec(name);
  return match ? { process: match[1]!, start: match[2]! } : null;
}

/** A time in milliseconds as it stands in names. */
export function startText(startMs: number): string {
  return new Date(startMs).toISOString().replace(/[-:.]/g, '');
}

/** The parts of a segment's name; null for any other file. */
export function parseSegmentName(name: string): SegmentNameParts | null {
  const match = /^(.{1,100})-(\d{8}T\d{9}Z)-(\d{1,9})\.jsonl$/.exec(name);
  return match ? { process: match[1]!, start: match[2]!, number: Number(match[3]) } : null;
}

/** Oldest first: by start, then number, then process. */
export function compareSegmentNames(a: string, b: string): number {
  const [left, right] = [parseSegmentName(a), parseSegmentName(b)];
  if (left === null || right === null) return a < b ? -1 : 1;
  if (left.start !== right.start) return left.start < right.start ? -1 : 1;
  return left.number - right.number || (left.process < right.process ? -1 : 1);
}
