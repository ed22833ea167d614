// What programs on a runner write of themselves, a line each: what they are about to send, and for which job. The
// test holds what the gateway recorded against it.

export type Said =
  /** A request (`mark` in its path or host), a datagram (`mark` is its port); `job` null: of no job. */
  | {
      readonly said: 'flow';
      readonly mark: string;
      readonly kind: 'request' | 'packet';
      readonly job: string | null;
      readonly step: { readonly number: number; readonly name: string } | null;
      /** Of the runner's own programs; null: either is right. */
      readonly infrastructure: boolean | null;
      /** Why it may be recorded as nobody's, in a word. */
      readonly unsure?: string;
    }
  | { readonly said: 'answered'; readonly mark: string; readonly status: number }
  | { readonly said: 'job'; readonly job: string; readonly at: 'acquired' | 'completed' | 'crashed' }
  | { readonly said: 'failed'; readonly what: string };

export type SaidFlow = Extract<Said, { said: 'flow' }>;

/** Written before anything goes out: a crash loses nothing. */
export function say(line: Said): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function readSaid(text: string): Said[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Said); // written by `say`
}
