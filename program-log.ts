// The program's own log: JSON lines on standard error. It must never end a process: a full disk or a reader that is
// gone loses lines, and nothing else.

import { pino, type Logger } from 'pino';

/** A log whose failures are passed over; what it could not write is lost. */
export function openLog(name: string, level: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  destination.on('error', () => {});
  return pino({ name, level }, destination);
}
