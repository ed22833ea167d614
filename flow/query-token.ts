// Forges take tokens in the query as well as in fields: seen beside the field that they stand for.

const fieldOf = [
  ['job_token', 'job-token'],
  ['private_token', 'private-token'],
  ['deploy_token', 'deploy-token'],
] as const;
const maxQueryLength = 16_384;

/** `header` with what a query gives: fields of GitLab, and an OAuth token where there is no Authorization. */
export function withQueryTokens(
  header: (name: string) => string | null,
  query: string,
): (name: string) => string | null {
  if (query.length > maxQueryLength || !/_token|%5f/i.test(query)) return header;
  const given = new URLSearchParams(query);
  const found = new Map<string, string>();
  // Of several the platform takes the first or the last: all are told.
  for (const [parameter, field] of fieldOf) {
    const tokens = given.getAll(parameter);
    if (tokens.length > 0) found.set(field, [header(field) ?? [], tokens].flat().join(', '));
  }
  const bearers = given.getAll('access_token').map((token) => `Bearer ${token}`);
  if (bearers.length > 0 && header('authorization') === null) found.set('authorization', bearers.join(', '));
  return (name) => found.get(name) ?? header(name);
}
