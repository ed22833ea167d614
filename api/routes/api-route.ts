// The one shape of every route of the operator's API: its rule, the schemas by which it is checked and told of, and what
// it does. api/operator-api.ts registers them, and nothing else registers any.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../auth/role.ts';
import type { Route } from './route.ts';

/** A JSON Schema (draft 7 as ajv reads it). */
export type Schema = Readonly<Record<string, unknown>>;

/** The properties of a query, of a path or of an object. */
export type Fields = Readonly<Record<string, Schema>>;

/** What texts of a query or a path have become. */
export type Scalars = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  /** Null on the routes that are for everybody. */
  readonly actor: Actor | null;
  /** Checked by the route's schema. */
  readonly query: Scalars;
  readonly params: Scalars;
  readonly body: unknown;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export interface ApiRoute {
  readonly rule: Route;
  /** Name of the operation in the OpenAPI document: `listFlows`. */
  readonly id: string;
  /** One sentence. */
  readonly summary: string;
  readonly tag: string;
  readonly query?: Fields;
  /** Whatever stands in the query is taken: the route reads it by itself. */
  readonly isQueryOpen?: boolean;
  readonly params?: Fields;
  /** A whole schema; absent: no body is taken. */
  readonly body?: Schema;
  /** The schema of a good answer; null: 204 without a body. Left out where `stream` says what comes. */
  readonly answer?: Schema | null;
  /** Other media types that the answer may have, written by the route itself. */
  readonly alsoAs?: readonly string[];
  /** Status of a good answer; 200, or 204 without a body, unless told. */
  readonly status?: number;
  /** Media type of an answer that is no JSON; the route writes it by itself. */
  readonly stream?: string;
  /** Answers the body, or sends it by `reply` and answers nothing. @throws ProblemError */
  handle(call: Call): Promise<unknown>;
}

/** An object with exactly these fields, each of them there. */
export function objectOf(properties: Fields, description = ''): Schema {
  return {
    type: 'object',
    ...(description === '' ? {} : { description }),
    additionalProperties: false,
    required: Object.keys(properties),
    properties,
  };
}

/** The same schema, or null. */
export function orNull(schema: Schema): Schema {
  const { type, enum: words } = schema;
  const nullable = { ...schema, type: [type, 'null'].flat() };
  // as: an enum is a list.
  return words === undefined ? nullable : { ...nullable, enum: [...(words as unknown[]), null] };
}
