// Reads the tables of routes (routes/*.ts) once, at the start. A table is lines of two forms:
//   `= packages:read, open`   what the routes below need, until the next such line
//   `./issues/{issue_iid} GET issues/get PUT issues/update`   a path and, by method, our names
// Of a need: permissions of a job's token joined by `+`, `none`, or `api` (no job's token has that scope). Of its
// marks: `open` (a public project lets anybody read), `admin` (what writes there outlives the job or opens the
// platform), `reads`, `own` (the job's own project), `hidden` (whose it is the path does not tell), `elsewhere` (it
// makes or moves a project where the path does not tell), `crosses X` (the body or query may name another project
// as X). `.` is /projects/{project}, `~` is /groups/{group}.

import { parseNeeds } from '../need-sets.ts';
import type { Route as SharedRoute } from '../github/read-routes.ts';

export interface Route extends SharedRoute {
  readonly isOwn: boolean;
  readonly isHidden: boolean;
  readonly isElsewhere: boolean;
  /** Parameter by which another project is named, or null. */
  readonly crosses: string | null;
}

/** Every route of one table, in its order. @throws Error for a need that is none: tables are ours */
export function readRoutes(table: string): Route[] {
  let words: readonly string[] = ['none'];
  const routes: Route[] = [];
  for (const line of table.split('\n')) {
    if (line.startsWith('= ')) words = line.slice(2).split(', ');
    else if (line !== '') routes.push(...readLine(line, words));
  }
  return routes;
}

function readLine(line: string, words: readonly string[]): Route[] {
  const [path = '', ...rest] = line.split(' ');
  const routes: Route[] = [];
  for (let i = 0; i + 1 < rest.length; i += 2)
    routes.push(readRoute(rest[i]!, spellOut(path), rest[i + 1]!, words));
  return routes;
}

function spellOut(path: string): string {
  if (path.startsWith('.')) return `/projects/{project}${path.slice(1)}`;
  return path.startsWith('~') ? `/groups/{group}${path.slice(1)}` : path;
}

function readRoute(method: string, path: string, name: string, words: readonly string[]): Route {
  const [need = 'none'] = words;
  const isRead = method === 'GET' || words.includes('reads');
  return {
    method,
    path,
    name,
    access: isRead ? 'read' : words.includes('admin') ? 'admin' : 'write',
    needs: need === 'api' ? [{}] : parseNeeds(need),
    ungrantable: need === 'api' ? [isRead ? 'read_api' : 'api'] : [],
    isOpen: words.includes('open') && isRead,
    isUnknown: false,
    isOwn: words.includes('own'),
    isHidden: words.includes('hidden'),
    isElsewhere: words.includes('elsewhere'),
    crosses: words.find((word) => word.startsWith('crosses '))?.slice(8) ?? null,
  };
}
