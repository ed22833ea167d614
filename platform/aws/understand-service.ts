// Requests to the other services of AWS, by the protocol that they come in: an action of the query protocol, a target of
// the JSON protocols, an operation of CBOR, or, by method and path alone, REST (smithy.io, "AWS protocols").

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Access } from '../../flow/operation.ts';
import { accessOfAction, accessOfCall, kebabCase } from './access-of-action.ts';
import { accountOf, buildOperation, isReadMethod, touchAccounts } from './build-operation.ts';
import { Accounts } from './find-accounts.ts';
import { holdsSignature, type Signer } from './read-signature.ts';
import { takesUnsigned } from './signing-names.ts';

const limits = { maxBytes: 1_048_576, maxDecodedBytes: 1_048_576, maxRatio: 50 } as const;
const actionForm = /^[A-Z][A-Za-z0-9]{1,127}$/;

/** A service as its host names it; `account` where the host names one. */
export interface AskedService {
  readonly service: string;
  readonly account: string | null;
}

interface Setting {
  readonly asked: AskedService;
  readonly request: AskedRequest;
  readonly signer: Signer;
}

export function understandService(asked: AskedService, request: AskedRequest, signer: Signer): Understanding {
  const setting: Setting = { asked, request, signer };
  const target = request.header('x-amz-target');
  const names = [...new URLSearchParams(request.query).keys()];
  const hasAction = names.some((name) => name.toLowerCase() === 'action');
  const isAtRoot =
    request.path === '/' || (asked.service === 'sqs' && /^\/\d{12}\/[^/]+\/?$/.test(request.path));
  if (target !== null) return isAtRoot && !hasAction ? readTarget(setting, target) : unknown(setting);
  const cbor = /^\/service\/[A-Za-z0-9_.]+\/operation\/([A-Za-z0-9]+)$/.exec(request.path)?.[1];
  if (cbor !== undefined && isCbor(request))
    return byBody(setting, cbor, (body, accounts) => accounts.seeCbor(body));
  if (hasAction || isForm(request)) return isAtRoot ? readQueryProtocol(setting) : unknown(setting);
  // What comes without saying its protocol may be read as any that the service knows.
  const isRpc = queryAlone.has(asked.service) || isAtRoot;
  return isRpc && request.hasBody ? unknown(setting) : readRest(setting);
}

const isCbor = (request: AskedRequest): boolean =>
  request.method === 'POST' && request.header('smithy-protocol') === 'rpc-v2-cbor';

const isForm = (request: AskedRequest): boolean =>
  request.method === 'POST' &&
  /^application\/x-www-form-urlencoded(?:$|\s*;)/i.test(request.header('content-type') ?? '');

/** Services that know the query protocol alone: what a target says there counts for nothing. */
const queryAlone: ReadonlySet<string> = new Set([
  'autoscaling',
  'cloudformation',
  'cloudsearch',
  'ec2',
  'elasticache',
  'elasticbeanstalk',
  'elasticloadbalancing',
  'iam',
  'rds',
  'redshift',
  'sdb',
  'sns',
  'sts',
]);

function readTarget(setting: Setting, target: string): Understanding {
  const { request, asked } = setting;
  const action = /^[A-Za-z0-9_.]{1,128}\.([A-Z][A-Za-z0-9]{1,127})$/.exec(target)?.[1];
  const isJson = /^application\/x-amz-json-1\.[01](?:$|\s*;)/i.test(request.header('content-type') ?? '');
  const isPlain = request.method === 'POST' && isJson;
  if (action === undefined || !isPlain || queryAlone.has(asked.service)) return unknown(setting);
  return byBody(setting, action, (body, accounts) => accounts.seeJson(body.toString('utf8')));
}

/** The action once the body is there, which may name accounts; without one it is what the head says. */
function byBody(
  setting: Setting,
  action: string,
  look: (body: Buffer, accounts: Accounts) => void,
): Understanding {
  if (!actionForm.test(action)) return unknown(setting);
  const withBody = (held: Held): Understanding => {
    const accounts = new Accounts();
    if (held.kind === 'whole') look(held.body, accounts);
    else accounts.isWhole = false;
    return perform(setting, action, accounts);
  };
  if (!setting.request.hasBody) return perform(setting, action, new Accounts());
  return { ...hidden(setting, action), hold: { ...limits, withBody } };
}

function readQueryProtocol(setting: Setting): Understanding {
  const { request } = setting;
  if (!request.hasBody) return performForm(setting, new URLSearchParams(request.query));
  if (!isForm(request)) return unknown(setting);
  const withBody = (held: Held): Understanding => {
    if (held.kind !== 'whole') return unknown(setting);
    const form = new URLSearchParams(held.body.toString('latin1'));
    if (holdsSignature(form)) return unknown(setting);
    for (const [name, value] of new URLSearchParams(request.query)) form.append(name, value);
    return performForm(setting, form);
  };
  return { ...unknown(setting), hold: { ...limits, withBody } };
}

function performForm(setting: Setting, values: URLSearchParams): Understanding {
  const actions = [...values].filter(([name]) => name.toLowerCase() === 'action');
  const [first] = actions;
  if (first === undefined || actions.length > 1 || first[0] !== 'Action' || !actionForm.test(first[1]))
    return unknown(setting);
  const accounts = new Accounts();
  accounts.seeForm(values);
  return perform(setting, first[1], accounts);
}

/** STS answers these whoever signs: the role is what they are about. */
const unsignedActions: ReadonlySet<string> = new Set(['AssumeRoleWithWebIdentity', 'AssumeRoleWithSAML']);

function perform(setting: Setting, action: string, accounts: Accounts): Understanding {
  const { service } = setting.asked;
  const isUnsigned = service === 'sts' && unsignedActions.has(action);
  return answer(setting, {
    name: `${service}/${kebabCase(action)}`,
    access: accessOfAction(service, action),
    accounts,
    isKnown: true,
    isUnsigned,
  });
}

function readRest(setting: Setting): Understanding {
  const { request, asked } = setting;
  const accounts = new Accounts();
  accounts.seeForm(new URLSearchParams(request.query));
  const isRead = isReadMethod(request.method);
  return answer(setting, {
    name: `${asked.service}/${/^[A-Z]{1,10}$/.test(request.method) ? request.method.toLowerCase() : 'unknown'}`,
    access: accessOfCall(asked.service, isRead, request.path),
    accounts,
    isKnown: false,
    isUnsigned: false,
  });
}

/** A body that decides is not there yet, or is not to be read: whom it touches is not known. */
function hidden(setting: Setting, action: string): Understanding {
  const accounts = new Accounts();
  accounts.isWhole = false;
  const { service } = setting.asked;
  const isNamed = actionForm.test(action);
  return answer(setting, {
    name: `${service}/${isNamed ? kebabCase(action) : 'unknown'}`,
    access: isNamed ? accessOfAction(service, action) : accessOfCall(service, false, ''),
    accounts,
    isKnown: false,
    isUnsigned: false,
  });
}

/** Nobody can say which action it is. */
function unknown(setting: Setting): Understanding {
  return hidden(setting, '');
}

interface Call {
  readonly name: string;
  readonly access: Access;
  readonly accounts: Accounts;
  readonly isKnown: boolean;
  /** Whoever signs it, the service does not ask. */
  readonly isUnsigned: boolean;
}

function answer({ asked, request, signer }: Setting, call: Call): Understanding {
  const { accounts, access } = call;
  accounts.seePath(request.path);
  const { service } = asked;
  const whose = accountOf(signer, [service]);
  const isNobody = call.isUnsigned || takesUnsigned(service) || !accounts.isWhole;
  const named = asked.account === null ? accounts.all : [asked.account, ...accounts.all];
  const base = { access, service, bucket: null };
  // What anybody may ask is about the accounts that it names, or about nobody's.
  const isAboutOthers = call.isUnsigned && accounts.all.size > 0 && accounts.isWhole;
  const touches = isAboutOthers
    ? [...accounts.all].map((account) => ({ kind: 'cloud' as const, ...base, account }))
    : touchAccounts(base, isNobody ? null : whose.account, named);
  const isKnown = call.isKnown && whose.problem === null && accounts.isWhole;
  return {
    operation: buildOperation(request, signer, {
      name: call.name,
      touches,
      sureness: isKnown ? 'known' : 'unknown',
      detail: whose.problem,
    }),
    evidence: [],
  };
}
