// `sallyport.yaml`: the one place where the operator says how the gateway stands in the network.
// Owns its schema, its defaults and the checks that a schema cannot say. Policy is another file.

import { readFileSync } from 'node:fs';
import { availableParallelism, networkInterfaces } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import { formatCidr, parseAddress, parseCidr } from './flow/address.ts';
import { declaredJobSchema } from './jobs/declared.ts';
import type { ProblemList } from './policy/problem-list.ts';
import { readYamlFile } from './policy/read-yaml.ts';

const text = (description: string) => ({ type: 'string', minLength: 1, description }) as const;
const texts = (description: string) =>
  ({ type: 'array', items: { type: 'string', minLength: 1 }, description }) as const;
const port = (description: string, minimum: 0 | 1 = 1) =>
  ({ type: 'integer', minimum, maximum: 65535, description }) as const;
const count = (description: string, minimum = 1) => ({ type: 'integer', minimum, description }) as const;

const upstreamSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['address'],
  description: 'One DNS server that the gateway asks.',
  properties: {
    address: text('IP address of the server.'),
    port: port('Port; 53, or 853 with tls.'),
    tls: text('Name on the server’s certificate: the server is then asked over TLS (RFC 7858) only.'),
  },
} as const;

export const configSchema = {
  $id: 'https://sallyport.dev/schema/sallyport.json',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'policy', 'runners'],
  description: 'Configuration of a gateway.',
  properties: {
    version: { const: 1, description: 'Version of this format.' },
    gateway: text('Name of this gateway in records. Default: gateway.'),
    fleet: text('Name of the runner fleet in records. Default: default.'),
    mode: {
      enum: ['gateway', 'steer', 'sidecar'],
      description: 'How traffic arrives (docs/deployment.md). Default: gateway.',
    },
    policy: text('Path of the policy file, relative to this file.'),
    state: text('Directory for authority, records and statistics. Default: /var/lib/sallyport.'),
    workers: count('Worker processes. Default: one per core, at most 16.'),
    runners: {
      type: 'object',
      additionalProperties: false,
      required: ['interfaces', 'networks'],
      description: 'Where the runners are; nothing else is ever touched.',
      properties: {
        interfaces: texts('Interfaces that face the runners, for example [br-runners].'),
        networks: texts('Networks that the runners live in, as CIDR, IPv4 and IPv6.'),
      },
    },
    addresses: texts(
      'The gateway’s own addresses on the runner side. Default: those of the first runner interface.',
    ),
    external: {
      type: 'object',
      additionalProperties: false,
      required: ['interface'],
      description: 'The interface towards the internet; needed for `network` rules.',
      properties: {
        interface: text('Name of the interface.'),
        masquerade: { type: 'boolean', description: 'Hide runners behind its address. Default: true.' },
      },
    },
    listen: {
      type: 'object',
      additionalProperties: false,
      description: 'Listeners.',
      properties: {
        operator: text('Metrics and health, never reachable by runners. Default: 127.0.0.1:9440.'),
        runner: port('CA download for runners, on the gateway’s addresses. Default: 9441.', 0),
        explicit: port('Explicit proxy (HTTPS_PROXY) on the gateway’s addresses. Default: off.'),
        worker: port(
          'First of the ports that redirected traffic arrives at; 0 picks free ones. Default: 10001.',
          0,
        ),
      },
    },
    dns: {
      type: 'object',
      additionalProperties: false,
      description: 'How names are resolved.',
      properties: {
        upstreams: {
          type: 'array',
          minItems: 1,
          items: upstreamSchema,
          description: 'Servers to ask, in order. Default: those of /etc/resolv.conf.',
        },
        forward: {
          type: 'array',
          description: 'Zones with servers of their own.',
          items: {
            type: 'object',
            additionalProperties: false,
            required: ['zone', 'upstreams'],
            description: 'One zone.',
            properties: {
              zone: text('The zone, for example corp.example.'),
              upstreams: {
                type: 'array',
                minItems: 1,
                items: upstreamSchema,
                description: 'Servers for it.',
              },
            },
          },
        },
        blockedAnswer: {
          enum: ['explain', 'nxdomain'],
          description:
            'What a blocked name is answered with: the gateway’s own address, so that the job reads why, or NXDOMAIN. Default: explain, in a sidecar nxdomain.',
        },
        searchDomains: texts('Search domains of the runners; expansions under them are NXDOMAIN at once.'),
        gatewayName: text('Name that the gateway answers for itself. Default: sallyport.internal.'),
      },
    },
    tls: {
      type: 'object',
      additionalProperties: false,
      description: 'Certificates.',
      properties: {
        authority: {
          type: 'object',
          additionalProperties: false,
          required: ['certificate', 'key'],
          description: 'An intermediate of your own instead of the authority made at the first start.',
          properties: {
            certificate: text('PEM file: the intermediate and its chain.'),
            key: text('PEM file: its P-256 key.'),
          },
        },
        extraAuthorities: texts(
          'PEM files of authorities that upstream servers may use besides the system’s.',
        ),
      },
    },
    jobs: declaredJobSchema,
    limits: {
      type: 'object',
      additionalProperties: false,
      description: 'Limits of each worker.',
      properties: {
        connections: count(
          'Connections in all. Default: half of the descriptors that the process may open less 512, at most 16000.',
        ),
        connectionsPerRunner: count('Connections of one runner. Default: four fifths of all.'),
        queriesPerSecond: count('DNS questions per second of one runner. Default: 200, burst 400.'),
      },
    },
    records: {
      type: 'object',
      additionalProperties: false,
      description: 'Segments of flow records.',
      properties: {
        maxSegmentBytes: count('Size at which a segment is closed. Default: 67108864.', 65536),
        maxTotalBytes: count('Size of all segments; the oldest go first. Default: 4294967296.', 1048576),
      },
    },
    kernel: {
      type: 'object',
      additionalProperties: false,
      description: 'The kernel rule set.',
      properties: {
        backend: {
          enum: ['nftables', 'iptables'],
          description:
            'Form of the rules: nftables, or iptables with ip6tables and ipset where other software of the machine manages those. Default: nftables.',
        },
        table: text('Name of the table; with iptables the sets bear it. Default: sallyport.'),
        guardMark: count('Packet mark of what the main table let pass. Default: 14680064 (0xe00000).'),
        keepOnExit: {
          type: 'boolean',
          description:
            'Leave the rules in place when the gateway stops, so that runners stay shut in. Default: true.',
        },
      },
    },
    users: {
      type: 'object',
      additionalProperties: false,
      description: 'Numeric ids without privilege that the processes run as.',
      properties: {
        control: count('Default: 64801.'),
        worker: count('Default: 64802.'),
        group: count('Default: 64801.'),
      },
    },
    log: {
      type: 'object',
      additionalProperties: false,
      description: 'The program’s own log (JSON lines on standard error).',
      properties: { level: { enum: ['debug', 'info', 'warn', 'error'], description: 'Default: info.' } },
    },
  },
} as const satisfies JSONSchema;

export type ConfigFile = FromSchema<typeof configSchema>;
export interface Upstream {
  readonly address: string;
  readonly port: number;
  readonly tls: string | null;
}

/** The configuration with every default filled in and every path absolute. It holds no secret: it goes to workers. */
export type Config = ReturnType<typeof completeConfig>;

/** Reads and checks `sallyport.yaml`. @throws InvalidInputError with all problems */
export function readConfig(path: string): Config {
  const empty: ConfigFile = { version: 1, policy: '', runners: { interfaces: [], networks: [] } };
  const file = readYamlFile<ConfigFile>(path, configSchema, empty, checkMeaning);
  return completeConfig(file, dirname(resolve(path)));
}

/** What the schema cannot say. */
function checkMeaning(file: ConfigFile, list: ProblemList): void {
  for (const [index, network] of file.runners.networks.entries()) {
    if (parseCidr(network) !== null) continue;
    list.error(['runners', 'networks', index], `"${network}" is no network`, 'write it like 10.77.0.0/16');
  }
  for (const [index, address] of (file.addresses ?? []).entries()) {
    if (parseAddress(address) !== null) continue;
    list.error(['addresses', index], `"${address}" is no address`, 'write an IPv4 or IPv6 address');
  }
  for (const [index, upstream] of (file.dns?.upstreams ?? []).entries()) {
    if (parseAddress(upstream.address) !== null) continue;
    const remedy = 'names cannot be used here: they would need DNS to be resolved';
    list.error(['dns', 'upstreams', index, 'address'], `"${upstream.address}" is no address`, remedy);
  }
  const jobOf = new Map<string, number>();
  for (const [index, job] of (file.jobs ?? []).entries()) {
    for (const [at, address] of job.addresses.entries()) {
      const path = ['jobs', index, 'addresses', at];
      const cidr = parseCidr(address);
      const key = cidr === null ? address : formatCidr(cidr);
      if (cidr === null) list.error(path, `"${address}" is no address or network`, 'write it like 10.77.0.2');
      else if (jobOf.has(key))
        list.error(path, `"${address}" belongs to jobs[${jobOf.get(key)}] too`, 'name it once');
      jobOf.set(key, index);
    }
  }
  const operator = file.listen?.operator;
  if (operator !== undefined && !/^(\[[0-9a-fA-F:]+\]|[\d.]+):\d{1,5}$/.test(operator)) {
    list.error(
      ['listen', 'operator'],
      `"${operator}" is no address and port`,
      'write it like 127.0.0.1:9440',
    );
  }
}

function completeConfig(file: ConfigFile, directory: string) {
  const addresses = file.addresses ?? interfaceAddresses(file.runners.interfaces[0] ?? '');
  return {
    gateway: file.gateway ?? 'gateway',
    fleet: file.fleet ?? 'default',
    mode: file.mode ?? 'gateway',
    policy: resolve(directory, file.policy),
    state: resolve(directory, file.state ?? '/var/lib/sallyport'),
    workers: file.workers ?? Math.min(16, availableParallelism()),
    runners: file.runners,
    addresses: {
      v4: addresses.filter((address) => !address.includes(':')),
      v6: addresses.filter((address) => address.includes(':')),
    },
    external: file.external
      ? { interface: file.external.interface, masquerade: file.external.masquerade ?? true }
      : null,
    listen: completeListen(file.listen),
    dns: {
      upstreams: file.dns?.upstreams ? file.dns.upstreams.map(completeUpstream) : null,
      forward: (file.dns?.forward ?? []).map((zone) => ({
        zone: zone.zone,
        upstreams: zone.upstreams.map(completeUpstream),
      })),
      // A sidecar shares loopback with its job's own servers: its address explains nothing there.
      blockedAnswer: file.dns?.blockedAnswer ?? (file.mode === 'sidecar' ? 'nxdomain' : 'explain'),
      searchDomains: file.dns?.searchDomains ?? [],
      gatewayName: file.dns?.gatewayName ?? 'sallyport.internal',
    },
    tls: {
      authority: file.tls?.authority
        ? {
            certificate: resolve(directory, file.tls.authority.certificate),
            key: resolve(directory, file.tls.authority.key),
          }
        : null,
      extraAuthorities: (file.tls?.extraAuthorities ?? []).map((path) => resolve(directory, path)),
    },
    jobs: file.jobs ?? [],
    limits: {
      connections: file.limits?.connections ?? mayConnections(),
      connectionsPerRunner: file.limits?.connectionsPerRunner ?? Math.floor(mayConnections() * 0.8),
      queriesPerSecond: file.limits?.queriesPerSecond ?? 200,
    },
    records: {
      maxSegmentBytes: file.records?.maxSegmentBytes ?? 64 * 1024 * 1024,
      maxTotalBytes: file.records?.maxTotalBytes ?? 4 * 1024 ** 3,
    },
    kernel: completeKernel(file.kernel),
    users: {
      control: file.users?.control ?? 64_801,
      worker: file.users?.worker ?? 64_802,
      group: file.users?.group ?? 64_801,
    },
    log: { level: file.log?.level ?? 'info' },
  };
}

function completeKernel(kernel: ConfigFile['kernel']) {
  return {
    backend: kernel?.backend ?? ('nftables' as const),
    table: kernel?.table ?? 'sallyport',
    guardMark: kernel?.guardMark ?? 0xe0_0000,
    keepOnExit: kernel?.keepOnExit ?? true,
  };
}

function completeListen(listen: ConfigFile['listen']) {
  return {
    operator: listen?.operator ?? '127.0.0.1:9440',
    runner: listen?.runner ?? 9441,
    explicit: listen?.explicit ?? null,
    worker: listen?.worker ?? 10_001,
  };
}

function completeUpstream(upstream: { address: string; port?: number; tls?: string }): Upstream {
  const tls = upstream.tls ?? null;
  return { address: upstream.address, port: upstream.port ?? (tls === null ? 53 : 853), tls };
}

// A connection may hold a second descriptor, that of its upstream.
function mayConnections(): number {
  const line = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const descriptors = line === null ? 4096 : Number(line[1]);
  return Math.max(256, Math.min(16_000, Math.floor((descriptors - 512) / 2)));
}

/** Addresses of an interface, link-local ones left out. */
function interfaceAddresses(name: string): string[] {
  return (networkInterfaces()[name] ?? [])
    .map((entry) => entry.address)
    .filter((address) => !address.toLowerCase().startsWith('fe80'));
}

/** The servers of /etc/resolv.conf, for a configuration that names none. */
export function systemUpstreams(): Upstream[] {
  const lines = readFileSync('/etc/resolv.conf', 'utf8').split('\n');
  const addresses = lines.flatMap((line) => /^nameserver\s+([0-9a-fA-F:.]+)\s*$/.exec(line)?.[1] ?? []);
  return addresses
    .filter((address) => parseAddress(address) !== null)
    .map((address) => ({ address, port: 53, tls: null }));
}
