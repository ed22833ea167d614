// The kinds of rules that the top level, a bundle and a scope share.

import {
  awsRuleSchema,
  githubRuleSchema,
  gitlabRuleSchema,
  imageRuleSchema,
} from './platform-rule-schema.ts';
import { publishOnlySchema } from './package-schema.ts';
import { dnsSchema, httpRuleSchema, networkRuleSchema, oneOrList, opaqueRuleSchema } from './rule-schema.ts';

export const ruleLists = {
  dns: dnsSchema,
  network: oneOrList(networkRuleSchema, 'Rules for layers 3 and 4.'),
  opaque: oneOrList(opaqueRuleSchema, 'Hosts that are passed through unread.'),
  http: oneOrList(httpRuleSchema, 'Rules for HTTP and HTTPS.'),
  github: oneOrList(githubRuleSchema, 'Rules for repositories of GitHub.'),
  gitlab: oneOrList(gitlabRuleSchema, 'Rules for projects of GitLab.'),
  images: oneOrList(imageRuleSchema, 'Rules for container images.'),
  aws: oneOrList(awsRuleSchema, 'Rules for AWS.'),
  packages: publishOnlySchema,
} as const;
