// The table of metrics: names, kinds, labels and help. api/metrics registers exactly these, in worker and control.
// Labels are bounded: no host, address, path or job is ever a label.

export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds in seconds, for histograms. */
  readonly buckets?: readonly number[];
  /** How values of several workers are put together (gauges): default sum. */
  readonly aggregate?: 'sum' | 'max' | 'first';
}

const decisionBuckets = [1e-6, 2e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2];
const networkBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const metrics = {
  sallyport_flows_total: {
    kind: 'counter',
    help: 'Closed flows by kind, protocol, verdict, whether it was enforced, and reason.',
    labels: ['kind', 'protocol', 'verdict', 'enforced', 'reason'],
  },
  sallyport_live_jobs: {
    kind: 'gauge',
    help: 'Addresses that live jobs are known to run on, by the source that says so.',
    labels: ['source'],
  },
  sallyport_job_conflicts: {
    kind: 'gauge',
    help: 'Addresses that two jobs or agents claim: their flows are nobody’s.',
    labels: [],
  },
  sallyport_dns_queries_total: {
    kind: 'counter',
    help: 'DNS queries answered, by response code and verdict.',
    labels: ['rcode', 'verdict'],
  },
  sallyport_dns_cache_total: {
    kind: 'counter',
    help: 'DNS cache look-ups by result: hit, miss, stale, coalesced.',
    labels: ['result'],
  },
  sallyport_dns_upstream_failures_total: {
    kind: 'counter',
    help: 'Upstream DNS exchanges that failed, by transport.',
    labels: ['transport'],
  },
  sallyport_dns_upstream_queries_total: {
    kind: 'counter',
    help: 'DNS exchanges with each upstream (default-1, forward-1-1: its place in the configuration) by result: answered, weak (SERVFAIL or REFUSED), failed.',
    labels: ['upstream', 'transport', 'result'],
  },
  sallyport_dns_upstream_rtt_seconds: {
    kind: 'gauge',
    help: 'Smoothed round-trip time of each DNS upstream, 0 until it was asked; of several workers the longest.',
    labels: ['upstream'],
    aggregate: 'max',
  },
  sallyport_dns_upstream_up: {
    kind: 'gauge',
    help: 'Whether each DNS upstream is asked: 0 after three failures in a row, until a probe succeeds.',
    labels: ['upstream'],
    aggregate: 'max',
  },
  sallyport_records_lost_total: {
    kind: 'counter',
    help: 'Flow records that could not be written.',
    labels: [],
  },
  sallyport_segments_dropped_total: {
    kind: 'counter',
    help: 'Closed segments removed because all of them passed their size together.',
    labels: [],
  },
  sallyport_store_up: {
    kind: 'gauge',
    help: '1 while the store takes records, 0 while they wait in their segments.',
    labels: [],
  },
  sallyport_store_backlog_bytes: {
    kind: 'gauge',
    help: 'Bytes of segments that are not in the store yet.',
    labels: [],
  },
  sallyport_store_lost_bytes_total: {
    kind: 'counter',
    help: 'Bytes of segments that were removed before the store had them.',
    labels: [],
  },
  sallyport_store_records_total: {
    kind: 'counter',
    help: 'Records of flows and jobs that the store took.',
    labels: [],
  },
  sallyport_store_skipped_lines_total: {
    kind: 'counter',
    help: 'Lines of segments that were no record (cut when a process was killed), or one that the store refuses.',
    labels: [],
  },
  sallyport_store_dropped_partitions_total: {
    kind: 'counter',
    help: 'Days of flows that went because the store was larger than it may be.',
    labels: [],
  },
  sallyport_sink_records_total: {
    kind: 'counter',
    help: 'Records for each sink (kind and place in the configuration) by result: delivered, lost.',
    labels: ['sink', 'result'],
  },
  sallyport_sink_waiting_records: {
    kind: 'gauge',
    help: 'Records that wait for each sink.',
    labels: ['sink'],
  },
  sallyport_block_log_lost_total: {
    kind: 'counter',
    help: 'Block-log messages that the kernel could not deliver (attempts are still counted exactly).',
    labels: [],
  },
  sallyport_worker_restarts_total: {
    kind: 'counter',
    help: 'Workers replaced after they ended.',
    labels: [],
  },
  sallyport_rules_repaired_total: {
    kind: 'counter',
    help: 'Times the kernel rule set differed from ours and was repaired.',
    labels: [],
  },
  sallyport_policy_reloads_total: { kind: 'counter', help: 'Policy reloads by result.', labels: ['result'] },
  sallyport_claims_total: {
    kind: 'counter',
    help: 'What hooks said of their machine’s job, by what became of it: taken, repeated, conflict, invalid, limited, full, ended, confirmed, unconfirmed.',
    labels: ['result'],
  },
  sallyport_claims_held: { kind: 'gauge', help: 'Claims of hooks that are held.', labels: [] },
  sallyport_kubernetes_pods: {
    kind: 'gauge',
    help: 'Pods of runners that the watch of the cluster knows.',
    labels: [],
  },
  sallyport_malware_feed_reloads_total: {
    kind: 'counter',
    help: 'Readings of the malware feed by result: ok, same (its server says that it still holds), invalid (files), failed (URL).',
    labels: ['result'],
  },
  sallyport_malware_feed_packages: {
    kind: 'gauge',
    help: 'Packages that the malware feed in force names, once for each advisory.',
    labels: [],
  },
  sallyport_malware_feed_age_seconds: {
    kind: 'gauge',
    help: 'Seconds since the server of malware.url last confirmed the feed in force; absent until one is.',
    labels: [],
  },
  sallyport_leaves_minted_total: { kind: 'counter', help: 'Leaf certificates minted.', labels: [] },
  sallyport_pass_through_proposals_total: {
    kind: 'counter',
    help: 'Hosts for which a pass-through was proposed, by cause: client-certificate or client-distrust.',
    labels: ['cause'],
  },
  sallyport_logs_read_total: {
    kind: 'counter',
    help: 'Pieces of step logs that were looked through for tokens as they passed, by result: whole, broken (the upload broke off), unreadable (an encoding that could not be undone).',
    labels: ['result'],
  },
  sallyport_log_secrets_total: {
    kind: 'counter',
    help: 'Tokens found in step logs as they passed: each kind counts once for each upload.',
    labels: [],
  },
  sallyport_jobs_unread_total: {
    kind: 'counter',
    help: 'Jobs that were handed to a runner in a form that cannot be read, by cause: encrypted, unreadable, job-router.',
    labels: ['cause'],
  },
  sallyport_bytes_total: { kind: 'counter', help: 'Bytes relayed, by direction.', labels: ['direction'] },
  sallyport_decision_seconds: {
    kind: 'histogram',
    help: 'Time of one policy decision.',
    labels: [],
    buckets: decisionBuckets,
  },
  sallyport_handshake_seconds: {
    kind: 'histogram',
    help: 'Time of the TLS handshake with the client.',
    labels: [],
    buckets: networkBuckets,
  },
  sallyport_upstream_seconds: {
    kind: 'histogram',
    help: 'Time from the request to the first byte of the upstream’s answer.',
    labels: [],
    buckets: networkBuckets,
  },
  sallyport_open_connections: { kind: 'gauge', help: 'Connections held for runners.', labels: [] },
  sallyport_cache_entries: {
    kind: 'gauge',
    help: 'Entries of bounded caches, by cache.',
    labels: ['cache'],
  },
  sallyport_set_elements: {
    kind: 'gauge',
    help: 'Elements of kernel sets, by set; `virtual` are addresses of the steer pool that stand for a name.',
    labels: ['set'],
  },
  sallyport_policy_info: {
    kind: 'gauge',
    help: 'Policy in force: 1 for the revision and mode.',
    labels: ['revision', 'mode'],
    aggregate: 'max',
  },
  sallyport_build_info: {
    kind: 'gauge',
    help: 'Version of the program: always 1.',
    labels: ['version', 'node'],
    aggregate: 'max',
  },
} as const satisfies Record<string, MetricSpec>;
export type MetricName = keyof typeof metrics;
