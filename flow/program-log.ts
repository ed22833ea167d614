// The program's own log: JSON lines on standard error. It must never end a process: a full disk or a reader that is
// gone loses lines, and nothing else.

import { pino, type Logger } from 'pino';

/** The part of a log that errors go to. */
export interface ErrorLog {
  error(fields: object, message: string): void;
}

/**
 * Logs errors that may come with every flow: the first ones of a window as they are, the others as a number at its
 * end. A log line is written at once, with its stack: thousands a second would be felt by every flow.
 */
export function limitErrors(
  log: ErrorLog,
  message: string,
  { most = 3, windowMs = 1000 }: { readonly most?: number; readonly windowMs?: number } = {},
): (error: unknown) => void {
  let count = 0;
  const end = (): void => {
    if (count > most) log.error({ count: count - most }, `${message}, and more like it`);
    count = 0;
  };
  return (error) => {
    if (count === 0) setTimeout(end, windowMs).unref();
    if (++count <= most) log.error({ err: error }, message);
  };
}

/** A log whose failures are passed over; what it could not write is lost. */
export function openLog(name: string, level: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  destination.on('error', () => {});
  return pino({ name, level }, destination);
}
