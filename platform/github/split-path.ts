// Paths and queries of GitHub as segments and values. Paths come canonical: what is still encoded is data.

/** More segments than any path of the platform has. */
const maxSegments = 256;
const maxQueryLength = 16_384;

/** The segments of a path; slashes that are doubled or at its end count for nothing, as on the platform. */
export function splitPath(path: string): string[] {
  return path.split('/', maxSegments).filter((segment) => segment !== '');
}

/** A segment as the platform reads it; one that does not decode stays as it is. */
export function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** All values of one key of a query, decoded; null when the query is too long to be read. */
export function queryValues(query: string, key: string): string[] | null {
  if (query === '') return [];
  return query.length > maxQueryLength ? null : new URLSearchParams(query).getAll(key);
}

/** The same where the platform reads names of parameters without case, as the runner's service does. */
export function queryValuesWithoutCase(query: string, key: string): string[] | null {
  if (query.length > maxQueryLength) return null;
  return [...new URLSearchParams(query)].flatMap(([name, value]) =>
    name.toLowerCase() === key ? value : [],
  );
}
