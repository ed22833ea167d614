// Text of fields that recur from record to record (hosts, rules, methods, revisions), made once while it is met often.

const maxTexts = 1_024;
/** A longer one is not kept: what a runner chooses must not fill the memory. */
const maxLength = 256;

/** Remembers what `make` answers for a text; bounded in number and length. */
export class RecurringText {
  readonly #made = new Map<string, string>();
  readonly #make: (text: string) => string;

  constructor(make: (text: string) => string) {
    this.#make = make;
  }

  of(text: string): string {
    const known = this.#made.get(text);
    if (known !== undefined) return known;
    const made = this.#make(text);
    if (text.length > maxLength) return made;
    // Names that come once each push out all: they are cheap to make again.
    if (this.#made.size >= maxTexts) this.#made.clear();
    this.#made.set(text, made);
    return made;
  }
}
