// What requests to AWS mean: service, account, bucket and access, by host, signature, method and body.

import t from 'tap';
import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Touch } from '../../flow/operation.ts';
import { unattributed } from '../../flow/job.ts';
import { accountOfKey } from '../../platform/aws/account-of-key.ts';
import { createAwsCustomerInterpreter, createAwsInterpreter } from '../../platform/aws/interpreter.ts';
import { inOrder } from '../../flow/understand-whole.ts';

const aws = inOrder([createAwsInterpreter(), createAwsCustomerInterpreter()]);
// Keys of the accounts 123456789012 and 210987654321, put together by hand.
const ours = 'AKIARZPUZDIKAAAAAAAA';
const theirs = 'AKIATCH6YDSYQAAAAAAA';
const old = 'AKIAIOSFODNN7EXAMPLE';
const signature = 'f'.repeat(64);
const sign = (service: string, key = ours, region = 'eu-west-1/') =>
  `AWS4-HMAC-SHA256 Credential=${key}/20260102/${region}${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`;
const presigned = (key = ours, service = 's3') =>
  `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${key}%2F20260102%2Feu-west-1%2F${service}%2Faws4_request&X-Amz-Date=20260102T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${signature}`;

interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

function request(line: string, { headers = {}, body }: Asking): AskedRequest {
  const [method = '', url = ''] = line.split(' ');
  const match = /^https:\/\/([^/]+)([^?]*)(?:\?(.*))?$/.exec(url)!;
  return {
    scheme: 'https',
    host: match[1]!,
    port: 443,
    method,
    path: match[2] === '' ? '/' : match[2]!,
    query: match[3] ?? '',
    hasBody: body !== undefined,
    header: (name) => headers[name] ?? null,
    attribution: unattributed,
    credential: 'unknown',
  };
}

function ask(line: string, asking: Asking = {}): Understanding | null {
  const found = aws.understand(request(line, asking));
  if (found?.hold === undefined || asking.body === undefined) return found;
  const body = Buffer.from(asking.body);
  return found.hold.withBody({ kind: 'whole', body, raw: [body] });
}

/** `name · access service account bucket + … · sureness`. */
function say(found: Understanding | null): string {
  const operation = found?.operation ?? null;
  if (operation === null) return 'nothing';
  const parts = [operation.name, operation.touches.map(sayTouch).join(' + ')];
  if (operation.sureness !== 'known') parts.push(operation.sureness);
  return parts.join(' · ');
}

const names: Readonly<Record<string, string>> = { '123456789012': 'ours', '210987654321': 'theirs' };
const nameOf = (account: string | null) => (account === null ? '?' : (names[account] ?? account));
function sayTouch(touch: Touch): string {
  if (touch.kind !== 'cloud') return touch.kind;
  return `${touch.access} ${touch.service} ${nameOf(touch.account)}${touch.bucket === null ? '' : ` ${touch.bucket}`}`;
}

t.test('a key tells its account', async (t) => {
  const rows: readonly (readonly [string, string | null])[] = [
    ['ASIAQNZGKIQY56JQ7WML', '029608264753'],
    ['AKIASP2TPHJSQH3FJRUX', '171436882533'],
    [ours, '123456789012'],
    [theirs, '210987654321'],
    [old, null],
    ['AKIAJ7QWERTYUIOPASDF', null],
    ['AKIAPZZZZZZZZZZZZZZZ', null],
    ['AKIA7777777777777777', null],
    ['AKIAQAAAAAAAAAAAAAAA', null],
    ['AIDARZPUZDIKAAAAAAAA', null],
    ['akiarzpuzdikaaaaaaaa', null],
    [`${ours}A`, null],
    [ours.slice(1), null],
    ['AKIARZPUZDIK01189AAA', null],
    ['', null],
  ];
  for (const [key, account] of rows) t.equal(accountOfKey(key), account, key);
});

t.test('S3 by host, path, method and sub-resource', async (t) => {
  const s3 = { authorization: sign('s3') };
  const rows: readonly (readonly [line: string, expected: string, headers?: Record<string, string>])[] = [
    ['GET https://lake.s3.amazonaws.com/a/b', 's3/get-object · read s3 ours lake'],
    ['GET https://a.b.c.s3.eu-west-1.amazonaws.com/k', 's3/get-object · read s3 ours a.b.c'],
    ['HEAD https://lake.s3.dualstack.eu-west-1.amazonaws.com/k', 's3/head-object · read s3 ours lake'],
    ['PUT https://lake.s3-accelerate.amazonaws.com/k', 's3/put-object · write s3 ours lake'],
    ['PUT https://lake.s3-accelerate.dualstack.amazonaws.com/k', 's3/put-object · write s3 ours lake'],
    ['PUT https://lake.s3-fips.us-gov-west-1.amazonaws.com/k', 's3/put-object · write s3 ours lake'],
    ['GET https://lake.s3-us-west-2.amazonaws.com/k', 's3/get-object · read s3 ours lake'],
    ['GET https://s3-external-1.amazonaws.com/lake/k', 's3/get-object · read s3 ours lake'],
    ['GET https://s3.cn-north-1.amazonaws.com.cn/lake/k', 's3/get-object · read s3 ours lake'],
    ['GET https://s3.eu-west-1.amazonaws.com/lake/k', 's3/get-object · read s3 ours lake'],
    ['GET https://s3.eu-west-1.amazonaws.com/lake', 's3/list-objects · read s3 ours lake'],
    [
      'GET https://s3.eu-west-1.amazonaws.com/lake/?list-type=2&prefix=x',
      's3/list-objects · read s3 ours lake',
    ],
    ['GET https://s3.amazonaws.com/', 's3/list-buckets · read s3 ours'],
    ['PUT https://s3.amazonaws.com/lake', 's3/create-bucket · admin s3 ours lake'],
    ['DELETE https://lake.s3.amazonaws.com/', 's3/delete-bucket · admin s3 ours lake'],
    ['DELETE https://lake.s3.amazonaws.com/k', 's3/delete-object · write s3 ours lake'],
    ['POST https://lake.s3.amazonaws.com/?delete', 's3/delete-objects · write s3 ours lake'],
    ['POST https://lake.s3.amazonaws.com/k?uploads', 's3/create-multipart-upload · write s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/k?partNumber=1&uploadId=u', 's3/upload-part · write s3 ours lake'],
    ['POST https://lake.s3.amazonaws.com/k?uploadId=u', 's3/complete-multipart-upload · write s3 ours lake'],
    ['DELETE https://lake.s3.amazonaws.com/k?uploadId=u', 's3/abort-multipart-upload · write s3 ours lake'],
    ['GET https://lake.s3.amazonaws.com/k?uploadId=u', 's3/list-parts · read s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/k?x-id=PutObject', 's3/put-object · write s3 ours lake'],
    ['GET https://lake.s3.amazonaws.com/?acl', 's3/get-bucket-acl · read s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?acl', 's3/put-bucket-acl · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/k?acl', 's3/put-object-acl · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/k?%61cl', 's3/put-object-acl · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?policy', 's3/put-bucket-policy · admin s3 ours lake'],
    ['DELETE https://lake.s3.amazonaws.com/?policy', 's3/delete-bucket-policy · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?versioning', 's3/put-bucket-versioning · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?replication', 's3/put-bucket-replication · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/k?tagging', 's3/put-object-tagging · write s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?tagging', 's3/put-bucket-tagging · admin s3 ours lake'],
    ['PUT https://lake.s3.amazonaws.com/?brandNew', 's3/unknown · admin s3 ours lake · unknown'],
    ['PUT https://lake.s3.amazonaws.com/k?brandNew', 's3/unknown · write s3 ours lake · unknown'],
    ['PUT https://lake.s3.amazonaws.com/k?acl&tagging', 's3/unknown · admin s3 ours lake · unknown'],
    ['POST https://lake.s3.amazonaws.com/', 's3/post-object · write s3 ? lake'],
    [
      'PUT https://lake.s3.amazonaws.com/k',
      's3/put-object · admin s3 ours lake',
      { 'x-amz-acl': 'public-read' },
    ],
    ['PUT https://lake.s3.amazonaws.com/k', 's3/put-object · write s3 ours lake', { 'x-amz-acl': 'private' }],
    [
      'PUT https://lake.s3.amazonaws.com/k',
      's3/copy-object · write s3 ours lake + read s3 ours vault',
      { 'x-amz-copy-source': '/vault/secret' },
    ],
    [
      'PUT https://lake.s3.amazonaws.com/k',
      's3/put-object · write s3 ours lake + write s3 theirs lake',
      { 'x-amz-expected-bucket-owner': '210987654321' },
    ],
    ['GET https://lake.s3-website.eu-west-1.amazonaws.com/', 's3/get-website · read s3 ? lake'],
    ['GET https://lake.s3-website-us-east-1.amazonaws.com/', 's3/get-website · read s3 ? lake'],
    [
      'PUT https://ap-210987654321.s3-accesspoint.eu-west-1.amazonaws.com/k',
      's3/put-object · write s3 ours + write s3 theirs',
    ],
    ['GET https://ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/k', 's3/get-object · read s3 ours'],
    ['GET https://alias.mrap.accesspoint.s3-global.amazonaws.com/k', 's3/get-object · read s3 ours'],
    [
      'GET https://lake--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/k',
      's3/get-object · read s3 ours lake--use1-az4--x-s3',
    ],
    [
      'PUT https://210987654321.s3-control.eu-west-1.amazonaws.com/v20180820/accesspoint/x',
      's3/control · admin s3 ours + admin s3 theirs · unknown',
    ],
    [
      'GET https://lake.bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com/k',
      's3/get-object · read s3 ours lake',
    ],
    [
      'GET https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com/lake/k',
      's3/get-object · read s3 ours lake',
    ],
  ];
  for (const [line, expected, headers = {}] of rows)
    t.equal(say(ask(line, { headers: { ...s3, ...headers } })), expected, line);
});

t.test('the account is that of the one key that signs', async (t) => {
  const url = 'https://lake.s3.eu-west-1.amazonaws.com/k';
  const rows: readonly (readonly [query: string, authorization: string | null, expected: string])[] = [
    ['', sign('s3'), 'ours'],
    ['', sign('s3', theirs), 'theirs'],
    ['', sign('s3', old), '?'],
    ['', null, '?'],
    ['', `AWS ${ours}:c2lnbmF0dXJl`, 'ours'],
    ['', `AWS ${ours}:`, '? unknown'],
    ['', sign('s3', ours, '').replace('HMAC-SHA256', 'ECDSA-P256-SHA256'), 'ours'],
    ['', sign('s3').replace('eu-west-1/', ''), '? unknown'],
    ['', sign('sts'), '? unknown'],
    ['', sign('s3').replace(/, Signature=.*/, ''), '? unknown'],
    ['', sign('s3').replace(/Signature=.*/, 'Signature='), '? unknown'],
    ['', sign('s3').replace(/Signature=.*/, 'Signature=fe5f80'), 'ours'],
    ['', sign('s3', theirs).replace(/Signature=.*/, 'Signature=x'), 'theirs'],
    ['', `${sign('s3')}, Credential=${theirs}/20260102/eu-west-1/s3/aws4_request`, '? unknown'],
    ['', `${sign('s3')}, ${sign('s3', theirs)}`, '? unknown'],
    ['', sign('s3').replace('AWS4-HMAC-SHA256', 'aws4-hmac-sha256'), '? unknown'],
    ['', 'Bearer abc', '?'],
    [presigned(), null, 'ours'],
    [presigned(theirs), null, 'theirs'],
    [presigned(ours, 'sts'), null, '? unknown'],
    [presigned().replace('X-Amz-Credential', 'x-amz-credential'), null, '? unknown'],
    [presigned().replace('X-Amz-Signature', 'X-Amz-Sig'), null, '? unknown'],
    [`X-Amz-Credential=${ours}%2F20260102%2Feu-west-1%2Fs3%2Faws4_request`, null, '? unknown'],
    [`${presigned()}&${presigned(theirs)}`, null, '? unknown'],
    [`${presigned()}&AWSAccessKeyId=${theirs}`, null, '? unknown'],
    [presigned(theirs), sign('s3'), '? unknown'],
    [presigned(), sign('s3'), '? unknown'],
    [`AWSAccessKeyId=${ours}&Expires=1&Signature=abc`, null, 'ours'],
    [`AWSAccessKeyId=${ours}`, null, '? unknown'],
  ];
  for (const [query, authorization, expected] of rows) {
    const headers: Record<string, string> = authorization === null ? {} : { authorization };
    const found = ask(`GET ${url}${query === '' ? '' : `?${query}`}`, { headers })?.operation;
    const [touch] = found?.touches ?? [];
    const account = touch?.kind === 'cloud' ? nameOf(touch.account) : 'none';
    const sureness = found?.sureness === 'known' ? '' : ` ${found?.sureness}`;
    t.equal(`${account}${sureness}`, expected, `${query} ${authorization ?? ''}`);
  }
  t.equal(ask(`GET ${url}?${presigned()}`)?.operation?.credential, 'cloud');
});

t.test('look-alikes are none of ours, and hosts of customers prove nothing', async (t) => {
  const headers = { authorization: sign('execute-api') };
  for (const host of [
    'amazonaws.com',
    's3.amazonaws.com.evil.example',
    'xamazonaws.com',
    's3.amazonaws.org',
    'amazonaws.com.cn',
    's3amazonaws.com',
    'api.aws.evil.example',
  ])
    t.equal(aws.understand(request(`GET https://${host}/`, {})), null, host);
  for (const host of ['s3.amazonaws.com', 'sts.api.aws', 'lambda.us-east-1.api.aws'])
    t.not(aws.understand(request(`GET https://${host}/`, {})), null, host);
  for (const host of [
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    'acme-123456789012.d.codeartifact.eu-west-1.amazonaws.com',
  ])
    t.equal(aws.understand(request(`GET https://${host}/`, {})), null, `${host} is a registry`);
  const customers: readonly (readonly [string, string])[] = [
    ['x.execute-api.us-east-1.amazonaws.com', 'execute-api/request · write execute-api ? · unknown'],
    ['ec2-1-2-3-4.us-west-2.compute.amazonaws.com', 'compute/request · write compute ? · unknown'],
    ['ec2-1-2-3-4.compute-1.amazonaws.com', 'compute-1/request · write compute-1 ? · unknown'],
    ['lb-1.us-east-1.elb.amazonaws.com', 'elb/request · write elb ? · unknown'],
    ['search-x.us-east-1.es.amazonaws.com', 'es/request · write es ? · unknown'],
    ['vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com', 'vpce/request · write vpce ? · unknown'],
    ['x.sts.us-east-1.amazonaws.com', 'sts/request · write sts ? · unknown'],
    ['x.constructor.amazonaws.com', 'constructor/request · write constructor ? · unknown'],
  ];
  for (const [host, expected] of customers)
    t.equal(say(ask(`POST https://${host}/x`, { headers, body: '' })), expected, host);
});

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = (target: string) => ({ 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target });

t.test('other services by action, target, path and the accounts that they name', async (t) => {
  const sqs = 'https://sqs.eu-west-1.amazonaws.com';
  const rows: readonly (readonly [line: string, service: string, expected: string, Asking?])[] = [
    ['POST https://iam.us-gov.amazonaws.com/?Action=CreateUser', 'iam', 'iam/create-user · admin iam ours'],
    [
      'GET https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15',
      'sts',
      'sts/get-caller-identity · read sts ours',
    ],
    [
      'POST https://sts.eu-west-1.amazonaws.com/',
      'sts',
      'sts/get-caller-identity · read sts ours',
      { headers: form, body: 'Action=GetCallerIdentity' },
    ],
    [
      'POST https://sts.amazonaws.com/',
      'sts',
      'sts/assume-role · read sts ours + read sts theirs',
      { headers: form, body: 'Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Fx' },
    ],
    [
      'POST https://sts.amazonaws.com/',
      'sts',
      'sts/assume-role-with-web-identity · read sts theirs',
      { headers: form, body: 'Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::210987654321:role/x' },
    ],
    [
      'POST https://iam.amazonaws.com/',
      'iam',
      'iam/create-user · admin iam ours',
      { headers: form, body: 'Action=CreateUser&UserName=x' },
    ],
    [
      'POST https://iam.amazonaws.com/',
      'iam',
      'iam/list-mfa-devices · read iam ours',
      { headers: form, body: 'Action=ListMFADevices' },
    ],
    [
      'POST https://iam.amazonaws.com/?Action=GetUser',
      'iam',
      'iam/unknown · admin iam ? · unknown',
      { headers: form, body: 'Action=CreateUser' },
    ],
    [
      'POST https://iam.amazonaws.com/',
      'iam',
      'iam/unknown · admin iam ? · unknown',
      { headers: form, body: 'Action=GetUser&Action=CreateUser' },
    ],
    [
      'POST https://iam.amazonaws.com/',
      'iam',
      'iam/unknown · admin iam ? · unknown',
      { headers: json('IAM.GetUser'), body: '{"a":"&Action=CreateUser&b="}' },
    ],
    [
      'POST https://iam.amazonaws.com/',
      'iam',
      'iam/unknown · admin iam ? · unknown',
      { headers: form, body: `Action=GetUser&AWSAccessKeyId=${theirs}` },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/put-item · write dynamodb ours',
      {
        headers: json('DynamoDB_20120810.PutItem'),
        body: '{"TableName":"t","Item":{"k":{"S":"arn:aws:sns:eu-west-1:210987654321:x"}}}',
      },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/put-item · write dynamodb ours + write dynamodb theirs',
      {
        headers: json('DynamoDB_20120810.PutItem'),
        body: '{"TableName":"arn:aws:dynamodb:eu-west-1:210987654321:table/t"}',
      },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/batch-write-item · write dynamodb ours + write dynamodb theirs',
      {
        headers: json('DynamoDB_20120810.BatchWriteItem'),
        body: '{"RequestItems":{"arn:aws:dynamodb:eu-west-1:210987654321:table/t":[]}}',
      },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/query · read dynamodb ours',
      { headers: json('DynamoDB_20120810.Query'), body: '{}' },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/scan · read dynamodb ours',
      { headers: json('DynamoDB_20120810.Scan'), body: '{}' },
    ],
    [
      'POST https://210987654321.ddb.eu-west-1.amazonaws.com/',
      'dynamodb',
      'dynamodb/scan · read dynamodb ours + read dynamodb theirs',
      { headers: json('DynamoDB_20120810.Scan'), body: '{}' },
    ],
    [
      'POST https://dynamodb.eu-west-1.amazonaws.com/?Action=GetItem',
      'dynamodb',
      'dynamodb/unknown · write dynamodb ? · unknown',
      { headers: json('DynamoDB_20120810.Scan'), body: '{}' },
    ],
    [
      `POST ${sqs}/`,
      'sqs',
      'sqs/send-message · write sqs ours + write sqs theirs',
      {
        headers: json('AmazonSQS.SendMessage'),
        body: `{"QueueUrl":"${sqs}/210987654321/q","MessageBody":"x"}`,
      },
    ],
    [
      `POST ${sqs}/`,
      'sqs',
      'sqs/send-message · write sqs ours + write sqs theirs',
      {
        headers: json('AmazonSQS.SendMessage'),
        body: `{"QueueUrl":"${sqs}/210987654321/q","QueueUrl":"${sqs}/123456789012/q"}`,
      },
    ],
    [
      `POST ${sqs}/`,
      'sqs',
      'sqs/send-message · write sqs ours + write sqs theirs',
      {
        headers: json('AmazonSQS.SendMessage'),
        body: String.raw`{"QueueUrl":"\u0068ttps:\/\/sqs.eu-west-1.amazonaws.com\/210987654321\/q"}`,
      },
    ],
    [
      `POST ${sqs}/210987654321/q`,
      'sqs',
      'sqs/send-message · write sqs ours + write sqs theirs',
      { headers: form, body: 'Action=SendMessage&MessageBody=x' },
    ],
    [
      'POST https://sns.eu-west-1.amazonaws.com/',
      'sns',
      'sns/publish · write sns ours + write sns theirs',
      {
        headers: form,
        body: 'Action=Publish&TopicArn=arn:aws:sns:eu-west-1:210987654321:t&Message=arn:aws:sns:eu-west-1:333333333333:t',
      },
    ],
    [
      'POST https://ec2.eu-west-1.amazonaws.com/',
      'ec2',
      'ec2/modify-snapshot-attribute · admin ec2 ours + admin ec2 theirs',
      {
        headers: form,
        body: 'Action=ModifySnapshotAttribute&CreateVolumePermission.Add.1.UserId=210987654321',
      },
    ],
    [
      'POST https://api.ecr.eu-west-1.amazonaws.com/',
      'ecr',
      'ecr/put-image · write ecr ours + write ecr theirs',
      {
        headers: json('AmazonEC2ContainerRegistry_V20150921.PutImage'),
        body: '{"registryId":"210987654321"}',
      },
    ],
    [
      'POST https://email.eu-west-1.amazonaws.com/',
      'ses',
      'ses/send-email · write ses ours',
      { headers: form, body: 'Action=SendEmail' },
    ],
    [
      'GET https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f',
      'lambda',
      'lambda/get · read lambda ours · unknown',
    ],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/invocations',
      'lambda',
      'lambda/post · write lambda ours · unknown',
      { body: '{}' },
    ],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/invocations',
      'lambda',
      'lambda/unknown · write lambda ? · unknown',
      { headers: json('X.GetFunction'), body: '{}' },
    ],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A210987654321%3Afunction%3Af/invocations',
      'lambda',
      'lambda/post · write lambda ours + write lambda theirs · unknown',
      { body: '{}' },
    ],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/policy',
      'lambda',
      'lambda/post · admin lambda ours · unknown',
      { body: '{}' },
    ],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f?Action=GetX',
      'lambda',
      'lambda/unknown · write lambda ? · unknown',
      { body: '{}' },
    ],
    [
      'POST https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/PutMetricData',
      'monitoring',
      'monitoring/put-metric-data · write monitoring ours',
      { headers: { 'smithy-protocol': 'rpc-v2-cbor' }, body: 'x' },
    ],
    [
      'POST https://cognito-idp.eu-west-1.amazonaws.com/',
      'cognito-idp',
      'cognito-idp/sign-up · write cognito-idp ?',
      { headers: json('AWSCognitoIdentityProviderService.SignUp'), body: '{}' },
    ],
    [
      'POST https://kms.eu-west-1.amazonaws.com/',
      'kms',
      'kms/create-grant · admin kms ours',
      { headers: json('TrentService.CreateGrant'), body: '{}' },
    ],
    [
      'POST https://organizations.us-east-1.amazonaws.com/',
      'organizations',
      'organizations/create-account · admin organizations ours',
      { headers: json('AWSOrganizationsV20161128.CreateAccount'), body: '{}' },
    ],
    [
      'POST https://kms.eu-west-1.amazonaws.com/',
      'sts',
      'kms/list-keys · read kms ? · unknown',
      { headers: json('TrentService.ListKeys'), body: '{}' },
    ],
    ['GET https://iam.amazonaws.com/x?Action=CreateUser', 'iam', 'iam/unknown · admin iam ? · unknown'],
    ['GET https://iam.amazonaws.com/?action=CreateUser', 'iam', 'iam/unknown · admin iam ? · unknown'],
    ['GET https://iam.amazonaws.com/?Action=CreateUser', 'iam', 'iam/create-user · admin iam ours'],
    [
      'POST https://lambda.eu-west-1.amazonaws.com/f/invocations',
      'lambda',
      'lambda/unknown · write lambda ? · unknown',
      { headers: form, body: 'Action=GetX' },
    ],
    [
      'POST https://sns.eu-west-1.amazonaws.com/x',
      'sns',
      'sns/unknown · write sns ? · unknown',
      { headers: form, body: 'Action=Publish' },
    ],
    [
      'POST https://sns.eu-west-1.amazonaws.com/',
      'sns',
      'sns/unknown · write sns ? · unknown',
      { headers: { 'content-type': 'text/plain' }, body: 'Action=Publish&TopicArn=x' },
    ],
    [
      'POST https://sns.eu-west-1.amazonaws.com/x',
      'sns',
      'sns/unknown · write sns ? · unknown',
      { body: 'Action=Publish&TopicArn=x' },
    ],
  ];
  for (const [line, service, expected, asking = {}] of rows) {
    const headers = { authorization: sign(service), ...asking.headers };
    t.equal(say(ask(line, { ...asking, headers })), expected, `${line} ${asking.body ?? ''}`);
  }
});

t.test('what cannot be read of a body hides whose it is', async (t) => {
  const headers = { authorization: sign('sqs'), ...json('AmazonSQS.SendMessage') };
  const found = aws.understand(request('POST https://sqs.eu-west-1.amazonaws.com/', { headers, body: '' }));
  t.equal(say(found), 'sqs/send-message · write sqs ? · unknown', 'before it is there');
  const opaque = found?.hold?.withBody({ kind: 'opaque', detail: 'large', raw: [] }) ?? null;
  t.equal(say(opaque), 'sqs/send-message · write sqs ? · unknown');
  const arns = Array.from({ length: 20 }, (_, at) => `"arn:aws:sqs:r:${100_000_000_000 + at}:q"`);
  const many = ask('POST https://sqs.eu-west-1.amazonaws.com/', {
    headers,
    body: `{"QueueUrl":[${arns.join()}]}`,
  });
  t.equal(
    many?.operation?.touches.some((touch) => touch.kind === 'cloud' && touch.account === null),
    true,
  );
  const get = ask('GET https://lake.s3.amazonaws.com/k', {
    headers: { authorization: sign('s3') },
    body: 'x',
  });
  t.equal(say(get), 's3/get-object · write s3 ours lake', 'a GET that carries something out');
  const override = { authorization: sign('s3'), 'x-http-method-override': 'PUT' };
  const overridden = ask('GET https://lake.s3.amazonaws.com/k', { headers: override });
  t.equal(say(overridden), 's3/get-object · write s3 ours lake · unknown');
});

t.test('hostile requests never throw, cost little, and never open what nobody signed', async (t) => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const pieces = [
    's3',
    's3-',
    'vpce',
    'bucket',
    'eu-west-1',
    'dualstack',
    '.',
    '-',
    '123456789012',
    'x',
    '%',
    '%2F',
    '/',
    '?',
    '&',
    '=',
    'Action',
    'X-Amz-Credential',
    ours,
    '"',
    '\\',
    ':',
    'arn:aws:s:r:210987654321:',
    '{',
    'é',
    '\0',
    ' ',
    'AWS4-HMAC-SHA256',
    'Credential',
    ',',
  ];
  const noise = () => Array.from({ length: random(12) }, () => pieces[random(pieces.length)]!).join('');
  const allowed = new Set(['read', 'write', 'admin']);
  const startedAt = performance.now();
  for (let round = 0; round < 20_000; round++) {
    const host = `${noise().replaceAll(/[^a-z0-9.-]/g, '')}.amazonaws.com`;
    const headers = { 'x-amz-target': noise(), 'content-type': 'application/x-amz-json-1.1' };
    const found = ask(
      `POST https://${host}/${noise().replaceAll(/[ ?]/g, '')}?${noise().replaceAll(' ', '')}`,
      { headers, body: noise() },
    );
    const touches = found?.operation?.touches ?? [];
    if (found !== null && (touches.length === 0 || !allowed.has(touches[0]!.access))) t.fail(host);
  }
  const slow = ask('POST https://sqs.eu-west-1.amazonaws.com/', {
    headers: json('AmazonSQS.SendMessage'),
    body: '\\"'.repeat(250_000),
  });
  t.ok(slow);
  t.ok(performance.now() - startedAt < 10_000, 'linear');
});
