// What a flow record says of how its flow came to be ascribed to a job: the same for DNS, connections, requests, packets.

import type { FlowAttribution } from './flow.ts';
import type { Attribution } from './job.ts';

/** The recorded form of an attribution. */
export function recordAttribution({ source, certainty, jobId, conflict }: Attribution): FlowAttribution {
  return {
    source,
    certainty,
    ...(jobId === undefined ? {} : { jobId }),
    ...(conflict ? { conflict } : {}),
  };
}
