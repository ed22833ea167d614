// A job announced to an address by a program of the test's own process: the calls that name it and no others.

import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectTls } from 'node:tls';
import { dialTcp } from '../../../netns/socket.ts';
import type { Lab } from '../lab.ts';
import type { GithubService } from './github-service.ts';
import type { LabJob } from './job.ts';

/** Has the address take the job; answers how to end it. @throws Error when it is refused */
export async function announce(
  lab: Lab,
  service: GithubService,
  source: string,
  job: LabJob,
): Promise<() => Promise<void>> {
  const { runUrl, runtimeToken } = service.handOver(job);
  const listener = { jobMessageId: job.jobId, runnerOS: 'Linux', billingOwnerId: 'O_lab' };
  await post(lab, source, `${runUrl}acquirejob`, 'listener', listener);
  const named = { planId: job.planId, jobId: job.jobId };
  await post(lab, source, `${runUrl}renewjob`, runtimeToken, named);
  const end = { ...named, conclusion: 'succeeded', outputs: {}, stepResults: [], annotations: [] };
  return () => post(lab, source, `${runUrl}completejob`, runtimeToken, end);
}

async function post(lab: Lab, source: string, url: string, token: string, body: unknown): Promise<void> {
  const { hostname } = new URL(url);
  const address = lab.origins.names.get(hostname)?.a?.[0] ?? '';
  const out = request(url, {
    method: 'POST',
    headers: { host: hostname, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    createConnection: () =>
      connectTls({
        socket: dialTcp(lab.runner().namespace, address, 443, source),
        servername: hostname,
        ca: lab.gateway.authority(),
      }),
  });
  out.end(JSON.stringify(body));
  const [response] = (await once(out, 'response')) as [IncomingMessage]; // its one argument
  for await (const _ of response);
  if (response.statusCode !== 200 && response.statusCode !== 204)
    throw new Error(`${url} from ${source}: ${response.statusCode}`);
}
