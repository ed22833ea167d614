// The schema of `sallyport.yaml`: every key with what it means, its default and an example. docs/reference/sallyport.md
// is written from it (`npm run schema`); what a schema cannot say is in check-config.ts.

import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import { accessSchema, operatorTlsSchema } from './access-config-schema.ts';
import { declaredJobSchema } from './jobs/declared.ts';
import { serversSchema } from './server-config-schema.ts';
import { claimsSchema, confirmSchema, kubernetesSchema } from './source-config-schema.ts';
import { storeSchema } from './store-config-schema.ts';
import { malwareSchema, registriesSchema } from './registry-config-schema.ts';

const text = (description: string, example: string) =>
  ({ type: 'string', minLength: 1, description, examples: [example] }) as const;
const texts = (description: string, example: readonly string[]) =>
  ({ type: 'array', items: { type: 'string', minLength: 1 }, description, examples: [example] }) as const;
const port = (description: string, example: number, minimum: 0 | 1 = 1) =>
  ({ type: 'integer', minimum, maximum: 65535, description, examples: [example] }) as const;
const count = (description: string, example: number, minimum = 1) =>
  ({ type: 'integer', minimum, description, examples: [example] }) as const;
const id = (description: string, example: number) =>
  ({ type: 'integer', minimum: 1, maximum: 0xffff_fffe, description, examples: [example] }) as const;

const upstreamSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['address'],
  description: 'One DNS server that the gateway asks.',
  properties: {
    address: text('IP address of the server; a name would need DNS itself.', '192.0.2.53'),
    port: port('Port. Default: 53, 853 with `tls`, 443 with `https`.', 53),
    tls: text(
      'Name on the server’s certificate: the server is then asked over TLS (RFC 7858) only. Default: asked over UDP and TCP.',
      'dns.example.com',
    ),
    https: text(
      'Name on the server’s certificate: the server is then asked over HTTPS (RFC 8484, HTTP/2) only. Default: asked over UDP and TCP.',
      'dns.example.com',
    ),
    path: {
      type: 'string',
      pattern: '^/[!-~]*$',
      description: 'Path of requests to an `https` server. Default: `/dns-query`.',
      examples: ['/dns-query'],
    },
  },
} as const;

const upstreams = (description: string) =>
  ({
    type: 'array',
    minItems: 1,
    items: upstreamSchema,
    description,
    examples: [[{ address: '192.0.2.53' }]],
  }) as const;

/** The one source of the type, the check and the reference page of `sallyport.yaml`. */
export const configSchema = {
  $id: 'https://sallyport.dev/schema/sallyport.json',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'policy', 'runners'],
  description: 'Configuration of a gateway.',
  properties: {
    version: { const: 1, description: 'Version of this format.', examples: [1] },
    gateway: text('Name of this gateway in records. Default: `gateway`.', 'gw-1'),
    fleet: text('Name of the runner fleet in records. Default: `default`.', 'builders'),
    mode: {
      enum: ['gateway', 'steer', 'sidecar'],
      description: 'How traffic arrives (docs/deployment.md). Default: `gateway`.',
      examples: ['steer'],
    },
    policy: text('Path of the policy file, relative to this file.', 'policy.yaml'),
    state: text(
      'Directory for authority, records and statistics, relative to this file. Default: `/var/lib/sallyport`.',
      '/var/lib/sallyport',
    ),
    workers: {
      type: 'integer',
      minimum: 1,
      maximum: 64,
      description: 'Worker processes. Default: one per core, at most 16.',
      examples: [4],
    },
    runners: {
      type: 'object',
      additionalProperties: false,
      required: ['networks'],
      description: 'Where the runners are; nothing else is ever touched.',
      examples: [{ interfaces: ['br-runners'], networks: ['10.77.0.0/16', 'fd77::/64'] }],
      properties: {
        interfaces: texts(
          'Interfaces that face the runners; in a sidecar an empty list. Default: those with an address in `networks` and no default route.',
          ['br-runners'],
        ),
        networks: texts(
          'Networks that the runners live in, as CIDR, IPv4 and IPv6. Whatever else arrives from those interfaces is blocked as `spoofed-source`.',
          ['10.77.0.0/16', 'fd77::/64'],
        ),
      },
    },
    steer: {
      type: 'object',
      additionalProperties: false,
      description: 'What mode `steer` needs beyond names. Default: nothing.',
      examples: [{ pool: ['10.77.128.0/24', 'fd77::1:0/112'] }],
      properties: {
        pool: texts(
          'Ranges of virtual addresses, IPv4 and IPv6: each stands for one name that a `network` rule gives with TCP ports. Runners must have them on their link or routed through the gateway, and nobody else may use them. Default: none, and such names are reached on intercepted ports only.',
          ['10.77.128.0/24', 'fd77::1:0/112'],
        ),
      },
    },
    addresses: texts(
      'The gateway’s own addresses on the runner side. Default: those of the first runner interface.',
      ['10.77.0.1', 'fd77::1'],
    ),
    external: {
      type: 'object',
      additionalProperties: false,
      required: ['interface'],
      description: 'The interface towards the internet; needed for `network` rules. Default: none.',
      examples: [{ interface: 'eth0' }],
      properties: {
        interface: text('Name of the interface.', 'eth0'),
        masquerade: {
          type: 'boolean',
          description: 'Hide runners behind its address. Default: `true`.',
          examples: [false],
        },
      },
    },
    listen: {
      type: 'object',
      additionalProperties: false,
      description: 'Listeners. Default: as below.',
      examples: [{ operator: '10.79.0.2:9440' }],
      properties: {
        operator: text(
          'Address and port of the operator’s API, metrics and health, never reachable by runners. Default: `127.0.0.1:9440`.',
          '127.0.0.1:9440',
        ),
        operatorTls: operatorTlsSchema,
        runner: port('CA download for runners, on the gateway’s addresses. Default: `9441`.', 9441, 0),
        explicit: port(
          'Explicit proxy (`HTTPS_PROXY`) on the gateway’s addresses. Default: none, it is off.',
          3128,
        ),
        proxyProtocolPeers: texts(
          'Load balancers in front of the gateway, as CIDR: each of their TCP connections must begin with a PROXY protocol header, version 2, which says who speaks. Nobody else’s header is read. Default: none.',
          ['10.77.0.250/32'],
        ),
        worker: port(
          'First of the ports that redirected traffic arrives at, one a worker; 0 picks free ones. Default: `10001`.',
          10_001,
          0,
        ),
        dns: port('With `kernel.backend: none`: where clients ask DNS, UDP and TCP. Default: `53`.', 8053),
        http: port('With `kernel.backend: none`: what stands for port 80. Default: `80`.', 8080),
        https: port('With `kernel.backend: none`: what stands for port 443. Default: `443`.', 8443),
      },
    },
    explicit: {
      type: 'object',
      additionalProperties: false,
      description: 'Who may use the explicit proxy (`listen.explicit`). Default: every runner.',
      examples: [{ usersFile: 'proxy-users' }],
      properties: {
        users: texts(
          'Users with hashed secrets, one `NAME:scrypt:SALT:KEY` each, as `sallyport proxy-user NAME` prints them. Default: none.',
          ['ci:scrypt:c2FsdHNhbHRzYWx0c2FsdA==:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='],
        ),
        usersFile: text(
          'File with such lines; root alone need be able to read it. Default: none.',
          'proxy-users',
        ),
      },
    },
    upstreamProxy: {
      type: 'object',
      additionalProperties: false,
      required: ['address'],
      description:
        'HTTP proxy that the gateway’s own connections on behalf of jobs go through, by CONNECT, plain HTTP too. Default: none.',
      examples: [{ address: 'proxy.corp.example:3128', credentials: 'upstream-proxy.secret' }],
      properties: {
        address: text('Host and port of the proxy.', 'proxy.corp.example:3128'),
        credentials: text(
          'File with `user:secret` for Basic authentication; root alone need be able to read it. Default: none.',
          'upstream-proxy.secret',
        ),
        resolve: {
          enum: ['local', 'proxy'],
          description:
            'Who resolves names. `local`: the gateway, which checks the address and asks the proxy for it. `proxy`: the proxy, by name; no address can then be checked, so that local names and hosts whose rules open private ranges are refused unless `noProxy` has them. Default: `local`.',
          examples: ['proxy'],
        },
        noProxy: texts(
          'What is reached directly: a host, `.suffix` for every name under one, or a CIDR (of an address that is named or was resolved here). Default: none.',
          ['git.corp.example', '.internal.corp.example', '10.0.0.0/8'],
        ),
      },
    },
    dns: {
      type: 'object',
      additionalProperties: false,
      description: 'How names are resolved. Default: as below.',
      examples: [{ upstreams: [{ address: '192.0.2.53' }] }],
      properties: {
        upstreams: upstreams('Servers to ask. Default: those of /etc/resolv.conf.'),
        forward: {
          type: 'array',
          description: 'Zones with servers of their own. Default: none.',
          examples: [[{ zone: 'corp.example', upstreams: [{ address: '10.0.0.53' }] }]],
          items: {
            type: 'object',
            additionalProperties: false,
            required: ['zone', 'upstreams'],
            description: 'One zone.',
            properties: {
              zone: text('The zone: this name and every name under it.', 'corp.example'),
              upstreams: upstreams('Servers for it, and for nothing else.'),
            },
          },
        },
        blockedAnswer: {
          enum: ['explain', 'nxdomain'],
          description:
            'What a blocked name is answered with: the gateway’s own address, so that the job reads why, or NXDOMAIN. Default: `explain`, in a sidecar `nxdomain`.',
          examples: ['nxdomain'],
        },
        searchDomains: texts(
          'Search domains of the runners: blocked names under them are NXDOMAIN at once, and in steer mode allowed ones are answered only if they exist. `cluster.local` is always one. Default: no others.',
          ['corp.example'],
        ),
        gatewayName: text(
          'Name that the gateway answers for itself. Default: `sallyport.internal`.',
          'sallyport.internal',
        ),
      },
    },
    tls: {
      type: 'object',
      additionalProperties: false,
      description: 'Certificates. Default: as below.',
      examples: [{ extraAuthorities: ['corp-ca.pem'] }],
      properties: {
        authority: {
          type: 'object',
          additionalProperties: false,
          required: ['certificate', 'key'],
          description: 'An intermediate of your own. Default: an authority made at the first start.',
          examples: [{ certificate: 'intermediate.pem', key: 'intermediate.key' }],
          properties: {
            certificate: text('PEM file: the intermediate and its chain.', 'intermediate.pem'),
            key: text('PEM file: its P-256 key.', 'intermediate.key'),
          },
        },
        extraAuthorities: texts(
          'PEM files of authorities that upstream servers may use besides the system’s. Default: none.',
          ['corp-ca.pem'],
        ),
        upstreams: {
          type: 'array',
          items: {
            type: 'object',
            additionalProperties: false,
            required: ['host', 'authorities'],
            properties: {
              host: text(
                'Host pattern as in the policy; `*` is one label, `**` any depth.',
                '*.corp.example',
              ),
              authorities: texts('PEM files of authorities.', ['corp-ca.pem']),
            },
          },
          description:
            'Authorities that count for the servers of some hosts only, besides the system’s and `extraAuthorities`. Default: none.',
          examples: [[{ host: '*.corp.example', authorities: ['corp-ca.pem'] }]],
        },
      },
    },
    store: storeSchema,
    access: accessSchema,
    jobs: declaredJobSchema,
    servers: serversSchema,
    kubernetes: kubernetesSchema,
    claims: claimsSchema,
    confirm: confirmSchema,
    registries: registriesSchema,
    malware: malwareSchema,
    limits: {
      type: 'object',
      additionalProperties: false,
      description: 'Limits of each worker. Default: as below.',
      examples: [{ connections: 8000 }],
      properties: {
        connections: count(
          'Connections in all. Default: half of the descriptors that the process may open less 512, at most 16000.',
          8000,
        ),
        connectionsPerRunner: count(
          'Connections of one runner. Default: four fifths of `connections`.',
          1000,
        ),
        drainSeconds: {
          type: 'integer',
          minimum: 1,
          // A timer takes no more than 24 days.
          maximum: 604_800,
          description:
            'How long an old worker may go on with what it carries after an upgrade, in seconds. Default: `300`.',
          examples: [300],
        },
        namesPerWildcard: {
          type: 'integer',
          minimum: 1,
          maximum: 20_000,
          description:
            'Distinct DNS names that one runner may have asked upstream in an hour under one wildcard of the policy, by questions and by connections; under one zone where a wildcard is wider. Ten times as many under all. Default: `1000`.',
          examples: [1000],
        },
        queriesPerSecond: count('DNS questions per second of one runner. Default: `200`, burst 400.', 200),
      },
    },
    records: {
      type: 'object',
      additionalProperties: false,
      description: 'Segments of flow records. Default: as below.',
      examples: [{ maxTotalBytes: 4_294_967_296 }],
      properties: {
        maxSegmentBytes: count(
          'Size at which a segment is closed. Default: `67108864`, less where that many of every process would not fit twice into `maxTotalBytes`.',
          67_108_864,
          65_536,
        ),
        maxTotalBytes: count(
          'Size of all segments; the oldest go first. Default: `4294967296`.',
          4_294_967_296,
          1_048_576,
        ),
      },
    },
    kernel: {
      type: 'object',
      additionalProperties: false,
      description: 'The kernel rule set. Default: as below.',
      examples: [{ backend: 'iptables' }],
      properties: {
        backend: {
          enum: ['nftables', 'iptables', 'none'],
          description:
            'Form of the rules: nftables; iptables with ip6tables and ipset where other software of the machine manages those; none in mode `steer` without NET_ADMIN, where a rule outside must hold the fence. Default: `nftables`.',
          examples: ['iptables'],
        },
        table: text('Name of the table; with iptables the sets bear it. Default: `sallyport`.', 'sallyport'),
        guardMark: {
          type: 'integer',
          minimum: 1,
          maximum: 0xffff_ffff,
          description: 'Packet mark of what the main table let pass. Default: `14680064` (0xe00000).',
          examples: [14_680_064],
        },
        keepOnExit: {
          type: 'boolean',
          description:
            'Leave the rules in place when the gateway stops, so that runners stay shut in. Default: `true`.',
          examples: [false],
        },
      },
    },
    users: {
      type: 'object',
      additionalProperties: false,
      description: 'Numeric ids without privilege that the processes run as. Default: as below.',
      examples: [{ control: 64_801, worker: 64_802, group: 64_801 }],
      properties: {
        control: id('User of control. Default: `64801`.', 64_801),
        worker: id('User of the workers, another than control’s. Default: `64802`.', 64_802),
        group: id('Group of both. Default: `64801`.', 64_801),
      },
    },
    log: {
      type: 'object',
      additionalProperties: false,
      description: 'The program’s own log (JSON lines on standard error). Default: as below.',
      examples: [{ level: 'debug' }],
      properties: {
        level: {
          enum: ['debug', 'info', 'warn', 'error'],
          description: 'Least severity that is logged. Default: `info`.',
          examples: ['warn'],
        },
      },
    },
  },
} as const satisfies JSONSchema;

/** `sallyport.yaml` as it stands in the file. */
export type ConfigFile = FromSchema<typeof configSchema>;
