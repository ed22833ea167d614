// How a request is checked against its route's schemas: unknown keys are refused, never taken away; texts of a query or a
// path become the numbers and booleans that the schema asks for, those of a body do not.

import { Ajv, type ValidateFunction } from 'ajv';

const common = { removeAdditional: false, useDefaults: true, allowUnionTypes: true, strict: true } as const;
const date = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
const moment =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function createAjv(coerceTypes: boolean): Ajv {
  const ajv = new Ajv({ ...common, coerceTypes });
  // RFC 3339; a date alone is its first moment, by UTC.
  ajv.addFormat('date-time', (text) => moment.test(text) || date.test(text));
  ajv.addFormat('date', date);
  return ajv;
}

/** For Fastify's `setValidatorCompiler`. */
export function createRequestCheck(): (route: { schema: unknown; httpPart?: string }) => ValidateFunction {
  const [texts, bodies] = [createAjv(true), createAjv(false)];
  return ({ schema, httpPart }) => {
    const ajv = httpPart === 'querystring' || httpPart === 'params' ? texts : bodies;
    // Schemas of routes are our own constants.
    return ajv.compile(schema as object);
  };
}
