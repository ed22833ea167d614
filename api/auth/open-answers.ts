// Answers that go on for long, as streams of events do: whoever is not recognised any more, or may less than before, hears
// no more. To listen is no use of a login: it ends by idling all the same.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Recognition } from './recognise.ts';
import type { Actor } from './role.ts';

const everyMs = 2_000;

interface OpenAnswer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly actor: Actor;
}

export class OpenAnswers {
  readonly #recognition: Recognition;
  readonly #open = new Set<OpenAnswer>();
  readonly #timer: NodeJS.Timeout;

  /** Looks at all of them every two seconds until `close`; `recognition` must be one that marks nothing as used. */
  constructor(recognition: Recognition) {
    this.#recognition = recognition;
    this.#timer = setInterval(() => void this.check(), everyMs);
    this.#timer.unref();
  }

  add(request: IncomingMessage, response: ServerResponse, actor: Actor): void {
    const answer = { request, response, actor };
    this.#open.add(answer);
    response.once('close', () => this.#open.delete(answer));
  }

  /** Cuts those whose caller is not who it was. Never rejects: a store that is away cuts too. */
  async check(): Promise<void> {
    await Promise.all(
      [...this.#open].map(async (answer) => {
        const now = await this.#recognition.actorOf(answer.request).catch(() => null);
        if (now === null || !isSame(now, answer.actor)) answer.response.destroy();
      }),
    );
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function isSame(now: Actor, then: Actor): boolean {
  return (
    JSON.stringify([now.name, now.role, now.owners]) === JSON.stringify([then.name, then.role, then.owners])
  );
}
