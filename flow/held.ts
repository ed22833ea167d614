// What was kept of a body that a decision waits for.

/** Sizes in bytes. `maxRatio` is decoded over encoded; both sizes count. */
export interface HoldLimits {
  readonly maxBytes: number;
  readonly maxDecodedBytes: number;
  readonly maxRatio: number;
}

/** What a body came to. `raw` are the buffers as they arrived, to be sent on after the decision. */
export type Held =
  | { readonly kind: 'whole'; readonly body: Buffer; readonly raw: readonly Buffer[] }
  | { readonly kind: 'opaque'; readonly detail: string; readonly raw: readonly Buffer[] };
