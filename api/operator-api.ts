// The operator's API under /v1: registers every route with its rule and its schemas, tells of them as OpenAPI 3.1, and
// answers whatever goes wrong as a problem.

import swagger from '@fastify/swagger';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../flow/errors.ts';
import { createRequestCheck } from './check-request.ts';
import { ProblemError, problems, problemSchema, sendProblem, type ProblemCode } from './problem.ts';
import type { ApiRoute, Fields, Scalars, Schema } from './routes/api-route.ts';
import { RouteTable, type Route } from './routes/route.ts';
import { registerSending } from './send-answer.ts';

export interface ApiLog {
  error(fields: object, message: string): void;
}

export interface OperatorApi {
  readonly routes: readonly ApiRoute[];
  /** Puts the rules into force, before any route is registered (api/auth/register-access.ts). */
  registerAccess(app: FastifyInstance, table: RouteTable): Promise<void>;
  readonly version: string;
  readonly log: ApiLog;
}

const longestBody = 65_536;

/** Registers the API on an instance that is not ready yet. @throws SallyportError internal where a route has no rule */
export async function createOperatorApi(app: FastifyInstance, api: OperatorApi): Promise<void> {
  const all = [...api.routes, describeRoute];
  const table = new RouteTable(all.map(({ rule }) => rule));
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply, api.log));
  app.setNotFoundHandler((request, reply) => answerUnknown(all, request, reply));
  await app.register(swagger, { openapi: openapiOf(api.version) });
  registerSending(app);
  await api.registerAccess(app, table);
  // Within a plugin of its own, so that the document knows every route that comes after it.
  await app.register(async (scope) => {
    // On this instance: those within do not inherit it once they have schemas of their own.
    scope.setValidatorCompiler(createRequestCheck());
    scope.addSchema(problemSchema);
    for (const route of all) register(scope, route);
  });
}

function register(app: FastifyInstance, route: ApiRoute): void {
  const { method, path } = route.rule;
  app.route({
    method,
    url: path,
    bodyLimit: route.body === undefined ? 1_024 : longestBody,
    schema: schemaOf(route),
    handler: async (request, reply) => {
      const { actor, query, params, body } = request;
      // Checked by the schemas above; without one of its own a part is empty.
      const [fields, names] = [query as Scalars, params as Scalars];
      const answer = await route.handle({ actor, query: fields, params: names, body, request, reply });
      if (reply.sent || answer === reply) return reply;
      if (route.answer === null) return reply.code(route.status ?? 204).send();
      return reply.code(route.status ?? 200).send(answer);
    },
  });
}

const anyQuery: Schema = { type: 'object', additionalProperties: true, properties: {} };

const exactly = (properties: Fields, isRequired: boolean): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(isRequired ? { required: Object.keys(properties) } : {}),
});

function schemaOf(route: ApiRoute): object {
  const { rule, id, summary, tag, query = {}, params, body, status } = route;
  const good = String(status ?? (route.answer === null ? 204 : 200));
  return {
    operationId: id,
    summary,
    description: describeRule(rule),
    tags: [tag],
    ...(rule.role === null ? { security: [] } : {}),
    querystring: route.isQueryOpen === true ? anyQuery : exactly(query, false),
    ...(params === undefined ? {} : { params: exactly(params, true) }),
    ...(body === undefined ? {} : { body }),
    ...(rule.audited && rule.reason === undefined ? { headers: reasonHeader } : {}),
    response: { [good]: goodOf(route), default: problemAnswer },
  };
}

const reasonHeader = {
  type: 'object',
  properties: {
    'x-reason': {
      type: 'string',
      maxLength: 4_500,
      description: 'What the write is done for, percent-encoded; or the field `reason` of the body.',
    },
  },
} as const;

function goodOf({ answer, stream, alsoAs = [] }: ApiRoute): object {
  if (answer === null) return { type: 'null', description: 'Done.' };
  const asText = (type: string) => [type, { schema: { type: 'string' } }] as const;
  const types = stream === undefined ? alsoAs : [stream, ...alsoAs];
  const json = answer === undefined ? [] : [['application/json', { schema: answer }] as const];
  return { description: 'The answer.', content: Object.fromEntries([...json, ...types.map(asText)]) };
}

const problemAnswer = {
  description: 'A problem.',
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
} as const;

function describeRule({ role, owners, audited }: Route): string {
  const who = role === null ? 'For everybody.' : `For the role ${role} and above.`;
  const limited = {
    filtered: 'A caller who is limited to owners sees only what is theirs.',
    everything: 'Refused to a caller who is limited to owners.',
    none: '',
  }[owners];
  return [who, limited, audited ? 'Has a row in the audit log.' : ''].filter((part) => part !== '').join(' ');
}

function openapiOf(version: string) {
  const token = {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `sallyport token create`.',
  } as const;
  const cookie = { type: 'apiKey', in: 'cookie', name: '__Host-sallyport', description: 'A login.' } as const;
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sallyport',
      version,
      description: 'The operator’s API of a Sallyport gateway. Unknown keys of a query or body are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: { securitySchemes: { token, cookie } },
    security: [{ token: [] }, { cookie: [] }],
  };
}

const describeRoute: ApiRoute = {
  rule: {
    method: 'GET',
    path: '/v1/openapi.json',
    role: 'viewer',
    owners: 'none',
    audited: false,
    rate: 'read',
  },
  id: 'describe',
  summary: 'This API as an OpenAPI 3.1 document.',
  tag: 'api',
  answer: { type: 'object', additionalProperties: true, description: 'OpenAPI 3.1.' },
  handle: async ({ request }) => request.server.swagger(),
};

function answerUnknown(all: readonly ApiRoute[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path] = request.url.split('?', 1);
  const methods = all.filter(({ rule }) => fits(rule.path, path!)).map(({ rule }) => rule.method);
  if (methods.length === 0) return sendProblem(reply, 'not-found');
  const heads = methods.includes('GET') ? ['HEAD'] : [];
  return sendProblem(reply.header('allow', [...new Set([...methods, ...heads])].join(', ')), 'method');
}

function fits(pattern: string, path: string): boolean {
  const [wanted, parts] = [pattern.split('/'), path.split('/')];
  return (
    wanted.length === parts.length && wanted.every((part, at) => part.startsWith(':') || part === parts[at])
  );
}

/** What Fastify itself refuses, by its codes. */
const refusedByFastify: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media-type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid-body',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid-body',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-request',
};

function answerError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  log: ApiLog,
): FastifyReply {
  if (error instanceof ProblemError)
    return sendProblem(reply.headers(headersOf(error)), error.code, error.detail);
  if (error.validation !== undefined) {
    const part = error.validationContext;
    const code = part === 'body' ? 'invalid-body' : part === 'params' ? 'invalid-params' : 'invalid-query';
    return sendProblem(reply, code, detailOf(error));
  }
  const refused = refusedByFastify[error.code];
  if (refused !== undefined) return sendProblem(reply, refused);
  if (error instanceof SallyportError && error.code === 'upstream') {
    log.error({ err: error, path: request.routeOptions.url }, 'the store did not answer the API');
    return sendProblem(reply.header('retry-after', '5'), 'store-away');
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return sendProblem(reply, 'malformed-request');
  log.error({ err: error, path: request.routeOptions.url }, 'a request to the API failed');
  return sendProblem(reply, 'internal');
}

const headersOf = ({ code, headers }: ProblemError): Record<string, string> => {
  const wanted = problems[code][0] === 401 ? { 'www-authenticate': 'Bearer realm="sallyport"' } : {};
  return { ...wanted, ...headers };
};

/** What ajv said first, with the name of a key that is not known. */
function detailOf({ message, validation }: FastifyError): string {
  const [first] = validation ?? [];
  const key = first?.params['additionalProperty'];
  return typeof key === 'string' ? `${message}: ${key.slice(0, 100)}` : message;
}
