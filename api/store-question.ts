// How routes ask the store: whatever keeps it from answering in time is told as a store that is away.

import { SallyportError } from '../flow/errors.ts';
import type { QuestionName, Questions, StorePort } from '../store/store-port.ts';
import { ProblemError } from './problem.ts';

/** Asks one question. @throws ProblemError store-away, SallyportError upstream */
export type AskStore = <K extends QuestionName>(
  name: K,
  ...values: Parameters<Questions[K]>
) => Promise<Awaited<ReturnType<Questions[K]>>>;

const limitMs = 15_000;

/** `store` is null while there is none. */
export function createAskStore(store: () => Pick<StorePort, 'ask'> | null): AskStore {
  return async <K extends QuestionName>(
    name: K,
    ...values: Parameters<Questions[K]>
  ): Promise<Awaited<ReturnType<Questions[K]>>> => {
    const open = store();
    if (open === null) throw new ProblemError('store-away', '', { 'retry-after': '5' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new SallyportError('upstream', `the store did not answer ${name} in ${limitMs / 1000} s`);
      timer = setTimeout(() => reject(error), limitMs);
    });
    try {
      return await Promise.race([open.ask(name, ...values), late]);
    } catch (error) {
      throw asAway(error);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** A connection or a database that fails has a code of its own; an error of ours has none, and stays what it is. */
function asAway(error: unknown): unknown {
  if (error instanceof SallyportError || !(error instanceof Error) || !('code' in error)) return error;
  return new SallyportError('upstream', 'the store failed', error);
}
