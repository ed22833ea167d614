// How often who may ask what: for each caller, or each address where none is recognised, and each class of routes.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RateClass } from '../routes/route.ts';
import { ProblemError } from '../problem.ts';
import { networkOf } from './login-limit.ts';

/** `unknown`: requests of callers that nobody knows. */
type Class = RateClass | 'unknown';

/** Requests a minute. */
const perMinute: Readonly<Record<Class, number>> = {
  read: 1_200,
  search: 240,
  write: 60,
  login: 60,
  unknown: 120,
};
const windowMs = 60_000;

export interface Rates {
  /** @throws ProblemError rate-limit */
  take(request: FastifyRequest, rateClass: Class): Promise<void>;
}

/** The limits of an app that has @fastify/rate-limit. */
export function createRates(app: FastifyInstance): Rates {
  const classes = Object.keys(perMinute) as Class[]; // as: the keys of the table.
  const limits = new Map(
    classes.map((rateClass) => [
      rateClass,
      app.createRateLimit({
        max: perMinute[rateClass],
        timeWindow: windowMs,
        keyGenerator: (request) => `${rateClass} ${request.actor?.name ?? networkOf(request.clientAddress)}`,
      }),
    ]),
  );
  return {
    async take(request, rateClass) {
      const answer = await limits.get(rateClass)!(request);
      if (answer.isAllowed || !answer.isExceeded) return;
      throw new ProblemError('rate-limit', '', { 'retry-after': String(Math.max(1, answer.ttlInSeconds)) });
    },
  };
}
