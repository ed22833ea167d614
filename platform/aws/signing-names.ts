// What services of AWS are called in signatures, which is how policy names them, where their hosts say something else;
// and which of them take some calls without a signature, so that one proves nothing there.

const others: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'api.ecr': 'ecr',
    'api.ecr-public': 'ecr-public',
    'api.pricing': 'pricing',
    'api.sagemaker': 'sagemaker',
    appconfigdata: 'appconfig',
    'bedrock-agent': 'bedrock',
    'bedrock-agent-runtime': 'bedrock',
    'bedrock-runtime': 'bedrock',
    'catalog.marketplace': 'aws-marketplace',
    email: 'ses',
    'entitlement.marketplace': 'aws-marketplace',
    'git-codecommit': 'codecommit',
    'metering.marketplace': 'aws-marketplace',
    'models-v2-lex': 'lex',
    'models.lex': 'lex',
    oidc: 'sso-oauth',
    'portal.sso': 'awsssoportal',
    queue: 'sqs',
    'runtime-v2-lex': 'lex',
    'runtime.lex': 'lex',
    'runtime.sagemaker': 'sagemaker',
    'streams.dynamodb': 'dynamodb',
    transcribestreaming: 'transcribe',
  }),
);

/** The name in signatures of the service whose host begins so. */
export function signingName(label: string): string {
  return others.get(label) ?? label;
}

const unsigned: ReadonlySet<string> = new Set([
  'awsssoportal',
  'cognito-identity',
  'cognito-idp',
  'rum',
  'dataplane',
  'signin',
  'sso-oauth',
]);

/** True for a service that answers calls of anybody, whatever their signature says. */
export function takesUnsigned(service: string): boolean {
  return unsigned.has(service);
}
