// Reads the tables of routes (routes/*.ts) once, at the start. A table is lines of two forms:
//   `= contents:read | issues:read, open`   what the routes below need, until the next such line
//   `./labels/{name} GET issues/get-label PATCH issues/update-label`   a path and, by method, Octokit's ids
// Of a need: alternatives of `key:level`, `none`, `unknown` (on purpose) or `beyond x` (no workflow can grant x, its
// level is the method's unless named). Of its marks: `open` (a public repository lets anybody), `admin` (what
// writes there outlives the job or opens the platform), `reads` (whatever the method, nothing changes).
// `.` is /repos/{owner}/{repo}; `{ref*}` takes one segment or more.

import type { Access, Operation, Permission } from '../../flow/operation.ts';

export interface Route {
  readonly method: string;
  /** With the names of its parameters. */
  readonly path: string;
  /** Octokit's id. */
  readonly name: string;
  readonly access: Access;
  readonly needs: Operation['needs'];
  readonly ungrantable: readonly string[];
  /** Public repositories let anybody. */
  readonly isOpen: boolean;
  /** Listed, and still not known what it needs. */
  readonly isUnknown: boolean;
}

interface Section {
  readonly needs: Operation['needs'];
  readonly beyond: readonly string[];
  readonly isUnknown: boolean;
  readonly marks: readonly string[];
}

const nothing: Section = { needs: [{}], beyond: [], isUnknown: false, marks: [] };

/** Every route of one table, in its order. */
export function readRoutes(table: string): Route[] {
  let section = nothing;
  const routes: Route[] = [];
  for (const line of table.split('\n')) {
    if (line.startsWith('= ')) section = readSection(line.slice(2));
    else if (line !== '') routes.push(...readLine(line, section));
  }
  return routes;
}

function readSection(text: string): Section {
  const words = text.split(', ');
  const beyond = words.filter((word) => word.startsWith('beyond ')).map((word) => word.slice(7));
  const needed = words.filter((word) => word.includes(':') && !word.startsWith('beyond '));
  return {
    needs: needed.length === 0 ? [{}] : needed.flatMap((word) => word.split(' | ').map(readPermission)),
    beyond,
    isUnknown: words.includes('unknown'),
    marks: words,
  };
}

function readPermission(text: string): Permission {
  const [key, level] = text.split(':');
  return { [key!]: level === 'write' ? 'write' : 'read' };
}

function readLine(line: string, section: Section): Route[] {
  const [path, ...rest] = line.split(' ');
  const routes: Route[] = [];
  for (let i = 0; i + 1 < rest.length; i += 2) {
    const method = rest[i]!;
    const level = method === 'GET' ? 'read' : 'write';
    routes.push({
      method,
      path: path!.startsWith('.') ? `/repos/{owner}/{repo}${path!.slice(1)}` : path!,
      name: rest[i + 1]!,
      access: accessOf(method, section),
      needs: section.needs,
      ungrantable: section.beyond.map((word) => spellBeyond(word, level)),
      isOpen: section.marks.includes('open'),
      isUnknown: section.isUnknown,
    });
  }
  return routes;
}

function accessOf(method: string, section: Section): Access {
  if (method === 'GET' || section.marks.includes('reads')) return 'read';
  return section.marks.includes('admin') ? 'admin' : 'write';
}

// A token of another kind and an enterprise have no levels.
function spellBeyond(word: string, level: string): string {
  if (word === 'enterprise' || word.endsWith('-token')) return word;
  return word.includes(':') ? word.replace(':', ': ') : `${word}: ${level}`;
}
