// GitLab takes tokens in the query as well as in fields: seen as the field that they stand for.

const fieldOf: Readonly<Record<string, string>> = {
  job_token: 'job-token',
  private_token: 'private-token',
  deploy_token: 'deploy-token',
};
const maxQueryLength = 16_384;

/** `header` with the fields that a query stands for; a field that is there itself wins. */
export function withQueryTokens(
  header: (name: string) => string | null,
  query: string,
): (name: string) => string | null {
  if (!query.includes('_token') || query.length > maxQueryLength) return header;
  const given = new URLSearchParams(query);
  const found = new Map<string, string>();
  for (const [parameter, field] of Object.entries(fieldOf)) {
    const token = given.get(parameter);
    if (token !== null) found.set(field, token);
  }
  return (name) => header(name) ?? found.get(name) ?? null;
}
