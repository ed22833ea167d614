// Headers that every answer of the operator's side has, whoever writes it.

/** Nothing is kept, run or guessed. */
export const plainHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** Of a stream of server-sent events; proxies in front are asked not to gather it. */
export const eventHeaders = {
  ...plainHeaders,
  'content-type': 'text/event-stream; charset=utf-8',
  'x-accel-buffering': 'no',
} as const;
