// What the commands of this folder ask of the program that starts gateways, and the configuration that they
// generate for one: a value in the shape of sallyport.yaml (config.ts checks it).

import type { Job } from '../flow/job.ts';

export interface StartedGateway {
  readonly stateDir: string;
  /** Address and port of the operator's listener. */
  readonly operator?: string;
  /** Cuts a runner off, where the program that started the gateway can ask for it. */
  quarantine?(runner: string, durationMs: number): Promise<void>;
  /** How it ended by itself, as a signal or an exit code; null while it runs. */
  ended?(): string | null;
  stop(): Promise<void>;
}

export type StartGateway = (
  config: GatewayConfig,
  options?: { readonly prefix?: readonly string[] },
) => Promise<StartedGateway>;

export interface Io {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** The part of sallyport.yaml that is generated here. */
export interface GatewayConfig {
  readonly version: 1;
  readonly gateway: string;
  readonly fleet: string;
  readonly mode: 'gateway' | 'steer';
  readonly policy: string;
  readonly state: string;
  readonly workers?: number;
  readonly runners: { readonly interfaces: readonly string[]; readonly networks: readonly string[] };
  readonly addresses: readonly string[];
  readonly steer?: { readonly pool: readonly string[] };
  readonly external?: { readonly interface: string; readonly masquerade: boolean };
  readonly listen: {
    readonly operator: string;
    readonly runner: number;
    readonly worker: number;
    readonly explicit?: number;
  };
  readonly dns: {
    readonly upstreams: readonly { readonly address: string; readonly port?: number }[];
    readonly forward?: readonly {
      readonly zone: string;
      readonly upstreams: readonly { readonly address: string; readonly port?: number }[];
    }[];
    readonly blockedAnswer?: 'explain' | 'nxdomain';
  };
  readonly tls?: { readonly extraAuthorities: readonly string[] };
  readonly jobs?: readonly DeclaredJob[];
  readonly kernel?: { readonly table: string; readonly keepOnExit: boolean };
  readonly log?: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
}

/** One entry of the static map from runner addresses to a job; a key that is left out is unknown. */
export interface DeclaredJob extends Partial<{ readonly [Key in keyof Job]: Exclude<Job[Key], null> }> {
  readonly addresses: readonly string[];
  /** flow/token-digest.ts */
  readonly tokenDigest?: string;
  readonly runtimeTokenDigest?: string;
}

/** Puts a command inside a namespace, as the prefix of `startGateway`. */
export function insidePrefix(namespace: string): string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`];
}
