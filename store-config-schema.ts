// The key of `sallyport.yaml` that says where records are kept, for how long, and to whom else they go.

const days = (what: string, example: number) =>
  ({
    type: 'integer',
    minimum: 0,
    maximum: 36_500,
    description: `Days for which ${what} kept; \`0\` keeps for ever.`,
    examples: [example],
  }) as const;
const path = (description: string, example: string) =>
  ({ type: 'string', minLength: 1, description, examples: [example] }) as const;

const postgresSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  description:
    'The database of `kind: postgres` (PostgreSQL 14 or later, UTF-8). Several gateways may share one. Default: none.',
  examples: [{ url: 'postgres://sallyport@db.corp.example/sallyport', passwordFile: 'store.secret' }],
  properties: {
    url: {
      type: 'string',
      minLength: 1,
      maxLength: 2048,
      description:
        'Where it is, without a password: `postgres://USER@HOST:PORT/DATABASE`, or `postgres://USER@/DATABASE?host=/run/postgresql` for a socket.',
      examples: ['postgres://sallyport@db.corp.example/sallyport'],
    },
    passwordFile: path(
      'File with one line, the password; root alone need be able to read it. Default: none is sent.',
      'store.secret',
    ),
    tls: {
      enum: ['verify', 'off'],
      description:
        'Whether the connection is encrypted and the server’s certificate checked against its name. Default: `verify`, but `off` for a socket or a loopback address.',
      examples: ['verify'],
    },
    authorities: path(
      'PEM file of the authorities that may have issued the server’s certificate. Default: the system’s.',
      'db-ca.pem',
    ),
  },
} as const;

const retentionSchema = {
  type: 'object',
  additionalProperties: false,
  description:
    'For how long what is stored stays. What is older goes by the day, while records come in. Default: as below.',
  examples: [{ dns: 14, connection: 90, request: 90 }],
  properties: {
    dns: days('DNS queries are. Default: `30`', 14),
    connection: days('connections are. Default: `90`', 90),
    request: days('HTTP requests are. Default: `90`', 90),
    packet: days('blocked packets are. Default: `90`', 90),
    jobs: days('jobs, their steps and events are, at least as long as any flow. Default: `400`', 400),
    sums: days('sums by day and hour, and who went where first, are. Default: `400`', 400),
    audit: days('entries of the audit log are. Default: `400`', 400),
  },
} as const;

const sinkSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['kind'],
  description:
    'One receiver: each flow that has ended and each record of a job goes there once it is stored.',
  properties: {
    kind: {
      enum: ['file', 'syslog', 'otlp'],
      description: 'JSON lines in a file, syslog (RFC 5424), or logs of OpenTelemetry (OTLP/HTTP with JSON).',
      examples: ['file'],
    },
    path: path(
      'Of `file`: where lines are appended. Control’s user must be able to write there. Default: none.',
      '/var/log/sallyport/flows.jsonl',
    ),
    address: path('Of `syslog`: host and port of the receiver. Default: none.', 'siem.corp.example:6514'),
    transport: {
      enum: ['udp', 'tcp', 'tls'],
      description: 'Of `syslog`. Default: `tls`.',
      examples: ['tls'],
    },
    authorities: path(
      'Of `syslog` over TLS: PEM file of authorities that may have issued the receiver’s certificate. Default: the system’s.',
      'siem-ca.pem',
    ),
    url: path(
      'Of `otlp`: the whole URL of the receiver. Default: none.',
      'https://collector.corp.example:4318/v1/logs',
    ),
    headersFile: path(
      'Of `otlp`: file of lines `NAME: VALUE` that are sent along; root alone need be able to read it. Default: none.',
      'collector.secret',
    ),
    records: {
      type: 'integer',
      minimum: 100,
      maximum: 1_000_000,
      description:
        'Records that wait for the receiver at most, and 32 MiB; the oldest are lost first, and counted. Default: `50000`.',
      examples: [50_000],
    },
  },
} as const;

/** `store` of `sallyport.yaml`. */
export const storeSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'Where records are kept and can be asked for (docs/store.md). Default: `kind: embedded`.',
  examples: [{ kind: 'embedded', maxBytes: 53_687_091_200 }],
  properties: {
    kind: {
      enum: ['embedded', 'postgres'],
      description: 'SQLite files in a folder of this gateway, or a PostgreSQL. Default: `embedded`.',
      examples: ['postgres'],
    },
    folder: path(
      'Of `embedded`: a folder of its own, relative to this file, that control’s user can write to. Default: `store` in the state directory.',
      '/srv/sallyport/store',
    ),
    postgres: postgresSchema,
    retention: retentionSchema,
    maxBytes: {
      type: 'integer',
      minimum: 67_108_864,
      description:
        'Largest size of the store; above it the oldest day of flows goes first, and the log says so. Default: `21474836480` (20 GiB) for `embedded`, none for `postgres`.',
      examples: [53_687_091_200],
    },
    sinks: {
      type: 'array',
      maxItems: 8,
      items: sinkSchema,
      description: 'Receivers besides. Default: none.',
      examples: [[{ kind: 'syslog', address: 'siem.corp.example:6514' }]],
    },
  },
} as const;
