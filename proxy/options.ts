// What the proxy asks of the other parts of a worker. worker.ts (or a test) supplies implementations;
// no file of this folder knows which ones.

import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Cidr } from '../flow/address.ts';
import type { ActionFactsPort } from '../flow/action-facts.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Attribution, AttributionPort } from '../flow/job.ts';
import type { JobNews } from '../flow/job-news.ts';
import type { Interpreter, KeepVersion } from '../flow/asked-request.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import type { Meter, NameJudgement, Recorder, ResolverPort, StepPort, VirtualPort } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import type { Decision } from '../flow/decision.ts';
import type { HostDecision, RequestDecision } from '../policy/decide.ts';
import type { ActionWords } from '../policy/actions.ts';
import type { CredentialInspector } from '../policy/inspect-credentials.ts';
import type { HostAuthorities } from './authorities.ts';
import type { Connection } from './connection.ts';
import type { Limits } from './limits.ts';
import type { Proposal } from './proposals.ts';
import type { ProxyUsers } from './proxy-users.ts';
import type { UpstreamProxy } from './upstream-proxy.ts';
import type { PeerPort } from './proxied.ts';
import type { Upstream } from './upstream.ts';

/** What a connection asks of policy before anything is dialled. */
export interface HostQuery {
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly protocol: 'tls' | 'http' | 'unknown';
}

/** What a request asks of policy before its first byte leaves. */
export interface RequestQuery {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Canonical, without the query. */
  readonly path: string;
  readonly hasBody: boolean;
  readonly upgrade: string | null;
  readonly evidence: readonly Evidence[];
  /** What it means, or null. */
  readonly operation: Operation | null;
  /** Whose credential it carries; absent where the policy does not ask. */
  readonly credential?: CredentialKind;
}

/** One policy revision as the path sees it: three synchronous questions. */
export interface Decider {
  readonly revision: string;
  host(attribution: Attribution, query: HostQuery): HostDecision;
  request(attribution: Attribution, query: RequestQuery): RequestDecision;
  /** Looks at the credentials of requests; null or absent where the policy asks nothing of them. */
  inspector?(attribution: Attribution): CredentialInspector | null;
  /** Whether a host takes identity tokens for an audience; null or absent: the policy does not say. */
  takesIdentity?(attribution: Attribution, audience: string | null, host: string): boolean | null;
  /** The block that no grant lifts, or null. */
  withheld?(attribution: Attribution, query: RequestQuery): Decision | null;
  /** What is said of single actions; null or absent: nothing, and answers that resolve them are not kept. */
  readonly actions?: ActionWords | null;
  /** An age is asked of images: answers that tell it are kept. */
  readonly asksImageAges?: boolean;
  /** What is said of a name alone: the host, or one that its CNAMEs lead to. */
  name(attribution: Attribution, name: string): NameJudgement;
  /** Why an address that a host led to may not be dialled, or null; `allowed` are private ranges that rules open. */
  dial(attribution: Attribution, address: string, port: number, allowed: readonly Cidr[]): Reason | null;
}

export interface LeafPort {
  contextFor(serverName: string, runner: string): SecureContext | Promise<SecureContext>;
}

/** What carries connections whose client speaks HTTP/2; each takes the client's decrypted stream, paused. */
export interface Http2Port {
  /** Relays to a server that chose HTTP/2; it is paused and this connection's alone. */
  start(connection: Connection, client: TLSSocket, upstream: Upstream): void;
  /** Answers every stream of a connection that goes nowhere, with the reason. */
  answer(connection: Connection, client: TLSSocket, decision: Decision, reason: Reason): void;
}

export interface OriginalDestination {
  readonly address: string;
  readonly port: number;
}

/** Every port of the proxy. */
export interface ProxyPorts {
  /** The policy in force, or null while none has been loaded: everything is then blocked. */
  decider(): Decider | null;
  readonly attribution: AttributionPort;
  /** Absent: nobody knows what jobs are at. */
  readonly steps?: StepPort;
  /** Told of what a platform said to a runner of jobs, over TLS that was verified, before the answer's last byte goes on. */
  hearJobs?(runner: string, news: readonly JobNews[]): void;
  /**
   * True for a request of the runner program itself; `handedOutBy` is what was asked where an answer handed out this very
   * URL. Absent: nobody tells them from the job's.
   */
  isOfRunnerProgram?(
    attribution: Attribution,
    operation: Operation | null,
    handedOutBy: Operation | null,
  ): boolean;
  readonly resolver: ResolverPort;
  readonly leafIssuer: LeafPort;
  readonly recorder: Recorder;
  readonly meter: Meter;
  /** Where the client aimed before the kernel redirected it; null when the kernel no longer knows. */
  originalDestination(fd: number, isV6: boolean): OriginalDestination | null;
  /** Steer mode: which host a virtual address stands for. */
  readonly virtual?: Pick<VirtualPort, 'contains' | 'hostOf'>;
  /** Takes TCP connections whose original port was 53. */
  readonly dns: { accept(socket: Socket, runner: string): void };
  /** Load balancers that say by PROXY protocol who speaks. */
  readonly peers?: PeerPort;
  readonly identity: { readonly gateway: string; readonly fleet: string };
  /** True for every address of the gateway itself, outer ones and loopback included. */
  isOwnAddress(address: string): boolean;
  /** Why this address is kept out at the moment, or null; absent: the kernel alone does that. */
  keptOut?(runner: string): Reason | null;
  /** True in a sidecar: runners speak from addresses of this machine. */
  readonly areRunnersLocal?: boolean;
  /** The ports on which workers listen: never an original destination. */
  readonly ownPorts: ReadonlySet<number>;
  readonly limits?: Partial<Limits>;
  /** Absent: clients are offered HTTP/1.1 alone. */
  readonly http2?: Http2Port;
  /** Port of the explicit proxy on the gateway's addresses, where connections to it come like redirected ones. */
  readonly explicitPort?: number | null;
  /** Who may use the explicit proxy; absent: every runner. */
  readonly proxyUsers?: ProxyUsers;
  /** What all dials go through; absent: nothing. */
  readonly upstreamProxy?: UpstreamProxy | null;
  /** PEM certificates trusted for upstreams besides the system's. */
  readonly extraAuthorities?: readonly string[];
  /** Further ones for single hosts. */
  readonly hostAuthorities?: readonly HostAuthorities[];
  /** Who says what requests mean; absent: nobody. */
  readonly interpreter?: Interpreter;
  /** Which versions policy leaves in the list that the operation asks for; absent or null: the list is not touched. */
  keepVersion?(attribution: Attribution, operation: Operation): KeepVersion | null;
  /** True where answers of this host may be kept or shortened for this job: its clients are offered HTTP/1.1 alone. */
  rewrites?(attribution: Attribution, host: string): boolean;
  /** What is known of actions; absent: what answers say. */
  readonly actionFacts?: ActionFactsPort;
  /** Whose credential a request carries; absent: unknown. */
  credential?(attribution: Attribution, header: (name: string) => string | null): CredentialKind;
  /** The bare tokens that the fields and the query carry, in the order of what counts; absent: none are looked for. */
  tokens?(header: (name: string) => string | null, query: string): readonly string[];
  /** Told of requests of nobody to a forge, with a way to the tokens that they carry; whose they are is no matter of this request. */
  meetTokens?(runner: string, query: RequestQuery, tokens: () => readonly string[]): void;
  /** Tells the runtime token of the job from others; absent or null: nobody knows it. */
  runtime?(attribution: Attribution): ((token: string) => boolean) | null;
  /** For keyed hashes of tokens in records; absent: one of the proxy's own. */
  readonly tokenKey?: Uint8Array;
  /** Told when a pass-through is proposed; defaults to nothing. */
  onProposal?(proposal: Proposal): void;
  /** Told of every unforeseen error, after the flow was blocked; defaults to nothing. */
  onInternalError?(error: unknown): void;
}
