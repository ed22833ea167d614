// What an action of AWS does, by its name: reads begin with a word for it, everything else writes. What opens an
// account to others, or outlives the job, is admin.

import type { Access } from '../../flow/operation.ts';

const reads =
  /^(?:Get|List|Describe|Head|BatchGet|BatchDescribe|BatchCheck|TransactGet|Query|Scan|Select|Search|Lookup|Simulate)(?=[A-Z0-9]|$)/;
const assumes = /^(?:AssumeRole(?:With(?:SAML|WebIdentity))?|DecodeAuthorizationMessage)$/;
const opens =
  /(?:Policy|Policies|Permissions?|Grants?|Acl|SharingStatus|(?:Image|Snapshot)Attribute|PublicAccess|AccessKey)/;

/** Services of which every write decides who may do what, or whether anybody sees it. */
const adminServices: ReadonlySet<string> = new Set([
  'access-analyzer',
  'account',
  'cloudtrail',
  'config',
  'controltower',
  'guardduty',
  'iam',
  'identitystore',
  'organizations',
  'ram',
  'rolesanywhere',
  'securityhub',
  'sso',
  'sso-admin',
]);

/** Access of an action of the query and JSON protocols, for example `PutItem`. */
export function accessOfAction(service: string, action: string): Access {
  if (reads.test(action) || (service === 'sts' && assumes.test(action))) return 'read';
  return adminServices.has(service) || opens.test(action) ? 'admin' : 'write';
}

/** Access of a call that only its method and path tell. */
export function accessOfCall(service: string, isRead: boolean, path: string): Access {
  if (isRead) return 'read';
  return adminServices.has(service) || /polic(?:y|ies)|permission|grant|access-?key/i.test(path)
    ? 'admin'
    : 'write';
}

/** `PutItem` as `put-item`, `ListMFADevices` as `list-mfa-devices`. */
export function kebabCase(action: string): string {
  return action
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
}
