// Which answers can be shortened and how they are asked for: npm packuments and pages of Python indexes.

import type { AnswerHead, AnswerRewrite } from '../flow/asked-request.ts';
import { isJson } from './answer-reader.ts';
import type { RegistryRequest } from './registry-request.ts';
import { NpmRewrite } from './rewrite-npm.ts';
import type { KnownTime } from './rewrite-npm.ts';
import { PypiHtmlRewrite } from './rewrite-pypi-html.ts';
import { PypiJsonRewrite } from './rewrite-pypi-json.ts';

/** A part, or word that nothing changed, would be one of the answer as it was. */
const whole = { 'if-none-match': null, 'if-modified-since': null, 'if-range': null, range: null } as const;
const forget = [
  'etag',
  'last-modified',
  'content-length',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
];

function knownTime({ learning }: RegistryRequest, purl: string): KnownTime {
  return (version, file) => learning?.times.find(learning.registry, purl, version, file)?.timeMs ?? null;
}

/** A packument: the full form is asked for, since the abbreviated one says no times. */
export function rewritePackument(request: RegistryRequest, purl: string): AnswerRewrite {
  return {
    ask: { ...whole, accept: 'application/json' },
    forget,
    open: (head, keep) =>
      isListing(head) && isJson(head) ? new NpmRewrite(keep, knownTime(request, purl)) : null,
  };
}

const simpleJson = 'application/vnd.pypi.simple.v1+json';

/** A project's page: in JSON where the client takes it, since HTML says no times. */
export function rewriteProject(request: RegistryRequest, purl: string): AnswerRewrite {
  const takesJson = request.asked.header('accept')?.includes(simpleJson) === true;
  return {
    ask: takesJson ? { ...whole, accept: simpleJson } : whole,
    forget,
    open(head, keep) {
      if (!isListing(head)) return null;
      const known = knownTime(request, purl);
      return isJson(head) ? new PypiJsonRewrite(purl, keep, known) : new PypiHtmlRewrite(purl, keep, known);
    },
  };
}

// 203 is an answer that a proxy on the way has changed, and as good.
function isListing({ status }: AnswerHead): boolean {
  return status === 200 || status === 203;
}
