// The schema of rules on hosts, addresses and requests: `dns`, `network`, `opaque` and `http`.

import type { JSONSchema } from 'json-schema-to-ts';

/** One value or a list of values. */
export const oneOrList = <const T extends JSONSchema>(item: T, description: string) =>
  ({ description, anyOf: [item, { type: 'array', items: item, minItems: 1 }] }) as const;

export const text = { type: 'string', minLength: 1, maxLength: 1024 } as const;
export const idSchema = {
  type: 'string',
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
  description:
    'Name of the rule in decisions and records; unique in the policy. Without it the place in the file is used.',
} as const satisfies JSONSchema;
export const reason = { ...text, description: 'Why the rule exists; for people.' } as const;
export const action = {
  enum: ['allow', 'block'],
  description: 'What the rule does: `allow` (default) or `block`.',
} as const;
export const audit = {
  const: true,
  description: 'On a block rule: record what it would block, and let it through.',
} as const;
const portItem = {
  anyOf: [
    { type: 'integer', minimum: 1, maximum: 65535 },
    { type: 'string', pattern: '^[0-9]{1,5}-[0-9]{1,5}$' },
  ],
} as const;
const addresses = oneOrList(
  text,
  'Private ranges (CIDR) that the host may resolve to; without it only public addresses are dialled.',
);
export const hostsSchema = oneOrList(
  text,
  'Host, or pattern: `*` is one label or a piece of one, `**` any depth. A bare host does not cover its subdomains.',
);

export const follow = {
  type: 'boolean',
  description:
    'Opens the https Location of an allowed answer, that URL alone, for the same job, ten minutes: to GET and HEAD, and where the answer is 307 or 308 to the method of the request. Default false.',
} as const;

export const httpRuleSchema = {
  type: 'object',
  description: 'Allows or blocks HTTP and HTTPS requests.',
  additionalProperties: false,
  required: ['host'],
  properties: {
    id: idSchema,
    host: hostsSchema,
    methods: oneOrList(
      { type: 'string', pattern: '^[A-Za-z-]{1,32}$' },
      'Methods, or the words `read` (GET, HEAD, OPTIONS without a body: default of an allow), `write` (all others) and `any` (default of a block).',
    ),
    paths: oneOrList(
      text,
      'Paths, or patterns: `*` is one segment or a piece of one, `**` any depth. The query is never matched.',
    ),
    port: oneOrList(
      portItem,
      'Ports or ranges; default 443 for https and 80 for http. A block without `port` and `scheme` covers every port.',
    ),
    scheme: oneOrList({ enum: ['http', 'https'] }, 'Default https.'),
    addresses,
    websocket: {
      type: 'boolean',
      description:
        'Also allows WebSocket, whose frames are followed; an upgrade to anything else would be a raw tunnel and is never allowed. Default false.',
    },
    follow,
    maxUpload: {
      anyOf: [
        { type: 'integer', minimum: 0 },
        { type: 'string', pattern: '^[0-9]+(B|KiB|MiB|GiB|kB|MB|GB)$' },
      ],
      description: 'Largest request body, in bytes or with a unit (64KiB).',
    },
    except: oneOrList(text, 'Hosts, or paths (they begin with a slash), that the rule does not cover.'),
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;

export const networkRuleSchema = {
  type: 'object',
  description: 'Allows or blocks packets at layers 3 and 4, by address (`to`) or by host.',
  additionalProperties: false,
  properties: {
    id: idSchema,
    to: oneOrList(text, 'Address ranges (CIDR).'),
    host: hostsSchema,
    port: oneOrList(
      portItem,
      'Ports or ranges; without it every port, which only a rule with `to` may leave out.',
    ),
    protocol: oneOrList({ enum: ['tcp', 'udp', 'icmp'] }, 'Default tcp.'),
    inspect: {
      type: 'boolean',
      description:
        'With `false`, ports 80 and 443 to these addresses are not led to the proxy: nobody sees host or path.',
    },
    direct: {
      type: 'boolean',
      description:
        'With `true`, TCP to the ports of the rule is led to the proxy, which dials these addresses itself and relays the bytes unread: one record with exact bytes, no forwarding needed. A connection that names a host (TLS with a server name, HTTP) is decided by that name. Needed on 80, 443 and every port of an http rule.',
    },
    addresses,
    except: oneOrList(text, 'Ranges or hosts that the rule does not cover.'),
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;

export const opaqueRuleSchema = {
  type: 'object',
  description: 'TLS that may not be opened (pinned clients): allowed by name and passed through unread.',
  additionalProperties: false,
  required: ['host'],
  properties: {
    id: idSchema,
    host: hostsSchema,
    port: oneOrList(portItem, 'Ports or ranges; default 443.'),
    addresses,
    except: oneOrList(text, 'Hosts that the rule does not cover.'),
    reason,
  },
} as const satisfies JSONSchema;

export const dnsSchema = {
  type: 'object',
  description: 'Names that may be resolved without another rule.',
  additionalProperties: false,
  properties: { allow: hostsSchema },
} as const satisfies JSONSchema;
