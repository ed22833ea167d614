// How a request is checked against its route's schemas: unknown keys are refused, never taken away; texts of a query or a
// path become the numbers and booleans that the schema asks for, those of a body do not.

import { Ajv, type ValidateFunction } from 'ajv';

const options = { removeAdditional: false, useDefaults: true, allowUnionTypes: true, strict: true } as const;
const date = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
const moment =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function createAjv(): Ajv {
  const ajv = new Ajv(options);
  // RFC 3339; a date alone is its first moment, by UTC.
  ajv.addFormat('date-time', (text) => moment.test(text) || date.test(text));
  ajv.addFormat('date', date);
  return ajv;
}

/** For Fastify's `setValidatorCompiler`. */
export function createRequestCheck(): (route: { schema: unknown; httpPart?: string }) => Check {
  const ajv = createAjv();
  return ({ schema, httpPart }) => {
    // Schemas of routes are our own constants.
    const check = ajv.compile(schema as object);
    const isOfTexts = httpPart === 'querystring' || httpPart === 'params';
    return checked(check, isOfTexts ? (schema as Texts) : {});
  };
}

/** As Fastify calls it: what is wrong stands in its `errors`. */
interface Check {
  (data: unknown): boolean;
  errors: NonNullable<ValidateFunction['errors']> | null;
}

interface Texts {
  readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
}

/** ajv itself would take `0x10`, ` 1` and `1e9999` for numbers, the last one past every bound. */
function checked(validate: ValidateFunction, { properties = {} }: Texts): Check {
  const check = (data: unknown): boolean => {
    // Texts by their names, as the router has them.
    const texts = data as Record<string, unknown>;
    for (const [name, { type }] of Object.entries(properties)) {
      const text = texts[name];
      if (typeof text !== 'string') continue;
      // No record has it, and PostgreSQL knows no text with it.
      if (text.includes('\0')) return refuse(name);
      if (type === 'integer' && /^-?\d{1,15}$/.test(text)) texts[name] = Number(text);
      if (type === 'boolean' && /^(?:true|false)$/.test(text)) texts[name] = text === 'true';
    }
    const isGood = validate(data);
    found.errors = validate.errors ?? null;
    return isGood;
  };
  const refuse = (name: string): boolean => {
    const message = 'must not have NUL characters';
    found.errors = [{ keyword: 'nul', instancePath: `/${name}`, schemaPath: '#', params: {}, message }];
    return false;
  };
  const found: Check = Object.assign(check, { errors: null });
  return found;
}
