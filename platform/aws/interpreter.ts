// What requests to AWS mean: which service and bucket, in whose account, read or written.

import type { AskedRequest, Interpreter, Understanding } from '../../flow/asked-request.ts';
import { accountOf, buildOperation, isReadMethod, touchAccounts } from './build-operation.ts';
import { findEndpoint, isAwsHost, type Endpoint } from './find-endpoint.ts';
import { readSigner, type Signer } from './read-signature.ts';
import { understandS3 } from './understand-s3.ts';
import { understandService } from './understand-service.ts';

/** Understands what is said to services of AWS; registries of images and packages there are left to others. */
export function createAwsInterpreter(): Interpreter {
  return { understand, mayHold: isAwsHost };
}

/** Says of hosts below AWS that somebody else runs no more than that; asked after all others. */
export function createAwsCustomerInterpreter(): Interpreter {
  return { understand: understandCustomer, mayHold: () => false };
}

function understand(request: AskedRequest): Understanding | null {
  const endpoint = findEndpoint(request.host);
  if (endpoint === null || endpoint.kind === 'customer') return null;
  const signer = readSigner(request);
  switch (endpoint.kind) {
    case 's3':
    case 'access-point':
      return understandS3(endpoint, request, signer);
    case 's3-control':
      return understandControl(endpoint, request, signer);
    case 'service':
      return understandService(endpoint, request, signer);
  }
}

/** Access points, jobs and settings of an account: the host or a field names it. */
function understandControl(
  { account }: Extract<Endpoint, { kind: 's3-control' }>,
  request: AskedRequest,
  signer: Signer,
): Understanding {
  const whose = accountOf(signer, ['s3']);
  const named = [account, request.header('x-amz-account-id')];
  const others = named.flatMap((one) => (one !== null && /^\d{12}$/.test(one) ? one : []));
  const access = isReadMethod(request.method) ? 'read' : 'admin';
  const operation = buildOperation(request, signer, {
    name: 's3/control',
    touches: touchAccounts({ access, service: 's3', bucket: null }, whose.account, others),
    sureness: 'unknown',
    detail: whose.problem,
  });
  return { operation, evidence: [] };
}

/** Whatever answers there, no signature proves anything to it. */
function understandCustomer(request: AskedRequest): Understanding | null {
  const endpoint = findEndpoint(request.host);
  if (endpoint?.kind !== 'customer') return null;
  const { service } = endpoint;
  const access = isReadMethod(request.method) ? 'read' : 'write';
  const operation = buildOperation(request, readSigner(request), {
    name: `${service}/request`,
    touches: touchAccounts({ access, service, bucket: null }, null),
    sureness: 'unknown',
    detail: 'what a customer of AWS runs',
  });
  return { operation, evidence: [] };
}
