// What arrived in one turn of the event loop leaves at its end: each TLS record is an event of its own, and a write for
// each, and one of their records, would cost more than everything else.

/** Something that has bytes to send at the end of this turn. */
export interface Leaving {
  leave(): void;
}

let waiting: Leaving[] = [];

/** Has it called once at the end of this turn; the caller sees to it that it asks once. */
export function atEndOfTurn(leaving: Leaving): void {
  if (waiting.length === 0) setImmediate(leaveAll);
  waiting.push(leaving);
}

function leaveAll(): void {
  const all = waiting;
  waiting = [];
  for (const one of all) one.leave();
}
